"""`EntityCollection`: an ordered, immutable set of entities of one type.

Scope: the container itself and attribute access. The other methods are in `reaching`, `functional`, `set_operations` and
`writing`; what reads, changes or creates entities lies in modules that work on the official client's entities and know
no collections.
"""

from __future__ import annotations

import keyword
from collections.abc import Iterator, KeysView, Mapping, Sequence, ValuesView
from typing import Any, TypeVar, overload

from trackteroid.entities import assignment, attributes, authoring
from trackteroid.entities.container import Container, is_protocol
from trackteroid.entities.context import Context as SharedContext
from trackteroid.entities.context import Origin, View
from trackteroid.entities.empty import EmptyCollection
from trackteroid.entities.entity import Entity, EntityType, declared
from trackteroid.entities.entity_types import Context, Project, TypedContext
from trackteroid.entities.functional import FunctionalMethods
from trackteroid.entities.reaching import ReachingMethods
from trackteroid.entities.set_operations import SetMethods
from trackteroid.entities.values import NOT_SET, read, read_all, unique
from trackteroid.entities.writing import WritingMethods
from trackteroid.errors import UnknownNameError, UsageError
from trackteroid.relationships import Attribute, AttributeKind

__all__ = ["EmptyCollection", "EntityCollection", "collect"]

E = TypeVar("E", bound=Entity)
F = TypeVar("F", bound=Entity)


class EntityCollection(ReachingMethods[E], FunctionalMethods[E], SetMethods[E], WritingMethods[E]):
    """One or more entities of one type, each once, in order; immutable.

    Collections are made by queries, by reading attributes of other collections and by `create`. Reading an attribute
    gives a list of scalars or another collection; assigning to one records updates that `commit()` sends.
    """

    __slots__ = ("_by_key", "_entities", "_query", "_view")
    _view: View
    _entities: tuple[Any, ...]
    _by_key: dict[Any, Any] | None
    _query: Any

    def __init__(self, view: View, entities: Sequence[Any], query: Any = None) -> None:
        if not entities:
            raise UsageError("An EntityCollection has entities: use EmptyCollection for none.")
        by_key = unique(entities)
        _set_view(self, view)
        _set_entities(self, tuple(by_key.values()))
        _set_by_key(self, by_key)
        _set_query(self, query)

    # What it is

    @property
    def entity_type(self) -> type[E]:
        """The class that its entities are looked at as."""
        return self._view.entity_type  # type: ignore[return-value]

    @property
    def client_entities(self) -> tuple[Any, ...]:
        """The entities of the official client, in order."""
        return self._entities

    @property
    def container_context(self) -> SharedContext:
        """What the entities belong to: session, connection, relation schema."""
        return self._view.context

    @property
    def query(self) -> Any:
        """A `Query` for these entities: the one that found them, else one by their ids."""
        return self.as_query()

    def as_query(self, use_ids: bool = False, with_projections: bool = False) -> Any:
        """Return a new `Query` for these entities.

        Args:
            use_ids: Whether to ask by ids even where the collection is the result of a query.
            with_projections: Whether to keep that query's explicit projections.
        """
        original = self._query
        if original is None or use_ids:
            query = self._view.context.make_query(self._view.context, self._view.entity_type)
            query = query.by_id(*self.keys())
            if with_projections and original is not None:
                query.projections = list(original.projections)
            return query
        query = original.__copy__()
        if not with_projections:
            query.projections = []
        return query

    def __repr__(self) -> str:
        return f"EntityCollection[{self._view.entity_type.__name__}]{{{len(self._entities)}}}"

    def __len__(self) -> int:
        return len(self._entities)

    def __bool__(self) -> bool:
        return True

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, EntityCollection):
            return False
        if self._entities is other._entities:
            return True
        return len(self._entities) == len(other._entities) and all(
            mine is theirs for mine, theirs in zip(self._entities, other._entities, strict=True)
        )

    def __hash__(self) -> int:
        return hash(tuple(self._keyed()))

    def __copy__(self) -> EntityCollection[E]:
        return self

    def __deepcopy__(self, memo: object) -> EntityCollection[E]:
        return self

    def __dir__(self) -> list[str]:
        # The attributes too, for whoever completes names in a shell. Keywords of Python cannot follow a dot.
        return [*super().__dir__(), *(name for name in self._view.attributes if not keyword.iskeyword(name))]

    # Items

    def __iter__(self) -> Iterator[EntityCollection[E]]:
        # The same as `_single` for each, without a call per element: loops over collections are what people write.
        view = self._view
        for entity in self._entities:
            collection: EntityCollection[E] = _new(EntityCollection)
            _set_view(collection, view)
            _set_entities(collection, (entity,))
            yield collection

    def __contains__(self, item: object) -> bool:
        keyed = self._keyed()
        if isinstance(item, EntityCollection):
            return all(key in keyed for key in item._keyed())
        if isinstance(item, Entity):
            return any(key in keyed for key in unique([item.ftrack_entity]))
        return isinstance(item, (str, tuple)) and item in keyed

    def keys(self) -> KeysView[Any]:
        """Return the ids, in order; tuples of texts for types with several primary key attributes."""
        return self._keyed().keys()

    def values(self) -> ValuesView[E]:
        """Return the entities as `Entity` wrappers, in order."""
        wrap = self._view.context.class_named
        return {key: wrap(entity.entity_type)(entity) for key, entity in self._keyed().items()}.values()

    @overload
    def __getitem__(self, item: int | str | tuple[str, ...]) -> EntityCollection[E]: ...
    @overload
    def __getitem__(self, item: slice) -> EntityCollection[E] | EmptyCollection[E]: ...
    @overload
    def __getitem__(self, item: type[F]) -> EntityCollection[F] | EmptyCollection[F]: ...

    def __getitem__(self, item: Any) -> Any:
        if isinstance(item, int):
            try:
                return _single(self._view, self._entities[item])
            except IndexError:
                raise IndexError(f"{self!r} has no element {item}.") from None
        if isinstance(item, slice):
            return self._subset(unique(self._entities[item]))
        if isinstance(item, (str, tuple)):
            try:
                return _single(self._view, self._keyed()[item])
            except KeyError:
                hint = f"; the attribute is .{item}" if item in self._view.attributes else ""
                raise UnknownNameError(f"{self!r} has no entity of the id {item!r}{hint}.") from None
        if isinstance(item, EntityType):
            return self._of_type(item)
        raise TypeError(f"A collection is indexed by number, slice, id or entity class, not by {item!r}.")

    def _of_type(self, entity_type: EntityType) -> EntityCollection[Any] | EmptyCollection[Any]:
        named = self._view.context.class_named
        classes = {name: named(name) for name in {entity.entity_type for entity in self._entities}}
        found = {
            key: entity for key, entity in self._keyed().items() if issubclass(classes[entity.entity_type], entity_type)
        }
        return self._subset(found, View(entity_type, self._view.context, self._view.origin))

    def __coerce_to__(self, entity_type: EntityType) -> EntityCollection[Any]:
        own = self._view.entity_type
        allowed = issubclass(own, entity_type) or (own is Project and entity_type is TypedContext)
        # Contexts come from the server as `Context` where they may be projects as well.
        if not allowed and not (own is Context and entity_type is TypedContext):
            raise UsageError(f"A collection of {own.__name__} cannot be used as {entity_type.__name__}.")
        return self._as(View(entity_type, self._view.context, self._view.origin))

    # Attributes

    def __getattr__(self, name: str) -> Any:
        view = self._view
        if name in view.scalars:
            entities = self._entities
            if len(entities) > 1:
                return read_all(entities, name)
            # As `read`, without the call: loops over collections spend their time here.
            entity = entities[0]
            try:
                cell = entity._ftrack_attribute_storage[name]
            except AttributeError:
                return [read(entity, name)]
            value = cell["local"]
            if value is NOT_SET:
                value = cell["remote"]
            return [read(entity, name) if value is NOT_SET else value]
        if name in _LATER:
            return None
        attribute = view.attributes.get(name)
        if attribute is not None and not attribute.restricted:
            return self._read(attribute)
        if is_protocol(name):
            raise AttributeError(name)
        if name.startswith(attributes.CUSTOM_PREFIX):
            key = name[len(attributes.CUSTOM_PREFIX) :]
            return attributes.custom_values(self._entities, key)
        target = self._class_named(name)
        if target is None:
            raise attributes.unknown(view.entity_type.__name__, name, view.attributes)
        return self._reached(target)

    def __setattr__(self, name: str, value: Any) -> None:
        if is_protocol(name):
            # typing notes the type arguments of a generic on new instances, and lives without.
            raise AttributeError(name)
        if hasattr(type(self), name):
            raise AttributeError(
                f"{name!r} is a part of collections; use set_attribute({name!r}, ...) for the attribute."
            )
        self.set_attribute(name, value)

    def attribute(self, name: str) -> Any:
        """Return an attribute by name, also one that has the name of a method or is a keyword of Python.

        Raises:
            AttributeError: The entities have no such attribute.
        """
        attribute = self._view.attributes.get(name)
        if attribute is not None:
            return self._read(attribute)
        if not isinstance(name, str):
            raise TypeError(f"An attribute is named by a text, not by {name!r}.")
        return self.__getattr__(name)

    def set_attribute(self, name: str, value: Any) -> None:
        """Assign to an attribute by name: what `collection.name = value` does, for any name.

        Raises:
            TypeError: The value's type is wrong, or there are not as many values as entities.
            AttributeError: The entities have no such attribute.
            EntityCollectionOperationError: The value belongs to another session, or this collection was queried before
                the session was reconnected.
        """
        view = self._view
        attribute = view.attributes.get(name)
        if attribute is not None and not attribute.restricted:
            assignment.assign(view, self._entities, attribute, value)
        elif not isinstance(name, str):
            raise TypeError(f"An attribute is named by a text, not by {name!r}.")
        elif name.startswith(attributes.CUSTOM_PREFIX):
            assignment.assign_custom(view, self._entities, name[len(attributes.CUSTOM_PREFIX) :], value)
        else:
            target = self._class_named(name)
            if target is None:
                raise attributes.unknown(view.entity_type.__name__, name, view.attributes)
            self._assign_through(target, value)

    def _read(self, attribute: Attribute) -> Any:
        view = self._view
        if attribute.kind is AttributeKind.SCALAR:
            return read_all(self._entities, attribute.name)
        if attribute.kind is AttributeKind.MAPPED:
            return attributes.mappings(self._entities, attribute.name)
        found, entity_type = attributes.related(view, self._entities, attribute)
        if not found:
            return EmptyCollection(entity_type, self)
        return _made(View(entity_type, view.context, Origin(self, attribute.name)), found)

    def _class_named(self, name: str) -> EntityType | None:
        known = declared(name)
        if known is None and name in self._view.context.index:
            known = self._view.context.class_named(name)
        return known

    # Making others

    def _keyed(self) -> dict[Any, Any]:
        keyed = self._by_key
        if keyed is None:
            keyed = unique(self._entities)
            _set_by_key(self, keyed)
        return keyed

    def _as(self, view: View) -> EntityCollection[Any]:
        return _made(view, self._keyed())

    def _one(self, entity: Any) -> EntityCollection[E]:
        return _single(self._view, entity)

    def _several(self, by_key: Mapping[Any, Any], view: View | None = None) -> EntityCollection[E]:
        return _made(view or self._view, by_key)

    def _reordered(self, entities: Sequence[Any]) -> EntityCollection[E]:
        collection: EntityCollection[E] = _new(EntityCollection)
        _set_view(collection, self._view)
        _set_entities(collection, tuple(entities))
        return collection

    def _subset(self, by_key: Mapping[Any, Any], view: View | None = None) -> EntityCollection[E] | EmptyCollection[E]:
        view = view or self._view
        if by_key:
            return _made(view, by_key)
        return EmptyCollection(view.entity_type, context=view.context, find_source=self._parents)

    def _parents(self) -> Container | None:
        """Return the collection of these entities' parents; looking may ask the server."""
        context = self._view.context
        found = authoring.parents(self._view, self._entities)
        return _made(View(context.class_named(found[0].entity_type), context), unique(found)) if found else None


# Writing slots past `__setattr__`, which records updates; a descriptor's own setter is the fastest way.
_set_view = EntityCollection.__dict__["_view"].__set__
_set_entities = EntityCollection.__dict__["_entities"].__set__
_set_by_key = EntityCollection.__dict__["_by_key"].__set__
_set_query = EntityCollection.__dict__["_query"].__set__
_new = EntityCollection.__new__

# Slots that many collections are made without, above all those of one entity, of which loops make thousands: read before
# they are set, they are None.
_LATER = frozenset({"_by_key", "_query"})


def _single(view: View, entity: Any) -> EntityCollection[Any]:
    """Return a collection of one entity; iteration makes one per element, so nothing is computed here."""
    collection: EntityCollection[Any] = _new(EntityCollection)
    _set_view(collection, view)
    _set_entities(collection, (entity,))
    return collection


def collect(view: View, entities: Sequence[Any], query: Any = None) -> EntityCollection[Any]:
    """Return a collection of entities of which there is at least one.

    Args:
        view: How to look at them.
        entities: The client's; repeated ones count once.
        query: The query that found them.
    """
    return EntityCollection(view, entities, query)


def _made(view: View, by_key: Mapping[Any, Any]) -> EntityCollection[Any]:
    """Return a collection of entities that are known to be unique."""
    collection: EntityCollection[Any] = _new(EntityCollection)
    _set_view(collection, view)
    _set_entities(collection, tuple(by_key.values()))
    _set_by_key(collection, by_key)
    _set_query(collection, None)
    return collection
