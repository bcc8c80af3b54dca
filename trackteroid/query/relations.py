"""The relation between two types under a relation schema: the studio's own where there is one, else the inferred one.

A pure function of (server schema, relation schema, source, target); what it finds out is remembered in the `SchemaIndex`,
never on classes. The studio's paths are checked once per server schema: a bad one is reported and left out, and disturbs
no other query.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trackteroid.errors import BadInputError
from trackteroid.query.loggers import logger
from trackteroid.relationships import Relation, SchemaIndex, Step, parse_path

__all__ = ["find_relation"]

# Steps along which publishes are found. An inferred path of three steps or more that uses any other attribute is worth a
# warning: it is the shortest, not necessarily what somebody means.
_USUAL_STEPS = frozenset(
    "asset assets component component_locations components latest_version project state status task type user version "
    "versions".split()
)
_LONG = 3


def find_relation(index: SchemaIndex, schema: Mapping[str, Any], source: str, target: str) -> Relation | None:
    """Return how `target` is reached from `source`, None if neither the studio nor the server says so.

    Args:
        index: The server's schema.
        schema: A relation schema (see `schemas`).
        source, target: Names of types.
    """
    entities: Mapping[str, Mapping[str, Any]] = schema.get("entities") or {}
    paths = entities.get(source, {}).get(target)
    if paths is not None:
        listed = (paths,) if isinstance(paths, str) else tuple(paths)
        own = index.memoised(("user", source, target, listed), lambda: _checked(index, source, target, listed))
        if own is not None:
            return own
    return index.memoised(("inferred", source, target), lambda: _inferred(index, source, target))


def _inferred(index: SchemaIndex, source: str, target: str) -> Relation | None:
    relation = index.relation(source, target)
    if relation is not None:
        (steps,) = relation.alternatives
        if len(steps) >= _LONG and not all(step.name in _USUAL_STEPS for step in steps):
            logger("declarations").warning(
                "%s is reached from %s by the long way %r, which was inferred; name the relation you mean in "
                "RELATIONSHIPS_RESOLVER.",
                target,
                source,
                relation.paths[0],
            )
    return relation


def _checked(index: SchemaIndex, source: str, target: str, paths: tuple[str, ...]) -> Relation | None:
    try:
        for name in (source, target):
            if name not in index:
                raise BadInputError(f"the server has no type {name!r}")
        alternatives = tuple(_path(index, source, path) for path in paths)
        plural = {index.is_array_path(source, steps) for steps in alternatives}
        if len(plural) > 1:
            raise BadInputError("some of the alternatives lead to one entity, others to several")
    except BadInputError as error:
        logger("declarations").warning(
            "RELATIONSHIPS_RESOLVER: the relation from %s to %s (%s) cannot be used: %s.",
            source,
            target,
            ", ".join(paths),
            error,
        )
        return None
    return Relation(source, target, alternatives, plural.pop(), inferred=False)


def _path(index: SchemaIndex, source: str, path: str) -> tuple[Step, ...]:
    steps = parse_path(path)
    for owner, step in zip(index.owners(source, steps), steps, strict=True):
        if step.type_filter is not None and step.type_filter not in index:
            raise BadInputError(f"the server has no type {step.type_filter!r}")
        # Some types refer to others by a bare key (Note.parent_id), which a filter makes usable: parent[Shot].
        if owner is None or not (index.knows(owner, step.name) or index.knows(owner, f"{step.name}_id")):
            raise BadInputError(f"{owner or 'what comes before'} has no attribute {step.name!r}")
    return steps
