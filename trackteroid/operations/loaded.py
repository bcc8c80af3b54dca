"""Reading what a session has in memory, without asking the server and without leaving traces.

The client's own reading does both: it fetches with `auto_populate`, and stores an empty collection as a local value for
a collection that was never fetched.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import ftrack_api.cache
import ftrack_api.collection
import ftrack_api.entity.base
from ftrack_api.symbol import NOT_SET

from trackteroid.operations.effects import Identity
from trackteroid.relationships import AttributeKind

__all__ = [
    "Held",
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
    "value_in",
]

# The client's classes are abstract ones, which take ten times as long to say whether something is an instance. No class
# is registered with them that does not derive from them.
_ENTITY = ftrack_api.entity.base.Entity
_COLLECTION, _MAPPED = ftrack_api.collection.Collection, ftrack_api.collection.MappedCollectionProxy


def is_entity(value: Any) -> bool:
    """Whether `value` is one of the client's entities."""
    return _ENTITY in type(value).__mro__


def is_collection(value: Any) -> bool:
    """Whether `value` is the content of one of the client's collection attributes."""
    classes = type(value).__mro__
    return _COLLECTION in classes or _MAPPED in classes


def members(collection: Any) -> tuple[Any, ...]:
    """Return the entities in a collection; of a mapped one its rows."""
    return tuple(getattr(collection, "collection", collection))


class Held(NamedTuple):
    """An entity in memory with the attributes of it that have a value; most have none.

    Attributes:
        entity: The client's.
        cells: Attribute name and "local" and "remote" value of each of those.
    """

    entity: Any
    cells: list[tuple[str, dict[str, Any]]]

    @classmethod
    def of(cls, entity: Any) -> Held:
        """Return an entity with what is set of it now."""
        # A list first: another thread may load meanwhile.
        stored = list(cells(entity).items())
        return cls(
            entity, [item for item in stored if item[1]["local"] is not NOT_SET or item[1]["remote"] is not NOT_SET]
        )


def cells(entity: Any) -> dict[str, dict[str, Any]]:
    """Return what an entity stores: attribute name to its "local" and "remote" values."""
    return getattr(entity, "_ftrack_attribute_storage", None) or {}


def loaded(entity: Any, name: str) -> Any:
    """Return an attribute's local value, else its remote one, else `NOT_SET`."""
    return value_in(cells(entity), name)


def value_in(stored: Mapping[str, Mapping[str, Any]], name: str) -> Any:
    """Return what `loaded` does, given what `cells` returns for the entity."""
    cell = stored.get(name)
    if cell is None:
        return NOT_SET
    value = cell["local"]
    return cell["remote"] if value is NOT_SET else value


def identity(entity: Any) -> Identity | None:
    """Return an entity's identity, None if a part of its key is not set."""
    stored = cells(entity)
    values = []
    for name in entity.primary_key_attributes:
        value = value_in(stored, name)
        if value is NOT_SET:
            return None
        values.append(str(value))
    return str(entity.entity_type), tuple(values)


def _cache_key(session: Any, key: Identity) -> str:
    # What `ftrack_api.inspection.identity` returns, which the client hands to its key maker.
    parts = (key[0], list(key[1]))
    maker = session.cache_key_maker
    # What its usual one does, at a third of the time.
    return str(parts) if type(maker) is ftrack_api.cache.StringKeyMaker else maker.key(parts)


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
