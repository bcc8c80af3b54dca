"""Set operations on collections of one session, linear in their number.

Within a session there is one object per entity, so entities are the same if they are the same object.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from trackteroid.entities.container import Container, Members
from trackteroid.entities.context import View
from trackteroid.entities.entity import Entity
from trackteroid.errors import EntityCollectionOperationError

if TYPE_CHECKING:
    from trackteroid.entities.collection import EntityCollection
    from trackteroid.entities.empty import EmptyCollection

__all__ = ["SetMethods"]

E = TypeVar("E", bound=Entity)


class SetMethods(Members[E]):
    """What collections can do with each other.

    All raise EntityCollectionOperationError for collections of another session, connection, relation schema or class.
    """

    __slots__ = ()

    def union(self, *others: Container) -> EntityCollection[E]:
        """Return the entities of all collections: these first, then newcomers in the order of the arguments."""
        entities = [*self._entities, *(entity for other in others for entity in self._joinable(other, "union"))]
        return self._several(entities, self._shared_view(others))

    def intersection(self, *others: Container) -> EntityCollection[E] | EmptyCollection[E]:
        """Return the entities that are in every collection."""
        return self._subset(_kept(self._entities, [self._joinable(other, "intersection") for other in others]))

    def difference(self, *others: Container) -> EntityCollection[E] | EmptyCollection[E]:
        """Return the entities that are in none of the others."""
        return self._subset(_without(self._entities, [self._joinable(other, "difference") for other in others]))

    def symmetric_difference(self, *others: Container) -> EntityCollection[E] | EmptyCollection[E]:
        """Return the entities that are in an odd number of the collections: pairwise from left to right."""
        joined = [self._joinable(other, "symmetric_difference") for other in others]
        return self._subset(_differing(self._entities, joined), self._shared_view(others))

    def __or__(self, other: Any) -> Any:
        return self.union(other) if isinstance(other, Container) else NotImplemented

    def __and__(self, other: Any) -> Any:
        return self.intersection(other) if isinstance(other, Container) else NotImplemented

    def __sub__(self, other: Any) -> Any:
        return self.difference(other) if isinstance(other, Container) else NotImplemented

    def __xor__(self, other: Any) -> Any:
        return self.symmetric_difference(other) if isinstance(other, Container) else NotImplemented

    def _joinable(self, other: Any, action: str) -> tuple[Any, ...]:
        """Return another collection's entities, if they can be in one set with ours."""
        if not isinstance(other, Container):
            raise TypeError(f"{action} takes collections, not {other!r}.")
        context = self._view.context
        context.check_same(other.container_context, action)
        context.check_usable(action)
        if other.client_entities and other.entity_type is not self._view.entity_type:
            raise EntityCollectionOperationError(
                f"Cannot take the {action} of {self._view.entity_type.__name__} and {other.entity_type.__name__}."
            )
        return other.client_entities

    def _shared_view(self, others: Sequence[Container]) -> View:
        """Return a view that claims an origin only if all collections have it."""
        origin = self._view.origin
        for other in others:
            theirs = other._view.origin if isinstance(other, Members) else origin
            if theirs is not origin and (
                theirs is None or origin is None or (theirs.owner, theirs.attribute) != (origin.owner, origin.attribute)
            ):
                return View(self._view.entity_type, self._view.context)
        return self._view


def _kept(entities: Sequence[Any], others: Sequence[Sequence[Any]]) -> list[Any]:
    """Return the entities that are in all of the others too, in order."""
    present = [{id(entity) for entity in other} for other in others]
    return [entity for entity in entities if all(id(entity) in members for members in present)]


def _without(entities: Sequence[Any], others: Sequence[Sequence[Any]]) -> list[Any]:
    """Return the entities that are in none of the others, in order."""
    absent = {id(entity) for other in others for entity in other}
    return [entity for entity in entities if id(entity) not in absent]


def _differing(entities: Sequence[Any], others: Sequence[Sequence[Any]]) -> list[Any]:
    """Return what is in exactly one of the first two, then the same with the third, and so on."""
    current = {id(entity): entity for entity in entities}
    for other in others:
        for entity in {id(entity): entity for entity in other}.values():
            if current.pop(id(entity), None) is None:
                current[id(entity)] = entity
    return list(current.values())
