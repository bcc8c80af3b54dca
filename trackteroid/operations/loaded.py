"""Reading what a session has in memory, without asking the server and without leaving traces.

The client's own reading does both: it fetches with `auto_populate`, and stores an empty collection as a local value for
a collection that was never fetched.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import ftrack_api.collection
import ftrack_api.entity.base
from ftrack_api.symbol import NOT_SET

from trackteroid.operations.effects import Identity
from trackteroid.relationships import AttributeKind

__all__ = [
    "Identity",
    "cached",
    "cached_values",
    "cells",
    "find",
    "follow",
    "identity",
    "is_collection",
    "is_entity",
    "loaded",
    "members",
    "uncache",
]

_COLLECTIONS = (ftrack_api.collection.Collection, ftrack_api.collection.MappedCollectionProxy)


def is_entity(value: Any) -> bool:
    """Whether `value` is one of the client's entities."""
    return isinstance(value, ftrack_api.entity.base.Entity)


def is_collection(value: Any) -> bool:
    """Whether `value` is the content of one of the client's collection attributes."""
    return isinstance(value, _COLLECTIONS)


def members(collection: Any) -> tuple[Any, ...]:
    """Return the entities in a collection; of a mapped one its rows."""
    return tuple(getattr(collection, "collection", collection))


def cells(entity: Any) -> dict[str, dict[str, Any]]:
    """Return what an entity stores: attribute name to its "local" and "remote" values."""
    return getattr(entity, "_ftrack_attribute_storage", None) or {}


def loaded(entity: Any, name: str) -> Any:
    """Return an attribute's local value, else its remote one, else `NOT_SET`."""
    cell = cells(entity).get(name)
    if cell is None:
        return NOT_SET
    return cell["remote"] if cell["local"] is NOT_SET else cell["local"]


def identity(entity: Any) -> Identity | None:
    """Return an entity's identity, None if a part of its key is not set."""
    values = [loaded(entity, name) for name in entity.primary_key_attributes]
    if any(value is NOT_SET for value in values):
        return None
    return str(entity.entity_type), tuple(str(value) for value in values)


def _cache_key(session: Any, key: Identity) -> str:
    # What `ftrack_api.inspection.identity` returns, which the client hands to its key maker.
    return session.cache_key_maker.key((key[0], list(key[1])))  # type: ignore[no-any-return]


def cached(session: Any, key: Identity) -> Any:
    """Return the entity in the session's memory cache, None if it isn't there."""
    try:
        return session._local_cache.get(_cache_key(session, key))
    except KeyError:
        return None


def cached_values(session: Any) -> Iterator[Any]:
    """Yield the entities in the session's memory cache."""
    yield from list(session._local_cache.values())


def uncache(session: Any, key: Identity) -> None:
    """Take an entity out of all layers of the session's cache."""
    try:
        session.cache.remove(_cache_key(session, key))
    except KeyError:
        # It never got there, or was rolled back.
        return


def follow(session: Any, entity: Any, name: str) -> Any:
    """Return the entity that a reference leads to, through its foreign key where that is all there is, else None."""
    value = loaded(entity, name)
    if is_entity(value):
        key = identity(value)
        return value if key is None else cached(session, key) or value
    foreign = loaded(entity, f"{name}_id")
    return find(session, entity.entity_type, name, foreign) if isinstance(foreign, str) else None


def find(session: Any, entity_type: str, name: str, foreign: str) -> Any:
    """Return the entity in memory that a reference attribute of `entity_type` means by a foreign key, else None."""
    index = session.schema_index
    attribute = index.attribute(entity_type, name)
    if attribute is None or attribute.kind is not AttributeKind.REFERENCE:
        return None
    for candidate in sorted(index.subtypes(attribute.target)):
        found = cached(session, (candidate, (foreign,)))
        if found is not None:
            return found
    return None
