"""Recorded operations as one batch of ftrack's protocol, collapsed as the official client collapses them.

Pure. Rules: `ftrack_api.session.Session.commit`, in the same order, because the server sees the same:

1. An entity that is created and deleted in one batch is left out altogether.
2. Of several updates of one attribute only the last stays, at its own place.
3. Values that are not set are left out, and updates left without values too.
4. An update that directly follows a create or update of the same entity is merged into it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

from trackteroid.commits.schemas import Schemas
from trackteroid.errors import RecordingRefusedError
from trackteroid.operations.operation import (
    NOT_SET,
    CreateOperation,
    NotSet,
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
    operations = tuple(operations)
    batch = _joined(operations, schemas, is_collapsed=False)
    if batch is None:
        batch = _joined(_collapsed(operations, schemas), schemas, is_collapsed=True) or []
    return batch


def _joined(operations: Iterable[Operation], schemas: Schemas, *, is_collapsed: bool) -> list[Payload] | None:
    """Return the payloads, by the rules 3 and 4.

    Args:
        operations: In their order.
        schemas: As of `build_batch`.
        is_collapsed: Whether the rules 1 and 2 have been applied. If not, None is returned where they may have an effect, which
            in most recordings they do not.
    """
    batch: list[Payload] = []
    # By key and attribute.
    written: set[tuple[str, ...]] = set()
    # Of the last payload, if updates can join it, and its data.
    joinable: _Identity | None = None
    data: dict[str, Any] = {}
    for operation in operations:
        entity_type, key = operation.entity_type, operation.entity_key
        identity = (entity_type, *key.values()) if len(key) == 1 else _identity(operation, schemas)
        if isinstance(operation, UpdateOperation):
            name, value = operation.attribute_name, operation.new_value
            if not is_collapsed:
                if name in key or name == "__entity_type__":
                    _refuse_other_key(operation, identity)
                place = (*identity, name)
                if place in written:
                    return None
                written.add(place)
            if value is NOT_SET or name == "__entity_type__":
                continue
            if identity == joinable:
                data[name] = value
                continue
            action, data = "update", {"__entity_type__": entity_type, name: value}
        elif isinstance(operation, CreateOperation):
            action, data = "create", _data(operation, identity)
        else:
            if not is_collapsed:
                return None
            batch.append({"action": "delete", "entity_type": identity[0], "entity_key": list(identity[1:])})
            joinable = None
            continue
        batch.append({"action": action, "entity_type": entity_type, "entity_key": [*identity[1:]], "entity_data": data})
        joinable = identity
    return batch


def _collapsed(operations: Iterable[Operation], schemas: Schemas) -> Iterable[Operation]:
    """Return the operations that the rules 1 and 2 leave."""
    last: dict[tuple[str, ...], int] = {}
    created, deleted = [], set()
    pending = []
    for place, operation in enumerate(operations):
        identity = _identity(operation, schemas)
        written = None
        if isinstance(operation, UpdateOperation):
            name = operation.attribute_name
            if name in operation.entity_key or name == "__entity_type__":
                _refuse_other_key(operation, identity)
            written = (*identity, name)
            last[written] = place
        elif isinstance(operation, CreateOperation):
            _data(operation, identity)
            created.append(identity)
        else:
            deleted.add(identity)
        pending.append((operation, identity, written))
    passing = deleted.intersection(created)
    return [
        operation
        for place, (operation, identity, written) in enumerate(pending)
        if identity not in passing and (written is None or last[written] == place)
    ]


def _identity(operation: Operation, schemas: Schemas) -> _Identity:
    key = operation.entity_key
    if len(key) > 1:
        names = schemas.primary_key(operation.entity_type)
        if key.keys() == set(names):
            return (operation.entity_type, *[key[name] for name in names])
    return (operation.entity_type, *key.values())


def _refuse_other_key(operation: UpdateOperation, identity: _Identity) -> None:
    name = operation.attribute_name
    own = operation.entity_type if name == "__entity_type__" else operation.entity_key[name]
    if own != operation.new_value:
        raise RecordingRefusedError(
            f"An update gives {operation.entity_type} {'/'.join(map(str, identity[1:]))} another {name}."
        )


def _data(operation: CreateOperation, identity: _Identity) -> dict[str, Any]:
    entity_type, key = operation.entity_type, operation.entity_key
    data: dict[str, Any] = {"__entity_type__": entity_type, **key, **operation.entity_data}
    # Whether it was created is asked by the key. Under another one it would be there and never be found.
    for name, value in (*key.items(), ("__entity_type__", entity_type)):
        if data[name] != value:
            raise RecordingRefusedError(
                f"The data of the create of {entity_type} {'/'.join(map(str, identity[1:]))} names another {name}: "
                f"{data[name]!r:.100}."
            )
    if _UNSET.isdisjoint(map(type, data.values())):
        return data
    return {name: value for name, value in data.items() if value is not NOT_SET}


# To ask for the class takes a third of the time that comparing takes.
_UNSET = frozenset({NotSet})
