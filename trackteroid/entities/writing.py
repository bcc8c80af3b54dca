"""Methods of collections that change what the server has: they record operations, which `commit()` sends."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from trackteroid.entities import authoring, deletion, linking, notes
from trackteroid.entities.container import Container, Members
from trackteroid.entities.entity import Entity, is_kind
from trackteroid.entities.entity_types import Note
from trackteroid.entities.values import unique

if TYPE_CHECKING:
    from typing_extensions import Self

    from trackteroid.entities.collection import EntityCollection
    from trackteroid.entities.empty import EmptyCollection

__all__ = ["WritingMethods"]

E = TypeVar("E", bound=Entity)


class WritingMethods(Members[E]):
    """What collections can create, link and delete."""

    __slots__ = ()

    def create(
        self, *, parent_relation: str | None = None, no_parent: bool = False, **arguments: Any
    ) -> EntityCollection[E]:
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
        create = self._plan(parent_relation=parent_relation, no_parent=no_parent, **arguments)
        return self._created(create())

    def ensure(
        self,
        *,
        identified_by: Sequence[str] = (),
        parent_relation: str | None = None,
        no_parent: bool = False,
        **arguments: Any,
    ) -> EntityCollection[E]:
        """Return the entity with this parent and these arguments if there is one, or create it.

        An entity that is there gets the other arguments' values. In a `deferred_operations` block what is not there is recorded
        as "get or create", which is decided when the recording is committed: of three render layers that ensure the same asset
        one creates it, and all three use it. Nothing is sent before `commit()`.

        Args:
            identified_by: The arguments by which it is recognised, besides its parent; default: `name`, or all of them.
            parent_relation, no_parent, **arguments: As for `create`.

        Raises:
            UsageError: As for `create`, or an argument to recognise it by is missing.
            EntityCollectionOperationError: An argument belongs to another session.
            ftrack_api.exception.MultipleResultsFoundError: Several fit.
        """

        def find() -> Sequence[Any]:
            return authoring.parents(self._view, self._entities, parent_relation)

        view = self._view
        found = authoring.ensure(
            view.context, view.entity_type, arguments, None if no_parent else find, parent_relation, identified_by
        )
        return self._created(found)

    def create_batch(self, *batch: Mapping[str, Any]) -> EntityCollection[E] | EmptyCollection[E]:
        """Create several entities, one for each dictionary of arguments to `create`, and return their union.

        Raises:
            UsageError: As for `create`; nothing is created then.
            TypeError: There is something else than dictionaries.
        """
        plans = [self._plan(**arguments) for arguments in authoring.checked_batch(batch)]
        created = unique(create() for create in plans)
        return self._several(created) if created else self._subset({})

    def _plan(
        self, *, parent_relation: str | None = None, no_parent: bool = False, **arguments: Any
    ) -> Callable[[], Any]:
        """Check the arguments of `create` and return what creates the client's entity."""
        view = self._view
        if is_kind(view.entity_type, Note):
            return notes.plan_beside(view, self._entities, arguments)

        def find() -> Sequence[Any]:
            return authoring.parents(view, self._entities, parent_relation)

        return authoring.plan(view.context, view.entity_type, arguments, None if no_parent else find, parent_relation)

    def _created(self, entity: Any) -> EntityCollection[E]:
        return self._one(entity)

    def link_inputs(self, others: Container) -> Self:
        """Link each of the others as an input of each of these, where it is not yet; returns this collection."""
        linking.link(self._view, self._entities, others, incoming=True)
        return self

    def link_outputs(self, others: Container) -> Self:
        """Link each of the others as an output of each of these, where it is not yet; returns this collection."""
        linking.link(self._view, self._entities, others, incoming=False)
        return self

    def unlink_inputs(self, others: Container) -> Self:
        """Delete the links by which the others are inputs of these; returns this collection."""
        linking.unlink(self._view, self._entities, others, incoming=True)
        return self

    def unlink_outputs(self, others: Container) -> Self:
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
