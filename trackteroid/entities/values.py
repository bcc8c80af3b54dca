"""Reading attribute values of the official client's entities without side effects.

Asking a client entity for a collection attribute that was never fetched makes the client store an empty collection as a
local value, and from then on the attribute counts as set (defect D64, original issue 4). So we look into the entity's
storage: the local value if there is one, else the remote value, else `NOT_SET`. Only where the user switched
`auto_populate` on, the client is asked, as that fetches.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ftrack_api.symbol import NOT_SET

__all__ = ["NOT_SET", "identity", "is_new", "items", "mapping", "read", "read_all", "stored", "unique"]

# How the server names the column behind a reference.
_KEY_SUFFIX = "_id"
_STORAGE = "_ftrack_attribute_storage"
_NO_STORAGE: dict[str, Any] = {}
_UNSET = {"local": NOT_SET, "remote": NOT_SET}


def stored(entity: Any, name: str) -> Any:
    """Return an attribute's value as it is stored, `NOT_SET` if it was neither fetched nor set."""
    cell = getattr(entity, _STORAGE, _NO_STORAGE).get(name)
    if cell is None:
        return NOT_SET
    value = cell["local"]
    return cell["remote"] if value is NOT_SET else value


def read(entity: Any, name: str) -> Any:
    """Return an attribute's value: as it is stored, else what follows from others or the client fetches.

    The client fetches if `auto_populate` is on. The id of a reference that is stored follows from it.
    """
    # As `stored`, without the call: this is what loops over collections spend their time on.
    try:
        cell = entity._ftrack_attribute_storage[name]
    except AttributeError:
        cell = _UNSET
    value = cell["local"]
    if value is NOT_SET:
        value = cell["remote"]
        if value is NOT_SET:
            return _otherwise(entity, name)
    return value


def _otherwise(entity: Any, name: str) -> Any:
    """Return the value of an attribute that is not stored, `NOT_SET` if it is not to be had."""
    if name.endswith(_KEY_SUFFIX):
        # `parent_id` where `parent` is at hand: the server's answer to a create holds what was sent, nothing else.
        referred = stored(entity, name.removesuffix(_KEY_SUFFIX))
        names = getattr(referred, "primary_key_attributes", None)
        if names is not None and len(names) == 1:
            return stored(referred, names[0])
    if entity.session.auto_populate and entity.__class__.attributes.get(name) is not None:
        return entity[name]
    return NOT_SET


def is_new(entity: Any) -> bool:
    """Whether the entity was created here and the server does not know it yet."""
    storage = getattr(entity, _STORAGE, _NO_STORAGE)
    for name in entity.primary_key_attributes:
        if name in storage and storage[name]["remote"] is NOT_SET:
            return True
    return False


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


def unique(entities: Iterable[Any]) -> dict[Any, Any]:
    """Return the entities by identity, each once, in order.

    The identity is the text of the primary key where that is one attribute, else a tuple of texts.
    """
    found: dict[Any, Any] = {}
    for entity in entities:
        names = entity.primary_key_attributes
        if len(names) == 1:
            key: Any = str(stored(entity, names[0]))
        else:
            key = tuple([str(stored(entity, name)) for name in names])
        found.setdefault(key, entity)
    return found


def identity(entity: Any) -> tuple[str, ...]:
    """Return the texts of an entity's primary key."""
    names = entity.primary_key_attributes
    if len(names) == 1:
        # Nearly all have one.
        return (str(stored(entity, names[0])),)
    return tuple([str(stored(entity, name)) for name in names])


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
