"""Entities of an earlier connection: what was loaded stays readable, writing raises.

An entity finds its session by its instance attribute `session`. When a session reconnects, the entity classes of the old
connection get a data descriptor of that name, which wins over the instance attribute: from then on their entities speak to a
`RetiredConnection` (against silently lost edits, defect D30 of the original library).

Where the new connection goes on with the classes (its schema is the same), that descriptor is an `EntitySession`: it tells
entities of the present connection from older ones by the name under which they keep their session.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any, NoReturn

from trackteroid.errors import EntityCollectionOperationError

__all__ = ["EntitySession", "RetiredConnection", "outlive", "retire"]


class RetiredConnection:
    """Stands in for the session in entities from before a reconnect."""

    auto_populate = False
    closed = True

    def __init__(self, server_url: str, generation: int) -> None:
        self.server_url = server_url
        self.generation = generation
        self._recording = True

    @property
    def record_operations(self) -> bool:
        if self._recording:
            self.refuse()
        return False

    @contextlib.contextmanager
    def operation_recording(self, record_operations: bool) -> Iterator[None]:
        before, self._recording = self._recording, record_operations
        try:
            yield
        finally:
            self._recording = before

    @contextlib.contextmanager
    def auto_populating(self, auto_populate: bool) -> Iterator[None]:
        yield

    def merge(self, value: Any, merged: Any = None) -> Any:
        return value

    _merge = merge

    def __getattr__(self, name: str) -> NoReturn:
        self.refuse()

    def refuse(self) -> NoReturn:
        """Raise what tells the user to query again."""
        raise EntityCollectionOperationError(
            f"This entity was loaded over an earlier connection to {self.server_url}: its session has been reconnected "
            "or closed since. What was loaded can still be read; query it again to change it."
        )


class _Retired:
    def __init__(self, connection: RetiredConnection) -> None:
        self._connection = connection

    def __get__(self, instance: Any, owner: type) -> Any:
        return self._connection

    def __set__(self, instance: Any, value: Any) -> None:
        self._connection.refuse()


class EntitySession:
    """The attribute `session` of the entities of classes that outlive a connection."""

    def __init__(self) -> None:
        # What an entity keeps its session under as long as its class has no descriptor.
        self._name = "session"
        self._retired: RetiredConnection | None = None

    def __get__(self, entity: Any, owner: type) -> Any:
        if entity is None:
            return self
        try:
            return entity.__dict__[self._name]
        except KeyError:
            return self._retired

    def __set__(self, entity: Any, session: Any) -> None:
        entity.__dict__[self._name] = session

    def begin(self, retired: RetiredConnection) -> tuple[str, RetiredConnection | None]:
        """Let all entities made so far speak to `retired`; return what `withdraw` takes to undo that."""
        before = (self._name, self._retired)
        self._name, self._retired = f"session after connection {retired.generation}", retired
        return before

    def withdraw(self, before: tuple[str, RetiredConnection | None]) -> None:
        """Undo `begin`: the new connection did not come about."""
        self._name, self._retired = before


def outlive(entity_classes: Iterable[Any]) -> EntitySession:
    """Return the descriptor by which these classes, all of one session, can go on with the next connection."""
    classes = list(entity_classes)
    for entity_class in classes:
        found = entity_class.__dict__.get("session")
        if isinstance(found, EntitySession):
            return found
    made = EntitySession()
    for entity_class in classes:
        entity_class.session = made
    return made


def retire(entity_classes: Iterable[type], connection: RetiredConnection) -> None:
    """Make all entities of `entity_classes` speak to `connection` from now on."""
    for entity_class in entity_classes:
        entity_class.session = _Retired(connection)  # type: ignore[attr-defined]
