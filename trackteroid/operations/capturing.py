"""The stack that takes the client's operations in a deferred block.

A stack like any other to the client, which walks it to tell which entities are new; beside each operation it keeps the
encoded one, and what must be taken back when the block ends.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import ftrack_api.operation
from ftrack_api.operation import CreateEntityOperation, DeleteEntityOperation, UpdateEntityOperation
from ftrack_api.symbol import NOT_SET as CLIENT_NOT_SET

from trackteroid.errors import RecordingRefusedError
from trackteroid.operations.effects import identity_of
from trackteroid.operations.encoding import (
    PLAIN_TYPES,
    check_members,
    encode_create,
    encode_delete,
    encode_key,
    encode_update,
)
from trackteroid.operations.loaded import Identity, cached, is_collection
from trackteroid.operations.local_state import Touch, first_touch, restore
from trackteroid.operations.manifest import Ensure
from trackteroid.operations.operation import Operation

__all__ = ["CapturingOperations"]

_Slot: TypeAlias = "tuple[Identity, str]"


class CapturingOperations(ftrack_api.operation.Operations):
    """The operations of a deferred block.

    Values are encoded when they are pushed, so that what cannot be recorded is refused at the assignment, and the
    assignment is undone. Contents of collections are only checked then: the client pushes the whole collection with each
    change, and its operation holds a copy that later changes do not reach. They are encoded at the end, the last one
    of each attribute, which is the only one that the client would send too.

    Args:
        session: The session that records.

    Attributes:
        created: Entities that were created in the block, also those rolled back since, with their keys by attribute.
        ensures: Of those the ones that are created only if there is none like them.
        touches: State of attributes of other entities before the block changed them.
    """

    def __init__(self, session: Any) -> None:
        super().__init__()
        self._session = session
        # Beside each operation the encoded one; None for a collection, which is encoded at the end.
        self._encoded: list[Operation | None] = []
        self.created: dict[Identity, Mapping[str, str]] = {}
        self.ensures: dict[Identity, Ensure] = {}
        self.touches: dict[_Slot, Touch] = {}

    def push(self, operation: Any) -> None:
        """Push an operation of the client.

        Raises:
            RecordingRefusedError: It cannot be recorded; the assignment is undone.
        """
        encoded: Operation | None
        if isinstance(operation, UpdateEntityOperation):
            encoded = self._update(operation)
        elif isinstance(operation, CreateEntityOperation):
            encoded = encode_create(operation, self._session)
            self.created[identity_of(encoded)] = encoded.entity_key
        elif isinstance(operation, DeleteEntityOperation):
            encoded = encode_delete(operation)
        else:
            raise RecordingRefusedError(f"An operation of type {type(operation).__name__} cannot be recorded.")
        self._encoded.append(encoded)
        self._stack.append(operation)

    @property
    def held(self) -> list[Identity]:
        """Entities whose local state belongs to the block."""
        # Copies, as the thread that records may go on.
        return [*list(self.created), *(key for key, _ in list(self.touches))]

    def pop(self) -> Any:
        """Take the last operation off the stack and return it."""
        operation = super().pop()
        self._encoded.pop()
        return operation

    def clear(self) -> None:
        """Forget all operations, as after a rollback; what the block touched is still known."""
        super().clear()
        self._encoded.clear()

    def _update(self, operation: Any) -> Operation | None:
        name, new = operation.attribute_name, operation.new_value
        identity = _identity(operation)
        # Shared by all operations of an entity: they are thousands, and never changed.
        key = self.created.get(identity)
        touch: Touch | None = None
        if key is None:
            key = encode_key(operation)
            if (identity, name) not in self.touches:
                touch = first_touch(self._session, identity, name, operation.old_value, new)
        try:
            encoded: Operation | None = None
            if type(new) not in PLAIN_TYPES and is_collection(new):
                check_members(new, self._session, operation.entity_type, key, name)
            else:
                encoded = encode_update(operation, self._session, key)
        except RecordingRefusedError:
            self._undo(operation, identity)
            raise
        if touch is not None:
            self.touches[identity, name] = touch
        return encoded

    def _undo(self, operation: Any, key: Identity) -> None:
        """Take back the assignment that led to an operation."""
        if cached(self._session, key) is None and key in self.created:
            # Its construction is under way and fails with this: nothing of it stays.
            self._drop(key)
            return
        name = operation.attribute_name
        restore(self._session, [first_touch(self._session, key, name, operation.old_value, operation.new_value)])

    def _drop(self, key: Identity) -> None:
        kept = [
            (operation, encoded)
            for operation, encoded in zip(self._stack, self._encoded, strict=True)
            if _identity(operation) != key
        ]
        self._stack[:] = [operation for operation, _ in kept]
        self._encoded[:] = [encoded for _, encoded in kept]
        del self.created[key]

    def recorded(self) -> list[Operation]:
        """Return the operations in order; of several changes of one collection only the last, which holds them all.

        Raises:
            RecordingRefusedError: A collection cannot be recorded.
        """
        last: dict[_Slot, int] = {}
        first: dict[_Slot, Any] = {}
        for position, (operation, encoded) in enumerate(zip(self._stack, self._encoded, strict=True)):
            if encoded is None:
                slot = (_identity(operation), operation.attribute_name)
                last[slot] = position
                first.setdefault(slot, operation.old_value)
        operations: list[Operation] = []
        for position, (operation, encoded) in enumerate(zip(self._stack, self._encoded, strict=True)):
            if encoded is not None:
                operations.append(encoded)
                continue
            slot = (_identity(operation), operation.attribute_name)
            if last[slot] == position:
                whole = UpdateEntityOperation(
                    operation.entity_type,
                    operation.entity_key,
                    operation.attribute_name,
                    first.get(slot, CLIENT_NOT_SET),
                    operation.new_value,
                )
                operations.append(encode_update(whole, self._session, encode_key(whole)))
        return operations


def _identity(operation: Any) -> Identity:
    return str(operation.entity_type), tuple([str(value) for value in operation.entity_key.values()])
