"""Functional methods of collections: predicates and other functions take one-entity collections."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from itertools import compress
from operator import not_
from typing import TYPE_CHECKING, Any, TypeVar

from trackteroid.entities.container import Container, Members
from trackteroid.entities.entity import Entity
from trackteroid.entities.ordering import comparable, sort_key
from trackteroid.errors import EntityCollectionOperationError
from trackteroid.query.projections import Projection, resolve_path
from trackteroid.relationships import Step, parse_path

if TYPE_CHECKING:
    from trackteroid.entities.collection import EntityCollection
    from trackteroid.entities.empty import EmptyCollection

__all__ = ["FunctionalMethods"]

E = TypeVar("E", bound=Entity)
T = TypeVar("T")
K = TypeVar("K", bound=Hashable)


class FunctionalMethods(Members[E]):
    """What collections can do with functions."""

    __slots__ = ()

    def map(self, function: Callable[[EntityCollection[E]], T]) -> list[T]:
        """Return what the function returns for each entity."""
        return [function(item) for item in self]

    def filter(self, predicate: Callable[[EntityCollection[E]], object]) -> EntityCollection[E] | EmptyCollection[E]:
        """Return the entities for which the predicate is true."""
        return self._subset(dict(compress(self._keyed().items(), map(predicate, self))))

    def partition(
        self, predicate: Callable[[EntityCollection[E]], object]
    ) -> tuple[EntityCollection[E] | EmptyCollection[E], EntityCollection[E] | EmptyCollection[E]]:
        """Return the entities for which the predicate is true, and the others."""
        matches = [bool(predicate(item)) for item in self]
        keyed = self._keyed().items()
        return self._subset(dict(compress(keyed, matches))), self._subset(dict(compress(keyed, map(not_, matches))))

    def count(self, predicate: Callable[[EntityCollection[E]], object]) -> int:
        """Return for how many entities the predicate is true."""
        return sum(1 for item in self if predicate(item))

    def fold(self, start: T, function: Callable[[T, EntityCollection[E]], T]) -> T:
        """Combine all entities from left to right: `function(function(start, first), second)` and so on."""
        result = start
        for item in self:
            result = function(result, item)
        return result

    def group(self, function: Callable[[EntityCollection[E]], K]) -> dict[K, EntityCollection[E]]:
        """Return key -> the entities for which the function returns that key, keys in order of appearance.

        Raises:
            TypeError: What the function returns cannot be a key, such as a list.
        """
        groups: defaultdict[K, list[tuple[Any, Any]]] = defaultdict(list)
        for keyed, value in zip(self._keyed().items(), map(function, self), strict=True):
            try:
                groups[value].append(keyed)
            except TypeError as error:
                raise TypeError(
                    f"{value!r} cannot be the key of a group ({error}); of an attribute's list take the value: "
                    f"lambda item: item.name[0]"
                ) from None
        return {value: self._several(dict(members)) for value, members in groups.items()}

    def group_and_map(
        self, grouper: Callable[[EntityCollection[E]], K], mapper: Callable[[EntityCollection[E]], T]
    ) -> dict[K, T]:
        """Return key -> what the mapper returns for that key's group."""
        return {key: mapper(group) for key, group in self.group(grouper).items()}

    def sort(self, function: Callable[[EntityCollection[E]], Any], reverse: bool = False) -> EntityCollection[E]:
        """Return the entities ordered by what the function returns; absent values first, last when reversed.

        Equal ones keep their order.
        """
        keys = [comparable(function(item)) for item in self]
        positions: list[int] = list(range(len(keys)))
        absent: list[int] = []
        if None in keys:
            absent = [position for position in positions if keys[position] is None]
            positions = [position for position in positions if keys[position] is not None]
        positions.sort(key=keys.__getitem__, reverse=reverse)
        ordered = [*positions, *absent] if reverse else [*absent, *positions]
        return self._reordered([self._entities[position] for position in ordered])

    def max(self, function: Callable[[EntityCollection[E]], Any]) -> EntityCollection[E]:
        """Return the entity for which the function returns most; of equal ones the last."""
        keys = [sort_key(function(item)) for item in self]
        best = max(range(len(keys)), key=lambda position: (keys[position], position))
        return self._one(self._entities[best])

    def min(self, function: Callable[[EntityCollection[E]], Any]) -> EntityCollection[E]:
        """Return the entity for which the function returns least; of equal ones the first."""
        keys = [sort_key(function(item)) for item in self]
        best = min(range(len(keys)), key=keys.__getitem__)
        return self._one(self._entities[best])

    def apply(self, function: Callable[[EntityCollection[Any]], Any], attribute_name: str | None = None) -> Any:
        """Assign to an attribute of each entity what the function returns for it, and return the new values.

        Args:
            function: Takes a one-entity collection, returns the attribute's value for it.
            attribute_name: The attribute; without one it is the attribute that this collection was read from, on the
                entities it was read from: `versions.Task.Status.apply(lambda task: status)`.

        Raises:
            EntityCollectionOperationError: No name is given, and the collection was not read from an attribute.
            TypeError: A value is of the wrong type; nothing was assigned.
        """
        owner: Any = self
        if attribute_name is None:
            origin = self._view.origin
            if origin is None:
                raise EntityCollectionOperationError(
                    f"{self!r} was not read from an attribute: say which one to assign with attribute_name."
                )
            owner, attribute_name = origin.owner, origin.attribute
        values = [function(item) for item in owner]
        owner.set_attribute(attribute_name, values if len(values) > 1 else values[0])
        return owner.attribute(attribute_name)

    def to_dicts(self, *attributes: Projection) -> list[dict[str, Any]]:
        """Return one plain dictionary per entity.

        Args:
            *attributes: Attribute paths and class chains as in projections, whose dotted paths are the keys of the result;
                default: the class's default projections. Behind a reference the value is what the entity there has, behind an
                array a list of such values. A type filter (`parent[Shot].name`) gives None for entities of other types.

        Raises:
            AttributeError: The type has no such attribute.
        """
        view = self._view
        scope = view.context.scope(view.entity_type)
        names = attributes or tuple(view.entity_type.projections)
        paths = {path: parse_path(path) for name in names for path in resolve_path(name, scope)}
        return [{path: _plain(item, steps) for path, steps in paths.items()} for item in self]


def _plain(item: Any, steps: Sequence[Step]) -> Any:
    """Return an attribute path of a one-entity collection as plain values."""
    step, *rest = steps
    value: Any = item.attribute(step.name)
    if not isinstance(value, Container):
        if rest:
            raise AttributeError(f"{item.entity_type.__name__}.{step} is a value, which has no {rest[0].name!r}.")
        return value[0] if len(value) == 1 else value
    there: Any = value
    if step.type_filter is not None:
        there = there[item.container_context.class_named(step.type_filter)]
    rest = rest or [Step(there.entity_type.projections[0])]
    found = [_plain(element, rest) for element in there]
    return found if _is_plural(item, step.name) else (found[0] if found else None)


def _is_plural(item: Any, name: str) -> bool:
    """Whether what is behind a name may be several entities."""
    attribute = item._view.attributes.get(name)
    if attribute is not None:
        return bool(attribute.is_plural)
    relation = item.container_context.relation(item.entity_type, item.container_context.class_named(name))
    return relation is not None and relation.is_array
