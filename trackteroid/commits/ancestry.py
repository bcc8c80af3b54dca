"""A recording that was appended to another one (`clear=False`) begins with its operations: those that are committed are left out.

Sent again, they would undo what people have changed since. Pure but for the questions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import replace
from itertools import groupby

from trackteroid.commits.evidence import ensured_ids
from trackteroid.commits.questions import Ask
from trackteroid.commits.state import CommitState
from trackteroid.operations.effects import Identity, identity_of
from trackteroid.operations.manifest import Base, condition
from trackteroid.operations.operation import CreateOperation, Operation, UpdateOperation, key_text
from trackteroid.operations.recording import Recording

__all__ = ["without_ancestors"]

# Entities that one query asks for.
_CHUNK = 100


def without_ancestors(
    recording: Recording, state_of: Callable[[str], CommitState | None], ask: Ask | None = None
) -> Recording:
    """Return the recording without the operations of ancestors that are on the server. Linear in the operations.

    Args:
        recording: What was recorded.
        state_of: Returns what the ledger knows of a recording; None: nothing.
        ask: Asks the server; None: only the ledger is believed, as an attempt at this very recording may have been applied.

    Raises:
        ServerCallError: The server did not say.
    """
    ancestors = recording.manifest.ancestors if recording.manifest else ()
    begins = (0, *(ancestor.operations for ancestor in ancestors))
    for begin, ancestor in reversed(list(zip(begins, ancestors, strict=False))):
        # Only what it created itself tells whether it was applied, not what it has from its own ancestors.
        own = recording.operations[begin : ancestor.operations]
        if state_of(ancestor.recording_id) is CommitState.COMMITTED or (
            ask is not None and _all_created(own, ensured_ids(recording.manifest), ask)
        ):
            return _rest(recording, ancestor.operations)
    return recording


def _all_created(operations: Sequence[Operation], ensured: Set[str], ask: Ask) -> bool:
    """Whether operations create something, and all of it exists: they were applied, for a batch is applied as a whole.

    Only what nobody else can have created tells (`evidence`).
    """
    keys = sorted(
        ((operation.entity_type, tuple(operation.entity_key)), tuple(operation.entity_key.values()))
        for operation in operations
        if isinstance(operation, CreateOperation)
        and len(operation.entity_key) == 1
        and ensured.isdisjoint(operation.entity_key.values())
    )
    questions: list[str] = []
    for (entity_type, names), group in groupby(keys, key=lambda pair: pair[0]):
        values = [key for _, key in group]
        for start in range(0, len(values), _CHUNK):
            conditions = " or ".join(
                f"({' and '.join(condition(name, part) for name, part in zip(names, key, strict=True))})"
                for key in values[start : start + _CHUNK]
            )
            questions.append(f"select {', '.join(names)} from {entity_type} where {conditions}")
    return bool(keys) and sum(len(rows) for rows in ask(questions)) == len(set(keys))


def _rest(recording: Recording, count: int) -> Recording:
    """Leave out the first `count` operations; what they wrote is what the others were recorded on top of."""
    operations = recording.operations[count:]
    manifest = recording.manifest
    if manifest is None:
        return replace(recording, operations=operations)
    before: dict[tuple[str, str], Base] = {(base.entity, base.attribute): base for base in manifest.bases}
    for operation in recording.operations[:count]:
        entity = key_text(*identity_of(operation))
        if isinstance(operation, UpdateOperation):
            written = {operation.attribute_name: operation.new_value}
        else:
            written = dict(operation.entity_data) if isinstance(operation, CreateOperation) else {}
        for name, value in written.items():
            before[entity, name] = Base(entity=entity, attribute=name, known=True, value=value)
    slots = {
        (key_text(*identity_of(operation)), operation.attribute_name)
        for operation in operations
        if isinstance(operation, UpdateOperation)
    }
    created: set[Identity] = {
        identity_of(operation) for operation in operations if isinstance(operation, CreateOperation)
    }
    texts = {key_text(*key) for key in created}
    return replace(
        recording,
        operations=operations,
        manifest=replace(
            manifest,
            bases=tuple(base for slot, base in before.items() if slot in slots and slot[0] not in texts),
            deltas=tuple(delta for delta in manifest.deltas if (delta.entity, delta.attribute) in slots),
            ensures=tuple(ensure for ensure in manifest.ensures if ensure.entity in texts),
        ),
    )
