"""Collections: ordered, immutable sets of entities of one type, and the typed absence of entities.

Scope: the containers, attribute access and the functional methods. What reads, changes or creates entities lies in the
modules beside this one; they work on the official client's entities and know nothing of the classes here.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, KeysView, Mapping, Sequence, ValuesView
from typing import Any, Generic, NoReturn, TypeVar, overload

from trackteroid.entities import assignment, attributes, authoring, deletion, fetching, linking, notes
from trackteroid.entities.container import Container
from trackteroid.entities.context import Context, Origin, View, attribute_class
from trackteroid.entities.entity import Entity, EntityType, declared
from trackteroid.entities.entity_types import Context as ContextEntity
from trackteroid.entities.entity_types import Note, Project, TypedContext
from trackteroid.entities.ordering import sort_key
from trackteroid.entities.set_operations import differing, kept, without
from trackteroid.entities.values import read_all, unique
from trackteroid.errors import EntityCollectionOperationError, UsageError
from trackteroid.query.loggers import logger
from trackteroid.query.projections import Projection
from trackteroid.relationships import Attribute, AttributeKind, Step

__all__ = ["EmptyCollection", "EntityCollection"]

E = TypeVar("E", bound=Entity)
F = TypeVar("F", bound=Entity)
T = TypeVar("T")
K = TypeVar("K", bound=Hashable)

Any_ = Any
"""Result of reading an attribute: a list of scalars or a collection, as the server's schema says."""


def _is_protocol(name: str) -> bool:
    # Asked by copy, pickle, IPython and the like; never attributes of an entity.
    return name.startswith(("__", "_ipython_", "_repr_"))


class EntityCollection(Container, Generic[E]):
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
    def container_context(self) -> Context:
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

    # Items

    def __iter__(self) -> Iterator[EntityCollection[E]]:
        view = self._view
        for entity in self._entities:
            yield _single(view, entity)

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
            return _single(self._view, self._entities[item])
        if isinstance(item, slice):
            return self._subset(self._entities[item])
        if isinstance(item, (str, tuple)):
            return _single(self._view, self._keyed()[item])
        if isinstance(item, EntityType):
            return self._of_type(item)
        raise TypeError(f"A collection is indexed by number, slice, id or entity class, not by {item!r}.")

    def _of_type(self, entity_type: EntityType) -> EntityCollection[Any] | EmptyCollection[Any]:
        named = self._view.context.class_named
        classes = {name: named(name) for name in {entity.entity_type for entity in self._entities}}
        found = [entity for entity in self._entities if issubclass(classes[entity.entity_type], entity_type)]
        return self._subset(found, View(entity_type, self._view.context, self._view.origin))

    def __coerce_to__(self, entity_type: EntityType) -> EntityCollection[Any]:
        own = self._view.entity_type
        allowed = issubclass(own, entity_type) or (own is Project and entity_type is TypedContext)
        # Contexts come from the server as `Context` where they may be projects as well.
        if not allowed and not (own is ContextEntity and entity_type is TypedContext):
            raise UsageError(f"A collection of {own.__name__} cannot be used as {entity_type.__name__}.")
        return self._as(View(entity_type, self._view.context, self._view.origin))

    # Attributes

    def __getattr__(self, name: str) -> Any:
        attribute = self._view.attributes.get(name)
        if attribute is not None and not attribute.restricted:
            return self._read(attribute)
        if _is_protocol(name):
            raise AttributeError(name)
        if name.startswith(attributes.CUSTOM_PREFIX):
            key = name[len(attributes.CUSTOM_PREFIX) :]
            return attributes.custom_values(self._view.context, self._entities, key)
        target = self._class_named(name)
        if target is None:
            raise AttributeError(f"{self._view.entity_type.__name__} has no attribute {name!r}.")
        return self._reached(target)

    def __setattr__(self, name: str, value: Any) -> None:
        if _is_protocol(name):
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
        return self._read(attribute) if attribute is not None else self.__getattr__(name)

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
        elif name.startswith(attributes.CUSTOM_PREFIX):
            assignment.assign_custom(view, self._entities, name[len(attributes.CUSTOM_PREFIX) :], value)
        else:
            target = self._class_named(name)
            if target is None:
                raise AttributeError(f"{view.entity_type.__name__} has no attribute {name!r}.")
            self._assign_through(target, value)

    def _read(self, attribute: Attribute) -> Any:
        view = self._view
        if attribute.kind is AttributeKind.SCALAR:
            return read_all(self._entities, attribute.name)
        if attribute.kind is AttributeKind.MAPPED:
            return attributes.mappings(view.context, self._entities, attribute.name)
        found, entity_type = attributes.related(view, self._entities, attribute)
        if not found:
            return EmptyCollection._reached_from(self, entity_type)
        return _made(View(entity_type, view.context, Origin(self, attribute.name)), found)

    def _class_named(self, name: str) -> EntityType | None:
        known = declared(name)
        if known is None and name in self._view.context.index:
            known = self._view.context.class_named(name)
        return known

    def _alternatives(self, target: EntityType) -> tuple[tuple[Step, ...], ...]:
        relation = self._view.context.relation(self._view.entity_type, target)
        if relation is None:
            raise AttributeError(
                f"{self._view.entity_type.__name__} has no relation to {target.__name__}: add one in "
                f"RELATIONSHIPS_RESOLVER of your configuration."
            )
        return relation.alternatives

    def _reached(self, target: EntityType) -> EntityCollection[Any] | EmptyCollection[Any]:
        reached = [self._walk(steps) for steps in self._alternatives(target)]
        present = [found for found in reached if found]
        if not present:
            return reached[0][target] if reached[0].entity_type is not target else reached[0]
        first, *others = present
        if others:
            common = unique(entity for found in present for entity in found.client_entities)
            first = _made(View(target, self._view.context), common)
        if first.entity_type is not target and issubclass(first.entity_type, target):
            first = first.__coerce_to__(target)
        return first

    def _walk(self, steps: Sequence[Step]) -> Any:
        current: Any = self
        for step in steps:
            if isinstance(current, EntityCollection):
                current._warn_if_unfetched(step.name)
            current = current.attribute(step.name)
            if step.type_filter is not None:
                current = current[self._view.context.class_named(step.type_filter)]
        return current

    def _warn_if_unfetched(self, name: str) -> None:
        if attributes.is_unfetched(self._entities, name):
            logger(f"entities.{self._view.entity_type.__name__}").warning(
                "%s.%s was not fetched for all of %r: project it in the query or use fetch_attributes.",
                self._view.entity_type.__name__,
                name,
                self,
            )

    def _assign_through(self, target: EntityType, value: Any) -> None:
        alternatives = self._alternatives(target)
        if len(alternatives) > 1:
            raise EntityCollectionOperationError(
                f"{self._view.entity_type.__name__}.{target.__name__} may be any of {len(alternatives)} attributes; "
                f"assign to the one you mean."
            )
        (steps,) = alternatives
        owner = self._walk(steps[:-1])
        owner.set_attribute(steps[-1].name, value)

    # Fetching

    def get(
        self, target: type[F], projections: Sequence[Projection] | None = None
    ) -> EntityCollection[F] | EmptyCollection[F]:
        """Fetch the entities of a class along the relation to it, with projections, and return them.

        Raises:
            ValueError: No relation to the class is known.
        """
        entity_type: EntityType = target
        try:
            alternatives = self._alternatives(entity_type)
        except AttributeError as error:
            raise EntityCollectionOperationError(str(error)) from error
        scope = self._view.context.scope(entity_type)
        wanted = self._view.context.make_query(self._view.context, entity_type).paths(projections, scope)
        for steps in alternatives:
            prefix = ".".join(map(str, steps))
            self.fetch_attributes(*(f"{prefix}.{path}" for path in wanted))
        return self._reached(entity_type)

    def fetch_attributes(self, *attributes: Projection) -> EntityCollection[E]:
        """Load what is missing of these attributes for all entities, and return the collection.

        Args:
            *attributes: Attribute paths, entity classes or class chains, as in projections. A type filter in a path
                (`parent[Shot].name`) loads what follows it for entities of that type only.

        Raises:
            AttributeError: The type has no such attribute; nothing was asked then.
            EntityCollectionOperationError: The session was reconnected since.
        """
        view = self._view
        plain: list[list[str]] = []
        filtered: list[tuple[Step, ...]] = []
        for steps in fetching.resolve_steps(view.context, view.entity_type, attributes):
            cut = next((position for position, step in enumerate(steps, 1) if step.type_filter), len(steps))
            plain.append([step.name for step in steps[:cut]])
            if cut < len(steps):
                filtered.append(steps)
        fetching.fetch(view.context, view.entity_type, self._entities, plain)
        for steps in filtered:
            cut = next(position for position, step in enumerate(steps, 1) if step.type_filter)
            found: Any = self
            for step in steps[:cut]:
                found = found.attribute(step.name)
            rest = ".".join(map(str, steps[cut:]))
            found[view.context.class_named(str(steps[cut - 1].type_filter))].fetch_attributes(rest)
        return self

    def query_children(
        self, projections: Sequence[Projection] | None = None, session: Any = None
    ) -> EntityCollection[TypedContext] | EmptyCollection[TypedContext]:
        """Fetch the children with their name, object type and the given projections, and return them.

        Args:
            projections: What to fetch of each child besides.
            session: For callers of the original library; must be this collection's session.
        """
        context = self._view.context
        if session is not None and session is not context.session:
            raise EntityCollectionOperationError("query_children asks the session that the collection belongs to.")
        wanted = context.make_query(context, TypedContext).paths(projections, context.scope(TypedContext))
        self.fetch_attributes(*(f"children.{path}" for path in (*wanted, "object_type.name")))
        children: EntityCollection[TypedContext] | EmptyCollection[TypedContext] = self.attribute("children")
        return children

    # Functional methods

    def map(self, function: Callable[[EntityCollection[E]], T]) -> list[T]:
        """Return what the function returns for each entity."""
        return [function(item) for item in self]

    def filter(self, predicate: Callable[[EntityCollection[E]], object]) -> EntityCollection[E] | EmptyCollection[E]:
        """Return the entities for which the predicate is true."""
        view = self._view
        return self._subset([entity for entity in self._entities if predicate(_single(view, entity))])

    def partition(
        self, predicate: Callable[[EntityCollection[E]], object]
    ) -> tuple[EntityCollection[E] | EmptyCollection[E], EntityCollection[E] | EmptyCollection[E]]:
        """Return the entities for which the predicate is true, and the others."""
        matching: list[Any] = []
        rest: list[Any] = []
        for entity in self._entities:
            (matching if predicate(_single(self._view, entity)) else rest).append(entity)
        return self._subset(matching), self._subset(rest)

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
        """Return key -> the entities for which the function returns that key, keys in order of appearance."""
        groups: dict[K, list[Any]] = {}
        for entity in self._entities:
            groups.setdefault(function(_single(self._view, entity)), []).append(entity)
        return {key: _made(self._view, unique(entities)) for key, entities in groups.items()}

    def group_and_map(
        self, grouper: Callable[[EntityCollection[E]], K], mapper: Callable[[EntityCollection[E]], T]
    ) -> dict[K, T]:
        """Return key -> what the mapper returns for that key's group."""
        return {key: mapper(group) for key, group in self.group(grouper).items()}

    def sort(self, function: Callable[[EntityCollection[E]], Any], reverse: bool = False) -> EntityCollection[E]:
        """Return the entities ordered by what the function returns; absent values first, last when reversed.

        Equal ones keep their order.
        """
        view = self._view
        ordered = sorted(self._entities, key=lambda entity: sort_key(function(_single(view, entity))), reverse=reverse)
        return _made(view, unique(ordered))

    def max(self, function: Callable[[EntityCollection[E]], Any]) -> EntityCollection[E]:
        """Return the entity for which the function returns most; of equal ones the last."""
        keys = [sort_key(function(item)) for item in self]
        best = max(range(len(keys)), key=lambda position: (keys[position], position))
        return self[best]

    def min(self, function: Callable[[EntityCollection[E]], Any]) -> EntityCollection[E]:
        """Return the entity for which the function returns least; of equal ones the first."""
        keys = [sort_key(function(item)) for item in self]
        return self[min(range(len(keys)), key=lambda position: keys[position])]

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
        owner: EntityCollection[Any] = self
        if attribute_name is None:
            origin = self._view.origin
            if origin is None or not isinstance(origin.owner, EntityCollection):
                raise EntityCollectionOperationError(
                    f"{self!r} was not read from an attribute: say which one to assign with attribute_name."
                )
            owner, attribute_name = origin.owner, origin.attribute
        values = [function(item) for item in owner]
        owner.set_attribute(attribute_name, values if len(values) > 1 else values[0])
        return owner.attribute(attribute_name)

    def to_dicts(self, *attributes: str) -> list[dict[str, Any]]:
        """Return one plain dictionary per entity.

        Args:
            *attributes: Dotted paths, each a key of the result; default: the class's default projections. Behind a
                reference the value is what the entity there has, behind an array a list of such values.
        """
        names = attributes or tuple(self._view.entity_type.projections)
        return [{name: _plain(item, name.split(".")) for name in names} for item in self]

    # Sets

    def union(self, *others: EntityCollection[E] | EmptyCollection[E]) -> EntityCollection[E]:
        """Return the entities of all collections: these first, then newcomers in the order of the arguments."""
        entities = [*self._entities, *(entity for other in others for entity in self._joinable(other, "union"))]
        return _made(self._shared_view(others), unique(entities))

    def intersection(self, *others: EntityCollection[E] | EmptyCollection[E]) -> Any:
        """Return the entities that are in every collection."""
        return self._subset(kept(self._entities, [self._joinable(other, "intersection") for other in others]))

    def difference(self, *others: EntityCollection[E] | EmptyCollection[E]) -> Any:
        """Return the entities that are in none of the others."""
        return self._subset(without(self._entities, [self._joinable(other, "difference") for other in others]))

    def symmetric_difference(self, *others: EntityCollection[E] | EmptyCollection[E]) -> Any:
        """Return the entities that are in an odd number of the collections: pairwise from left to right."""
        joined = [self._joinable(other, "symmetric_difference") for other in others]
        return self._subset(differing(self._entities, joined), self._shared_view(others))

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

    def _shared_view(self, others: Sequence[Any]) -> View:
        """Return a view that claims an origin only if all collections have it."""
        origin = self._view.origin
        for other in others:
            theirs = other._view.origin if isinstance(other, EntityCollection) else origin
            if theirs is not origin and (
                theirs is None or origin is None or (theirs.owner, theirs.attribute) != (origin.owner, origin.attribute)
            ):
                return View(self._view.entity_type, self._view.context)
        return self._view

    # Writing

    def create(self, *, parent_relation: str | None = None, no_parent: bool = False, **arguments: Any) -> Any:
        """Create one more entity beside these: of their type, with their parent.

        Nothing is sent before `commit()`; this collection does not change.

        Args:
            parent_relation: The attribute that refers to the parent, if not the type's usual one.
            no_parent: Whether to create it without a parent.
            **arguments: Attribute -> value; for references a collection of one.

        Raises:
            UsageError: An argument is missing or of no use, or these entities have no parent or several.
            EntityCollectionOperationError: An argument belongs to another session.
        """
        if issubclass(self._view.entity_type, Note):
            return self._created(notes.create_beside(self._view, self._entities, arguments))

        def find() -> Sequence[Any]:
            return authoring.parents(self._view, self._entities, parent_relation)

        created = authoring.create(
            self._view.context, self._view.entity_type, arguments, None if no_parent else find, parent_relation
        )
        return self._created(created)

    def create_batch(self, *batch: Mapping[str, Any]) -> Any:
        """Create several entities, one for each dictionary of arguments to `create`, and return their union."""
        return _batch(self, batch)

    def _created(self, entity: Any) -> EntityCollection[E]:
        return _single(View(self._view.entity_type, self._view.context, self._view.origin), entity)

    def link_inputs(self, others: Any) -> EntityCollection[E]:
        """Link each of the others as an input of each of these, where it is not yet; returns this collection."""
        linking.link(self._view, self._entities, others, incoming=True)
        return self

    def link_outputs(self, others: Any) -> EntityCollection[E]:
        """Link each of the others as an output of each of these, where it is not yet; returns this collection."""
        linking.link(self._view, self._entities, others, incoming=False)
        return self

    def unlink_inputs(self, others: Any) -> EntityCollection[E]:
        """Delete the links by which the others are inputs of these; returns this collection."""
        linking.unlink(self._view, self._entities, others, incoming=True)
        return self

    def unlink_outputs(self, others: Any) -> EntityCollection[E]:
        """Delete the links by which the others are outputs of these; returns this collection."""
        linking.unlink(self._view, self._entities, others, incoming=False)
        return self

    def delete(self) -> Any:
        """Mark all entities for deletion and return the session, for `.delete().commit()`.

        Raises:
            UsageError: The studio's configuration does not allow it.
        """
        deletion.delete(self._view, self._entities)
        return self._view.context.session

    def commit(self) -> None:
        """Send all pending operations of the session, not only those on these entities."""
        self._view.context.check_usable("commit")
        self._view.context.session.commit()

    # Making others

    def _keyed(self) -> dict[Any, Any]:
        keyed = self._by_key
        if keyed is None:
            keyed = unique(self._entities)
            _set_by_key(self, keyed)
        return keyed

    def _as(self, view: View) -> EntityCollection[Any]:
        return _made(view, self._keyed())

    def _subset(self, entities: Sequence[Any], view: View | None = None) -> Any:
        view = view or self._view
        if entities:
            return _made(view, unique(entities))
        return EmptyCollection._left_of(self, view.entity_type)


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
        _type: type[E] | None = None,
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

    @classmethod
    def _reached_from(cls, owner: EntityCollection[Any], entity_type: EntityType) -> EmptyCollection[Any]:
        """Return the empty relation of an owner that exists."""
        return cls(entity_type, owner)  # type: ignore[arg-type]

    @classmethod
    def _left_of(cls, collection: EntityCollection[Any], entity_type: EntityType) -> EmptyCollection[Any]:
        """Return what is left when nothing of a collection matches: its source are that collection's parents."""
        view = collection._view

        def find() -> Container | None:
            found = authoring.parents(view, collection.client_entities)
            if not found:
                return None
            owner = view.context.class_named(found[0].entity_type)
            return _made(View(owner, view.context), unique(found))

        return cls(entity_type, context=view.context, find_source=find)  # type: ignore[arg-type]

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
            entity_type,  # type: ignore[arg-type]
            depth=self._depth,
            session=self._session,
            context=self._context,
            find_source=self._find_source,
        )

    def __getattr__(self, name: str) -> EmptyCollection[Any]:
        if _is_protocol(name):
            raise AttributeError(name)
        return EmptyCollection(
            self._type_of(name),  # type: ignore[arg-type]
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
        if _is_protocol(name):
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

    def to_dicts(self, *attributes: str) -> list[dict[str, Any]]:
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

    filter = sort = max = min = apply = get = _same
    fetch_attributes = query_children = _same
    link_inputs = link_outputs = unlink_inputs = unlink_outputs = _same
    intersection = difference = _same

    def union(self, *others: Any) -> Any:
        """Return the union of the others."""
        present = [other for other in others if other]
        return present[0].union(*present[1:]) if present else self

    def symmetric_difference(self, *others: Any) -> Any:
        """Return the symmetric difference of the others."""
        present = [other for other in others if other]
        return present[0].symmetric_difference(*present[1:]) if present else self

    def __or__(self, other: Any) -> Any:
        return self.union(other) if isinstance(other, Container) else NotImplemented

    def __and__(self, other: Any) -> Any:
        return self if isinstance(other, Container) else NotImplemented

    __sub__ = __and__

    def __xor__(self, other: Any) -> Any:
        return self.symmetric_difference(other) if isinstance(other, Container) else NotImplemented

    # Writing

    def create(self, *, parent_relation: str | None = None, no_parent: bool = False, **arguments: Any) -> Any:
        """Create the first entity of this relation; its parent is the owner that it was read from.

        Raises:
            UsageError: The owner is missing or there are several, or an argument is missing or of no use.
        """
        if self._depth > 1 or self._context is None:
            raise UsageError(f"{self!r} cannot create: what would own the new {self._type.__name__} does not exist.")
        context = self._context
        if issubclass(self._type, Note):
            source = self.source
            entity = notes.create_on(context, source.client_entities if source else (), arguments)
        else:

            def find() -> Sequence[Any]:
                source = self.source
                if source is None:
                    raise UsageError(
                        f"{self!r} is the result of a query, so the parent of a new {self._type.__name__} is unknown: "
                        f"create it on an attribute of its parent, or name the parent as an argument."
                    )
                return source.client_entities

            entity = authoring.create(context, self._type, arguments, None if no_parent else find, parent_relation)
        return _single(View(self._type, context), entity)

    def create_batch(self, *batch: Mapping[str, Any]) -> Any:
        """Create several entities, one for each dictionary of arguments to `create`, and return their union."""
        return _batch(self, batch)

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


# Writing slots past `__setattr__`, which records updates; a descriptor's own setter is the fastest way.
_set_view = EntityCollection.__dict__["_view"].__set__
_set_entities = EntityCollection.__dict__["_entities"].__set__
_set_by_key = EntityCollection.__dict__["_by_key"].__set__
_set_query = EntityCollection.__dict__["_query"].__set__
_new = EntityCollection.__new__


def _single(view: View, entity: Any) -> EntityCollection[Any]:
    """Return a collection of one entity; iteration makes one per element, so nothing is computed here."""
    collection: EntityCollection[Any] = _new(EntityCollection)
    _set_view(collection, view)
    _set_entities(collection, (entity,))
    _set_by_key(collection, None)
    _set_query(collection, None)
    return collection


def _made(view: View, by_key: dict[Any, Any]) -> EntityCollection[Any]:
    """Return a collection of entities that are known to be unique."""
    collection: EntityCollection[Any] = _new(EntityCollection)
    _set_view(collection, view)
    _set_entities(collection, tuple(by_key.values()))
    _set_by_key(collection, by_key)
    _set_query(collection, None)
    return collection


def _batch(collection: Any, batch: Sequence[Mapping[str, Any]]) -> Any:
    created = [collection.create(**arguments) for arguments in batch]
    if not created:
        return EmptyCollection(collection.entity_type, context=collection.container_context)
    return created[0].union(*created[1:])


def _plain(item: Any, path: Sequence[str]) -> Any:
    """Return an attribute path of a one-entity collection as plain values."""
    value = item.attribute(path[0])
    if not isinstance(value, Container):
        return value[0] if len(value) == 1 else value
    plural = isinstance(item, EntityCollection) and item._view.attributes[path[0]].is_plural
    rest = path[1:] or [value.entity_type.projections[0]]
    found = [_plain(element, rest) for element in value]
    return found if plural else (found[0] if found else None)
