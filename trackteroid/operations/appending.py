"""Appending what a block did to a recording that is there already (`clear=False`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from trackteroid.operations.effects import Effects, Identity, effects_of, identity_of, references_in, without_unset
from trackteroid.operations.manifest import Ancestor, Delta, Manifest
from trackteroid.operations.operation import (
    JSON,
    CreateOperation,
    Operation,
    UpdateOperation,
    key_text,
    resolve_textual_references,
)
from trackteroid.operations.recording import Recording, digest_of

__all__ = ["append", "on_top_of"]


def append(
    previous: Recording,
    following: Recording,
    schemas: Iterable[Mapping[str, Any]],
    *,
    block: Sequence[Operation] | None = None,
    baselines: Mapping[tuple[Identity, str], Sequence[Identity]] | None = None,
) -> Recording:
    """Return one recording of the operations of two.

    It has the id of the second one and names the first as its predecessor. Bases are those of the first write of an
    attribute, deltas are taken together.

    Args:
        previous: What the file holds; may be of the original library.
        following: What a block recorded, with a manifest.
        schemas: The server's, to tell which text of the original's file is a reference.
        block: The operations of the second one with updates back to "no value", which cancel those of the first too.
        baselines: What collections held when the block first changed them.

    Raises:
        RecordingFormatError: The first one refers to an entity type that the server does not have.
    """
    manifest = following.manifest
    if manifest is None:
        raise ValueError("what a block recorded has a manifest")
    first = resolve_textual_references(previous.operations, schemas) if schemas else previous.operations
    second = _unless_ensured(previous, following.operations if block is None else block)
    operations = tuple(without_unset((*first, *_rebased(first, second, baselines or {}))))
    known = previous.manifest.ancestors if previous.manifest else ()
    parts = (*known, Ancestor(recording_id=previous.recording_id, operations=len(first)))
    effects = effects_of(operations)
    before = previous.manifest
    combined = replace(
        manifest,
        digest=digest_of(operations),
        predecessor=previous.recording_id,
        ancestors=tuple(replace(part, operations=_count(first[: part.operations], operations)) for part in parts),
        created=tuple(key_text(*key) for key in effects.created),
        updated={key_text(*key): names for key, names in effects.updated.items()},
        deleted=tuple(key_text(*key) for key in effects.deleted),
        referenced=_referenced(before, manifest, effects),
    )
    if before is not None:
        combined = _with(before, combined)
    entities = {key: {**previous.entities.get(key, {}), **record} for key, record in following.entities.items()}
    return Recording(operations, {**previous.entities, **entities}, combined)


def _count(part: Iterable[Operation], operations: Iterable[Operation]) -> int:
    """Return how many of a file's first operations are left: what a block takes back is missing."""
    own = {id(operation) for operation in part}
    return sum(1 for operation in operations if id(operation) in own)


def _unless_ensured(previous: Recording, block: Iterable[Operation]) -> list[Operation]:
    """Leave out the creates of what the file ensures already; what follows applies to the same entity."""
    ensured = {ensure.entity for ensure in (previous.manifest.ensures if previous.manifest else ())}
    return [
        operation
        for operation in block
        if not (isinstance(operation, CreateOperation) and key_text(*identity_of(operation)) in ensured)
    ]


def _referenced(before: Manifest | None, manifest: Manifest, effects: Effects) -> tuple[str, ...]:
    found = [key_text(*key) for key in effects.referenced]
    created = {key_text(*key) for key in effects.created}
    known = () if before is None else before.referenced
    return tuple(key for key in dict.fromkeys([*known, *found, *manifest.referenced]) if key not in created)


def _rebased(
    first: Iterable[Operation],
    block: Iterable[Operation],
    baselines: Mapping[tuple[Identity, str], Sequence[Identity]],
) -> list[Operation]:
    """Return the block's operations with what they do to collections applied to what the file makes of those.

    A collection returns to its members from before when a block ends, and an update sends the whole list: the second block
    that adds to a collection would take out what the first one put in.
    """
    written = {
        (identity_of(operation), operation.attribute_name): operation.new_value
        for operation in first
        if isinstance(operation, UpdateOperation)
    }
    rebased: list[Operation] = []
    for operation in block:
        if isinstance(operation, UpdateOperation) and isinstance(operation.new_value, list):
            slot = (identity_of(operation), operation.attribute_name)
            if slot in baselines and isinstance(written.get(slot), list):
                operation = on_top_of(written[slot], baselines[slot], operation)
        rebased.append(operation)
    return rebased


def on_top_of(members: JSON, baseline: Iterable[Identity], operation: UpdateOperation) -> UpdateOperation:
    """Return an update of a collection with what it adds and removes applied to what an earlier update makes of it.

    Args:
        members: What the earlier one makes of the collection.
        baseline: What the collection held when this one was recorded.
        operation: The update.
    """
    before = set(baseline)
    wanted = dict(references_in(operation.new_value))
    kept = {key: member for key, member in references_in(members) if key in wanted or key not in before}
    added = {key: member for key, member in wanted.items() if key not in before}
    return replace(operation, old_value=members, new_value=list({**kept, **added}.values()))


def _with(before: Manifest, manifest: Manifest) -> Manifest:
    ensures = {ensure.entity: ensure for ensure in (*manifest.ensures, *before.ensures)}
    created = set(manifest.created)
    # What is ensured may be there, and have members of its own.
    created_anew = created - ensures.keys()
    written = {(key, name) for key, names in manifest.updated.items() for name in names if key not in created_anew}
    bases = {(base.entity, base.attribute): base for base in (*manifest.bases, *before.bases)}
    return replace(
        manifest,
        server_url=manifest.server_url or before.server_url,
        schema_hash=manifest.schema_hash or before.schema_hash,
        user=manifest.user or before.user,
        bases=tuple(base for slot, base in bases.items() if slot in written and slot[0] not in created),
        recorded_before=tuple(
            key for key in dict.fromkeys((*before.recorded_before, *manifest.recorded_before)) if key not in created
        ),
        deltas=tuple(delta for delta in _deltas(before, manifest) if (delta.entity, delta.attribute) in written),
        context=_context(before.context, manifest.context),
        labels={**before.labels, **manifest.labels},
        outputs=(*before.outputs, *manifest.outputs),
        ensures=tuple(ensures.values()),
        unstamped={**before.unstamped, **manifest.unstamped},
        # Said of a part, it holds for the file: one recording is committed in one name, and dated or not.
        stamped=manifest.stamped and before.stamped,
        commit_as=manifest.commit_as or before.commit_as,
    )


def _deltas(before: Manifest, manifest: Manifest) -> list[Delta]:
    """Return the deltas of both; of one collection taken together."""
    deltas = {(delta.entity, delta.attribute): delta for delta in before.deltas}
    for later in manifest.deltas:
        slot = (later.entity, later.attribute)
        earlier = deltas.get(slot)
        if earlier is None:
            deltas[slot] = later
            continue
        added = [key for key in earlier.added if key not in set(later.removed)]
        removed = [key for key in earlier.removed if key not in set(later.added)]
        deltas[slot] = replace(
            later,
            added=tuple(dict.fromkeys([*added, *(key for key in later.added if key not in set(earlier.removed))])),
            removed=tuple(dict.fromkeys([*removed, *(key for key in later.removed if key not in set(earlier.added))])),
        )
    return [delta for delta in deltas.values() if delta.added or delta.removed]


def _context(before: Mapping[str, JSON], context: Mapping[str, JSON]) -> dict[str, JSON]:
    """Return the facts of both: lists and texts with commas are joined without repetition."""
    combined: dict[str, JSON] = dict(before)
    for kind, value in context.items():
        known = combined.get(kind)
        if isinstance(known, list) and isinstance(value, list):
            combined[kind] = list(dict.fromkeys([*known, *value]))
        elif isinstance(known, str) and isinstance(value, str):
            combined[kind] = ", ".join(dict.fromkeys([*known.split(", "), *value.split(", ")]))
        else:
            combined[kind] = value
    return combined
