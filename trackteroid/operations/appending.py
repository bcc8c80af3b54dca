"""Appending what a block did to a recording that is there already (`clear=False`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from trackteroid.operations.effects import effects_of, without_unset
from trackteroid.operations.manifest import Delta, Manifest
from trackteroid.operations.operation import JSON, key_text, resolve_textual_references
from trackteroid.operations.recording import Recording, digest_of

__all__ = ["append"]


def append(previous: Recording, following: Recording, schemas: Iterable[Mapping[str, Any]]) -> Recording:
    """Return one recording of the operations of two.

    It has the id of the second one and names the first as its predecessor. Bases are those of the first write of an
    attribute, deltas are taken together.

    Args:
        previous: What the file holds; may be of the original library.
        following: What a block recorded, with a manifest.
        schemas: The server's, to tell which text of the original's file is a reference.

    Raises:
        RecordingFormatError: The first one refers to an entity type that the server does not have.
    """
    manifest = following.manifest
    if manifest is None:
        raise ValueError("what a block recorded has a manifest")
    first = resolve_textual_references(previous.operations, schemas) if schemas else previous.operations
    operations = tuple(without_unset((*first, *following.operations)))
    effects = effects_of(operations)
    before = previous.manifest
    combined = replace(
        manifest,
        digest=digest_of(operations),
        predecessor=previous.recording_id,
        created=tuple(key_text(*key) for key in effects.created),
        updated={key_text(*key): names for key, names in effects.updated.items()},
        deleted=tuple(key_text(*key) for key in effects.deleted),
        referenced=tuple(key_text(*key) for key in effects.referenced),
    )
    if before is not None:
        combined = _with(before, combined)
    return Recording(operations, {**previous.entities, **following.entities}, combined)


def _with(before: Manifest, manifest: Manifest) -> Manifest:
    created = set(manifest.created)
    written = {(key, name) for key, names in manifest.updated.items() for name in names if key not in created}
    bases = {(base.entity, base.attribute): base for base in (*manifest.bases, *before.bases)}
    return replace(
        manifest,
        server_url=manifest.server_url or before.server_url,
        schema_hash=manifest.schema_hash or before.schema_hash,
        user=manifest.user or before.user,
        bases=tuple(base for slot, base in bases.items() if slot in written),
        deltas=tuple(delta for delta in _deltas(before, manifest) if (delta.entity, delta.attribute) in written),
        context=_context(before.context, manifest.context),
        labels={**before.labels, **manifest.labels},
        outputs=(*before.outputs, *manifest.outputs),
        unstamped={**before.unstamped, **manifest.unstamped},
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
