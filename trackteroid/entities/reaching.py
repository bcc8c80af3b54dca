"""Methods of collections that follow relations: from a class to what is reached, and what is fetched on the way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from trackteroid.entities import attributes, fetching
from trackteroid.entities.container import Members
from trackteroid.entities.context import View
from trackteroid.entities.entity import Entity, EntityType, is_kind
from trackteroid.entities.entity_types import TypedContext
from trackteroid.entities.values import unique
from trackteroid.errors import EntityCollectionOperationError
from trackteroid.query.loggers import logger
from trackteroid.query.projections import Projection
from trackteroid.relationships import Step

if TYPE_CHECKING:
    from typing_extensions import Self

    from trackteroid.entities.collection import EntityCollection
    from trackteroid.entities.empty import EmptyCollection

__all__ = ["ReachingMethods"]

E = TypeVar("E", bound=Entity)
F = TypeVar("F", bound=Entity)


class ReachingMethods(Members[E]):
    """What collections can reach and fetch."""

    __slots__ = ()

    def get(
        self, target: type[F], projections: Sequence[Projection] | None = None
    ) -> EntityCollection[F] | EmptyCollection[F]:
        """Fetch the entities of a class along the relation to it, with projections, and return them.

        Raises:
            TypeError: `target` is no entity class.
            ValueError: No relation to the class is known.
        """
        if not isinstance(target, EntityType):
            raise TypeError(f"get takes an entity class such as Task, not {target!r}.")
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

    def fetch_attributes(self, *attributes: Projection) -> Self:
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
            names = [step.name for step in steps[:cut]]
            plain.append(names)
            if cut < len(steps):
                filtered.append(steps)
            elif fetching.is_mapped(view.context, view.entity_type, steps):
                # The server sends the bare rows of a mapping unless their values are asked for.
                plain.append([*names, "value"])
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

    def _alternatives(self, target: EntityType) -> tuple[tuple[Step, ...], ...]:
        relation = self._view.context.relation(self._view.entity_type, target)
        if relation is None:
            raise AttributeError(
                f"{self._view.entity_type.__name__} has no relation to {target.__name__}: add one in "
                f"RELATIONSHIPS_RESOLVER of your configuration."
            )
        return relation.alternatives

    def _reached(self, target: EntityType) -> EntityCollection[Any] | EmptyCollection[Any]:
        reached: list[EntityCollection[Any] | EmptyCollection[Any]] = [
            self._walk(steps) for steps in self._alternatives(target)
        ]
        present = [found for found in reached if found]
        if not present:
            return reached[0][target] if reached[0].entity_type is not target else reached[0]
        first, *others = present
        if others:
            common = unique(entity for found in present for entity in found.client_entities)
            first = self._several(common, View(target, self._view.context))
        if first.entity_type is not target and is_kind(first.entity_type, target):
            first = first.__coerce_to__(target)
        return first

    def _walk(self, steps: Sequence[Step]) -> Any:
        current: Any = self
        for step in steps:
            if isinstance(current, ReachingMethods):
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
        if len(steps) > 1:
            # What the attribute belongs to must be there; whether the attribute itself was fetched does not matter.
            self.fetch_attributes(".".join(map(str, steps[:-1])))
        owner = self._walk(steps[:-1])
        owner.set_attribute(steps[-1].name, value)
