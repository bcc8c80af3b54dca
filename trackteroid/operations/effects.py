"""What recorded operations do, told from the operations alone: pure functions of their values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from trackteroid.operations.operation import (
    JSON,
    NOT_SET,
    CreateOperation,
    DeleteOperation,
    Operation,
    UpdateOperation,
)

__all__ = ["Effects", "Identity", "effects_of", "identity_of", "references_in", "texts_in", "without_unset"]

# Most values are of these; what takes long to ask of them is whether they are mappings.
_PLAIN = frozenset({str, int, float, bool, type(None)})

#: Entity type and primary key values, in the order of the schema.
Identity: TypeAlias = tuple[str, tuple[str, ...]]


@dataclass(frozen=True, kw_only=True)
class Effects:
    """Which entities operations are about.

    Attributes:
        created: In the order of their creation.
        updated: Entity to the attributes that are written after its creation, in the order of the first update of each.
        deleted: In the order of their deletion.
        referenced: What new values refer to and the operations do not create, with the object that refers to it.
    """

    created: tuple[Identity, ...]
    updated: Mapping[Identity, tuple[str, ...]]
    deleted: tuple[Identity, ...]
    referenced: Mapping[Identity, Mapping[str, JSON]]


def identity_of(operation: Operation) -> Identity:
    """Return the entity that an operation is about."""
    return operation.entity_type, tuple(operation.entity_key.values())


def effects_of(operations: Iterable[Operation]) -> Effects:
    """Return which entities `operations` create, update, delete and refer to."""
    created: dict[Identity, None] = {}
    updated: dict[Identity, dict[str, None]] = {}
    deleted: dict[Identity, None] = {}
    referenced: dict[Identity, Mapping[str, JSON]] = {}
    for operation in operations:
        key = identity_of(operation)
        if isinstance(operation, CreateOperation):
            created[key] = None
            values: Iterable[JSON] = operation.entity_data.values()
        elif isinstance(operation, UpdateOperation):
            written = updated.get(key)
            if written is None:
                written = updated[key] = {}
            written[operation.attribute_name] = None
            values = (operation.new_value,)
        else:
            deleted[key] = None
            continue
        for value in values:
            kind = value.__class__
            if kind in _PLAIN:
                continue
            found = _meant(value) if kind is dict else None
            if found is not None:
                referenced.setdefault(found, value)
                continue
            for found, reference in references_in(value):
                referenced.setdefault(found, reference)
    return Effects(
        created=tuple(created),
        updated={key: tuple(names) for key, names in updated.items()},
        deleted=tuple(deleted),
        referenced={key: reference for key, reference in referenced.items() if key not in created},
    )


def references_in(value: JSON) -> Iterator[tuple[Identity, Mapping[str, JSON]]]:
    """Yield the entities that a value refers to, and the objects that do."""
    pending: list[JSON] = [value]
    while pending:
        item = pending.pop()
        kind = item.__class__
        if kind in _PLAIN:
            continue
        if kind is dict or isinstance(item, Mapping):
            found = _meant(item)
            if found is not None:
                yield found, item
            else:
                pending.extend(item.values())
        elif isinstance(item, list):
            pending.extend(reversed(item))


def _meant(value: Mapping[str, JSON]) -> Identity | None:
    """Return the entity that an object stands for, None if it is no reference."""
    entity_type = value.get("__entity_type__")
    if not isinstance(entity_type, str):
        return None
    return entity_type, tuple([str(value[name]) for name in value if name != "__entity_type__"])


def texts_in(operation: Operation) -> Iterator[str]:
    """Yield the text values that an operation writes; foreign keys are among them."""
    if isinstance(operation, CreateOperation):
        yield from (value for value in operation.entity_data.values() if isinstance(value, str))
    elif isinstance(operation, UpdateOperation) and isinstance(operation.new_value, str):
        yield operation.new_value


def without_unset(operations: Sequence[Operation]) -> list[Operation]:
    """Return the operations without updates back to "no value" and the updates of the same attribute before them.

    The client sends neither: of several updates of one attribute only the last, and nothing that is not set (rule:
    spec library 3.6; the client's `Session.commit`).
    """
    if not any(isinstance(operation, UpdateOperation) and operation.new_value is NOT_SET for operation in operations):
        return list(operations)
    cancelled: dict[Identity, set[str]] = {}
    kept: list[Operation] = []
    for operation in reversed(operations):
        key = identity_of(operation)
        if isinstance(operation, UpdateOperation):
            if operation.new_value is NOT_SET:
                cancelled.setdefault(key, set()).add(operation.attribute_name)
            if operation.attribute_name in cancelled.get(key, ()):
                continue
        elif isinstance(operation, DeleteOperation):
            # What was done to an earlier entity of this key has nothing to do with what is done to a later one.
            cancelled.pop(key, None)
        kept.append(operation)
    kept.reverse()
    return kept
