"""The `client-test` seed: what the official Python client's own test suite expects to find (specification 6.5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trackteroid.sandbox.seeds.basics import LOCATIONS, Vocabulary, add_basics
from trackteroid.sandbox.seeds.rows import Rows

__all__ = ["JENKINS", "add_client_test"]

JENKINS: Mapping[str, Any] = {"id": "d07ae5d0-66e1-11e1-b5e9-f23c91df25eb"}
"""What is known of the API user besides its name. The suite has its id built in, as it has those below."""
_SCHEMA = "69cb7f92-4dbf-11e1-9902-f23c91df25eb"
_PROJECT = "5671dcb0-66de-11e1-8e6e-f23c91df25eb"
_TASK = "adb4ad6c-7679-11e2-8df2-f23c91df25eb"
# Only releases of the suite before 3 know assets by their ids, and want so many versions of the second.
_ASSETS = (
    ("sh010_anim", "dd9a7e2e-c5eb-11e1-9885-f23c91df25eb", 3),
    ("sh020_anim", "12939d0c-6766-11e1-8104-f23c91df25eb", 8),
)
_USERS = (
    "Ada",
    "Bo",
    "Cleo",
    "Dan",
    "Edda",
    "Finn",
    "Gita",
    "Hugo",
    "Ines",
    "Jon",
    "Kira",
    "Leo",
    "Mira",
)
_SHOTS = ("sh010", "sh020", "sh030")
_TASKS = 12
_VFX = Vocabulary(
    schema="VFX Scheme",
    schema_id=_SCHEMA,
    statuses=(
        ("Not started", "NOT_STARTED", "#FFFFFF"),
        ("In progress", "IN_PROGRESS", "#3498DB"),
        ("Awaiting approval", "IN_PROGRESS", "#F1C40F"),
        ("Approved", "DONE", "#1CBC90"),
        ("Pending", "IN_PROGRESS", "#E67E22"),
        ("Normal", "NOT_STARTED", "#A0A0A0"),
        ("Omitted", "BLOCKED", "#999999"),
        ("On Hold", "BLOCKED", "#E74C3C"),
    ),
    task_statuses=("Not started", "In progress", "Awaiting approval", "Approved"),
    version_statuses=("Approved", "Pending"),
    object_statuses=("Normal", "Omitted", "On Hold"),
    task_types=(
        "Generic",
        "Animation",
        "Modeling",
        "Previz",
        "Lookdev",
        "Hair",
        "Cloth",
        "FX",
        "Lighting",
        "Compositing",
        "Tracking",
        "Rigging",
        "test 1",
        "test type 2",
    ),
    build_types=("Character", "Prop", "Environment", "Matte Painting"),
)


def add_client_test(rows: Rows) -> None:
    """Add all of it, basics included: the suite wants its own project schema to be the first one."""
    add_basics(rows, _VFX)
    for name in _USERS:
        rows.user(name.lower(), name, "Tester")
    _add_custom_attributes(rows)
    project = rows.add(
        "Project",
        "test",
        id=_PROJECT,
        name="test",
        full_name="Tests",
        project_schema_id=_SCHEMA,
        disk_id=rows.identifier("Disk", "Projects"),
        root="test",
    )
    task = _add_tasks(rows, project)
    version = _add_versions(rows, project, task)
    _add_values(rows, task, version)
    rows.add(
        "Timelog",
        "jenkins",
        name="Tests",
        context_id=task,
        user_id=rows.api_user_id,
        duration=3600,
        start="2024-02-12T09:00:00",
    )
    note = rows.add(
        "Note",
        "t1",
        content="The first note.",
        parent_id=task,
        parent_type="Task",
        user_id=rows.api_user_id,
    )
    rows.link("NoteLabelLink", note_id=note, label_id=rows.identifier("NoteLabel", "Internal"))


def _add_tasks(rows: Rows, project: str) -> str:
    folder = rows.add("Folder", "python_api", name="python_api", parent_id=project)
    tasks = rows.add("Folder", "tasks", name="tasks", parent_id=folder)
    for number in range(1, _TASKS + 1):
        name = f"t{number}"
        task = rows.add(
            "Task",
            name,
            name=name,
            parent_id=tasks,
            type_id=rows.identifier("Type", _VFX.task_types[number % len(_VFX.task_types)]),
            # Several tasks of one status: a test counts how often the client merges what they share (trap 2).
            status_id=rows.identifier("Status", _VFX.task_statuses[number % 2]),
            **({"id": _TASK} if number == 1 else {}),
        )
        rows.add("Appointment", name, context_id=task, resource_id=rows.api_user_id, type="assignment")
    return _TASK


def _add_versions(rows: Rows, project: str, task: str) -> str:
    sequence = rows.add("Sequence", "sq010", name="sq010", parent_id=project)
    for name in _SHOTS:
        rows.add("Shot", name, name=name, parent_id=sequence)
    rows.add("AssetBuild", "hero", name="hero", parent_id=project, type_id=rows.identifier("Type", _VFX.build_types[0]))
    version = ""
    for shot, (name, identifier, versions) in zip(_SHOTS, _ASSETS, strict=False):
        asset = rows.add(
            "Asset",
            name,
            id=identifier,
            name=name,
            context_id=rows.identifier("Shot", shot),
            type_id=rows.identifier("AssetType", "Animation"),
        )
        for number in range(1, versions + 1):
            version = rows.add(
                "AssetVersion", f"{name}/{number}", asset_id=asset, version=number, task_id=task, comment="Published."
            )
            component = rows.add(
                "FileComponent", f"{name}/{number}", name="main", version_id=version, file_type=".abc", size=4096
            )
            rows.add(
                "ComponentLocation",
                f"{name}/{number}",
                component_id=component,
                location_id=LOCATIONS["ftrack.unmanaged"],
                resource_identifier=f"/mnt/projects/test/{name}/v{number:03d}.abc",
            )
    return version


def _add_custom_attributes(rows: Rows) -> None:
    schema = rows.schema
    configurations: tuple[tuple[str, str, Mapping[str, Any]], ...] = (
        ("versiontest", "number", {"entity_type": "assetversion"}),
        ("NumberField", "number", {"entity_type": "assetversion"}),
        ("customNumber", "number", {"entity_type": "task", "object_type_id": schema.type("Task").object_type_id}),
        # On shots alone: tests want it to be missing elsewhere.
        ("fstart", "number", {"entity_type": "task", "object_type_id": schema.type("Shot").object_type_id}),
        ("htest", "number", {"entity_type": "show", "is_hierarchical": True}),
        ("listbool", "boolean", {"entity_type": "list", "default": False}),
        ("teststring", "text", {"entity_type": "user", "default": ""}),
    )
    for sort, (key, kind, data) in enumerate(configurations):
        rows.add(
            "CustomAttributeConfiguration",
            key,
            key=key,
            label=key,
            sort=sort,
            type_id=rows.identifier("CustomAttributeType", kind),
            group_id=rows.identifier("CustomAttributeGroup", "Default"),
            config="{}",
            **{"default": 0, **data},
        )


def _add_values(rows: Rows, task: str, version: str) -> None:
    for key, entity, value in (
        ("customNumber", task, 7),
        ("NumberField", version, 12),
        ("fstart", rows.identifier("Shot", _SHOTS[0]), 1001),
    ):
        rows.link(
            "CustomAttributeValue",
            configuration_id=rows.identifier("CustomAttributeConfiguration", key),
            entity_id=entity,
            value=value,
        )
