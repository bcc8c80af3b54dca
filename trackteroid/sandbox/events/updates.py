"""A committed request -> its `ftrack.update` event (specification 7.6), for each user as far as he may know of it.

Every served type is reported. Which tables a real server reports is not known (section 9.19).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from trackteroid.sandbox.changes import Change, StoredRow
from trackteroid.sandbox.committed import Committed
from trackteroid.sandbox.credentials import Caller
from trackteroid.sandbox.events.hub import UPDATE_TOPIC
from trackteroid.sandbox.events.lineage import Lineage, Place, entity_id, event_type, parent_columns, place_of
from trackteroid.sandbox.schema import EntityType, Kind
from trackteroid.sandbox.storage import Storage
from trackteroid.sandbox.values import Stored, to_wire
from trackteroid.sandbox.visibility import EVERYTHING, Sight, hidden_projects, sight_without

__all__ = ["update_event", "update_events"]

_VALUES = "CustomAttributeValue"
# Where the entity with a custom attribute may be; most likely first.
_OWNERS = ("Context", "AssetVersion", "Asset", "Resource", "List", "ListObject")
Columns = dict[str, tuple[Stored, Stored]]


@dataclass(slots=True)
class _Net:
    """What became of one row in the end."""

    action: str
    entity_type: EntityType
    key: tuple[Stored, ...]
    columns: Columns
    custom: dict[str, tuple[str | None, str | None]] = field(default_factory=dict)


def update_events(
    storage: Storage, committed: Committed, users: Iterable[str], *, event_id: str, server_id: str
) -> Iterator[tuple[dict[str, Any], frozenset[str]]]:
    """Describe a commit to these users: one event for all who see the same, with the ids of those who get it.

    Args:
        users: Ids of users; those to whom there is nothing to tell are left out.
        storage, committed, event_id, server_id: As for `update_event`.
    """
    removed = frozenset(str(each.key[0]).lower() for each in committed.changes if _was_private_project(each))
    groups: dict[frozenset[str], list[str]] = {}
    for user_id in users:
        groups.setdefault(hidden_projects(storage, user_id, removed), []).append(user_id)
    for hidden, members in groups.items():
        sight = sight_without(storage, hidden)
        event = update_event(storage, committed, event_id=event_id, server_id=server_id, sight=sight)
        if event is not None:
            yield event, frozenset(members)


def _was_private_project(change: Change) -> bool:
    removed = change.action == "remove" and change.entity_type.name == "Project"
    return removed and bool(change.columns.get("is_private", (0,))[0])


def update_event(
    storage: Storage, committed: Committed, *, event_id: str, server_id: str, sight: Sight = EVERYTHING
) -> dict[str, Any] | None:
    """Describe a commit.

    Args:
        storage: The data after the commit; its lock must be held.
        event_id: Id of the event.
        server_id: Id of this server as the event's source.
        sight: What those see who will get it.

    Returns:
        The event; None if nothing that these clients know of was changed in the end.
    """
    lineage = Lineage(storage, committed.changes)
    nets = _net_changes(each for each in committed.changes if not each.entity_type.hidden)
    told = _with_custom_attributes(nets, lineage, sight)
    rows = (lineage.by_key(net.entity_type, net.key) for net in told)
    lineage.look_at((row for row in rows if row is not None), sight)
    entities = [
        entity
        for net in told
        if (entity := _entity(net, lineage, sight)) is not None and (entity["keys"] or entity["action"] != "update")
    ]
    if not entities:
        return None
    caller = committed.caller
    return {
        "id": event_id,
        "topic": UPDATE_TOPIC,
        "data": {
            "entities": entities,
            "parents": list(dict.fromkeys(each["entityId"] for entity in entities for each in entity["parents"])),
            "user": {"userid": caller.user_id, "name": _display_name(lineage, caller)},
            "clientToken": committed.client_token,
            "pushToken": committed.push_token,
        },
        "sent": None,
        "source": {
            "id": server_id,
            "applicationId": "ftrack.server",
            "user": {"id": caller.user_id, "username": caller.username},
        },
        "target": "",
        "inReplyToEvent": None,
    }


def _display_name(lineage: Lineage, caller: Caller) -> str:
    user = lineage.row("Resource", caller.user_id)
    names = [] if user is None else [str(user.values.get(each) or "") for each in ("first_name", "last_name")]
    return " ".join(name for name in names if name) or caller.username


# From the log, in which a row may be many times, to one change per row


def _net_changes(changes: Iterable[Change]) -> list[_Net]:
    nets: dict[Place, _Net] = {}
    for change in changes:
        place = place_of(change.entity_type, change.key)
        earlier = nets.pop(place, None)
        net = _Net(change.action, change.entity_type, change.key, dict(change.columns))
        if earlier is not None:
            merged = _merged(earlier, net)
            if merged is None:
                continue
            net = merged
        nets[place] = net
    return list(nets.values())


def _merged(earlier: _Net, later: _Net) -> _Net | None:
    """Two changes of one row as one; None if the row never was there for anybody else."""
    action = {
        ("add", "update"): "add",
        ("update", "update"): "update",
        ("update", "remove"): "remove",
        # Removed and made again under its old key: others see that it has changed.
        ("remove", "add"): "update",
    }.get((earlier.action, later.action))
    if action is None:
        return None
    columns: Columns = dict(earlier.columns)
    for name, (old, new) in later.columns.items():
        columns[name] = (columns[name][0] if name in columns else old, new)
    columns = {name: (old, new) for name, (old, new) in columns.items() if old != new}
    return _Net(action, later.entity_type, later.key, columns)


# Custom attributes: told as updates of whom they belong to


def _with_custom_attributes(nets: list[_Net], lineage: Lineage, sight: Sight) -> list[_Net]:
    result = [net for net in nets if net.entity_type.name != _VALUES]
    places = {place_of(net.entity_type, net.key): net for net in result}
    updated: dict[Place, _Net] = {place: net for place, net in places.items() if net.action == "update"}
    for net in nets:
        if net.entity_type.name != _VALUES or "value" not in net.columns:
            continue
        configuration = lineage.row("CustomConfigurationBase", net.key[0])
        owner = _owner(lineage, net.key[1])
        if configuration is None or owner is None or not lineage.is_seen(configuration, sight):
            continue
        place = place_of(owner.entity_type, owner.key)
        if place in places and places[place].action == "remove":
            # Its values went with it: there is nothing left to be updated.
            continue
        if place not in updated:
            updated[place] = _Net("update", owner.entity_type, owner.key, {})
            result.append(updated[place])
        old, new = net.columns["value"]
        updated[place].custom[str(configuration.values["key"])] = (_attribute_text(old), _attribute_text(new))
    return result


def _owner(lineage: Lineage, identifier: Stored) -> StoredRow | None:
    found = (lineage.row(table, identifier) for table in _OWNERS)
    return next((row for row in found if row is not None), None)


def _attribute_text(stored: Stored) -> str | None:
    """A custom attribute's value as events tell it: always text, `1` for true, lists with commas."""
    value = None if stored is None else json.loads(str(stored))
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, list):
        return ",".join(str(each) for each in value)
    if isinstance(value, Mapping) and "value" in value:
        return str(value["value"])
    return json.dumps(value)


# What the event says of one row


def _entity(net: _Net, lineage: Lineage, sight: Sight) -> dict[str, Any] | None:
    row = lineage.by_key(net.entity_type, net.key)
    if row is None or not lineage.is_seen(row, sight):
        return None
    columns = net.columns if not sight.hidden else _told(net, lineage, sight)
    changes: dict[str, dict[str, Any]] = {}
    for name, (old, new) in columns.items():
        attribute = net.entity_type.attributes.get(name)
        if attribute is not None and not attribute.hidden:
            column = attribute.storage_name or name
            changes[column] = {
                "old": _event_value(net.entity_type, name, old),
                "new": _event_value(net.entity_type, name, new),
            }
    changes |= {key: {"old": old, "new": new} for key, (old, new) in net.custom.items()}
    parents = [
        {
            "entityId": entity_id(each.key),
            "entityType": event_type(each.entity_type),
            "entity_type": each.entity_type.name,
            "parentId": parent_id,
        }
        for each, parent_id in lineage.chain(row)
    ]
    moved = net.action == "update" and not parent_columns(net.entity_type).isdisjoint(columns)
    return {
        **parents[0],
        "action": "move" if moved else net.action,
        "objectTypeId": net.entity_type.object_type_id,
        "keys": list(changes),
        "changes": changes,
        "parents": parents,
    }


def _told(net: _Net, lineage: Lineage, sight: Sight) -> Columns:
    """The columns that changed for a user: to him, a reference to something hidden always was null."""
    table = net.entity_type.table
    told = {
        name: (lineage.shown(table, name, old, sight), lineage.shown(table, name, new, sight))
        for name, (old, new) in net.columns.items()
    }
    return {name: (old, new) for name, (old, new) in told.items() if old != new}


def _event_value(entity_type: EntityType, column: str, stored: Stored) -> Any:
    attribute = entity_type.attributes[column]
    if attribute.kind is Kind.TIME and stored is not None:
        return str(stored).replace(" ", "T")
    return to_wire(attribute, stored)
