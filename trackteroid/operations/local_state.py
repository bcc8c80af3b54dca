"""What a block changes in a session's memory, and how that is taken back.

The state of an attribute is kept when a block first touches it, so the cost grows with what a block does and not with
what the session has loaded.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from ftrack_api.symbol import NOT_SET

from trackteroid.operations.encoding import PLAIN_TYPES
from trackteroid.operations.loaded import Identity, cached, cells, identity, is_collection, is_entity, members

__all__ = ["Touch", "first_touch", "promote", "restore"]


@dataclass(frozen=True)
class Touch:
    """An attribute of an entity that existed before, as it was when the block first changed it.

    Attributes:
        entity: The client's entity, None if the session does not have it in memory.
        name: The attribute.
        local: Its local value.
        remote: Its remote value: what the server said last. `NOT_SET` if it was not loaded; of a collection the members.
        members: Of a collection the members at that time; None for other attributes.
        in_step: Of a collection, whether it held just what the server said.
    """

    entity: Any
    name: str
    local: Any
    remote: Any
    members: tuple[Any, ...] | None
    in_step: bool = False

    @property
    def member_keys(self) -> list[Identity]:
        """The identities of `members`; what the block did to a collection is counted against them."""
        return [key for member in self.members or () if (key := identity(member)) is not None]


def first_touch(session: Any, key: Identity, name: str, old: Any, new: Any) -> Touch:
    """Return the state of an attribute before an update.

    Args:
        session: The session.
        key: The entity.
        name: The attribute.
        old, new: The local values of the client's update operation.
    """
    entity = cached(session, key)
    cell = cells(entity).get(name) if entity is not None else None
    remote = NOT_SET if cell is None else cell["remote"]
    if not (is_collection(old) or is_collection(new) or is_collection(remote)):
        return Touch(entity, name, old, remote, None)
    # A tuple, as the members of a remote collection are replaced when it is loaded again.
    loaded = members(remote) if is_collection(remote) else NOT_SET
    if is_collection(old):
        before = members(old)
        in_step = loaded is not NOT_SET and _identities(before) == _identities(loaded)
        return Touch(entity, name, old, loaded, before, in_step)
    return Touch(entity, name, NOT_SET, loaded, () if loaded is NOT_SET else loaded, in_step=True)


def _identities(entities: Iterable[Any]) -> set[Identity | None]:
    return {identity(entity) for entity in entities}


def restore(session: Any, touches: Iterable[Touch]) -> None:
    """Give attributes the local values that they had when they were first touched.

    Collections are changed in place, so that one which user code still holds shows its former members too: an edit
    of it would otherwise bring back, and send, what the block had put in.
    """
    with session.auto_populating(False), session.operation_recording(False):
        for touch in touches:
            if touch.entity is None:
                continue
            attribute = touch.entity.attributes.get(touch.name)
            if touch.members is None:
                attribute.set_local_value(touch.entity, _attached(session, touch.local))
            else:
                _restore_collection(touch, attribute)


def _restore_collection(touch: Touch, attribute: Any) -> None:
    former = touch.members or ()
    if touch.in_step:
        # What was loaded meanwhile counts: nothing was to be changed in this collection.
        remote = attribute.get_remote_value(touch.entity)
        former = members(remote) if is_collection(remote) else former
    live = attribute.get_local_value(touch.entity)
    if is_collection(live):
        _set_members(live, former)
    if touch.local is NOT_SET:
        attribute.set_local_value(touch.entity, NOT_SET)
    elif live is NOT_SET and not touch.in_step:
        attribute.set_local_value(touch.entity, touch.local)


def _set_members(value: Any, entities: Iterable[Any]) -> None:
    # Through its public methods the client copies the whole collection for each member, and refuses immutable ones.
    collection = getattr(value, "collection", value)
    collection._data[:] = entities
    collection._identities = {collection._identity_key(entity) for entity in collection._data}


def _attached(session: Any, value: Any) -> Any:
    """Return the session's own object for an entity: operations hold copies."""
    key = identity(value) if is_entity(value) else None
    return value if key is None else cached(session, key) or value


def promote(entity: Any, stored: Iterable[tuple[str, dict[str, Any]]], *recorded: Collection[str]) -> None:
    """Make the local values of an entity that was created its remote ones: it is no longer pending.

    Args:
        entity: The client's entity.
        stored: Its attributes that have a value, and their cells, when it was recorded.
        recorded: Attributes whose values stand in the recording.
    """
    for name, cell in stored:
        value = cell["local"]
        if value is NOT_SET:
            continue
        if type(value) in PLAIN_TYPES or not is_collection(value):
            cell["remote"], cell["local"] = value, NOT_SET
        elif any(name in names for names in recorded) or members(value):
            # The local one stays: equal to the remote one, as the client has it when a collection was only looked at.
            entity.attributes.get(name).set_remote_value(entity, copy.copy(value))
        else:
            # The empty placeholder that the client makes on looking; kept, it would hide what is loaded later.
            cell["local"] = NOT_SET
