"""`Session.ensure` in a deferred block: get or create, decided by the worker that commits the recording.

What is there already when the block runs is simply used. What is not gets an id that everybody makes alike from server, type and
identifying values, so that three render layers that ask for the same asset name the same entity; the manifest says how the worker
is to look for it (`manifest.Ensure`), as somebody else may have made it meanwhile under another id.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Container, Iterable, Mapping
from typing import Any

import ftrack_api.exception
import ftrack_api.operation

from trackteroid.errors import BadInputError, RecordingRefusedError
from trackteroid.operations.capturing import CapturingOperations
from trackteroid.operations.effects import Identity
from trackteroid.operations.encoding import encode_value
from trackteroid.operations.loaded import cached, identity, is_entity, loaded, uncache
from trackteroid.operations.manifest import Ensure, condition
from trackteroid.operations.operation import JSON, key_text

__all__ = ["ensure", "get_or_create", "provisional_id"]

# Namespace of ids that stand for "the entity with these identifying values": the same in every process of every studio.
_NAMESPACE = uuid.UUID("0c9c6c5e-6f3b-5b0e-8d3f-2a1e5c1b7d44")


def provisional_id(server_url: str, entity_type: str, by: Mapping[str, JSON]) -> str:
    """Return the id that an entity of these identifying values gets if nobody has made it before."""
    return str(uuid.uuid5(_NAMESPACE, json.dumps([server_url, entity_type, by], sort_keys=True)))


def get_or_create(session: Any, entity_type: str, data: Mapping[str, Any], identifying_keys: Iterable[str]) -> Any:
    """Return the entity of these identifying values, or create it: in a block as `ensure` does, else with `commit()`.

    What this session has created and not sent yet counts too.

    Args:
        session, entity_type, data, identifying_keys: As for `ensure`.

    Raises:
        As `ensure`.
    """
    if session.in_deferred_block:
        return ensure(session, session.recorded_operations, entity_type, data, identifying_keys)
    by = {name: encode_value(data[name], session, entity_type, {}, name) for name in identifying_keys}
    found = _pending(session, entity_type, data, by) or _on_server(session, {}, entity_type, data, by)
    if found is None:
        return session.create(entity_type, dict(data))
    _bring_up_to_date(found, data, by)
    return found


def _pending(session: Any, entity_type: str, data: Mapping[str, Any], by: Mapping[str, JSON]) -> Any:
    for operation in session.recorded_operations:
        if isinstance(operation, ftrack_api.operation.CreateEntityOperation) and operation.entity_type == entity_type:
            entity = cached(session, (entity_type, tuple(map(str, operation.entity_key.values()))))
            if entity is not None and all(_same(loaded(entity, name), data[name]) for name in by):
                return entity
    return None


def _bring_up_to_date(entity: Any, data: Mapping[str, Any], by: Mapping[str, JSON]) -> None:
    for name, value in data.items():
        if name not in by and not _same(entity[name], value):
            entity[name] = value


def ensure(
    session: Any,
    operations: CapturingOperations,
    entity_type: str,
    data: Mapping[str, Any],
    identifying_keys: Iterable[str] | None = None,
) -> Any:
    """Return the entity of these identifying values, or one that stands for it until the recording is committed.

    Args:
        session: The session that records.
        operations: The block's.
        entity_type: Schema id.
        data: Attribute name to value, as for `create`; references are entities.
        identifying_keys: The attributes by which it is recognised; None: all of `data`.

    Raises:
        BadInputError: There is nothing to recognise it by, or a key is not in `data`.
        RecordingRefusedError: A value cannot be recorded, or entities of this type have a key of several parts.
        ftrack_api.exception.MultipleResultsFoundError: Several entities have these values.
        ftrack_api.exception.UnrecognisedEntityTypeError: The server has no such type.
    """
    keys = list(dict.fromkeys(identifying_keys or data))
    if not keys or not set(keys) <= data.keys():
        lacking = ", ".join(key for key in keys if key not in data) or "identifying keys"
        raise BadInputError(f"ensure({entity_type!r}, ...) cannot tell the entity from others: {lacking} missing.")
    if entity_type not in session.types:
        raise ftrack_api.exception.UnrecognisedEntityTypeError(entity_type)
    if list(session.types[entity_type].primary_key_attributes) != ["id"]:
        raise RecordingRefusedError(f"ensure() of a {entity_type} cannot be recorded; create it, or look it up before.")
    by = {name: encode_value(data[name], session, entity_type, {}, name) for name in keys}
    key = (entity_type, (provisional_id(session.server_url, entity_type, by),))
    known = cached(session, key) if key in operations.created else None
    found = known or _on_server(session, operations.created, entity_type, data, by)
    if found is not None:
        _bring_up_to_date(found, data, by)
        return found
    # Of an earlier block of this session: recorded once more, as nobody knows which of the two is committed first.
    uncache(session, key)
    entity = session.create(entity_type, {**data, "id": key[1][0]})
    given = tuple(name for name in data if name not in by)
    operations.ensures[key] = Ensure(entity=key_text(*key), by=by, given=given)
    return entity


def _on_server(
    session: Any,
    created: Container[Identity | None],
    entity_type: str,
    data: Mapping[str, Any],
    by: Mapping[str, JSON],
) -> Any:
    if any(is_entity(data[name]) and identity(data[name]) in created for name in by):
        # What belongs to something that is new cannot be there.
        return None
    projected = ", ".join(
        dict.fromkeys(("id", *(f"{name}.id" if is_entity(value) else name for name, value in data.items())))
    )
    conditions = " and ".join(condition(name, value) for name, value in by.items())
    found = session.fetch_entities(f"select {projected} from {entity_type} where {conditions}", limit=2)
    if len(found) > 1:
        raise ftrack_api.exception.MultipleResultsFoundError()
    return found[0] if found else None


def _same(one: Any, other: Any) -> bool:
    if is_entity(one) and is_entity(other):
        return identity(one) == identity(other)
    return bool(one == other)
