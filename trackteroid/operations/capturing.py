"""The stack that takes the client's operations in a deferred block.

A stack like any other to the client, which walks it to tell which entities are new; beside each operation it keeps the
encoded one, and what must be taken back when the block ends.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import ftrack_api.operation
from ftrack_api.operation import CreateEntityOperation, DeleteEntityOperation, UpdateEntityOperation

from trackteroid.errors import RecordingRefusedError
from trackteroid.operations.encoding import (
    PLAIN_TYPES,
    check_entities,
    client_identity,
    encode_create,
    encode_key,
    encode_update,
)
from trackteroid.operations.loaded import Identity, cached, is_collection, is_entity
from trackteroid.operations.local_state import Touch, first_touch, restore
from trackteroid.operations.manifest import Ensure
from trackteroid.operations.operation import DeleteOperation, Operation

__all__ = ["CapturingOperations"]

_Slot: TypeAlias = "tuple[Identity, str]"


class CapturingOperations(ftrack_api.operation.Operations):
    """The operations of a deferred block.

    Values are checked when they are pushed, so that what cannot be recorded is refused at the assignment, and the
    assignment is undone. Those that could change until the block ends, such as dictionaries, are encoded then too; others
    at the end, where that takes a third of the time, as nothing else is done in between. Of collections, which the client
    pushes as a whole with each change, the last one of each attribute is encoded, the only one that the client would send too.

    Args:
        session: The session that records.

    Attributes:
        created: Entities that were created in the block, also those rolled back since.
        ensures: Of those the ones that are created only if there is none like them.
        touches: State of attributes of other entities before the block changed them.
    """

    def __init__(self, session: Any) -> None:
        super().__init__()
        self._session = session
        # Beside each operation the encoded one, or whose it is where it is encoded at the end.
        self._entries: list[Operation | Identity] = []
        self._has_collections = False
        self.created: dict[Identity, None] = {}
        self.ensures: dict[Identity, Ensure] = {}
        self.touches: dict[_Slot, Touch] = {}

    def push(self, operation: Any) -> None:
        """Push an operation of the client.

        Raises:
            RecordingRefusedError: It cannot be recorded; the assignment is undone.
        """
        if isinstance(operation, UpdateEntityOperation):
            entry = self._update(operation)
        elif isinstance(operation, CreateEntityOperation):
            entry = self._create(operation)
        elif isinstance(operation, DeleteEntityOperation):
            entry = client_identity(operation)
        else:
            raise RecordingRefusedError(f"An operation of type {type(operation).__name__} cannot be recorded.")
        self._entries.append(entry)
        self._stack.append(operation)

    @property
    def held(self) -> list[Identity]:
        """Entities whose local state belongs to the block."""
        # Copies, as the thread that records may go on.
        return [*list(self.created), *(key for key, _ in list(self.touches))]

    def pop(self) -> Any:
        """Take the last operation off the stack and return it."""
        operation = super().pop()
        self._entries.pop()
        return operation

    def clear(self) -> None:
        """Forget all operations, as after a rollback; what the block touched is still known."""
        super().clear()
        self._entries.clear()

    def _create(self, operation: CreateEntityOperation) -> Operation | Identity:
        identity = client_identity(operation)
        entry: Operation | Identity = identity
        if not PLAIN_TYPES.issuperset(map(type, operation.entity_data.values())):
            entry = encode_create(operation, self._session, encode_key(operation))
        self.created[identity] = None
        return entry

    def _update(self, operation: UpdateEntityOperation) -> Operation | Identity:
        name, new = operation.attribute_name, operation.new_value
        identity = client_identity(operation)
        touch: Touch | None = None
        if identity not in self.created and (identity, name) not in self.touches:
            touch = first_touch(self._session, identity, name, operation.old_value, new)
        entry: Operation | Identity = identity
        if type(new) not in PLAIN_TYPES:
            try:
                if is_entity(new) or is_collection(new):
                    check_entities(new, self._session, operation)
                    self._has_collections |= not is_entity(new)
                else:
                    entry = encode_update(operation, self._session, encode_key(operation))
            except RecordingRefusedError:
                self._undo(operation, identity)
                raise
        if touch is not None:
            self.touches[identity, name] = touch
        return entry

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
            (operation, entry)
            for operation, entry in zip(self._stack, self._entries, strict=True)
            if client_identity(operation) != key
        ]
        self._stack[:] = [operation for operation, _ in kept]
        self._entries[:] = [entry for _, entry in kept]
        del self.created[key]

    def recorded(self) -> list[Operation]:
        """Return the operations in order; of several changes of one collection only the last, which holds them all.

        Raises:
            RecordingRefusedError: A collection cannot be recorded.
        """
        session = self._session
        # Shared by all operations of an entity: they are thousands, and never changed.
        keys: dict[Identity, Mapping[str, str]] = {}
        collections = self._collections() if self._has_collections else {}
        operations: list[Operation] = []
        for position, (operation, entry) in enumerate(zip(self._stack, self._entries, strict=True)):
            if not isinstance(entry, tuple):
                operations.append(entry)
                continue
            key = keys.get(entry)
            if key is None:
                key = keys[entry] = encode_key(operation)
            if isinstance(operation, UpdateEntityOperation):
                whole = collections.get(position, operation)
                if whole is not None:
                    operations.append(encode_update(whole, session, key))
            elif isinstance(operation, CreateEntityOperation):
                operations.append(encode_create(operation, session, key))
            else:
                operations.append(DeleteOperation(entity_type=entry[0], entity_key=key))
        return operations

    def _collections(self) -> dict[int, UpdateEntityOperation | None]:
        """Return what stands for the updates of collections, by position: None, for the last one of each all of them."""
        found: dict[int, UpdateEntityOperation | None] = {}
        last: dict[_Slot, int] = {}
        first: dict[_Slot, Any] = {}
        for position, (operation, entry) in enumerate(zip(self._stack, self._entries, strict=True)):
            if not isinstance(operation, UpdateEntityOperation) or not isinstance(entry, tuple):
                continue
            new = operation.new_value
            if type(new) not in PLAIN_TYPES and is_collection(new):
                slot = (entry, operation.attribute_name)
                first.setdefault(slot, operation.old_value)
                found[position] = None
                last[slot] = position
        for slot, position in last.items():
            operation = self._stack[position]
            found[position] = UpdateEntityOperation(
                operation.entity_type, operation.entity_key, operation.attribute_name, first[slot], operation.new_value
            )
        return found
