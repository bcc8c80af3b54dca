"""Which criteria each entity type has: a table from type to criterion name to rule.

A type has its own criteria and those of its base classes. A name that stands for some type but not for the one that is
asked is "known but not implemented"; any other name is unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from trackteroid.entities.entity import EntityType
from trackteroid.query.rules import ANY, Between, Containing, Identity, OnDay, Pairs, Rule, Sizes, Span, Values

__all__ = ["KNOWN", "criteria_of", "find_rule"]

# People are found by their user name: type User has no attribute `name`.
_PEOPLE = MappingProxyType({"User": "username"})

_NAME = Values(path="name", targets=ANY, target_paths=_PEOPLE)
_OWN_NAME = Values(path="name")
_DESCRIPTION = Values(path="description")
_COMMENT = Values(path="comment")

_ASSET_VERSION: dict[str, Rule] = {
    "by_name": Values(path=None, targets=ANY, default_target="Asset", target_path="name", target_paths=_PEOPLE),
    "by_publisher": Values(path="user.username"),
    "by_resource_identifier": Values(path="resource_identifier", through="components.component_locations"),
    "by_version": Values(path="version"),
    "by_status": Values(path="status.name", targets=("Task",)),
    "by_state": Values(path="status.state.name", targets=("Task",)),
    "by_type": Values(path=None, targets=("Task", "Asset"), default_target="Asset", target_path="type.name"),
    "by_publish_time": Between(low="date", high="date", parenthesised=True),
    "by_publish_state": Values(path="is_published"),
    "by_outgoing_link": Values(path="id", through="used_in_versions"),
    "by_incoming_link": Values(path="id", through="uses_versions"),
    "by_comment": _COMMENT,
    "by_list": Values(path="name", through="lists"),
}

_TYPED_CONTEXT: dict[str, Rule] = {
    "by_name": _NAME,
    "by_status": Values(path="status.name", targets=("AssetVersion", "TypedContext")),
    "by_state": Values(path="status.state.name", targets=("AssetVersion", "TypedContext")),
    "by_type": Values(path="type.name", targets=("Asset", "TypedContext")),
    "by_assignee": Values(path="assignments.resource.username", plural=True),
    "by_status_change_time": Between(low="date", high="date", through="status_changes"),
    "by_outgoing_link": Values(path="to_id", through="outgoing_links"),
    "by_incoming_link": Values(path="from_id", through="incoming_links"),
    "by_lifespan": Between(low="start_date", high="end_date", targets=("Project",)),
    "by_description": _DESCRIPTION,
    "by_list": Values(path="name", through="lists"),
}

_COMPONENT: dict[str, Rule] = {
    "by_name": _NAME,
    "by_resource_identifier": Values(path="resource_identifier", through="component_locations"),
    "by_location": Values(path="location.name", through="component_locations"),
    "by_file_type": Values(path="file_type"),
    "by_system_type": Values(path="system_type"),
    "by_version": Values(path=None, targets=("AssetVersion",), default_target="AssetVersion", target_path="version"),
    "by_size": Sizes(),
}

_TABLE: Mapping[str, Mapping[str, Rule]] = {
    "Entity": {"by_id": Identity(targets=ANY), "by_metadata": Pairs(path="metadata", targets=ANY)},
    "AssetVersion": _ASSET_VERSION,
    "TypedContext": _TYPED_CONTEXT,
    "Component": _COMPONENT,
    "ComponentLocation": {
        "by_name": Values(path=None, targets=ANY, default_target="Location", target_path="name", target_paths=_PEOPLE),
        "by_version": Values(
            path=None, targets=("AssetVersion",), default_target="AssetVersion", target_path="version"
        ),
        "by_resource_identifier": Values(path="resource_identifier"),
    },
    "Asset": {"by_name": _NAME, "by_type": Values(path="type.name", targets=("TypedContext",))},
    "Project": {
        "by_name": _NAME,
        "by_status": Values(path="status"),
        "by_lifespan": Between(low="start_date", high="end_date"),
    },
    "User": {
        "by_name": Values(path="username", targets=ANY, target_path="name"),
        "by_active_state": Values(path="is_active"),
    },
    "Timelog": {
        "by_name": Values(path="name", targets=("User", "Project"), target_paths=_PEOPLE),
        "by_lifespan": Span(),
        "by_comment": _COMMENT,
    },
    "Note": {
        "by_name": Values(path=None, targets=("User", "NoteCategory"), target_path="name", target_paths=_PEOPLE),
        "by_id": Identity(targets=ANY, bare_key="parent_id"),
    },
    "Job": {
        "by_name": Containing(path="data", targets=ANY, target_path="name", target_paths=_PEOPLE),
        "by_data": Pairs(path="data"),
        "by_status": Values(path="status"),
        "by_lifespan": Between(low="created_at", high="finished_at"),
        "by_creation_date": OnDay(path="created_at"),
        "by_finish_date": OnDay(path="finished_at"),
    },
    "Event": {
        "by_action": Values(path="action"),
        "by_data": Values(path="data"),
        "by_name": Values(path=None, targets=ANY, target_path="name", target_paths=_PEOPLE),
    },
    "List": {"by_name": Values(path="name", targets=("Project", "ListCategory"))},
    "Status": {"by_name": _NAME},
    "NoteLabel": {"by_name": _NAME},
    "ReviewSession": {"by_name": _NAME, "by_description": _DESCRIPTION},
    "ReviewSessionObject": {"by_description": _DESCRIPTION},
    "Timer": {"by_comment": _COMMENT},
    "NoteCategory": {"by_name": _OWN_NAME},
    "Group": {"by_name": _OWN_NAME},
    "Location": {"by_name": _OWN_NAME, "by_description": _DESCRIPTION},
    "ListCategory": {"by_name": _OWN_NAME},
    "State": {"by_name": _OWN_NAME},
    "Type": {"by_name": _OWN_NAME},
    "AssetType": {"by_name": _OWN_NAME},
    "ObjectType": {"by_name": _OWN_NAME},
    "ProjectSchema": {"by_name": _OWN_NAME},
    "SecurityRole": {"by_name": _OWN_NAME},
}

#: Every criterion there is, with one that the original library names and implements for no type.
KNOWN = frozenset({name for criteria in _TABLE.values() for name in criteria} | {"by_component_location"})


def find_rule(entity_type: EntityType, name: str) -> Rule | None:
    """Return the rule of a criterion (`by_...`) for an entity class, None if the class has no such criterion."""
    for base in entity_type.__mro__:
        rule = _TABLE.get(base.__name__, {}).get(name)
        if rule is not None:
            return rule
    return None


def criteria_of(entity_type: EntityType) -> frozenset[str]:
    """Return the names of the criteria that an entity class has."""
    return frozenset(name for base in entity_type.__mro__ for name in _TABLE.get(base.__name__, ()))
