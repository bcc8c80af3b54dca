"""Who published: ftrack stamps the user of the *commit*, which is a worker's, on some entities that are created.

The recorder writes the recording user into their data instead, unless the block set one.
"""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ftrack_api.exception
import requests

from trackteroid.errors import TrackteroidError
from trackteroid.operations.effects import Identity, identity_of
from trackteroid.operations.loaded import cached_values, loaded
from trackteroid.operations.operation import CreateOperation, Operation, UpdateOperation

__all__ = ["USER_ATTRIBUTES", "recording_user_id", "stamp"]

_logger = logging.getLogger("trackteroid.operations")

#: Entity type to the attribute that the server fills with the API user if a create leaves it out, and the names of the
#: same column (source: spec ftrack-server 2.11). `created_by` of contexts is not among them: clients cannot write it.
USER_ATTRIBUTES: Mapping[str, tuple[str, frozenset[str]]] = {
    "AssetVersion": ("user_id", frozenset({"user_id", "user"})),
    "AssetVersionList": ("user_id", frozenset({"user_id", "owner"})),
    "Job": ("user_id", frozenset({"user_id", "user"})),
    "List": ("user_id", frozenset({"user_id", "owner"})),
    "Note": ("user_id", frozenset({"user_id", "author"})),
    "Timelog": ("user_id", frozenset({"user_id", "user"})),
    "TypedContextList": ("user_id", frozenset({"user_id", "owner"})),
}


# Session to the connection (its generation) and the id of its user: each connection is asked once.
_known: weakref.WeakKeyDictionary[Any, tuple[int, str | None]] = weakref.WeakKeyDictionary()


def recording_user_id(session: Any) -> str | None:
    """Return the id of a session's API user, None if the server knows no such user or cannot be asked.

    From memory if the user was loaded, else by one query; remembered for as long as the connection lasts.
    """
    known = _known.get(session)
    if known is not None and known[0] == session.generation:
        return known[1]
    user_id = _in_memory(session)
    if user_id is None:
        try:
            user_id = _asked(session)
        # The client lets those of JSON escape where a proxy answers for the server.
        except (ftrack_api.exception.Error, TrackteroidError, requests.RequestException, ValueError) as error:
            _logger.warning("The server could not be asked for the recording user: %s", error)
            return None
    _known[session] = (session.generation, user_id)
    return user_id


def _in_memory(session: Any) -> str | None:
    for entity in cached_values(session):
        if entity.entity_type == "User" and loaded(entity, "username") == session.api_user:
            value = loaded(entity, "id")
            return value if isinstance(value, str) else None
    return None


def _asked(session: Any) -> str | None:
    name = session.api_user.replace("\\", "\\\\").replace('"', '\\"')
    found = session.fetch_entities(f'select id from User where username is "{name}"', limit=1)
    return str(loaded(found[0], "id")) if found else None


def stamp(
    operations: Sequence[Operation], user_id: Callable[[], str | None]
) -> tuple[list[Operation], dict[Identity, str]]:
    """Return the operations with the recording user in the data of creates, and which attributes lack one.

    Args:
        operations: As recorded.
        user_id: Returns the recording user, None if it isn't known; only asked if something lacks one.

    Returns:
        The operations; and the created entities that the server will stamp with the committing user, each with the
        attribute, none if the recording user is known.
    """
    stamped = list(operations)
    lacking = _lacking(operations)
    known = user_id() if lacking else None
    if known is None:
        return stamped, {key: name for key, (_, name) in lacking.items()}
    for position, name in lacking.values():
        create: Any = stamped[position]
        stamped[position] = CreateOperation(
            entity_type=create.entity_type,
            entity_key=create.entity_key,
            entity_data={**create.entity_data, name: known},
        )
    return stamped, {}


def _lacking(operations: Sequence[Operation]) -> dict[Identity, tuple[int, str]]:
    """Return the created entities whose user the block did not set, each with the create's position and the attribute."""
    lacking: dict[Identity, tuple[int, str]] = {}
    for position, operation in enumerate(operations):
        if operation.entity_type not in USER_ATTRIBUTES:
            continue
        name, same = USER_ATTRIBUTES[operation.entity_type]
        if isinstance(operation, CreateOperation):
            if same.isdisjoint(operation.entity_data):
                lacking[identity_of(operation)] = position, name
        elif isinstance(operation, UpdateOperation) and operation.attribute_name in same:
            lacking.pop(identity_of(operation), None)
    return lacking
