"""Recorded operations as one batch of ftrack's protocol, collapsed as the official client collapses them.

Pure. Rules: `ftrack_api.session.Session.commit`, in the same order, because the server sees the same:

1. An entity that is created and deleted in one batch is left out altogether.
2. Of several updates of one attribute only the last stays, at its own place.
3. Values that are not set are left out, and updates left without values too.
4. An update that directly follows a create or update of the same entity is merged into it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from trackteroid.commits.schemas import Schemas
from trackteroid.errors import RecordingRefusedError
from trackteroid.operations.operation import (
    NOT_SET,
    CreateOperation,
    DeleteOperation,
    Operation,
    UpdateOperation,
)

__all__ = ["Payload", "build_batch"]

#: One operation on the wire: `action`, `entity_type`, `entity_key` (list in key order) and, but for deletes, `entity_data`.
Payload: TypeAlias = "dict[str, Any]"

_Identity: TypeAlias = "tuple[str, tuple[str, ...]]"
_Identified: TypeAlias = "tuple[_Identity, Payload]"


def build_batch(operations: Iterable[Operation], schemas: Schemas) -> list[Payload]:
    """Return the payloads to send for `operations`, in their order. Linear in their number.

    Args:
        operations: With textual references resolved (`resolve_textual_references`).
        schemas: For the order of composite keys, which JSON objects do not keep.

    Raises:
        RecordingRefusedError: An operation contradicts itself about which entity it is for.
    """
    batch = []
    for operation in operations:
        key = _key(operation, schemas)
        batch.append(((operation.entity_type, tuple(key)), _BUILDERS[type(operation)](operation, key)))
    batch = _without_created_and_deleted(batch)
    _keep_last_updates(batch)
    return _merged(_without_empty(batch))


def _key(operation: Operation, schemas: Schemas) -> list[str]:
    key = operation.entity_key
    if len(key) == 1:
        return list(key.values())
    names = schemas.primary_key(operation.entity_type)
    return [key[name] for name in (names if key.keys() == set(names) else key)]


def _create(operation: CreateOperation, key: list[str]) -> Payload:
    named = {"__entity_type__": operation.entity_type, **operation.entity_key}
    data = {**named, **operation.entity_data}
    for name, value in named.items():
        # Whether it was created is asked by the key. Under another one it would be there and never be found.
        if data[name] != value:
            raise RecordingRefusedError(
                f"The data of the create of {operation.entity_type} {'/'.join(map(str, key))} names another {name}: "
                f"{data[name]!r:.100}."
            )
    return {
        "action": "create",
        "entity_type": operation.entity_type,
        "entity_key": key,
        "entity_data": data,
    }


def _update(operation: UpdateOperation, key: list[str]) -> Payload:
    name, new = operation.attribute_name, operation.new_value
    if (operation.entity_type if name == "__entity_type__" else operation.entity_key.get(name, new)) != new:
        raise RecordingRefusedError(
            f"An update gives {operation.entity_type} {'/'.join(map(str, key))} another {name}."
        )
    return {
        "action": "update",
        "entity_type": operation.entity_type,
        "entity_key": key,
        "entity_data": {"__entity_type__": operation.entity_type, name: new},
    }


def _delete(operation: DeleteOperation, key: list[str]) -> Payload:
    return {
        "action": "delete",
        "entity_type": operation.entity_type,
        "entity_key": key,
    }


_BUILDERS: dict[type, Callable[[Any, list[str]], Payload]] = {
    CreateOperation: _create,
    UpdateOperation: _update,
    DeleteOperation: _delete,
}


def _without_created_and_deleted(batch: list[_Identified]) -> list[_Identified]:
    deleted = {identity for identity, payload in batch if payload["action"] == "delete"}
    gone = {identity for identity, payload in batch if identity in deleted and payload["action"] == "create"}
    return [each for each in batch if each[0] not in gone] if gone else batch


def _keep_last_updates(batch: list[_Identified]) -> None:
    later: set[tuple[_Identity, str]] = set()
    for identity, payload in reversed(batch):
        if payload["action"] != "update":
            continue
        data = payload["entity_data"]
        for name in [name for name in data if name != "__entity_type__"]:
            slot = (identity, name)
            if slot in later:
                del data[name]
            else:
                later.add(slot)


def _without_empty(batch: list[_Identified]) -> list[_Identified]:
    kept = []
    for each in batch:
        data = each[1].get("entity_data")
        if data is not None:
            if NOT_SET in data.values():
                data = each[1]["entity_data"] = {name: value for name, value in data.items() if value is not NOT_SET}
            # The type is always there.
            if len(data) == 1:
                continue
        kept.append(each)
    return kept


def _merged(batch: list[_Identified]) -> list[Payload]:
    merged: list[Payload] = []
    # Of the last payload, if updates can join it.
    joinable: _Identity | None = None
    for identity, payload in batch:
        if identity == joinable and payload["action"] == "update":
            merged[-1]["entity_data"].update(payload["entity_data"])
            continue
        merged.append(payload)
        joinable = None if payload["action"] == "delete" else identity
    return merged
