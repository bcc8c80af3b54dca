"""Who published: ftrack stamps the user of the *commit*, which is a worker's, on some entities that are created.

The recorder writes the recording user into their data instead, unless the block set one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from trackteroid.operations.effects import Identity, effects_of, identity_of
from trackteroid.operations.loaded import cached_values, loaded
from trackteroid.operations.operation import CreateOperation, Operation

__all__ = ["USER_ATTRIBUTES", "loaded_user_id", "stamp"]

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


def loaded_user_id(session: Any) -> str | None:
    """Return the id of the session's API user if it is in memory; the server is not asked for it."""
    for entity in cached_values(session):
        if entity.entity_type == "User" and loaded(entity, "username") == session.api_user:
            value = loaded(entity, "id")
            return value if isinstance(value, str) else None
    return None


def stamp(operations: Sequence[Operation], user_id: str | None) -> tuple[list[Operation], dict[Identity, str]]:
    """Return the operations with the recording user in the data of creates, and which attributes lack one.

    Args:
        operations: As recorded.
        user_id: The recording user, None if it isn't known.

    Returns:
        The operations; and the created entities that the server will stamp with the committing user, each with the
        attribute, none if `user_id` is given.
    """
    updated = effects_of(operations).updated
    stamped: list[Operation] = []
    missing: dict[Identity, str] = {}
    for operation in operations:
        if isinstance(operation, CreateOperation) and operation.entity_type in USER_ATTRIBUTES:
            name, same = USER_ATTRIBUTES[operation.entity_type]
            key = identity_of(operation)
            if not same & {*operation.entity_data, *updated.get(key, ())}:
                if user_id is None:
                    missing[key] = name
                else:
                    operation = replace(operation, entity_data={**operation.entity_data, name: user_id})
        stamped.append(operation)
    return stamped, missing
