"""What a query fetches: attribute paths from texts, entity classes and class chains.

A class name in a chain steps along the relation from the current type to that class; any other token is appended as it
is. Where there is no relation the element is left out with a warning, whole: keeping the rest would silently ask for
another attribute of the same name.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from trackteroid.entities.entity import EntityType, Relationship, declared
from trackteroid.errors import UsageError
from trackteroid.query.loggers import logger
from trackteroid.query.scope import Scope
from trackteroid.relationships import SchemaIndex, parse_path

__all__ = ["Projection", "check_projections", "projection_paths", "resolve_path"]


Projection = str | EntityType | Relationship


def check_projections(projections: Any) -> Collection[Projection]:
    """Return requested projections as they were given; nothing for None.

    Raises:
        UsageError: They are no list, tuple or set.
        TypeError: An element is no attribute path, entity class or class chain.
    """
    if projections is None:
        return ()
    if not isinstance(projections, (list, tuple, set, frozenset)):
        raise UsageError(f"projections must be a list, tuple or set, not {projections!r}.")
    for element in projections:
        _check(element)
    return projections


def _check(element: Any) -> None:
    if not isinstance(element, (str, EntityType, Relationship)):
        raise TypeError(f"A projection is an attribute path, an entity class or a class chain, not {element!r}.")


def projection_paths(requested: Iterable[Collection[Projection]], scope: Scope) -> list[str]:
    """Return the default projections followed by the requested ones, each path once.

    Args:
        requested: Collections of projections; the elements of a set come in the order of their text, because its own
            order differs from one process to the next.
        scope: The queried type and what its relations are looked up in.
    """
    paths = dict.fromkeys(scope.entity_type.projections)
    for elements in requested:
        resolved = [resolve_path(element, scope) for element in elements]
        for found in sorted(resolved) if isinstance(elements, (set, frozenset)) else resolved:
            paths.update(dict.fromkeys(found))
    return list(paths)


def resolve_path(element: Projection, scope: Scope) -> list[str]:
    """Return the attribute paths of one element: one for each alternative of its relations, none if there is none.

    Raises:
        TypeError: It is no attribute path, entity class or class chain.
        BadInputError: It is a text, but no attribute path.
    """
    _check(element)
    if isinstance(element, str):
        parse_path(element)
        return [element]
    if isinstance(element, EntityType):
        element = Relationship(element, ())
    root, tokens = element._relationship_root, element._relationship_tokens
    names = [*([] if root is scope.entity_type else [root.__name__]), *tokens]
    if not names:
        return []
    prefixes = [""]
    current: str | None = scope.type_name
    for name in names:
        if not _is_type(name, scope):
            prefixes = [_join(prefix, name) for prefix in prefixes]
            current = _target(scope, current, name)
            continue
        relation = scope.relation(name, current) if current else None
        if relation is None:
            logger("declarations").warning(
                "Projection %r is left out: no relation from %s to %s is known; add one in RELATIONSHIPS_RESOLVER of "
                "your configuration.",
                element,
                current,
                name,
            )
            return []
        # A projection cannot filter by type: the filter is the reader's business.
        steps = [".".join(step.name for step in alternative) for alternative in relation.alternatives]
        prefixes = list(dict.fromkeys(_join(prefix, path) for prefix in prefixes for path in steps))
        current = name
    return prefixes


def _is_type(name: str, scope: Scope) -> bool:
    # Attributes start in lower case: only a capital is worth asking the schema for.
    return name[:1].isupper() and (declared(name) is not None or name in scope.index)


def _target(scope: Scope, current: str | None, name: str) -> str | None:
    index: SchemaIndex = scope.index
    attribute = index.attribute(current, name) if current else None
    return attribute.target if attribute else None


def _join(prefix: str, path: str) -> str:
    return f"{prefix}.{path}" if prefix else path
