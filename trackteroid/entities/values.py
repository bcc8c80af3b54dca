"""Reading attribute values of the official client's entities without side effects.

Asking a client entity for a collection attribute that was never fetched makes the client store an empty collection as a
local value, and from then on the attribute counts as set (defect D64, original issue 4). So we look into the entity's
storage: the local value if there is one, else the remote value, else `NOT_SET`. Only where the user switched
`auto_populate` on, the client is asked, as that fetches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ftrack_api.symbol import NOT_SET

__all__ = ["NOT_SET", "identity", "items", "mapping", "read", "read_all", "reader"]

_STORAGE = "_ftrack_attribute_storage"
_NO_STORAGE: dict[str, Any] = {}


def read(entity: Any, name: str) -> Any:
    """Return an attribute's value as it is stored, `NOT_SET` if it was neither fetched nor set."""
    cell = getattr(entity, _STORAGE, _NO_STORAGE).get(name)
    if cell is not None:
        value = cell["local"]
        if value is not NOT_SET:
            return value
        value = cell["remote"]
        if value is not NOT_SET:
            return value
    if entity.session.auto_populate and entity.__class__.attributes.get(name) is not None:
        return entity[name]
    return NOT_SET


def read_all(entities: Iterable[Any], name: str) -> list[Any]:
    """Return one value per entity; the same as `read` for each, in one pass."""
    values: list[Any] = []
    append = values.append
    for entity in entities:
        try:
            cell = entity._ftrack_attribute_storage[name]
            value = cell["local"]
            if value is NOT_SET:
                value = cell["remote"]
        except AttributeError:
            value = NOT_SET
        append(read(entity, name) if value is NOT_SET else value)
    return values


def reader(names: Sequence[str]) -> Callable[[Any], Any]:
    """Return a function from an entity to its identity by these primary key attributes.

    It is the plain text where the key is one attribute, else a tuple of texts.
    """
    if len(names) == 1:
        (name,) = names
        return lambda entity: str(read(entity, name))
    return lambda entity: tuple(str(read(entity, name)) for name in names)


def identity(entity: Any) -> tuple[str, Any]:
    """Return (type name, identity) of an entity."""
    return entity.entity_type, reader(entity.primary_key_attributes)(entity)


def items(value: Any) -> list[Any]:
    """Return the entities in the value of a reference, array or mapped attribute; none for None and `NOT_SET`."""
    if value is None or value is NOT_SET:
        return []
    collection = getattr(value, "collection", value)
    if hasattr(collection, "primary_key_attributes"):
        return [collection]
    return list(collection)


def mapping(value: Any) -> dict[str, Any]:
    """Return a mapped attribute's value as a plain dictionary; empty where it is unset."""
    if value is None or value is NOT_SET:
        return {}
    key, content = getattr(value, "key_attribute", "key"), getattr(value, "value_attribute", "value")
    return {str(read(entry, key)): read(entry, content) for entry in items(value)}
