"""What a session is going to delete and to link, told from its pending operations.

Deleting or linking one entity after the other asks this each time. Operations are therefore looked at once: what is known of
a stack is kept beside it and goes on from the operation that was looked at last.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

import ftrack_api.operation

from trackteroid.entities.values import identity

__all__ = ["Pending", "pending"]

#: The name of a type and the texts of a primary key.
Identity: TypeAlias = "tuple[str, tuple[str, ...]]"

_ENDS = ("from", "to")


class Pending:
    """What the operations of one stack do to entities.

    Attributes:
        deleted: Identities of the entities that are going to be deleted.
        ends: Identity of an entity that was given ends -> `from` and `to` -> the id that it was given last.
    """

    __slots__ = ("_count", "_last", "deleted", "ends")

    def __init__(self) -> None:
        self.deleted: set[Identity] = set()
        self.ends: dict[Identity, dict[str, str]] = {}
        self._count = 0
        self._last: Any = None

    def is_behind(self, stack: Any) -> bool:
        """Whether operations that were looked at have been taken off the stack since."""
        if self._count == 0:
            return False
        return len(stack) < self._count or next(_from(stack, self._count - 1), None) is not self._last

    def look_at(self, stack: Any) -> None:
        """Take account of the operations that came since."""
        for operation in _from(stack, self._count):
            self._count += 1
            self._last = operation
            key = (str(operation.entity_type), tuple(map(str, operation.entity_key.values())))
            if isinstance(operation, ftrack_api.operation.DeleteEntityOperation):
                self.deleted.add(key)
            elif isinstance(operation, ftrack_api.operation.CreateEntityOperation):
                self.deleted.discard(key)
                for end in _ENDS:
                    if isinstance(given := operation.entity_data.get(f"{end}_id"), str):
                        self.ends.setdefault(key, {})[end] = given
            elif operation.attribute_name in _ENDS and hasattr(operation.new_value, "primary_key_attributes"):
                self.ends.setdefault(key, {})[operation.attribute_name] = identity(operation.new_value)[0]

    def links(self, type_name: str) -> Iterator[tuple[tuple[str, str], list[str]]]:
        """Yield ((from id, to id), primary key) of the links of a type that are going to be created."""
        for key, ends in self.ends.items():
            if key[0] == type_name and len(ends) == len(_ENDS) and key not in self.deleted:
                yield (ends["from"], ends["to"]), list(key[1])


_lock = threading.Lock()
_KNOWN: WeakKeyDictionary[Any, Pending] = WeakKeyDictionary()


def pending(session: Any) -> Pending:
    """Return what is pending on a session in this thread; in a deferred block, what the block has recorded."""
    stack = session.recorded_operations
    with _lock:
        known = _KNOWN.get(stack)
        if known is None or known.is_behind(stack):
            known = _KNOWN[stack] = Pending()
        known.look_at(stack)
        return known


def _from(stack: Any, position: int) -> Iterator[Any]:
    """Return the operations of a stack from a position on, without walking over those before it."""
    operations: Any = iter(stack)
    if position:
        # Iterators over lists can be put anywhere; that is how they are unpickled.
        operations.__setstate__(position)
    yield from operations
