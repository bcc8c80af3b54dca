"""`EmptyCollection`: the typed absence of entities."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, KeysView, Mapping, Sequence, ValuesView
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

from trackteroid.entities import authoring, notes
from trackteroid.entities.container import Container, is_protocol
from trackteroid.entities.context import Context, View, attribute_class
from trackteroid.entities.entity import Entity, EntityType, declared, is_kind
from trackteroid.entities.entity_types import Note
from trackteroid.errors import EntityCollectionOperationError, UsageError

if TYPE_CHECKING:
    from trackteroid.entities.collection import EntityCollection

__all__ = ["EmptyCollection"]

E = TypeVar("E", bound=Entity)
F = TypeVar("F", bound=Entity)
T = TypeVar("T")
K = TypeVar("K", bound=Hashable)


class EmptyCollection(Container, Generic[E]):
    """No entities of a type: false, and harmless in whole chains of attributes.

    Args:
        _type: The class of the entities that are not there.
        source: The collection whose attribute is empty: the parent of what `create` makes.
        depth: 1 where the owner exists and only this relation is empty; more behind that.
        session: The session, where there is no source.
    """

    __slots__ = ("_context", "_depth", "_find_source", "_session", "_type")
    _type: EntityType
    _context: Context | None
    _depth: int
    _session: Any
    _find_source: Callable[[], Container | None]

    def __init__(
        self,
        _type: type[E] | EntityType | None = None,
        source: Container | None = None,
        depth: int = 1,
        session: Any = None,
        *,
        context: Context | None = None,
        find_source: Callable[[], Container | None] | None = None,
    ) -> None:
        known = context or (source.container_context if source is not None else None)
        for name, value in (
            ("_type", _type or Entity),
            ("_depth", depth),
            ("_context", known),
            ("_session", session if session is not None else known.session if known else None),
            ("_find_source", find_source or (lambda: source)),
        ):
            object.__setattr__(self, name, value)

    # What it is

    @property
    def entity_type(self) -> type[E]:
        """The class of the entities that are not there."""
        return self._type  # type: ignore[return-value]

    @property
    def source(self) -> Container | None:
        """The collection that a new entity would belong to, None if there is none; looking may ask the server."""
        return self._find_source()

    @property
    def depth(self) -> int:
        """1 where the owner exists and only this relation is empty."""
        return self._depth

    @property
    def client_entities(self) -> tuple[Any, ...]:
        """No entities."""
        return ()

    @property
    def container_context(self) -> Context | None:
        """What the missing entities would belong to, None if that is unknown."""
        return self._context

    def __repr__(self) -> str:
        return f"EmptyCollection[{self._type.__name__}]"

    def __len__(self) -> int:
        return 0

    def __bool__(self) -> bool:
        return False

    def __iter__(self) -> Iterator[EntityCollection[E]]:
        return iter(())

    def __contains__(self, item: object) -> bool:
        return False

    def __eq__(self, other: object) -> bool:
        return isinstance(other, EmptyCollection) and other._type is self._type

    def __hash__(self) -> int:
        return hash((EmptyCollection, self._type))

    def __copy__(self) -> EmptyCollection[E]:
        return self

    def __deepcopy__(self, memo: object) -> EmptyCollection[E]:
        return self

    def keys(self) -> KeysView[Any]:
        """Return no ids."""
        return {}.keys()

    def values(self) -> ValuesView[E]:
        """Return no entities."""
        empty: dict[Any, E] = {}
        return empty.values()

    def __getitem__(self, item: Any) -> EmptyCollection[Any]:
        return self.__coerce_to__(item) if isinstance(item, EntityType) else self

    def __coerce_to__(self, entity_type: EntityType) -> EmptyCollection[Any]:
        return EmptyCollection(
            entity_type,
            depth=self._depth,
            session=self._session,
            context=self._context,
            find_source=self._find_source,
        )

    def __getattr__(self, name: str) -> EmptyCollection[Any]:
        if is_protocol(name):
            raise AttributeError(name)
        return EmptyCollection(
            self._type_of(name),
            depth=self._depth + 1,
            session=self._session,
            context=self._context,
        )

    def _type_of(self, name: str) -> EntityType:
        context = self._context
        attribute = context.index.attribute(self._type.__name__, name) if context else None
        if context is not None and attribute is not None and attribute.target is not None:
            return attribute_class(context, attribute)
        return declared(name) or self._type

    def attribute(self, name: str) -> EmptyCollection[Any]:
        """Return what any attribute of nothing is: nothing."""
        return self.__getattr__(name)

    def __call__(self, *arguments: Any, **keywords: Any) -> EmptyCollection[E]:
        return self

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        if is_protocol(name):
            raise AttributeError(name)
        self.set_attribute(name, value)

    def set_attribute(self, name: str, value: Any) -> NoReturn:
        """Refuse: there is nothing to assign to.

        Raises:
            EntityCollectionOperationError: Always.
        """
        raise EntityCollectionOperationError(f"Cannot assign {name!r}: {self!r} has no entities.")

    # Functional methods of nothing

    def map(self, function: Callable[[Any], T]) -> list[T]:
        """Return an empty list."""
        return []

    def to_dicts(self, *attributes: Any) -> list[dict[str, Any]]:
        """Return an empty list."""
        return []

    def count(self, predicate: Callable[[Any], object]) -> int:
        """Return 0."""
        return 0

    def fold(self, start: T, function: Callable[[T, Any], T]) -> T:
        """Return `start`."""
        return start

    def group(self, function: Callable[[Any], K]) -> dict[K, Any]:
        """Return an empty dictionary."""
        return {}

    def group_and_map(self, grouper: Callable[[Any], K], mapper: Callable[[Any], T]) -> dict[K, T]:
        """Return an empty dictionary."""
        return {}

    def partition(self, predicate: Callable[[Any], object]) -> tuple[EmptyCollection[E], EmptyCollection[E]]:
        """Return nothing twice."""
        return self, self

    def _same(self, *arguments: Any, **keywords: Any) -> EmptyCollection[E]:
        """Return this collection."""
        return self

    filter = sort = max = min = apply = fetch_attributes = _same
    link_inputs = link_outputs = unlink_inputs = unlink_outputs = _same

    def get(self, target: type[F], projections: Sequence[Any] | None = None) -> EmptyCollection[F]:
        """Return no entities of the class: from nothing, nothing is reached."""
        return self.__getattr__(target.__name__)

    def query_children(self, projections: Sequence[Any] | None = None, session: Any = None) -> EmptyCollection[Any]:
        """Return no children."""
        return self.__getattr__("children")

    # Set operations: as those of collections with entities, they take no collections of other sessions.

    def union(self, *others: Container) -> Any:
        """Return the union of the others."""
        present = self._joinable(others, "union")
        return present[0].union(*present[1:]) if present else self

    def intersection(self, *others: Container) -> EmptyCollection[E]:
        """Return this collection: nothing is in it and in the others."""
        self._joinable(others, "intersection")
        return self

    def difference(self, *others: Container) -> EmptyCollection[E]:
        """Return this collection: there is nothing to leave out."""
        self._joinable(others, "difference")
        return self

    def symmetric_difference(self, *others: Container) -> Any:
        """Return the symmetric difference of the others."""
        present = self._joinable(others, "symmetric_difference")
        return present[0].symmetric_difference(*present[1:]) if present else self

    def _joinable(self, others: Sequence[Any], action: str) -> list[Any]:
        """Return those of the others that have entities."""
        for other in others:
            if not isinstance(other, Container):
                raise TypeError(f"{action} takes collections, not {other!r}.")
            if self._context is not None:
                self._context.check_same(other.container_context, f"take the {action.replace('_', ' ')}")
        return [other for other in others if other.client_entities]

    def __or__(self, other: Any) -> Any:
        return self.union(other) if isinstance(other, Container) else NotImplemented

    def __and__(self, other: Any) -> Any:
        return self.intersection(other) if isinstance(other, Container) else NotImplemented

    def __sub__(self, other: Any) -> Any:
        return self.difference(other) if isinstance(other, Container) else NotImplemented

    def __xor__(self, other: Any) -> Any:
        return self.symmetric_difference(other) if isinstance(other, Container) else NotImplemented

    # Writing

    def create(
        self, *, parent_relation: str | None = None, no_parent: bool = False, **arguments: Any
    ) -> EntityCollection[E]:
        """Create the first entity of this relation; its parent is the owner that it was read from.

        Raises:
            UsageError: The owner is missing or there are several, or an argument is missing or of no use.
        """
        create = self._plan(parent_relation=parent_relation, no_parent=no_parent, **arguments)
        return self._created([create()])

    def ensure(
        self,
        *,
        identified_by: Sequence[str] = (),
        parent_relation: str | None = None,
        no_parent: bool = False,
        **arguments: Any,
    ) -> EntityCollection[E]:
        """Return the entity of this relation with these arguments if there is one, or create it (see `EntityCollection.ensure`).

        Raises:
            UsageError: The owner is missing or there are several, or an argument is missing or of no use.
            ftrack_api.exception.MultipleResultsFoundError: Several fit.
        """
        entity = authoring.ensure(
            self._creating(),
            self._type,
            arguments,
            None if no_parent else self._owners,
            parent_relation,
            identified_by,
        )
        return self._created([entity])

    def _owners(self) -> Sequence[Any]:
        source = self.source
        if source is None:
            raise UsageError(
                f"{self!r} is the result of a query, so the parent of a new {self._type.__name__} is unknown: "
                f"create it on an attribute of its parent, or name the parent as an argument."
            )
        return source.client_entities

    def create_batch(self, *batch: Mapping[str, Any]) -> EntityCollection[E] | EmptyCollection[E]:
        """Create several entities, one for each dictionary of arguments to `create`, and return their union.

        Raises:
            UsageError: As for `create`; nothing is created then.
            TypeError: There is something else than dictionaries.
        """
        plans = [self._plan(**arguments) for arguments in authoring.checked_batch(batch)]
        return self._created([create() for create in plans]) if plans else self

    def _plan(
        self, *, parent_relation: str | None = None, no_parent: bool = False, **arguments: Any
    ) -> Callable[[], Any]:
        """Check the arguments of `create` and return what creates the client's entity."""
        context = self._creating()
        if is_kind(self._type, Note):
            source = self.source
            return notes.plan_on(context, source.client_entities if source else (), arguments)
        return authoring.plan(context, self._type, arguments, None if no_parent else self._owners, parent_relation)

    def _creating(self) -> Context:
        """Return what new entities belong to."""
        if self._depth > 1:
            raise UsageError(f"{self!r} cannot create: what would own the new {self._type.__name__} does not exist.")
        if self._context is None:
            raise UsageError(
                f"{self!r} was made by hand and belongs to no query: create on the result of one, such as "
                f"Query({self._type.__name__}).get_all(), also if nothing was found."
            )
        return self._context

    def _created(self, entities: Sequence[Any]) -> EntityCollection[E]:
        context = self._creating()
        made: EntityCollection[E] = context.collect(View(self._type, context), entities)
        return made

    def delete(self) -> Any:
        """Delete nothing and return the session."""
        return self._session

    def commit(self) -> None:
        """Send all pending operations of the session.

        Raises:
            EntityCollectionOperationError: The collection belongs to no session.
        """
        if self._session is None:
            raise EntityCollectionOperationError(f"{self!r} belongs to no session that could be committed.")
        self._session.commit()
