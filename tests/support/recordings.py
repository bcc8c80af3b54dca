"""Recordings for tests of committing, made of values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trackteroid.operations.manifest import Base, Delta, Manifest
from trackteroid.operations.operation import (
    CreateOperation,
    DeleteOperation,
    Operation,
    UpdateOperation,
    key_text,
)
from trackteroid.operations.recording import Recording, digest_of

__all__ = ["create", "delete", "recorded", "update"]


def create(entity_type: str, key: str, **data: Any) -> CreateOperation:
    return CreateOperation(entity_type=entity_type, entity_key={"id": key}, entity_data={"id": key, **data})


def update(entity_type: str, key: str, name: str, value: Any) -> UpdateOperation:
    return UpdateOperation(
        entity_type=entity_type, entity_key={"id": key}, attribute_name=name, old_value=None, new_value=value
    )


def delete(entity_type: str, key: str) -> DeleteOperation:
    return DeleteOperation(entity_type=entity_type, entity_key={"id": key})


def recorded(
    *operations: Operation,
    recording_id: str = "rec-1",
    server_url: str | None = "https://studio.example",
    bases: Sequence[tuple[str, str, str, Any]] = (),
    deltas: Sequence[Delta] = (),
    created_at: str = "2026-01-01T00:00:00+00:00",
) -> Recording:
    """Return a recording; `bases`: (entity type, id, attribute, value)."""
    manifest = Manifest(
        recording_id=recording_id,
        digest=digest_of(operations),
        created_at=created_at,
        user="anna",
        host="node7",
        server_url=server_url,
        deltas=tuple(deltas),
        bases=tuple(
            Base(entity=key_text(kind, [key]), attribute=name, known=True, value=value)
            for kind, key, name, value in bases
        ),
    )
    return Recording(operations=operations, entities={}, manifest=manifest)
