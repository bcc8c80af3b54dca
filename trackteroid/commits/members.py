"""Changes of collections: what was added and removed, applied to who is there now. Pure.

The client sends a collection as a whole, so two recordings would undo each other (design section 4).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from trackteroid.commits.schemas import Schemas
from trackteroid.operations.manifest import Delta
from trackteroid.operations.operation import parse_key_text

__all__ = ["Deltas", "merge_members"]

#: (entity type, key, attribute) to what a recording adds to and removes from a collection.
Deltas = Mapping[tuple[str, tuple[str, ...], str], Delta]


def merge_members(current: Any, wanted: Any, delta: Delta, schemas: Schemas) -> list[Any] | None:
    """Return a collection's members after a recorded change; None if nothing is left to do.

    Args:
        current: The members now, as the server tells them.
        wanted: The recorded members; the references to those added are taken from here.
        delta: What was added and removed.
        schemas: For keys.
    """
    members = {_member(item, schemas): item for item in current or ()}
    before = set(members)
    recorded = {_member(item, schemas): item for item in wanted if isinstance(item, Mapping)}
    for key in _keys(delta.removed):
        members.pop(key, None)
    for key in _keys(delta.added):
        if key in recorded:
            members.setdefault(key, recorded[key])
    if set(members) == before:
        return None
    return [_reference(item, schemas) for item in members.values()]


def _member(item: Mapping[str, Any], schemas: Schemas) -> tuple[str, ...]:
    names = schemas.primary_key(str(item.get("__entity_type__")))
    return tuple(str(item.get(name)) for name in names)


def _reference(item: Mapping[str, Any], schemas: Schemas) -> dict[str, Any]:
    entity_type = str(item.get("__entity_type__"))
    return {"__entity_type__": entity_type, **{name: item.get(name) for name in schemas.primary_key(entity_type)}}


def _keys(texts: Iterable[str]) -> Iterable[tuple[str, ...]]:
    for text in texts:
        parsed = parse_key_text(text)
        if parsed is not None:
            yield parsed[1]
