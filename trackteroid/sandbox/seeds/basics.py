"""Rows that every fresh server has (specification 6.1 - 6.4)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from trackteroid.sandbox.seeds.rows import Rows

__all__ = ["LOCATIONS", "PRODUCTION", "Vocabulary", "add_basics"]

# Clients have these ids built in.
LOCATIONS = {
    "ftrack.origin": "ce9b348f-8809-11e3-821c-20c9d081909b",
    "ftrack.unmanaged": "cb268ecc-8809-11e3-a7e2-20c9d081909b",
    "ftrack.review": "cd41be70-8809-11e3-b98a-20c9d081909b",
    "ftrack.connect": "07b82a97-8cf9-11e3-9383-20c9d081909b",
    "ftrack.server": "3a372bde-05bc-11e4-8908-20c9d081909b",
}
_USER_TYPES = {"default": "ac9fa5aa-4361-11e0-b7cc-0019bb4983d8", "service": None, "demo": None}
_PRIORITIES = ("None", "Low", "Medium", "High", "Urgent")
_DEFAULT_PRIORITY = "9661b320-3a0c-11e2-81c1-0800200c9a66"
_STATES = {
    "NOT_STARTED": ("Not started", "6c59abf8-4dbf-11e1-9902-f23c91df25eb"),
    "IN_PROGRESS": ("In progress", None),
    "DONE": ("Done", None),
    "BLOCKED": ("Blocked", None),
}
_NOT_STARTED = "014a40a6-4e65-11e1-b8af-f23c91df25eb"
_ASSET_TYPES = {
    "Upload": "upload",
    "Geometry": "geo",
    "Animation": "anim",
    "Rig": "rig",
    "Image Sequence": "img",
    "Script": "script",
    "Composite": "comp",
}
_VALUE_TYPES = ("text", "boolean", "date", "enumerator", "number", "dynamic enumerator", "expression")
_ROLES = ("Administrator", "Project Manager", "User", "API")


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """The one project schema of a seed, and the statuses and types in it; every order is the order of the workflow.

    Attributes:
        schema_id: Id of the project schema; one that follows from the seed if not given.
        statuses: Name, state and colour of each status.
        task_statuses, version_statuses, object_statuses: Names for tasks, versions and the other object types.
        task_types, build_types: Names for tasks and asset builds; the other object types have none.
    """

    schema: str
    schema_id: str | None = None
    statuses: tuple[tuple[str, str, str], ...]
    task_statuses: tuple[str, ...]
    version_statuses: tuple[str, ...]
    object_statuses: tuple[str, ...]
    task_types: tuple[str, ...]
    build_types: tuple[str, ...]


PRODUCTION = Vocabulary(
    schema="Production",
    statuses=(
        ("Not started", "NOT_STARTED", "#FFFFFF"),
        ("In progress", "IN_PROGRESS", "#3498DB"),
        ("Pending Review", "IN_PROGRESS", "#E67E22"),
        ("Awaiting approval", "IN_PROGRESS", "#F1C40F"),
        ("Approved", "DONE", "#1CBC90"),
        ("Done", "DONE", "#2ECC71"),
        ("Normal", "NOT_STARTED", "#A0A0A0"),
        ("Omitted", "BLOCKED", "#999999"),
        ("On Hold", "BLOCKED", "#E74C3C"),
    ),
    task_statuses=("Not started", "In progress", "Pending Review", "Awaiting approval", "Approved", "Done"),
    version_statuses=("Pending Review", "Approved", "Omitted"),
    object_statuses=("Normal", "Omitted", "On Hold"),
    task_types=(
        "Generic",
        "Modeling",
        "Rigging",
        "Lookdev",
        "Layout",
        "Animation",
        "FX",
        "Lighting",
        "Compositing",
        "Editing",
    ),
    build_types=("Character", "Prop", "Environment", "Matte Painting"),
)


_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def add_basics(rows: Rows, vocabulary: Vocabulary = PRODUCTION) -> None:
    """Add the rows of specification 6.2, one project schema and the API user."""
    _people(rows)
    _words(rows)
    _workflows(rows, vocabulary)
    _places(rows)


def _people(rows: Rows) -> None:
    for name, identifier in _USER_TYPES.items():
        rows.add("UserType", name, name=name, **({"id": identifier} if identifier else {}))
    roles = {name: rows.add("SecurityRole", name, name=name) for name in _ROLES}
    user_id = rows.user(rows.api_user, "Sandy", "Box", **rows.api_user_data)
    rows.add(
        "UserSecurityRole",
        rows.api_user,
        user_id=user_id,
        security_role_id=roles["Administrator"],
        is_all_projects=True,
    )


def _words(rows: Rows) -> None:
    for sort, name in enumerate(_PRIORITIES):
        extra = {"id": _DEFAULT_PRIORITY} if name == "None" else {}
        rows.add("Priority", name, name=name, sort=sort, value=sort, color="#A0A0A0", **extra)
    for name, short in _ASSET_TYPES.items():
        rows.add("AssetType", name, name=name, short=short)
    for sort, name in enumerate(("Internal", "Client feedback")):
        rows.add("NoteLabel", name, name=name, sort=sort, color="#3498DB")
    for name in ("Default", "Dailies"):
        rows.add("ListCategory", name, name=name)
    for name in _VALUE_TYPES:
        rows.add("CustomAttributeType", name, name=name, core=True)
    rows.add("CustomAttributeGroup", "Default", name="Default")
    rows.add("ManagerType", "Supervisor", name="Supervisor")


def _workflows(rows: Rows, vocabulary: Vocabulary) -> None:
    states = {
        short: rows.add("State", short, short=short, name=name, **({"id": identifier} if identifier else {}))
        for short, (name, identifier) in _STATES.items()
    }
    statuses = {
        name: rows.add(
            "Status",
            name,
            name=name,
            sort=sort,
            color=color,
            state={"__entity_type__": "State", "id": states[state]},
            **({"id": _NOT_STARTED} if name == "Not started" else {}),
        )
        for sort, (name, state, color) in enumerate(vocabulary.statuses)
    }
    types = {
        name: rows.add("Type", name, name=name, sort=sort)
        for sort, name in enumerate((*vocabulary.task_types, *vocabulary.build_types))
    }
    task_workflow = _workflow(rows, "Task workflow", [statuses[name] for name in vocabulary.task_statuses])
    version_workflow = _workflow(rows, "Version workflow", [statuses[name] for name in vocabulary.version_statuses])
    task_types = rows.add("TaskTypeSchema", "Task types", name="Task types")
    for name in vocabulary.task_types:
        rows.link("TaskTypeSchemaType", task_type_schema_id=task_types, type_id=types[name])
    schema = rows.add(
        "ProjectSchema",
        vocabulary.schema,
        name=vocabulary.schema,
        task_workflow_schema_id=task_workflow,
        asset_version_workflow_schema_id=version_workflow,
        task_type_schema_id=task_types,
        **({"id": vocabulary.schema_id} if vocabulary.schema_id else {}),
    )
    _object_types(
        rows,
        schema,
        [statuses[name] for name in vocabulary.object_statuses],
        [types[name] for name in vocabulary.build_types],
    )


def _workflow(rows: Rows, name: str, statuses: list[str]) -> str:
    workflow = rows.add("WorkflowSchema", name, name=name)
    for status in statuses:
        rows.link("WorkflowSchemaStatus", workflow_schema_id=workflow, status_id=status)
    return workflow


def _object_types(rows: Rows, schema: str, statuses: list[str], build_types: list[str]) -> None:
    object_types = [each for each in rows.schema.types.values() if each.object_type_id and not each.hidden]
    for sort, entity_type in enumerate(object_types):
        # A schema is called like its object type, without the blanks.
        name = _WORD_START.sub(" ", entity_type.name)
        immutable = {each.name for each in entity_type.attributes.values() if each.immutable}
        identifier = rows.add(
            "ObjectType",
            name,
            id=entity_type.object_type_id,
            name=name,
            sort=sort,
            is_leaf=name == "Task",
            is_statusable="status_id" not in immutable,
            is_typeable="type_id" not in immutable,
            is_schedulable="start_date" not in immutable,
            is_time_reportable=name == "Task",
        )
        rows.link("ProjectSchemaObjectType", project_schema_id=schema, object_type_id=identifier)
        if name == "Task":
            continue
        part = rows.add("Schema", name, project_schema_id=schema, type_id=identifier)
        if "status_id" not in immutable:
            for order, status in enumerate(statuses):
                rows.link("SchemaStatus", schema_id=part, status_id=status, sort=order)
        if name == "Asset Build":
            for order, each in enumerate(build_types):
                rows.link("SchemaType", schema_id=part, type_id=each, sort=order)


def _places(rows: Rows) -> None:
    for name, identifier in LOCATIONS.items():
        rows.add("Location", name, id=identifier, name=name, label=name.split(".")[1].title())
    rows.add("Disk", "Projects", name="Projects", unix="/mnt/projects", windows="P:\\")
    rows.link(
        "Setting",
        name="storage_scenario",
        group="STORAGE",
        value=json.dumps({"scenario": "ftrack.automatic", "data": {}}),
    )
