"""What a client sends to be written -> columns and collections (specification 2.5, 2.6, 2.9)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from trackteroid.sandbox.errors import MalformedRequestError, UnknownEntityTypeError, ValidationError
from trackteroid.sandbox.schema import Attribute, EntityType, Kind, Schema
from trackteroid.sandbox.table_names import table_name
from trackteroid.sandbox.values import Stored, from_wire

__all__ = ["Incoming", "decode", "decode_key"]

Key = tuple[Stored, ...]
# Sums of what is stored, such as the time logged on a task, must stay numbers that JSON has.
_LARGEST_NUMBER = 1e15


@dataclass(slots=True)
class Incoming:
    """One entity's data, decoded.

    Attributes:
        columns: Values by storage column; references are their keys.
        collections: Complete new content of collections, as keys.
        names: The attributes that were sent and that the type has, for the answer.
        times: Date-times exactly as they were sent: the answer repeats them so (trap 4).
    """

    columns: dict[str, Stored] = field(default_factory=dict)
    collections: list[tuple[Attribute, list[Key]]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    times: dict[str, Any] = field(default_factory=dict)


def decode(schema: Schema, entity_type: EntityType, data: Any) -> Incoming:
    """Decode `entity_data`. Unknown keys and computed attributes are ignored.

    Raises:
        MalformedRequestError: It is no object.
        ValidationError: A value that its attribute cannot hold.
    """
    if not isinstance(data, Mapping):
        raise MalformedRequestError("entity_data must be an object.")
    result = Incoming()
    for name, value in data.items():
        attribute = entity_type.attributes.get(name)
        if attribute is None or attribute.hidden or attribute.derived or attribute.read_only:
            continue
        if attribute.kind is Kind.LINKS:
            continue
        if attribute.is_collection:
            result.collections.append((attribute, _references(schema, attribute, value)))
        elif attribute.kind is Kind.REF:
            if any(_is_derived(entity_type, column) for column in attribute.columns):
                continue
            keys = _reference(schema, attribute, value)
            result.columns.update(zip(attribute.columns, keys, strict=True))
        else:
            result.columns[attribute.column or name] = _scalar(schema, attribute, value)
            if attribute.kind is Kind.TIME and isinstance(value, dict):
                result.times[name] = value
        result.names.append(name)
    return result


def _is_derived(entity_type: EntityType, column: str) -> bool:
    attribute = entity_type.attributes.get(column)
    return attribute is not None and attribute.derived


def _scalar(schema: Schema, attribute: Attribute, value: Any) -> Stored:
    stored = from_wire(attribute, value)
    if attribute.kind is Kind.NUMBER and isinstance(stored, (int, float)) and abs(stored) > _LARGEST_NUMBER:
        raise ValidationError(f'"{attribute.name}" must be between -1e15 and 1e15. Got {stored}.')
    if attribute.choices and stored is not None and stored not in attribute.choices:
        raise ValidationError(f'"{attribute.name}" must be one of {", ".join(attribute.choices)}. Got "{stored}".')
    if attribute.transform and isinstance(stored, str):
        return table_name(schema, stored)
    return stored


def _references(schema: Schema, attribute: Attribute, value: Any) -> list[Key]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise ValidationError(f'"{attribute.name}" must be a list of references.')
    keys = [_reference(schema, attribute, each) for each in value]
    if any(None in key for key in keys):
        raise ValidationError(f'"{attribute.name}" must not contain null.')
    return keys


def _reference(schema: Schema, attribute: Attribute, value: Any) -> Key:
    target = schema.type(attribute.target or "")
    if value is None:
        return (None,) * len(target.primary_key)
    if isinstance(value, str) and len(target.primary_key) == 1:
        value = {target.primary_key[0]: value}
    if not isinstance(value, Mapping):
        raise ValidationError(f'"{attribute.name}" must be a reference to {target.name}.')
    name = value.get("__entity_type__", target.name)
    if name not in schema:
        raise UnknownEntityTypeError(f'There is no entity type "{name}".')
    if schema.type(name).table != target.table:
        raise ValidationError(f'"{attribute.name}" must be a reference to {target.name}. Got {name}.')
    try:
        return tuple(from_wire(target.attributes[column], value[column]) for column in target.primary_key)
    except KeyError as error:
        raise ValidationError(f'The reference in "{attribute.name}" lacks {error}.') from None


def decode_key(entity_type: EntityType, key: Any) -> Key:
    """`entity_key` -> key values in primary-key order: a list, or a plain string for one-column keys.

    Raises:
        MalformedRequestError: Wrong shape or length.
    """
    if isinstance(key, (str, int)) and not isinstance(key, bool):
        key = [key]
    if not isinstance(key, list) or len(key) != len(entity_type.primary_key):
        names = ", ".join(entity_type.primary_key)
        raise MalformedRequestError(f"entity_key of {entity_type.name} must be a list: [{names}].")
    return tuple(
        from_wire(entity_type.attributes[name], value) for name, value in zip(entity_type.primary_key, key, strict=True)
    )
