"""The `demo` seed: a small production with something of everything."""

from __future__ import annotations

from typing import Any

from trackteroid.sandbox.seeds.basics import LOCATIONS
from trackteroid.sandbox.seeds.rows import Key, Rows

__all__ = ["add_demo"]

_SHOTS = ("bc0010", "bc0020", "bc0030", "bc0040", "bc0050")
_SHOT_TASKS = {"animation": "Animation", "lighting": "Lighting", "compositing": "Compositing"}
_BUILDS = {"hero": "Character", "lamp": "Prop", "street": "Environment"}
_BUILD_TASKS = {"modeling": "Modeling", "rigging": "Rigging"}
# Versions of each shot's composite: `bc0040_comp` is the asset that the examples publish to.
_VERSIONS = {"bc0010": 1, "bc0020": 2, "bc0030": 2, "bc0040": 3, "bc0050": 1}


def add_demo(rows: Rows) -> None:
    """Add two projects and a private one, people, tasks, assets with versions, notes, lists and custom attributes."""
    rows.user("anna", "Anna", "Berg", api_key="anna-key")
    rows.user("ben", "Ben", "Conti", api_key="ben-key")
    group = rows.add("Group", "Compositing", name="Compositing")
    rows.add("Membership", "anna in Compositing", group_id=group, user_id=rows.users["anna"])
    _custom_attributes(rows)
    film = _project(rows, "demo", "Demo Film")
    _film(rows, film)
    spot = _project(rows, "spot", "Sparkling Spot")
    shot = _context(rows, "Shot", "spot/sp010", name="sp010", parent_id=spot)
    _task(rows, "spot/sp010", shot, "compositing", "Compositing", "ben")
    _secrets(rows)


def _secrets(rows: Rows) -> None:
    """A private project that ben may see and anna may not, and keys that are no longer good."""
    secret = _project(rows, "teaser", "Secret Teaser", is_private=True)
    role = rows.add(
        "UserSecurityRole",
        "ben",
        user_id=rows.users["ben"],
        security_role_id=rows.identifier("SecurityRole", "User"),
        is_all_projects=False,
    )
    rows.add("UserSecurityRoleProject", "ben in teaser", user_security_role_id=role, project_id=secret)
    shot = _context(rows, "Shot", "teaser/tz010", name="tz010", parent_id=secret, description="Nobody must know.")
    task = _task(rows, "teaser/tz010", shot, "editing", "Editing", "ben")
    asset = _asset(rows, "tz010_cut", shot, "Image Sequence")
    _version(rows, "tz010_cut", asset, 1, task, "ben", "mov")
    rows.add("Note", "tz010", content="Not a word to anybody.", parent_id=shot, parent_type="Shot")
    rows.user("cleo", "Cleo", "Dahl", api_key="cleo-key", is_active=False)
    rows.keys += [
        Key(text="anna-old-key", username="anna", expires_at="2024-01-01 00:00:00"),
        Key(text="ben-lost-key", username="ben", is_enabled=False),
    ]


def _project(rows: Rows, name: str, full_name: str, **data: Any) -> str:
    return rows.add(
        "Project",
        name,
        name=name,
        full_name=full_name,
        project_schema_id=rows.identifier("ProjectSchema", "Production"),
        disk_id=rows.identifier("Disk", "Projects"),
        root=name,
        color="#3498DB",
        start_date="2024-01-08",
        end_date="2024-12-20",
        **data,
    )


def _context(rows: Rows, entity_type: str, label: str, **data: Any) -> str:
    return rows.add(entity_type, label, **data)


def _task(rows: Rows, label: str, parent: str, name: str, kind: str, user: str) -> str:
    task = rows.add(
        "Task",
        f"{label}/{name}",
        name=name,
        parent_id=parent,
        type_id=rows.identifier("Type", kind),
        bid=28800,
        start_date="2024-02-05",
        end_date="2024-02-16",
    )
    rows.add("Appointment", f"{label}/{name}/{user}", context_id=task, resource_id=rows.users[user], type="assignment")
    return task


def _film(rows: Rows, project: str) -> None:
    episode = _context(rows, "Episode", "demo/e01", name="e01", parent_id=project)
    sequence = _context(rows, "Sequence", "demo/bc", name="bc", parent_id=episode)
    _context(rows, "Sequence", "demo/dd", name="dd", parent_id=episode)
    assets = _context(rows, "Folder", "demo/assets", name="assets", parent_id=project)
    _context(rows, "Milestone", "demo/delivery", name="delivery", parent_id=project, end_date="2024-12-20")
    for name, kind in _BUILDS.items():
        build = _context(
            rows, "AssetBuild", f"demo/{name}", name=name, parent_id=assets, type_id=rows.identifier("Type", kind)
        )
        tasks = {each: _task(rows, f"demo/{name}", build, each, type_, "ben") for each, type_ in _BUILD_TASKS.items()}
        asset = _asset(rows, f"{name}_model", build, "Geometry")
        _version(rows, f"{name}_model", asset, 1, tasks["modeling"], "ben", "abc")
    for name in _SHOTS:
        shot = _context(
            rows, "Shot", f"demo/{name}", name=name, parent_id=sequence, description=f"Shot {name[2:]} of the chase."
        )
        tasks = {each: _task(rows, f"demo/{name}", shot, each, kind, "anna") for each, kind in _SHOT_TASKS.items()}
        asset = _asset(rows, f"{name}_comp", shot, "Composite")
        for number in range(1, _VERSIONS[name] + 1):
            # All versions of a composite are on one task: `asset.versions.task` is a single task.
            _version(rows, f"{name}_comp", asset, number, tasks["compositing"], "anna", "exr")
    _conversation(rows, project)


def _asset(rows: Rows, name: str, context: str, kind: str) -> str:
    return rows.add("Asset", name, name=name, context_id=context, type_id=rows.identifier("AssetType", kind))


def _version(rows: Rows, label: str, asset: str, number: int, task: str, user: str, suffix: str) -> None:
    version = rows.add(
        "AssetVersion",
        f"{label}/{number}",
        asset_id=asset,
        task_id=task,
        version=number,
        user_id=rows.users[user],
        comment="First pass." if number == 1 else f"Notes of version {number - 1} addressed.",
        date=f"2024-02-{10 + number:02d}T17:00:00",
    )
    component = rows.add(
        "FileComponent", f"{label}/{number}/main", name="main", version_id=version, file_type=f".{suffix}", size=2048
    )
    rows.add(
        "ComponentLocation",
        f"{label}/{number}/main",
        component_id=component,
        location_id=LOCATIONS["ftrack.unmanaged"],
        resource_identifier=f"/mnt/projects/demo/{label}/v{number:03d}/{label}.{suffix}",
    )


def _conversation(rows: Rows, project: str) -> None:
    shot = rows.identifier("Shot", "demo/bc0040")
    version = rows.identifier("AssetVersion", "bc0040_comp/2")
    note = rows.add(
        "Note",
        "bc0040_comp/2",
        content="The edge of the lamp flickers.",
        parent_id=version,
        parent_type="AssetVersion",
        user_id=rows.users["ben"],
    )
    rows.link("NoteLabelLink", note_id=note, label_id=rows.identifier("NoteLabel", "Internal"))
    rows.link("Recipient", note_id=note, resource_id=rows.users["anna"])
    rows.add("Note", "reply", content="Fixed in version 3.", in_reply_to_id=note, user_id=rows.users["anna"])
    dailies = rows.add(
        "AssetVersionList",
        "dailies",
        name="dailies",
        project_id=project,
        category_id=rows.identifier("ListCategory", "Dailies"),
    )
    rows.add("ListObject", "dailies/1", list_id=dailies, entity_id=version)
    rows.link("Metadata", parent_id=shot, parent_type="Shot", key="camera", value="A")
    rows.link(
        "CustomAttributeValue",
        configuration_id=rows.identifier("CustomAttributeConfiguration", "fstart"),
        entity_id=shot,
        value=1001,
    )
    rows.add(
        "Timelog",
        "anna",
        context_id=rows.identifier("Task", "demo/bc0040/compositing"),
        user_id=rows.users["anna"],
        duration=7200,
        start="2024-02-12T09:00:00",
    )


def _custom_attributes(rows: Rows) -> None:
    shot_id = rows.schema.type("Shot").object_type_id
    configurations: tuple[tuple[str, str, dict[str, Any]], ...] = (
        ("fstart", "number", {"entity_type": "task", "object_type_id": shot_id, "default": 0}),
        ("fend", "number", {"entity_type": "task", "object_type_id": shot_id, "default": 0}),
        ("fps", "number", {"entity_type": "show", "is_hierarchical": True, "default": 24}),
        ("codec", "text", {"entity_type": "assetversion", "default": ""}),
        ("department", "text", {"entity_type": "user", "default": ""}),
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
            **data,
        )
