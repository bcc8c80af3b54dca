"""What the attributes of several entities are, taken together. Nothing here asks the server."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Any

from trackteroid.entities.context import View, attribute_class
from trackteroid.entities.entity import EntityType, common_base
from trackteroid.entities.values import NOT_SET, is_new, items, mapping, read, read_all, unique
from trackteroid.relationships import Attribute

__all__ = ["CUSTOM_PREFIX", "custom_values", "is_unfetched", "mappings", "related", "unknown"]

CUSTOM_PREFIX = "custom_"


def related(view: View, entities: Sequence[Any], attribute: Attribute) -> tuple[dict[Any, Any], EntityType]:
    """Return the entities that a reference or array attribute leads to, each once, and the class they have in common."""
    found = unique(entity for value in read_all(entities, attribute.name) for entity in items(value))
    declared = attribute_class(view.context, attribute)
    if not found or attribute.name in ("parent", "children", "ancestors", "descendants", "components"):
        return found, declared
    names = dict.fromkeys(entity.entity_type for entity in found.values())
    return found, common_base(view.context.class_named(name) for name in names)


def is_unfetched(entities: Sequence[Any], name: str) -> bool:
    """Whether the attribute was never asked for on an entity that the server knows."""
    return any(read(entity, name) is NOT_SET and not is_new(entity) for entity in entities)


def mappings(entities: Sequence[Any], name: str) -> list[dict[str, Any]]:
    """Return a mapped attribute of each entity as a dictionary."""
    return [mapping(value) for value in read_all(entities, name)]


def custom_values(entities: Sequence[Any], key: str) -> list[Any]:
    """Return the value of one custom attribute per entity, None where it has none."""
    return [values.get(key) for values in mappings(entities, "custom_attributes")]


def unknown(type_name: str, name: str, known: Iterable[str]) -> AttributeError:
    """Return the error of an attribute that a type does not have, with the name that may have been meant."""
    similar = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {similar[0]!r}?" if similar else "."
    return AttributeError(f"{type_name} has no attribute {name!r}{hint}")
