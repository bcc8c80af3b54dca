"""Set operations on collections of one session, linear in the number of entities.

Collections of one class are compared by the primary keys of their entities.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
        joined = dict(self._keyed())
        for other in others:
            joined |= self._joinable(other, "union")
        return self._several(joined, self._shared_view(others))

    def intersection(self, *others: Container) -> EntityCollection[E] | EmptyCollection[E]:
        """Return the entities that are in every collection."""
        joined = [self._joinable(other, "intersection") for other in others]
        kept: Mapping[Any, Any] = self._keyed()
        for other in joined:
            kept = {key: entity for key, entity in kept.items() if key in other}
        return self._subset(kept)

    def difference(self, *others: Container) -> EntityCollection[E] | EmptyCollection[E]:
        """Return the entities that are in none of the others."""
        joined = [self._joinable(other, "difference") for other in others]
        kept: Mapping[Any, Any] = self._keyed()
        for other in joined:
            kept = {key: entity for key, entity in kept.items() if key not in other}
        return self._subset(kept)

    def symmetric_difference(self, *others: Container) -> EntityCollection[E] | EmptyCollection[E]:
        """Return the entities that are in an odd number of the collections: pairwise from left to right."""
        joined = [self._joinable(other, "symmetric_difference") for other in others]
        current: Mapping[Any, Any] = self._keyed()
        for other in joined:
            mine = {key: entity for key, entity in current.items() if key not in other}
            theirs = {key: entity for key, entity in other.items() if key not in current}
            current = mine | theirs
        return self._subset(current, self._shared_view(others))

    def __or__(self, other: Any) -> Any:
        return self.union(other) if isinstance(other, Container) else NotImplemented

    def __and__(self, other: Any) -> Any:
        return self.intersection(other) if isinstance(other, Container) else NotImplemented

    def __sub__(self, other: Any) -> Any:
        return self.difference(other) if isinstance(other, Container) else NotImplemented

    def __xor__(self, other: Any) -> Any:
        return self.symmetric_difference(other) if isinstance(other, Container) else NotImplemented

    def _joinable(self, other: Any, action: str) -> Mapping[Any, Any]:
        """Return another collection's entities by key, if they can be in one set with ours."""
        if not isinstance(other, Container):
            raise TypeError(f"{action} takes collections, not {other!r}.")
        context = self._view.context
        taking = f"take the {action.replace('_', ' ')}"
        context.check_same(other.container_context, taking)
        context.check_usable(taking)
        if other.client_entities and other.entity_type is not self._view.entity_type:
            raise EntityCollectionOperationError(
                f"Cannot {taking} of {self._view.entity_type.__name__} and {other.entity_type.__name__}."
            )
        return other._keyed() if isinstance(other, Members) else {}

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
