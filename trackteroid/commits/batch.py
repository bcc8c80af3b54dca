"""Recorded operations as one batch of ftrack's protocol, collapsed as the official client collapses them.

Pure. Rules: `ftrack_api.session.Session.commit`, in the same order, because the server sees the same:

1. An entity that is created and deleted in one batch is left out altogether.
2. Of several updates of one attribute only the last stays, at its own place.
3. Values that are not set are left out, and updates left without values too.
4. An update that directly follows a create or update of the same entity is merged into it.
"""

from __future__ import annotations

from collections.abc import Iterable, Set
from typing import Any, TypeAlias

from trackteroid.commits.schemas import Schemas
from trackteroid.errors import RecordingRefusedError
from trackteroid.operations.operation import (
    NOT_SET,
    CreateOperation,
    Operation,
    UpdateOperation,
)

__all__ = ["Payload", "build_batch"]

#: One operation on the wire: `action`, `entity_type`, `entity_key` (list of texts in key order) and, but for deletes,
#: `entity_data`.
Payload: TypeAlias = "dict[str, Any]"

_Identity: TypeAlias = "tuple[str, ...]"


def build_batch(operations: Iterable[Operation], schemas: Schemas) -> list[Payload]:
    """Return the payloads to send for `operations`, in their order. Linear in their number.

    Args:
        operations: With textual references resolved (`resolve_textual_references`).
        schemas: For the order of composite keys, which JSON objects do not keep.

    Raises:
        RecordingRefusedError: An operation contradicts itself about which entity it is for.
    """
    pending = [(operation, _identity(operation, schemas)) for operation in operations]
    last, passing = _overview(pending)
    batch: list[Payload] = []
    # Of the last payload, if updates can join it.
    joinable: _Identity | None = None
    for place, (operation, identity) in enumerate(pending):
        if identity in passing:
            continue
        if isinstance(operation, UpdateOperation):
            name, value = operation.attribute_name, operation.new_value
            if value is NOT_SET or last[identity, name] != place or name == "__entity_type__":
                continue
            if identity == joinable:
                batch[-1]["entity_data"][name] = value
                continue
            batch.append(_payload("update", identity, {"__entity_type__": operation.entity_type, name: value}))
        elif isinstance(operation, CreateOperation):
            batch.append(_payload("create", identity, _data(operation)))
        else:
            batch.append({"action": "delete", "entity_type": identity[0], "entity_key": list(identity[1:])})
            joinable = None
            continue
        joinable = identity
    return batch


def _identity(operation: Operation, schemas: Schemas) -> _Identity:
    key = operation.entity_key
    if len(key) > 1:
        names = schemas.primary_key(operation.entity_type)
        if key.keys() == set(names):
            return (operation.entity_type, *[key[name] for name in names])
    return (operation.entity_type, *key.values())


def _overview(
    pending: Iterable[tuple[Operation, _Identity]],
) -> tuple[dict[tuple[_Identity, str], int], Set[_Identity]]:
    """Return where the last update of each attribute stands, and which entities are both created and deleted."""
    last: dict[tuple[_Identity, str], int] = {}
    created, deleted = [], set()
    for place, (operation, identity) in enumerate(pending):
        if isinstance(operation, UpdateOperation):
            name, new = operation.attribute_name, operation.new_value
            key = operation.entity_key
            if name in key or name == "__entity_type__":
                if (operation.entity_type if name == "__entity_type__" else key[name]) != new:
                    raise RecordingRefusedError(
                        f"An update gives {operation.entity_type} {'/'.join(map(str, identity[1:]))} another {name}."
                    )
            last[identity, name] = place
        elif isinstance(operation, CreateOperation):
            _refuse_other_key(operation, identity)
            created.append(identity)
        else:
            deleted.add(identity)
    return last, deleted.intersection(created)


def _refuse_other_key(operation: CreateOperation, identity: _Identity) -> None:
    # Whether it was created is asked by the key. Under another one it would be there and never be found.
    data = operation.entity_data
    for name, value in operation.entity_key.items():
        if data.get(name, value) != value:
            break
    else:
        name, value = "__entity_type__", operation.entity_type
        if data.get(name, value) == value:
            return
    raise RecordingRefusedError(
        f"The data of the create of {operation.entity_type} {'/'.join(map(str, identity[1:]))} names another {name}: "
        f"{data[name]!r:.100}."
    )


def _data(operation: CreateOperation) -> dict[str, Any]:
    data = {"__entity_type__": operation.entity_type, **operation.entity_key, **operation.entity_data}
    if NOT_SET in data.values():
        return {name: value for name, value in data.items() if value is not NOT_SET}
    return data


def _payload(action: str, identity: _Identity, data: dict[str, Any]) -> Payload:
    return {"action": action, "entity_type": identity[0], "entity_key": list(identity[1:]), "entity_data": data}
