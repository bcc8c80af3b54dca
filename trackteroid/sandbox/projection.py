"""What a query asks for, as a tree: dotted paths merged, checked against the schema before any row is looked at."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from trackteroid.sandbox.errors import UnknownAttributeError, ValidationError
from trackteroid.sandbox.schema import EntityType, Schema
from trackteroid.sandbox.syntax import Path

__all__ = ["Node", "projection_tree"]


@dataclass(slots=True)
class Node:
    """The attributes wanted of an entity.

    Attributes:
        types: Types that a cast lets pass, None for all.
    """

    children: dict[str, Node] = field(default_factory=dict)
    types: set[str] | None = None


def projection_tree(schema: Schema, entity_type: EntityType, paths: Iterable[Path]) -> Node:
    """Merge projections into one tree.

    Raises:
        UnknownAttributeError, UnknownEntityTypeError, ValidationError: A path makes no sense for the type.
    """
    root = Node()
    for path in paths:
        node, current = root, entity_type
        for index, step in enumerate(path.steps):
            attribute, _ = schema.attribute(current, step.name)
            is_new = step.name not in node.children
            child = node.children.setdefault(step.name, Node())
            if attribute.is_relation and attribute.target is not None:
                current = schema.type(attribute.target)
            elif step.cast is not None or index < len(path.steps) - 1:
                raise UnknownAttributeError(f'"{step.name}" is no relation, so that nothing can follow it.')
            if step.cast is not None:
                cast = schema.served(step.cast)
                if cast.table != current.table:
                    raise ValidationError(f'"{step.name}" holds {current.name}, which can never be {cast.name}.')
                current = cast
            _allow(child, current.family if step.cast else None, is_new=is_new)
            node = child
    return root


def _allow(node: Node, family: Iterable[str] | None, *, is_new: bool) -> None:
    """Rows stay if any mention of the relation lets them pass: one without cast lets all pass."""
    if family is None or (node.types is None and not is_new):
        node.types = None
    else:
        node.types = (node.types or set()) | set(family)
