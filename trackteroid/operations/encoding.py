"""The client's operations and values as ours: plain JSON in the form of ftrack's protocol.

The forms are those that the client itself puts on the wire (`ftrack_api.session.Session._encode`): references as objects
with type and key, dates as typed objects, collections as lists of references, mapped collections as those of their rows.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping
from typing import Any

import arrow
import ftrack_api.operation
from ftrack_api.symbol import NOT_SET as CLIENT_NOT_SET

from trackteroid.errors import RecordingRefusedError
from trackteroid.operations.loaded import Identity, cells, is_collection, is_entity, members, value_in
from trackteroid.operations.operation import (
    JSON,
    NOT_SET,
    CreateOperation,
    NotSet,
    UpdateOperation,
)

__all__ = [
    "PLAIN_TYPES",
    "check_entities",
    "client_identity",
    "encode_create",
    "encode_key",
    "encode_update",
    "encode_value",
    "reference",
]

_PLAIN = (str, bool, int, type(None))
#: Of exactly these types there is nothing to encode, which is most values.
PLAIN_TYPES = frozenset(_PLAIN)
_DATES = (arrow.Arrow, datetime.datetime, datetime.date)


def client_identity(operation: Any) -> Identity:
    """Return the entity that one of the client's operations is about."""
    return str(operation.entity_type), tuple([str(value) for value in operation.entity_key.values()])


def encode_key(operation: Any) -> dict[str, str]:
    """Return the primary key in one of the client's operations, attribute name to value."""
    return {str(name): str(value) for name, value in operation.entity_key.items()}


def encode_create(
    operation: ftrack_api.operation.CreateEntityOperation, session: Any, key: Mapping[str, str]
) -> CreateOperation:
    """Return the client's create operation as ours.

    Args:
        operation: The client's.
        session: The session that entities in it must belong to.
        key: What `encode_key` returns for it.

    Raises:
        RecordingRefusedError: A value cannot be recorded.
    """
    data = {}
    for name, value in operation.entity_data.items():
        if type(value) not in PLAIN_TYPES:
            value = encode_value(value, session, operation.entity_type, key, name)
            if value is NOT_SET:
                continue
        data[name] = value
    return CreateOperation(entity_type=str(operation.entity_type), entity_key=key, entity_data=data)


def encode_update(
    operation: ftrack_api.operation.UpdateEntityOperation, session: Any, key: Mapping[str, str]
) -> UpdateOperation:
    """Return the client's update operation as ours.

    Args:
        operation: The client's.
        session: The session that entities in it must belong to.
        key: What `encode_key` returns for it.

    Raises:
        RecordingRefusedError: The new value cannot be recorded.
    """
    entity_type, name = str(operation.entity_type), str(operation.attribute_name)
    old, new = operation.old_value, operation.new_value
    if type(new) not in PLAIN_TYPES:
        new = encode_value(new, session, entity_type, key, name)
    if old is CLIENT_NOT_SET:
        old = NOT_SET
    elif type(old) not in PLAIN_TYPES:
        # Only informative (what decides is the base in the manifest), hence nothing to refuse a recording for.
        try:
            old = encode_value(old, session, entity_type, key, name)
        except RecordingRefusedError:
            old = NOT_SET
    return UpdateOperation(entity_type=entity_type, entity_key=key, attribute_name=name, old_value=old, new_value=new)


def encode_value(
    value: Any, session: Any, entity_type: str, entity_key: Mapping[str, str], attribute: str
) -> JSON | NotSet:
    """Return an attribute's value as JSON, or our `NOT_SET`.

    Args:
        value: As the client holds it.
        session: The session that entities in it must belong to.
        entity_type, entity_key, attribute: Whose value it is, for messages.

    Raises:
        RecordingRefusedError: Names the entity, the attribute and what cannot be recorded.
    """
    if type(value) in PLAIN_TYPES:
        return value
    if value is CLIENT_NOT_SET:
        return NOT_SET
    try:
        return _encode(value, session)
    except _UnrecordableError as error:
        raise RecordingRefusedError(f"{_where(entity_type, entity_key, attribute)}: {error}") from error


def check_entities(value: Any, session: Any, operation: ftrack_api.operation.UpdateEntityOperation) -> None:
    """Check that an entity or a collection can be recorded, without encoding it.

    Args:
        value: The new value of an update.
        session: The session that entities in it must belong to.
        operation: The update, for messages.

    Raises:
        RecordingRefusedError: It is, or has a member, of another session.
    """
    for member in (value,) if is_entity(value) else getattr(value, "collection", value):
        if getattr(member, "session", None) is not session:
            where = _where(operation.entity_type, encode_key(operation), operation.attribute_name)
            raise RecordingRefusedError(f"{where}: {_foreign(member)} cannot be recorded.")


def reference(entity: Any) -> dict[str, JSON]:
    """Return the object that stands for an entity of the client."""
    found: dict[str, JSON] = {"__entity_type__": str(entity.entity_type)}
    stored = cells(entity)
    for name in entity.primary_key_attributes:
        value = value_in(stored, name)
        if value is CLIENT_NOT_SET:
            raise _UnrecordableError(f"a {entity.entity_type} without a key cannot be recorded.")
        found[str(name)] = str(value)
    return found


class _UnrecordableError(Exception):
    """What is wrong with a value; the caller knows whose it is."""


def _where(entity_type: str, entity_key: Mapping[str, str], attribute: str) -> str:
    return f"{entity_type} {', '.join(entity_key.values())}, attribute {attribute!r}"


def _encode(value: Any, session: Any) -> JSON:
    if is_entity(value):
        if value.session is not session:
            raise _UnrecordableError(f"{_foreign(value)} cannot be recorded.")
        return reference(value)
    if isinstance(value, _PLAIN):
        return _plain(value)
    if isinstance(value, float):
        return _finite(value)
    if isinstance(value, _DATES):
        return {"__type__": "datetime", "value": value.isoformat()}
    if is_collection(value):
        return [_encode(member, session) for member in members(value)]
    if isinstance(value, list | tuple):
        return [_encode(item, session) for item in value]
    if isinstance(value, Mapping):
        return {_name(key): _encode(item, session) for key, item in value.items()}
    raise _UnrecordableError(
        f"a value of type {type(value).__module__}.{type(value).__qualname__} cannot be recorded; "
        "text, numbers, booleans, dates, entities, and lists and dictionaries of them can."
    )


def _plain(value: Any) -> JSON:
    """Return the plain value of an enumeration's member or another subclass, whose text may not be its value."""
    if value is None or isinstance(value, bool):
        return value
    return str.__str__(value) if isinstance(value, str) else int(value)


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise _UnrecordableError(f"the number {value} cannot be recorded: JSON has no such number.")
    return float(value)


def _name(key: Any) -> str:
    if not isinstance(key, str):
        raise _UnrecordableError(f"a dictionary with the key {key!r} cannot be recorded; keys must be text.")
    return str(key)


def _foreign(entity: Any) -> str:
    return f"{getattr(entity, 'entity_type', type(entity).__name__)} of another session (or of one from before a reconnect)"
