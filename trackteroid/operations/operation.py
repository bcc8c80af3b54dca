"""Recorded operations as values, in the form in which ftrack's protocol carries them.

Nothing here knows the client: a recording can be read, shown and enqueued where it is not installed.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

from trackteroid.errors import RecordingFormatError
from trackteroid.operations.literals import parse_key

__all__ = [
    "JSON",
    "NOT_SET",
    "CreateOperation",
    "DeleteOperation",
    "NotSet",
    "Operation",
    "UpdateOperation",
    "key_text",
    "operation_from_json",
    "operation_to_json",
    "parse_key_text",
    "resolve_textual_references",
    "usual_operation",
]

#: A JSON value. References are `{"__entity_type__": T, "<key>": value}`, dates `{"__type__": "datetime", "value": ISO 8601}`.
JSON: TypeAlias = Any


class NotSet(enum.Enum):
    """The one value that says that an attribute has no value (null is a value)."""

    NOT_SET = "NOT SET"

    def __repr__(self) -> str:
        return "NOT_SET"


NOT_SET: Final = NotSet.NOT_SET

# What the original library writes for it, and hence what stands in files (spec: library 3.3).
_NOT_SET_TEXT = NOT_SET.value


# Values that are never changed, as the type checker sees to. `frozen` would have making one take three times as long, and
# recordings have thousands.


@dataclass(slots=True, kw_only=True)
class CreateOperation:
    """An entity came into being.

    Attributes:
        entity_type: Schema id.
        entity_key: Primary key, attribute name to value, in the schema's order.
        entity_data: Attribute name to value; scalars, as references follow as updates.
    """

    entity_type: Final[str]
    entity_key: Final[Mapping[str, str]]
    entity_data: Final[Mapping[str, JSON]]


@dataclass(slots=True, kw_only=True)
class UpdateOperation:
    """An attribute got a value; `old_value` and `new_value` may be `NOT_SET`."""

    entity_type: Final[str]
    entity_key: Final[Mapping[str, str]]
    attribute_name: Final[str]
    old_value: Final[JSON | NotSet]
    new_value: Final[JSON | NotSet]


@dataclass(slots=True, kw_only=True)
class DeleteOperation:
    """An entity was deleted."""

    entity_type: Final[str]
    entity_key: Final[Mapping[str, str]]


Operation: TypeAlias = "CreateOperation | UpdateOperation | DeleteOperation"


def operation_to_json(operation: Operation) -> dict[str, JSON]:
    """Return an operation as the fields that stand in a file (spec: library 3.3)."""
    return _WRITERS[type(operation)](operation)


def operation_from_json(fields: JSON, *, literal: bool = False) -> Operation:
    """Return the operation that the fields in a file describe.

    Args:
        fields: As they stand in a file.
        literal: Whether the text `NOT SET` as a new value is just that. It is in our own recordings, which hold no updates
            back to "no value"; the original library's hold them, and write them so (defect D09).

    Raises:
        RecordingFormatError: The kind of operation is unknown, or a field is missing or of a wrong type.
    """
    if fields.__class__ is not dict and not isinstance(fields, Mapping):
        raise RecordingFormatError(f"An operation is no object: {_excerpt(fields)}.")
    kind = fields.get("operation")
    reader = _READERS.get(kind) if isinstance(kind, str) else None
    if reader is None:
        raise RecordingFormatError(
            f"The kind of operation {_excerpt(kind)} is unknown; known are {', '.join(_READERS)}. "
            "Was this file written by a newer version?"
        )
    operation = reader(fields)
    if literal and isinstance(operation, UpdateOperation) and operation.new_value is NOT_SET:
        return replace(operation, new_value=_NOT_SET_TEXT)
    return operation


def usual_operation(fields: JSON, *, literal: bool) -> Operation | None:
    """Return what `operation_from_json` returns, in a third of the time; None if that takes a closer look.

    What it returns has no field that it should not have and holds containers of plain values at most, so that it needs no
    further checks.

    Args:
        fields: As the JSON decoder made them, for nobody else: they become part of the operation.
        literal: As of `operation_from_json`.
    """
    try:
        kind, entity_type, key = fields["operation"], fields["entity_type"], fields["entity_key"]
        if entity_type.__class__ is not str or not entity_type or key.__class__ is not dict or len(key) != 1:
            return None
        (value,) = key.values()
        if value.__class__ is not str:
            return None
        if kind == "update" and len(fields) == 6:
            name, old, new = fields["attribute_name"], fields["old_value"], fields["new_value"]
            if name.__class__ is not str or not name:
                return None
            if (old.__class__ is not str and _holds_containers(old)) or _holds_containers(new):
                return None
            return UpdateOperation(
                entity_type=entity_type,
                entity_key=key,
                attribute_name=name,
                old_value=NOT_SET if old == _NOT_SET_TEXT else old,
                new_value=NOT_SET if new == _NOT_SET_TEXT and not literal else new,
            )
        if kind == "create" and len(fields) == 4:
            data = fields["entity_data"]
            if data.__class__ is dict and _CONTAINERS.isdisjoint(map(type, data.values())):
                return CreateOperation(entity_type=entity_type, entity_key=key, entity_data=data)
    except (KeyError, TypeError):
        # A field is missing, or this is no object.
        pass
    return None


_CONTAINERS: frozenset[Any] = frozenset({dict, list})


def _holds_containers(value: JSON) -> bool:
    kind = value.__class__
    if kind not in _CONTAINERS:
        return False
    return not _CONTAINERS.isdisjoint(map(type, value.values() if kind is dict else value))


def _create_to_json(operation: CreateOperation) -> dict[str, JSON]:
    return {
        "operation": "create",
        "entity_type": operation.entity_type,
        "entity_key": dict(operation.entity_key),
        "entity_data": dict(operation.entity_data),
    }


def _update_to_json(operation: UpdateOperation) -> dict[str, JSON]:
    return {
        "operation": "update",
        "entity_type": operation.entity_type,
        "entity_key": dict(operation.entity_key),
        "attribute_name": operation.attribute_name,
        "old_value": _NOT_SET_TEXT if operation.old_value is NOT_SET else operation.old_value,
        "new_value": _NOT_SET_TEXT if operation.new_value is NOT_SET else operation.new_value,
    }


def _delete_to_json(operation: DeleteOperation) -> dict[str, JSON]:
    return {
        "operation": "delete",
        "entity_type": operation.entity_type,
        "entity_key": dict(operation.entity_key),
    }


def _create_from_json(fields: Mapping[str, JSON]) -> CreateOperation:
    return CreateOperation(
        entity_type=_text(fields, "entity_type"),
        entity_key=_key(fields),
        entity_data=dict(_mapping(fields, "entity_data")),
    )


def _update_from_json(fields: Mapping[str, JSON]) -> UpdateOperation:
    return UpdateOperation(
        entity_type=_text(fields, "entity_type"),
        entity_key=_key(fields),
        attribute_name=_text(fields, "attribute_name"),
        old_value=_value(fields, "old_value"),
        new_value=_value(fields, "new_value"),
    )


def _delete_from_json(fields: Mapping[str, JSON]) -> DeleteOperation:
    return DeleteOperation(entity_type=_text(fields, "entity_type"), entity_key=_key(fields))


_WRITERS: dict[type, Callable[[Any], dict[str, JSON]]] = {
    CreateOperation: _create_to_json,
    UpdateOperation: _update_to_json,
    DeleteOperation: _delete_to_json,
}

_READERS: dict[str, Callable[[Mapping[str, JSON]], Operation]] = {
    "create": _create_from_json,
    "update": _update_from_json,
    "delete": _delete_from_json,
}


def _text(fields: Mapping[str, JSON], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        raise RecordingFormatError(f"The {name} of an operation must be text, not {_excerpt(value)}.")
    return value


def _mapping(fields: Mapping[str, JSON], name: str) -> Mapping[str, JSON]:
    value = fields.get(name)
    if value.__class__ is not dict and not isinstance(value, Mapping):
        raise RecordingFormatError(f"The {name} of an operation must be an object, not {_excerpt(value)}.")
    return value


def _key(fields: Mapping[str, JSON]) -> Mapping[str, str]:
    key = _mapping(fields, "entity_key")
    if len(key) == 1:
        # Nearly all have one text.
        ((name, value),) = key.items()
        if value.__class__ is str:
            return {name: value}
    if not key or not all(isinstance(value, str | int) and not isinstance(value, bool) for value in key.values()):
        raise RecordingFormatError(f"The entity_key of an operation must hold key values, not {_excerpt(key)}.")
    return {name: str(value) for name, value in key.items()}


def _value(fields: Mapping[str, JSON], name: str) -> JSON | NotSet:
    if name not in fields:
        raise RecordingFormatError(f"The {name} of an update is missing: {_excerpt(fields)}.")
    # The original sends this text to the server as a value when it is the new one (defect D09).
    return NOT_SET if fields[name] == _NOT_SET_TEXT else fields[name]


def _excerpt(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


# Textual keys


def key_text(entity_type: str, key_values: Sequence[str]) -> str:
    """Return the text that stands for an entity in files: `('Type', ['id'])` (spec: library 3.3).

    ASCII, whatever the key holds: other characters are escaped as Python escapes them, which every reader undoes.
    """
    return ascii((entity_type, list(key_values)))


def parse_key_text(text: str) -> tuple[str, tuple[str, ...]] | None:
    """Return (entity type, key values) of a textual key, None if `text` is none. Evaluates nothing."""
    return parse_key(text)


def resolve_textual_references(
    operations: Iterable[Operation], schemas: Iterable[Mapping[str, Any]]
) -> tuple[Operation, ...]:
    """Return the operations with textual keys turned into references, where the attribute is one.

    Files of the original library carry references as text. Whether text that looks like a key is one is only known
    from the schema: for a text attribute it stays text (spec: library 3.5, rule 3).

    Args:
        operations: As read from a file.
        schemas: The server's schema list.

    Raises:
        RecordingFormatError: A reference names an entity type that the schema does not have.
    """
    operations = tuple(operations)
    textual = [
        (place, operation)
        for place, operation in enumerate(operations)
        if isinstance(operation, UpdateOperation)
        and (isinstance(operation.new_value, str) or isinstance(operation.old_value, str))
    ]
    if not textual:
        return operations
    properties = {schema["id"]: schema["properties"] for schema in schemas}
    keys = {schema["id"]: schema["primary_key"] for schema in schemas}
    resolved: list[Operation] | None = None
    for place, operation in textual:
        attribute = properties.get(operation.entity_type, {}).get(operation.attribute_name, {})
        if "$ref" not in attribute:
            continue
        old = _reference(operation.old_value, keys, operation)
        new = _reference(operation.new_value, keys, operation)
        if old is not operation.old_value or new is not operation.new_value:
            resolved = resolved or list(operations)
            resolved[place] = replace(operation, old_value=old, new_value=new)
    return operations if resolved is None else tuple(resolved)


def _reference(value: JSON | NotSet, keys: Mapping[str, Sequence[str]], operation: UpdateOperation) -> JSON | NotSet:
    parsed = parse_key_text(value) if isinstance(value, str) else None
    if parsed is None:
        return value
    entity_type, values = parsed
    names = keys.get(entity_type)
    if names is None or len(names) != len(values):
        raise RecordingFormatError(
            f"{operation.entity_type}.{operation.attribute_name} refers to {value}, and the server has no such entity type."
        )
    return {"__entity_type__": entity_type, **dict(zip(names, values, strict=True))}
