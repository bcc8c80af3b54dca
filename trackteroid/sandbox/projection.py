"""What a query asks for, as a tree: dotted paths merged, checked against the schema before any row is looked at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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
        table: Where the entities are stored, None for a scalar.
    """

    children: dict[str, Node] = field(default_factory=dict)
    types: set[str] | None = None
    table: str | None = None

    def may_repeat(self) -> bool:
        """Whether an answer could hold one entity in several places with more than scalars in it.

        Either two places of the tree are about the same table, or related entities, which rows may share, have
        relations of their own.
        """
        nodes = list(self._relations())
        return len({node.table for node in nodes}) < len(nodes) or any(
            below.table is not None for child in self.children.values() for below in child.children.values()
        )

    def _relations(self) -> Iterator[Node]:
        if self.table is not None:
            yield self
        for child in self.children.values():
            yield from child._relations()


def projection_tree(schema: Schema, entity_type: EntityType, paths: Iterable[Path]) -> Node:
    """Merge projections into one tree.

    Raises:
        UnknownAttributeError, UnknownEntityTypeError, ValidationError: A path makes no sense for the type.
    """
    root = Node(table=entity_type.table)
    for path in paths:
        node, current = root, entity_type
        for index, step in enumerate(path.steps):
            is_last = index == len(path.steps) - 1
            attribute, _ = schema.attribute(current, step.name, as_relation=step.cast is not None or not is_last)
            is_new = step.name not in node.children
            child = node.children.setdefault(step.name, Node())
            if attribute.is_relation and attribute.target is not None:
                current = schema.type(attribute.target)
                child.table = current.table
            elif step.cast is not None or not is_last:
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
