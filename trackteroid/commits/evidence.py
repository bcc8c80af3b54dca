"""Which creates of a batch tell, by being on the server, that it was applied. Pure.

An id that a recording has made is nobody else's. A row that is known by what it belongs to (the metadata of a task under a name)
may be anybody's, and so may what is ensured: all who ensure it give it the same id.
"""

from __future__ import annotations

from collections.abc import Iterable, Set

from trackteroid.commits.batch import Payload
from trackteroid.operations.manifest import Manifest
from trackteroid.operations.operation import parse_key_text

__all__ = ["ensured_ids", "evidence_in", "is_row", "update_of"]


def ensured_ids(manifest: Manifest | None) -> frozenset[str]:
    """Return the ids of what a recording ensures, which others may create as well."""
    parsed = [parse_key_text(ensure.entity) for ensure in (() if manifest is None else manifest.ensures)]
    return frozenset(part for found in parsed if found is not None for part in found[1])


def evidence_in(batch: Iterable[Payload], ensured: Set[str]) -> frozenset[tuple[str, ...]]:
    """Return the type and key of each create that nobody else can have made: with an id of its own, or of what has one.

    Args:
        batch: Payloads.
        ensured: Ids that others may create as well.
    """
    creates = [payload for payload in batch if payload["action"] == "create"]
    own = {str(payload["entity_key"][0]) for payload in creates if not is_row(payload)} - ensured
    return frozenset(
        (payload["entity_type"], *map(str, payload["entity_key"]))
        for payload in creates
        if not own.isdisjoint(map(str, payload["entity_key"]))
    )


def is_row(payload: Payload) -> bool:
    """Whether a payload is about something that is known by what it belongs to, not by an id."""
    return len(payload["entity_key"]) > 1


def update_of(create: Payload, key_names: Iterable[str]) -> Payload | None:
    """Return what gives a row that is there the values of a create; None if it has none but its key.

    Args:
        create: The payload.
        key_names: Names of the type's key attributes.
    """
    names = {"__entity_type__", *key_names}
    # What a row belongs to is part of what it is.
    data = {
        name: value
        for name, value in create["entity_data"].items()
        if name not in names and not name.startswith("parent_")
    }
    if not data:
        return None
    return {**create, "action": "update", "entity_data": {"__entity_type__": create["entity_type"], **data}}
