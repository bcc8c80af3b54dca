"""Loading attributes of entities that are there already: in chunks of ids, only what is missing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from trackteroid.entities.context import Context
from trackteroid.entities.entity import EntityType, is_kind
from trackteroid.entities.entity_types import TypedContext
from trackteroid.entities.values import NOT_SET, identity, is_new, items, stored
from trackteroid.query.criteria import Criterion, where_text
from trackteroid.query.projections import Projection, resolve_path
from trackteroid.relationships import AttributeKind, Step, parse_path

__all__ = ["CHUNK", "fetch", "is_mapped", "resolve_steps"]

# Ids in one query: as many as the client asks for rows in one page.
CHUNK = 500


def resolve_steps(context: Context, entity_type: EntityType, requested: Iterable[Projection]) -> list[tuple[Step, ...]]:
    """Return the attribute paths of what was requested, each once.

    Raises:
        AttributeError: A path names an attribute that the schema does not have.
    """
    scope = context.scope(entity_type)
    paths = dict.fromkeys(path for element in requested for path in resolve_path(element, scope))
    resolved = []
    for path in paths:
        steps = parse_path(path)
        for owner, step in zip(context.index.owners(entity_type.__name__, steps), steps, strict=True):
            if owner is None or not context.index.knows(owner, step.name):
                raise AttributeError(f"{owner or 'What comes before'} has no attribute {step.name!r} (in {path!r}).")
        resolved.append(steps)
    return resolved


def is_mapped(context: Context, entity_type: EntityType, steps: Sequence[Step]) -> bool:
    """Whether a path ends at a mapped attribute."""
    owner = context.index.owners(entity_type.__name__, steps)[-1]
    attribute = context.index.attribute(owner, steps[-1].name) if owner else None
    return attribute is not None and attribute.kind is AttributeKind.MAPPED


def fetch(context: Context, entity_type: EntityType, entities: Sequence[Any], paths: Sequence[Sequence[str]]) -> None:
    """Load what is missing of these paths (lists of attribute names) for the entities.

    Values that were set locally stay. Entities that the server does not know yet are left alone.
    """
    lacking = [entity for entity in entities if not is_new(entity) and _lacks_any(entity, paths)]
    if not lacking:
        return
    context.check_usable("fetch attributes")
    # Contexts of any object type answer to their common type, so that mixed ones need one query.
    queried: EntityType = TypedContext if is_kind(entity_type, TypedContext) else entity_type
    projections = ", ".join(dict.fromkeys(".".join(path) for path in paths))
    for start in range(0, len(lacking), CHUNK):
        keys = [identity(entity) for entity in lacking[start : start + CHUNK]]
        values = tuple(key[0] if len(key) == 1 else key for key in keys)
        condition = where_text([Criterion("by_id", values=values)], context.scope(queried))
        context.session.fetch_entities(f"select {projections} from {queried.__name__} where {condition}")


def _lacks_any(entity: Any, paths: Sequence[Sequence[str]]) -> bool:
    for path in paths:
        if _lacks(entity, path):
            return True
    return False


def _lacks(entity: Any, path: Sequence[str]) -> bool:
    value = stored(entity, path[0])
    if value is NOT_SET:
        return entity.__class__.attributes.get(path[0]) is not None
    return len(path) > 1 and any(_lacks(child, path[1:]) for child in items(value))
