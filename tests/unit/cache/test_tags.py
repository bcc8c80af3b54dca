"""For each kind of change: which answers it makes old, and which it leaves alone."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.local_session import stock_schemas
from tests.support.shared import shared_file
from trackteroid.cache.storage import every_tag, storage
from trackteroid.cache.tags import EVERYTHING, SERVER, Tags

TAGS = Tags(stock_schemas())

QUESTIONS = {
    "versions": "select id, asset.name, version from AssetVersion",
    "latest": "select id from AssetVersion where is_latest_version is True",
    "latest of assets": "select latest_version.version from Asset",
    "version links": "select link from AssetVersion",
    "versions of shots": 'select version from AssetVersion where asset.parent[Shot].name is "sh010"',
    "version tasks": "select task.name from AssetVersion",
    "versions by status": 'select id from AssetVersion where status.name is "Approved"',
    "versions by date": "select id from AssetVersion order by date desc",
    "tasks": "select name, status.name from Task",
    "task links": "select link from Task",
    "assigned": 'select id from Task where assignments any (resource.username is "anna")',
    "logged": "select time_logged from Task",
    "ancestors": "select ancestors.name from Task",
    "descendants": "select descendants.name from Project",
    "changes": "select status_changes.date from Task",
    "custom": "select custom_attributes from Shot",
    "metadata": "select metadata from AssetVersion",
    "components": 'select name, component_locations.resource_identifier from Component where version_id in ("v")',
    "notes": "select content, author.username, category.name from Note",
    "notes of versions": "select notes.content from AssetVersion",
    "recipients": "select recipients.resource_id from Note",
    "lists": "select lists.name from Shot",
    "scopes": "select scopes.name from Shot",
    "assets": "select name from Asset",
    "shots of status": 'select id from Shot where status_id in (select id from Status where name like "a%")',
    "jobs": "select finished_at from Job",
    "statuses": "select name from Status",
    "projects": "select full_name from Project",
    "everything": "select something_new from Task",
}


def create(entity_type: str, identifier: str = "new", /, **data: Any) -> dict[str, Any]:
    if entity_type not in ("Metadata", "NoteLabelLink"):
        data["id"] = identifier
    return {"action": "create", "entity_type": entity_type, "entity_key": [identifier], "entity_data": data}


def update(entity_type: str, identifier: str = "old", /, **data: Any) -> dict[str, Any]:
    return {"action": "update", "entity_type": entity_type, "entity_key": [identifier], "entity_data": data}


def delete(entity_type: str) -> dict[str, Any]:
    return {"action": "delete", "entity_type": entity_type, "entity_key": ["old"]}


VERSION_ROWS = {"versions", "latest", "latest of assets", "version links", "versions of shots", "version tasks",
                "versions by status", "versions by date", "metadata", "notes of versions"}  # fmt: skip
TASK_ROWS = {"tasks", "task links", "assigned", "logged", "ancestors", "descendants", "changes", "custom", "lists", "scopes",
             "shots of status", "projects"}  # fmt: skip

#: What is done, and all questions whose answers it makes old; every other one must be left alone.
CHANGES: list[tuple[str, list[dict[str, Any]], set[str]]] = [
    ("a version is published",
     [create("AssetVersion", asset_id="a", task_id="t", comment="c"), create("Component", "c", version={"id": "new"}),
      create("ComponentLocation", "l", component_id="c"), update("AssetVersion", "new", is_published=True)],
     VERSION_ROWS | {"changes", "components"}),
    ("a task is made", [create("Task", name="x", parent_id="p")], TASK_ROWS | {"changes"}),
    ("a status is set", [update("Task", status={"id": "s"})], {"tasks", "shots of status", "changes"}),
    ("a status of a shot is set by its key", [update("Shot", status_id="s")], {"tasks", "shots of status", "changes"}),
    ("a version is approved", [update("AssetVersion", status_id="s")], {"versions by status", "changes"}),
    ("a comment is written", [update("AssetVersion", comment="c")], set()),
    ("a version gets another number", [update("AssetVersion", version=3)],
     {"versions", "latest", "latest of assets", "version links", "versions of shots"}),
    ("a shot is renamed", [update("Shot", name="x")],
     {"tasks", "task links", "version links", "versions of shots", "version tasks", "ancestors", "descendants"}),
    ("an asset is renamed", [update("Asset", name="x")], {"versions", "version links", "assets"}),
    ("a status is renamed", [update("Status", name="x")], {"tasks", "versions by status", "shots of status", "statuses"}),
    ("a status is recoloured", [update("Status", color="x")], set()),
    ("a status is made", [create("Status", name="x")], {"shots of status", "statuses"}),
    ("somebody is assigned", [create("Appointment", context_id="t", resource_id="u", type="assignment")], {"assigned"}),
    ("time is logged", [create("Timelog", context_id="t", duration=5)], {"logged"}),
    ("a note is written", [create("Note", content="x", parent_id="t")], {"notes", "notes of versions", "recipients"}),
    ("a note gets a label", [create("NoteLabelLink", note_id="n", label_id="l")], {"notes"}),
    ("a note is edited", [update("Note", content="x")], {"notes", "notes of versions"}),
    ("a custom value is set", [update("ContextCustomAttributeValue", value=1)], {"custom"}),
    ("a configuration is made", [create("CustomAttributeConfiguration", key="k")], {"custom"}),
    ("a metadata value is set", [update("Metadata", value="v")], set()),
    ("metadata is added", [create("Metadata", key="k", parent_id="v", value="x")], {"metadata"}),
    ("something is put on a list", [create("ListObject", list_id="l", entity_id="s")], {"lists"}),
    ("a list is filled", [update("TypedContextList", items=[{"__entity_type__": "Shot", "id": "s"}])], {"lists"}),
    ("scopes are set", [update("Shot", scopes=[{"__entity_type__": "Scope", "id": "s"}])], {"scopes"}),
    ("a job is done", [update("Job", status="done")], {"jobs"}),
    ("a project is renamed", [update("Project", full_name="x")],
     {"task links", "version links", "projects"}),
    ("a component's size is written", [update("Component", size=5)], set()),
    ("a location is written", [update("ComponentLocation", resource_identifier="x")], {"components"}),
]  # fmt: skip


def made_old(batch: list[dict[str, Any]]) -> set[str]:
    raised = TAGS.written(batch)
    if raised == {SERVER}:
        return set(QUESTIONS)
    found = set()
    for name, text in QUESTIONS.items():
        tags = TAGS.read(text)
        assert tags is not None
        if tags & raised:
            found.add(name)
    return found


@pytest.mark.parametrize(
    ("batch", "expected"), [change[1:] for change in CHANGES], ids=[change[0] for change in CHANGES]
)
def test_a_change_makes_old_what_it_can_change_and_nothing_else(
    batch: list[dict[str, Any]], expected: set[str]
) -> None:
    # What is not understood depends on everything.
    assert made_old(batch) == expected | {"everything"}


@pytest.mark.parametrize(
    "operation",
    [
        create("User", username="x"),
        update("User", is_active=False),
        delete("User"),
        create("UserSecurityRole", user_id="u"),
        delete("UserSecurityRoleProject"),
        create("Membership", user_id="u", group_id="g"),
        create("Appointment", context_id="p", resource_id="u", type="allocation"),
        update("Project", is_private=True),
        update("Project", status="hidden"),
        update("CustomAttributeConfiguration", read_security_roles=[]),
        delete("Project"),
        create("UnheardOf", x=1),
        create("Event", action="x"),
        update("Task", unheard_of=1),
        update("Task", time_logged=1),
        {"action": "reset_remote", "reset_type": "api_key"},
        {"action": "unheard_of"},
        {"action": "update", "entity_type": "Task", "entity_key": ["x"], "entity_data": [1]},
    ],
    ids=lambda operation: (
        f"{operation['action']} {operation.get('entity_type', '')} {operation.get('entity_data', '')}"
    ),
)
def test_rights_and_whatever_is_not_known_make_everything_old(operation: dict[str, Any]) -> None:
    assert TAGS.written([create("Note", content="x"), operation]) == {SERVER}


@pytest.mark.parametrize("action", ["query", "search", "get_upload_metadata", "permissions", "query_schemas"])
def test_what_only_reads_makes_nothing_old(action: str) -> None:
    assert TAGS.written([{"action": action}]) == frozenset()


@pytest.mark.parametrize(
    ("deleted", "taken_along", "left_alone"),
    [
        (
            "Shot",
            {"tasks", "versions", "components", "notes", "custom", "assigned", "lists", "metadata"},
            {"statuses", "jobs"},
        ),
        ("Asset", {"assets", "versions", "components", "notes", "lists"}, {"tasks", "statuses", "assigned"}),
        (
            "AssetVersion",
            {"versions", "latest", "components", "notes", "metadata", "changes"},
            {"tasks", "assets", "scopes"},
        ),
        ("Component", {"components", "metadata"}, {"tasks", "assets", "statuses", "assigned"}),
        ("Task", {"version tasks", "logged"}, {"statuses"}),
        ("Status", {"tasks", "versions by status", "statuses"}, {"assets", "components"}),
        ("Metadata", {"metadata"}, {"versions", "tasks", "custom"}),
        ("Note", {"notes", "notes of versions", "recipients"}, {"versions", "tasks"}),
    ],
)
def test_a_deletion_takes_along_what_belongs_to_it(deleted: str, taken_along: set[str], left_alone: set[str]) -> None:
    old = made_old([delete(deleted)])
    assert taken_along <= old
    assert not left_alone & old


@pytest.mark.parametrize(
    ("move", "seen_differently"),
    [
        (update("Asset", parent={"id": "elsewhere"}), {"assets", "versions", "components", "notes"}),
        (
            update("Shot", parent_id="elsewhere"),
            {"tasks", "assets", "versions", "components", "notes", "custom", "ancestors"},
        ),
        (update("AssetVersion", asset_id="elsewhere"), {"versions", "components"}),
        (update("AssetVersion", components=[]), {"components"}),
    ],
)
def test_a_move_makes_old_what_hangs_below_as_others_may_see_it_now(
    move: dict[str, Any], seen_differently: set[str]
) -> None:
    assert seen_differently <= made_old([move])


def test_what_is_new_moves_nothing() -> None:
    batch = [create("Asset", "a"), create("AssetVersion", "v"), update("AssetVersion", "v", asset_id="a")]
    assert not made_old(batch) & {"components", "notes", "tasks"}


@pytest.mark.parametrize(
    "text",
    [
        "select thumbnail_url from AssetVersion",
        "select task.thumbnail_url from AssetVersion",
        "select component_locations.url from Component",
        "select id from ReviewSession where is_open is True",
        "select unheard_of.url, components.component_locations.url from AssetVersion",
    ],
)
def test_values_that_expire_by_themselves_are_never_kept(text: str) -> None:
    assert TAGS.read(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "select unheard_of from Task",
        "select id from UnheardOf",
        "select id from Task where parent[UnheardOf].name is x",
        "select feeds.relation from Event",
        "select id from Task where name between 1 and 2",
        "Task where name is x",
        "select id from Task; drop",
    ],
)
def test_what_is_not_understood_depends_on_everything(text: str) -> None:
    assert TAGS.read(text) == {EVERYTHING}


def test_a_question_about_very_much_depends_on_whole_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trackteroid.cache.tags._MOST_TAGS", 10)
    tags = Tags(stock_schemas()).read(
        "select asset.parent.name, task.status.name, user.username, date from AssetVersion"
    )
    assert tags is not None
    assert tags >= {"AssetVersion*", "Asset*", "Context*", "Status*", "Resource*"}
    assert all(tag.endswith(("*", "@")) and tag != EVERYTHING for tag in tags)
    # What is below what decides who may see it.
    assert "Context@" in tags
    assert tags & TAGS.written([update("Status", name="x")])
    assert not tags & TAGS.written([update("Note", content="x")])


def test_every_table_of_a_type_can_be_named() -> None:
    assert "AssetVersion+" in every_tag("AssetVersion")
    assert every_tag("Shot") == every_tag("Project") == every_tag("Context")
    assert every_tag("UnheardOf") == []


def test_events_from_anywhere_are_understood() -> None:
    def told(**entity: Any) -> frozenset[str]:
        return TAGS.told([entity])

    status = told(entityType="task", entity_type="Shot", action="update", keys=["statusid"])
    assert {"Context.status_id", "StatusChange+", EVERYTHING} <= status
    assert SERVER not in status
    assert "AssetVersion+" in told(
        entityType="assetversion", entity_type="AssetVersion", action="add", keys=["version"]
    )
    assert "Component+" in told(entityType="assetversion", entity_type="AssetVersion", action="remove", keys=[])
    assert "Asset@" in told(entityType="task", entity_type="Shot", action="move", keys=["parent_id"])
    # A column that the type does not have is the key of a custom attribute.
    assert "CustomAttributeValue*" in told(entityType="task", entity_type="Shot", action="update", keys=["frame_start"])
    # Only the table's name is known.
    assert "Note.content" in told(entityType="note", entity_type=None, action="update", keys=["text"])
    assert told(entityType="userroleproject", entity_type="UserSecurityRoleProject", action="add", keys=[]) == {SERVER}
    assert told(entityType="unheard", entity_type="Unheard", action="update", keys=["x"]) == {SERVER}
    assert told(entityType="task", entity_type="Shot", action="unheard", keys=["x"]) == {SERVER}
    assert told(entityType="task", entity_type="Shot", action="update", keys=[]) == {SERVER}


def test_a_large_batch_costs_little_for_each_operation() -> None:
    tags = Tags(stock_schemas())
    batch = [create("AssetVersion", str(number), asset_id="a") for number in range(20_000)]
    tags.written(batch)
    assert len(tags._shapes) == 1


@pytest.mark.parametrize("recorded", [False, True])
def test_every_attribute_of_every_type_is_listed(recorded: bool) -> None:
    """All 116 types, but the two that the server writes with every change."""
    # Read here, and not while tests are collected: a checkout elsewhere has no such file.
    schemas = json.loads(shared_file("spec/ftrack-schema.json").read_text()) if recorded else stock_schemas()
    tags = Tags(schemas)
    unlisted = set()
    for schema in schemas:
        for name, attribute in schema["properties"].items():
            if tags.read(f"select {name} from {schema['id']}") == {EVERYTHING}:
                # The client skips what has neither type nor target.
                if attribute.get("type") or "$ref" in attribute:
                    unlisted.add(f"{schema['id']}.{name}")
    assert {name.partition(".")[0] for name in unlisted} == {"Event", "Feed"}, unlisted


def test_the_tables_agree_with_themselves() -> None:
    known = storage()
    for table in known.tables.values():
        for key in table.keys.values():
            assert set(key.tables or ()) <= known.tables.keys(), (table.name, key)
        for name, collections in table.collections.items():
            for collection in collections:
                target = known.tables[collection.table]
                assert all(target.has_column(each) for each in collection.columns), (table.name, name)
        for name, columns_ in table.references.items():
            assert all(table.has_column(each) or each in table.derived for each in columns_), (table.name, name)
        for tag in (*table.made_of, *(tag for tags in table.derived.values() for tag in tags)):
            owner, _, column = tag.rstrip("+@*").partition(".")
            assert owner in known.tables, tag
            assert not column or known.tables[owner].has_column(column), tag
