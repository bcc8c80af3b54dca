"""Where a session records its operations: with the others, or in the deferred block that this thread is in."""

from __future__ import annotations

import threading
from typing import Any

import ftrack_api

__all__ = ["OperationStacks"]


class OperationStacks(ftrack_api.Session):
    """The part of a session that keeps pending operations.

    Those of the session itself stand in `_shared_operations`. Blocks are stacked for each thread by itself: what other
    threads do meanwhile is none of theirs.
    """

    _blocks: threading.local
    _open_blocks: int
    _open_stacks: list[Any]
    _connection_lock: threading.RLock

    @property
    def recorded_operations(self) -> Any:
        """Pending operations: of the innermost deferred block in the thread that opened it, else of the session."""
        stack = getattr(self._blocks, "stack", None)
        return stack[-1] if stack else self.__dict__["_shared_operations"]

    @recorded_operations.setter
    def recorded_operations(self, operations: Any) -> None:
        stack = getattr(self._blocks, "stack", None)
        # The client's constructor sets the shared one, which may happen inside a block: the first use connects.
        if stack and "_shared_operations" in self.__dict__:
            stack[-1] = operations
        else:
            self.__dict__["_shared_operations"] = operations

    @property
    def hidden_operations(self) -> list[Any]:
        """What this thread's innermost deferred block hides: pending operations of the session, then of outer blocks."""
        shared = self.__dict__.get("_shared_operations")
        stack = getattr(self._blocks, "stack", None) or []
        return [*([] if shared is None else [shared]), *stack[:-1]]

    @property
    def in_deferred_block(self) -> bool:
        """Whether this thread is inside a `deferred_operations` block of this session."""
        return bool(getattr(self._blocks, "stack", None))

    @property
    def held_identities(self) -> set[tuple[str, tuple[str, ...]]]:
        """Entities (type, key) that open deferred blocks created or changed, but for the one that this thread records into.

        A commit or rollback leaves them alone.
        """
        own = self.recorded_operations
        with self._connection_lock:
            stacks = [stack for stack in self._open_stacks if stack is not own]
        return {identity for stack in stacks for identity in getattr(stack, "held", ())}

    def push_operations(self, operations: Any) -> None:
        """Let this thread record into `operations` (an `ftrack_api.operation.Operations`) until `pop_operations`."""
        if not hasattr(self._blocks, "stack"):
            self._blocks.stack = []
        self._blocks.stack.append(operations)
        with self._connection_lock:
            self.__dict__["_open_blocks"] += 1
            self._open_stacks.append(operations)

    def pop_operations(self) -> Any:
        """Return to what this thread recorded into before the last `push_operations`; returns that one's operations."""
        operations = self._blocks.stack.pop()
        with self._connection_lock:
            self.__dict__["_open_blocks"] -= 1
            self._open_stacks[:] = [stack for stack in self._open_stacks if stack is not operations]
        return operations
