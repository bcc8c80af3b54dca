"""What the collections of one query have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from trackteroid.entities.entity import Entity, EntityType
from trackteroid.entities.entity_types import Component, TypedContext, entity_class
from trackteroid.errors import EntityCollectionOperationError
from trackteroid.query.scope import Scope
from trackteroid.relationships import Attribute, Relation, SchemaIndex

__all__ = ["Context", "Origin", "View", "attribute_class"]

#: Attributes whose entities have a class of their own choosing: contexts of any object type, components of any kind.
_COERCED: Mapping[str, EntityType] = {
    "parent": TypedContext,
    "children": TypedContext,
    "ancestors": TypedContext,
    "descendants": TypedContext,
    "components": Component,
}


@dataclass(frozen=True, eq=False)
class Context:
    """A session as one query saw it.

    Attributes:
        session: The session that the entities belong to.
        schema: The relation schema.
        index: The server's schema.
        generation: The session's connection at that time: entities from before a reconnect can be read, not changed.
        make_query: Returns a new query on a class; handed down from `Query`, which stands above collections.
        collect: Returns a collection of entities, of which there is at least one.
    """

    session: Any
    schema: Mapping[str, Any]
    index: SchemaIndex
    generation: int
    make_query: Callable[[Context, EntityType], Any]
    collect: Callable[[View, Sequence[Any]], Any]

    def check_usable(self, action: str) -> None:
        """Refuse to write or fetch with entities of an earlier connection.

        Raises:
            EntityCollectionOperationError: The session was closed or reconnected since; `action` names what was wanted.
        """
        if self.session.generation != self.generation:
            cause = "its session was reconnected after it was queried; query it again"
        elif self.session.closed:
            cause = "its session is closed"
        else:
            return
        raise EntityCollectionOperationError(f"Cannot {action}: the collection can only be read, {cause}.")

    def check_same(self, other: Context | None, action: str) -> None:
        """Refuse to mix collections of different sessions, connections or relation schemas.

        Raises:
            EntityCollectionOperationError: They differ.
        """
        if other is None or other is self:
            return
        if other.session is not self.session:
            raise EntityCollectionOperationError(f"Cannot {action}: the collections belong to different sessions.")
        if other.generation != self.generation:
            raise EntityCollectionOperationError(
                f"Cannot {action}: the session was reconnected after one of the collections was queried; query it again."
            )
        if other.schema.get("name") != self.schema.get("name"):
            raise EntityCollectionOperationError(
                f"Cannot {action}: the collections have different relation schemas, {self.schema.get('name')!r} and "
                f"{other.schema.get('name')!r}."
            )

    def class_named(self, name: str) -> EntityType:
        """Return the entity class of a type of this server."""
        return entity_class(name, self.index)

    def scope(self, entity_type: EntityType) -> Scope:
        """Return where names in a query on a class are looked up."""
        return Scope(entity_type, self.schema, lambda: self.index)

    def relation(self, source: EntityType, target: EntityType) -> Relation | None:
        """Return the relation between two classes, None if none is known."""
        return self.scope(source).relation(target.__name__)


class Owner(Protocol):
    """A collection, as far as one that was read from it needs to know."""

    @property
    def client_entities(self) -> tuple[Any, ...]:
        """The entities of the official client."""


@dataclass(frozen=True, eq=False)
class Origin:
    """The attribute that a collection was read from, and of which collection."""

    owner: Owner
    attribute: str


@dataclass(frozen=True, eq=False, slots=True)
class View:
    """How a set of entities is looked at: as which class, in which context, reached from where."""

    entity_type: EntityType
    context: Context
    origin: Origin | None = None
    attributes: Mapping[str, Attribute] = field(init=False)
    scalars: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        schema = self.context.index.types.get(self.entity_type.__name__)
        object.__setattr__(self, "attributes", schema.attributes if schema else {})
        object.__setattr__(self, "scalars", schema.scalars if schema else frozenset())


def attribute_class(context: Context, attribute: Attribute) -> EntityType:
    """Return the class of the entities that a reference or array attribute is declared to hold."""
    coerced = _COERCED.get(attribute.name)
    if coerced is not None or attribute.target is None:
        return coerced or Entity
    return context.class_named(attribute.target)
