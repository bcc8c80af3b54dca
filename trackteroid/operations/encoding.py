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
from trackteroid.operations.loaded import identity, is_collection, is_entity, members
from trackteroid.operations.operation import (
    JSON,
    NOT_SET,
    CreateOperation,
    DeleteOperation,
    NotSet,
    UpdateOperation,
)

__all__ = ["check_members", "encode_create", "encode_delete", "encode_update", "encode_value", "reference"]

_PLAIN = (str, bool, int, type(None))
# Of exactly these there is nothing to encode, which is most values.
_SAME = frozenset(_PLAIN)
_DATES = (arrow.Arrow, datetime.datetime, datetime.date)


def encode_create(operation: ftrack_api.operation.CreateEntityOperation, session: Any) -> CreateOperation:
    """Return the client's create operation as ours.

    Raises:
        RecordingRefusedError: A value cannot be recorded.
    """
    key = {str(name): str(value) for name, value in operation.entity_key.items()}
    data = {}
    for name, value in operation.entity_data.items():
        encoded = encode_value(value, session, operation.entity_type, key, name)
        if encoded is not NOT_SET:
            data[str(name)] = encoded
    return CreateOperation(entity_type=str(operation.entity_type), entity_key=key, entity_data=data)


def encode_update(operation: ftrack_api.operation.UpdateEntityOperation, session: Any) -> UpdateOperation:
    """Return the client's update operation as ours.

    Raises:
        RecordingRefusedError: The new value cannot be recorded.
    """
    key = {str(name): str(value) for name, value in operation.entity_key.items()}
    name = str(operation.attribute_name)
    new = encode_value(operation.new_value, session, operation.entity_type, key, name)
    return UpdateOperation(
        entity_type=str(operation.entity_type),
        entity_key=key,
        attribute_name=name,
        old_value=_old(operation.old_value, session, operation.entity_type, key, name),
        new_value=new,
    )


def encode_delete(operation: ftrack_api.operation.DeleteEntityOperation) -> DeleteOperation:
    """Return the client's delete operation as ours."""
    key = {str(name): str(value) for name, value in operation.entity_key.items()}
    return DeleteOperation(entity_type=str(operation.entity_type), entity_key=key)


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
    if type(value) in _SAME:
        return value
    if value is CLIENT_NOT_SET:
        return NOT_SET
    try:
        return _encode(value, session)
    except _UnrecordableError as error:
        raise RecordingRefusedError(f"{_where(entity_type, entity_key, attribute)}: {error}") from error


def check_members(
    collection: Any, session: Any, entity_type: str, entity_key: Mapping[str, str], attribute: str
) -> None:
    """Check that a collection can be recorded, without encoding it.

    Raises:
        RecordingRefusedError: It has a member of another session.
    """
    for member in getattr(collection, "collection", collection):
        if getattr(member, "session", None) is not session:
            raise RecordingRefusedError(
                f"{_where(entity_type, entity_key, attribute)}: {_foreign(member)} cannot be recorded."
            )


def reference(entity: Any) -> dict[str, JSON]:
    """Return the object that stands for an entity of the client."""
    key = identity(entity)
    if key is None:
        raise _UnrecordableError(f"a {entity.entity_type} without a key cannot be recorded.")
    found: dict[str, JSON] = {"__entity_type__": key[0]}
    for name, value in zip(entity.primary_key_attributes, key[1], strict=True):
        found[str(name)] = value
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


def _old(value: Any, session: Any, entity_type: str, key: Mapping[str, str], name: str) -> JSON | NotSet:
    if value is CLIENT_NOT_SET:
        return NOT_SET
    # Only informative (what decides is the base in the manifest), hence nothing to refuse a recording for.
    try:
        return encode_value(value, session, entity_type, key, name)
    except RecordingRefusedError:
        return NOT_SET
