"""What a session has in memory, as collections."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import trackteroid.query
from trackteroid.entities.collection import EmptyCollection, EntityCollection, collect
from trackteroid.entities.context import Context, View
from trackteroid.entities.entity import EntityType
from trackteroid.entities.entity_types import entity_class
from trackteroid.entities.names import ENTITY_NAMES

__all__ = ["cached_collections"]


def cached_collections(session: Any) -> dict[EntityType, EntityCollection[Any] | EmptyCollection[Any]]:
    """Return each entity class with its entities in the session's memory cache, in one pass over it.

    Args:
        session: A `Session`.
    """
    context = _context(session)
    by_type: dict[str, list[Any]] = {}
    cache = session.cache.caches[0]
    for key in cache.keys():
        try:
            entity = cache.get(key)
        except KeyError:
            # Another thread has just removed it.
            continue
        by_type.setdefault(entity.entity_type, []).append(entity)
    found: dict[EntityType, EntityCollection[Any] | EmptyCollection[Any]] = {}
    for name in dict.fromkeys((*context.index.types, *ENTITY_NAMES)):
        known = entity_class(name, context.index)
        entities = by_type.get(name)
        found[known] = collect(View(known, context), entities) if entities else EmptyCollection(known, context=context)
    return found


def _context(session: Any) -> Context:
    schema: Mapping[str, Any] = trackteroid.query.SCHEMA.default
    return Context(session, schema, session.schema_index, session.generation, _make_query, collect)


def _make_query(context: Context, entity_type: EntityType) -> Any:
    # `Query` stands above collections; the package hands it out when it is first asked for.
    return trackteroid.query.Query(entity_type, context.session, context.schema)
