"""What collections are to the modules that work on them, and what the parts of `EntityCollection` are to each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

from trackteroid.entities.context import Context, View
from trackteroid.entities.entity import Entity

if TYPE_CHECKING:
    from trackteroid.entities.collection import EntityCollection
    from trackteroid.entities.empty import EmptyCollection

__all__ = ["Container", "Members", "is_protocol"]

E = TypeVar("E", bound=Entity)


def is_protocol(name: str) -> bool:
    """Whether a name is asked for by copy, pickle, IPython and the like, never an attribute of an entity."""
    return name.startswith(("__", "_ipython_", "_repr_"))


class Container:
    """Some entities of one class, possibly none.

    What raises `NotImplementedError` here is abstract: `EntityCollection` and `EmptyCollection` both define it. It is not an
    `abc.ABC`, whose `isinstance` is a Python call, and collections are told from other values once per entity.
    """

    __slots__ = ("__weakref__",)

    @property
    def entity_type(self) -> Any:
        """The class that the entities are looked at as."""
        raise NotImplementedError

    @property
    def client_entities(self) -> tuple[Any, ...]:
        """The entities of the official client, in order."""
        raise NotImplementedError

    @property
    def container_context(self) -> Context | None:
        """What the entities belong to; None for an empty collection that belongs to nothing."""
        raise NotImplementedError

    def __iter__(self) -> Iterator[Any]:
        raise NotImplementedError

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        # What pickle would say of the client's entities and sessions helps nobody.
        raise TypeError(
            f"{self!r} belongs to its session and cannot be pickled, nor sent to another process: send its keys(), or "
            f"to_dicts(), and query there."
        )


class Members(Container, Generic[E]):
    """A collection with entities, as its parts in other modules see it: each is a set of methods on top of these."""

    __slots__ = ()
    _view: View
    _entities: tuple[Any, ...]

    def __iter__(self) -> Iterator[EntityCollection[E]]:
        raise NotImplementedError

    def attribute(self, name: str) -> Any:
        """Return an attribute by name."""
        raise NotImplementedError

    def _keyed(self) -> dict[Any, Any]:
        """Return the entities by their primary key, in order; not to be changed."""
        raise NotImplementedError

    def _one(self, entity: Any) -> EntityCollection[E]:
        """Return a collection of one entity."""
        raise NotImplementedError

    def _subset(self, by_key: Mapping[Any, Any], view: View | None = None) -> EntityCollection[E] | EmptyCollection[E]:
        """Return a collection of some entities, which know their parents even if there are none of them."""
        raise NotImplementedError

    def _several(self, by_key: Mapping[Any, Any], view: View | None = None) -> EntityCollection[E]:
        """Return a collection of entities of which there is at least one."""
        raise NotImplementedError

    def _reordered(self, entities: Sequence[Any]) -> EntityCollection[E]:
        """Return a collection of the same entities in another order."""
        raise NotImplementedError
