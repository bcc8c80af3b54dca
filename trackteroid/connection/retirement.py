"""Entities of an earlier connection: what was loaded stays readable, writing raises.

An entity finds its session by its instance attribute `session`. When a session reconnects, the entity classes of the old
connection get a data descriptor of that name, which wins over the instance attribute: from then on their entities speak to a
`RetiredConnection` (against silently lost edits, defect D30 of the original library).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any, NoReturn

from trackteroid.errors import EntityCollectionOperationError

__all__ = ["RetiredConnection", "retire"]


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
            self._refuse()
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
        self._refuse()

    def _refuse(self) -> NoReturn:
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
        self._connection._refuse()


def retire(entity_classes: Iterable[type], connection: RetiredConnection) -> None:
    """Make all entities of `entity_classes` speak to `connection` from now on."""
    for entity_class in entity_classes:
        entity_class.session = _Retired(connection)  # type: ignore[attr-defined]
