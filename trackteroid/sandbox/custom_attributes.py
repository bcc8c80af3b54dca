"""Custom attribute values: the stored rows and the dense views of them (specification 2.10)."""

from __future__ import annotations

from typing import Any

from trackteroid.sandbox.changes import Changes
from trackteroid.sandbox.errors import IntegrityError, ValidationError
from trackteroid.sandbox.schema import EntityType
from trackteroid.sandbox.storage import quoted
from trackteroid.sandbox.values import Stored, from_wire, parse_time, time_to_wire

__all__ = ["check_applies", "is_dense", "set_value", "stored_value"]

_NAMES = {
    "number": "number",
    "text": "string",
    "expression": "string",
    "boolean": "boolean",
    "date": "date-time",
    "enumerator": "list of strings",
    "dynamic enumerator": "list of strings",
}


def is_dense(entity_type: EntityType) -> bool:
    """Whether the type is one of the computed views with a row per applicable configuration."""
    return entity_type.view and entity_type.primary_key == ("configuration_id", "entity_id")


def stored_value(changes: Changes, configuration_id: Stored, value: Any) -> Stored:
    """A value as it is stored, checked against its configuration's type.

    Raises:
        ValidationError: The configuration is of another type, or it is no date.
    """
    configuration = changes.by_id("CustomAttributeConfiguration", configuration_id)
    kind = None if configuration is None else changes.by_id("CustomAttributeType", configuration.values["type_id"])
    if configuration is not None and kind is not None and value is not None:
        name = str(kind.values["name"]).replace("_", " ").lower()
        if not _fits(name, value):
            raise ValidationError(
                f'Custom attribute value for "{configuration.values["key"]}" must be of type {_NAMES.get(name, name)}.'
                f' Got "{value}" of type {type(value).__name__}.'
            )
        if name == "date":
            # As other times are: in UTC, whole seconds; clients read nothing else.
            value = time_to_wire(parse_time(value["value"]))
    return from_wire(changes.storage.schema.type("CustomAttributeValue").attributes["value"], value)


def _fits(kind: str, value: Any) -> bool:
    if kind == "number":
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind == "boolean":
        return isinstance(value, bool)
    if kind == "date":
        return isinstance(value, dict) and isinstance(value.get("value"), str)
    if kind in ("enumerator", "dynamic enumerator"):
        return isinstance(value, str) or (isinstance(value, list) and all(isinstance(each, str) for each in value))
    return isinstance(value, str) if kind in ("text", "expression") else True


def set_value(changes: Changes, key: tuple[Stored, ...], value: Any) -> None:
    """Store a value, whether there is one already or not."""
    table = changes.storage.schema.type("CustomAttributeValue")
    stored = stored_value(changes, key[0], value)
    row = changes.by_key(table, key)
    if row is None:
        changes.insert(table, {"configuration_id": key[0], "entity_id": key[1], "value": stored})
    else:
        changes.set(row, {"value": stored})


def check_applies(changes: Changes, entity_type: EntityType, key: tuple[Stored, ...]) -> None:
    """The entity must have this attribute.

    Raises:
        IntegrityError: The configuration doesn't apply to the entity, or one of them doesn't exist.
    """
    sql = f'SELECT 1 FROM {quoted(entity_type.table)} WHERE "configuration_id" = ? AND "entity_id" = ?'
    if changes.storage.execute(sql, key).fetchone() is None:
        raise IntegrityError(f"{entity_type.name}: configuration {key[0]} does not apply to {key[1]}.")
