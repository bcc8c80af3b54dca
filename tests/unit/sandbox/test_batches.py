"""Create, update and delete, and what the server does on the side."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from tests.support.clock import FakeClock
from tests.unit.sandbox.conftest import Ask
from trackteroid.sandbox.api import Api
from trackteroid.sandbox.errors import (
    ApiError,
    DuplicateEntryError,
    IntegrityError,
    InvalidCredentialsError,
    MalformedRequestError,
    PermissionDeniedError,
    UnknownActionError,
    UnknownEntityTypeError,
    ValidationError,
)
from trackteroid.sandbox.schema_text import load_schema
from trackteroid.sandbox.seeds import API_USER, GLOBAL_KEY
from trackteroid.sandbox.seeds.rows import Rows

ROWS = Rows("demo", load_schema())
SHOT = ROWS.identifier("Shot", "demo/bc0040")
SEQUENCE = ROWS.identifier("Sequence", "demo/bc")
TASK = ROWS.identifier("Task", "demo/bc0040/compositing")
ASSET = ROWS.identifier("Asset", "bc0040_comp")
PROJECT = ROWS.identifier("Project", "demo")
VERSION = ROWS.identifier("AssetVersion", "bc0040_comp/2")
USER = ROWS.identifier("User", API_USER)
ANNA = ROWS.identifier("User", "anna")
FSTART = ROWS.identifier("CustomAttributeConfiguration", "fstart")


def new(entity_type: str, **data: Any) -> dict[str, Any]:
    return {"action": "create", "entity_type": entity_type, "entity_data": data}


def change(entity_type: str, key: Any, **data: Any) -> dict[str, Any]:
    return {"action": "update", "entity_type": entity_type, "entity_key": key, "entity_data": data}


def gone(entity_type: str, *key: str) -> dict[str, Any]:
    return {"action": "delete", "entity_type": entity_type, "entity_key": list(key)}


def ref(entity_type: str, identifier: str) -> dict[str, str]:
    return {"__entity_type__": entity_type, "id": identifier}


# Create


def test_a_create_answers_what_was_sent_and_what_was_filled_in_and_nothing_else(create: Ask) -> None:
    answer = create("User", id="u", username="new", first_name="A", last_name="B", nonsense=1, thumbnail_url={})
    assert answer == {
        "__entity_type__": "User",
        "id": "u",
        "username": "new",
        "first_name": "A",
        "last_name": "B",
        "resource_type": "user",
        "user_type_id": "ac9fa5aa-4361-11e0-b7cc-0019bb4983d8",
        "is_active": False,
        "is_otp_enabled": False,
        "is_totp_enabled": False,
        "require_details_update": False,
    }


def test_missing_ids_are_made_by_the_server(create: Ask) -> None:
    assert create("Scope", name="a")["id"].startswith("made-")


def test_times_are_echoed_as_sent_and_stored_in_utc(create: Ask, query: Ask) -> None:
    sent = {"__type__": "datetime", "value": "2024-03-01T09:30:00.123456+01:00"}
    answer = create("Timelog", id="t", user_id=USER, start=sent)
    assert answer["start"] == sent
    (row,) = query("select start from Timelog where id is t")
    assert row["start"] == {"__type__": "datetime", "value": "2024-03-01T08:30:00"}


def test_versions_count_up_per_asset(create: Ask) -> None:
    assert [create("AssetVersion", asset_id=ASSET)["version"] for _ in range(2)] == [4, 5]
    other = create("Asset", name="x", context_id=SHOT)["id"]
    assert create("AssetVersion", asset_id=other)["version"] == 1
    assert create("AssetVersion", asset_id=other, version=7)["version"] == 7
    assert create("AssetVersion", asset_id=other)["version"] == 8


def test_a_version_gets_date_user_and_first_status_of_its_workflow(create: Ask, query: Ask) -> None:
    answer = create("AssetVersion", id="v", asset_id=ASSET)
    assert answer["user_id"] == USER
    assert answer["is_published"] is True
    assert answer["date"]["value"].startswith("2026-")
    (row,) = query("select status.name from AssetVersion where id is v")
    assert row["status"]["name"] == "Pending Review"


def test_a_version_of_an_asset_that_the_batch_creates_later_gets_its_number(call: Ask) -> None:
    first, _ = call(new("AssetVersion", id="v", asset_id="a"), new("Asset", id="a", name="x", context_id=SHOT))
    assert first["data"]["version"] == 1
    assert first["data"]["asset_id"] == "a"


def test_a_context_takes_project_status_and_type_from_where_it_hangs(create: Ask, query: Ask) -> None:
    create("Task", id="t", name="x", parent=ref("Shot", SHOT))
    create("Shot", id="s", name="x", parent_id=SEQUENCE)
    create("Sequence", id="q", name="x", project_id=PROJECT)
    rows = {
        row["id"]: row
        for row in query("select status.name, type.name, parent_id from TypedContext where id in (t, s, q)")
    }
    assert {row["project_id"] for row in rows.values()} == {PROJECT}
    assert (rows["t"]["status"]["name"], rows["t"]["type"]["name"]) == ("Not started", "Generic")
    assert (rows["s"]["status"]["name"], rows["s"]["type"]) == ("Normal", None)
    assert (rows["q"]["status"], rows["q"]["parent_id"]) == (None, PROJECT)


def test_a_tree_may_be_created_from_the_leaves_up(call: Ask, query: Ask) -> None:
    call(
        new("Task", id="t", name="t", parent_id="s"),
        new("Shot", id="s", name="s", parent_id="p"),
        new("Project", id="p", name="p", full_name="P"),
    )
    (row,) = query("select link, project_id, status.name, ancestors.name from Task where id is t")
    assert [each["id"] for each in row["link"]] == ["p", "s", "t"]
    assert row["project_id"] == "p"
    assert row["status"]["name"] == "Not started"


def test_contexts_that_hang_below_each_other_are_refused(call: Ask) -> None:
    with pytest.raises(IntegrityError, match="below itself"):
        call(new("Shot", id="a", name="a", parent_id="b"), new("Shot", id="b", name="b", parent_id="a"))


def test_a_context_without_project_can_have_others_below_it(call: Ask, query: Ask) -> None:
    call(new("Shot", id="a", name="a"), new("Task", id="b", name="b", parent_id="a"))
    (row,) = query("select link, project_id from Task where id is b")
    assert ([each["id"] for each in row["link"]], row["project_id"]) == (["a", "b"], None)


def test_a_project_is_its_own_project(create: Ask) -> None:
    assert create("Project", id="p", name="p", full_name="P")["project_id"] == "p"


@pytest.mark.parametrize(
    ("entity_type", "data", "concrete"),
    [
        ("List", {"system_type": "assetversion"}, "AssetVersionList"),
        ("List", {}, "TypedContextList"),
        ("Component", {}, "Component"),
        ("NoteCategory", {}, "NoteLabel"),
        ("TypedContext", {"object_type_id": "bad911de-3bd6-47b9-8b46-3476e237cb36", "parent_id": SEQUENCE}, "Shot"),
    ],
)
def test_a_base_type_becomes_a_concrete_one(create: Ask, entity_type: str, data: dict[str, Any], concrete: str) -> None:
    if entity_type == "List":
        data = {**data, "project_id": PROJECT, "category_id": ROWS.identifier("ListCategory", "Default")}
    assert create(entity_type, name="new", **data)["__entity_type__"] == concrete


@pytest.mark.parametrize("entity_type", ["Context", "TypedContext", "Resource"])
def test_what_is_only_a_base_cannot_be_created(create: Ask, entity_type: str) -> None:
    with pytest.raises(ValidationError, match="concrete type"):
        create(entity_type, name="x")


def test_a_primary_key_is_taken_only_once(create: Ask) -> None:
    create("Scope", id="s", name="a")
    with pytest.raises(IntegrityError, match='already a Scope with id "s"'):
        create("Scope", id="s", name="b")
    with pytest.raises(IntegrityError, match="Context"):
        create("Task", id=SHOT, name="x", parent_id=SHOT)


def test_keys_made_of_text_keep_their_case(create: Ask, query: Ask) -> None:
    for key in ("take", "Take"):
        create("Metadata", parent_id=SHOT, parent_type="Shot", key=key, value=key)
    assert len(query(f'Metadata where parent_id is "{SHOT}" and key is take')) == 2
    with pytest.raises(IntegrityError):
        create("Metadata", parent_id=SHOT, parent_type="Shot", key="Take", value="x")


def test_an_answer_is_about_the_key_in_its_own_case(call: Ask, query: Ask) -> None:
    made = [new("Metadata", parent_id=SHOT, parent_type="Shot", key=key, value=key * 2) for key in ("a", "A")]
    answers = call(*made, change("Metadata", [SHOT, "A"], value="new"))
    assert [(each["data"]["key"], each["data"]["value"]) for each in answers] == [
        ("a", "aa"),
        ("A", "new"),
        ("A", "new"),
    ]
    call(new("Setting", name="n", group="g", value="1"), new("Setting", name="N", group="g", value="2"))
    call(new("FileComponent", id="c"), new("SettingComponent", component_id="c", name="N", group="g"))
    (row,) = query("select setting.value from SettingComponent where setting.value is 2")
    assert row["setting"]["value"] == "2"
    assert query("SettingComponent where setting.value is 1") == []


def test_parent_type_is_stored_as_a_table_and_comes_back_as_a_schema(create: Ask, query: Ask) -> None:
    assert create("Metadata", parent_id=PROJECT, parent_type="Project", key="a", value="b")["parent_type"] == "Project"
    assert create("Metadata", parent_id=SHOT, parent_type="Shot", key="a", value="b")["parent_type"] == "TypedContext"
    assert len(query("Metadata where parent_type is Shot and key is a")) == 1


# Notes


def test_a_new_note_is_addressed_to_the_caller_once(call: Ask, query: Ask) -> None:
    call(new("Note", id="n", content="x", parent_id=SHOT, parent_type="Shot"))
    call(
        new("Note", id="m", content="x", parent_id=SHOT, parent_type="Shot"),
        new("Recipient", note_id="m", resource_id=USER),
        new("Recipient", note_id="m", resource_id=ANNA),
    )
    assert [row["resource_id"] for row in query("Recipient where note_id is n")] == [USER]
    assert {row["resource_id"] for row in query("Recipient where note_id is m")} == {USER, ANNA}


def test_a_label_becomes_the_notes_category_and_the_other_way_round(call: Ask, query: Ask) -> None:
    label = ROWS.identifier("NoteLabel", "Internal")
    call(new("NoteLabelLink", note_id="n", label_id=label), new("Note", id="n", content="x"))
    call(new("Note", id="m", content="x", category=ref("NoteLabel", label)))
    for identifier in ("n", "m"):
        (row,) = query(f"select category.name, note_label_links.label_id from Note where id is {identifier}")
        assert row["category"]["name"] == "Internal"
        assert [link["label_id"] for link in row["note_label_links"]] == [label]


def test_assigning_notes_tells_them_where_they_belong(call: Ask, query: Ask) -> None:
    call(new("Note", id="n", content="x"), change("Shot", [SHOT], notes=[ref("Note", "n")]))
    (row,) = query("select parent_id, parent_type from Note where id is n")
    assert (row["parent_id"], row["parent_type"]) == (SHOT, "TypedContext")


# Update


def test_an_update_answers_exactly_what_was_sent(update: Ask) -> None:
    answer = update("Task", TASK, description="x", status=ref("Status", ROWS.identifier("Status", "Done")))
    assert set(answer) == {
        "__entity_type__",
        "id",
        "context_type",
        "project_id",
        "object_type_id",
        "description",
        "status",
    }
    assert answer["status"] == ref("Status", ROWS.identifier("Status", "Done"))


def test_any_type_of_the_family_names_a_row(update: Ask) -> None:
    assert update("TypedContext", [SHOT], description="x")["__entity_type__"] == "Shot"
    with pytest.raises(IntegrityError, match="does not exist"):
        update("Task", [SHOT], description="x")


def test_a_changed_status_leaves_a_trace(update: Ask, query: Ask) -> None:
    before = query(f'select status.name from Task where id is "{TASK}"')[0]["status"]["name"]
    update("Task", TASK, status_id=ROWS.identifier("Status", "Done"))
    update("Task", TASK, status_id=ROWS.identifier("Status", "Done"))
    (row,) = query(f'select status_changes.from_status.name, status_changes.status.name from Task where id is "{TASK}"')
    (trace,) = row["status_changes"]
    assert trace["__entity_type__"] == "TypedContextStatusChange"
    assert (trace["from_status"]["name"], trace["status"]["name"]) == (before, "Done")


def test_moving_a_context_moves_everything_below(call: Ask, update: Ask, query: Ask) -> None:
    other = ROWS.identifier("Project", "spot")
    update("Sequence", SEQUENCE, parent_id=other)
    (row,) = query(f'select link, project_id from Task where id is "{TASK}"')
    assert [each["name"] for each in row["link"]] == ["Sparkling Spot", "bc", "bc0040", "compositing"]
    assert row["project_id"] == other
    assert query("Episode where descendants.name is bc0040") == []
    with pytest.raises(IntegrityError, match="below itself"):
        update("Sequence", SEQUENCE, parent_id=SHOT)


def test_a_context_belongs_to_the_project_that_it_hangs_below_whatever_is_written(update: Ask, query: Ask) -> None:
    spot = ROWS.identifier("Project", "spot")
    assert update("Task", [TASK], project_id=spot)["project_id"] == PROJECT
    assert update("Project", [PROJECT], project_id=spot)["project_id"] == PROJECT
    assert query(f"select project_id from Task where id is {TASK}")[0]["project_id"] == PROJECT


def test_immutable_attributes_may_only_be_repeated(update: Ask) -> None:
    assert update("Shot", SHOT, object_type_id="bad911de-3bd6-47b9-8b46-3476e237cb36")
    with pytest.raises(ValidationError, match=r"Shot\.bid is immutable"):
        update("Shot", SHOT, bid=5)


def test_a_part_of_the_primary_key_can_neither_be_emptied_nor_doubled_through_a_reference(
    query: Ask, update: Ask
) -> None:
    first, second = query("select schema_id, status_id from SchemaStatus order by schema_id limit 2")
    assert first["schema_id"] == second["schema_id"]
    key = [first["status_id"], first["schema_id"]]
    with pytest.raises(IntegrityError, match=r"SchemaStatus\.status_id must not be null"):
        update("SchemaStatus", key, task_status=None)
    with pytest.raises(IntegrityError, match=r"already a SchemaStatus with status_id"):
        update("SchemaStatus", key, task_status=ref("Status", second["status_id"]))
    assert query(f'SchemaStatus where status_id is "{key[0]}" and schema_id is "{key[1]}"')


def test_members_that_are_no_longer_listed_are_let_go(call: Ask, query: Ask) -> None:
    component = ROWS.identifier("FileComponent", "bc0040_comp/2/main")
    call(
        new("FileComponent", id="extra", name="extra"),
        change("AssetVersion", [VERSION], components=[ref("FileComponent", "extra")]),
    )
    assert [row["id"] for row in query(f'Component where version_id is "{VERSION}"')] == ["extra"]
    assert query(f'select version_id from Component where id is "{component}"')[0]["version_id"] is None


def test_members_that_cannot_be_without_an_owner_stay(update: Ask, query: Ask) -> None:
    update("Shot", SHOT, metadata=[])
    assert len(query(f'Metadata where parent_id is "{SHOT}"')) == 1


def test_many_to_many_collections_are_kept_in_link_rows(call: Ask, query: Ask) -> None:
    call(new("Scope", id="a", name="a"), new("Scope", id="b", name="b"))
    call(change("Shot", SHOT, scopes=[ref("Scope", "a"), ref("Scope", "b")]))
    call(change("Shot", SHOT, scopes=[ref("Scope", "b")]))
    (row,) = query("select scopes.name from Shot where scopes.name is b")
    assert [scope["name"] for scope in row["scopes"]] == ["b"]
    call(change("AssetVersion", VERSION, uses_versions=[ref("AssetVersion", VERSION)], lists=[]))
    assert query(f'AssetVersionLink where to_id is "{VERSION}" and from_id is "{VERSION}"')
    with pytest.raises(IntegrityError, match="Scope nowhere does not exist"):
        call(change("Shot", SHOT, scopes=[ref("Scope", "nowhere")]))


# Custom attributes


def test_what_is_in_a_list_twice_is_taken_out_of_it_altogether(call: Ask, query: Ask) -> None:
    (dailies,) = query("AssetVersionList")
    call(new("ListObject", list_id=dailies["id"], entity_id=VERSION))
    assert len(query(f"ListObject where entity_id is {VERSION}")) == 2
    call(change("AssetVersionList", dailies["id"], items=[]))
    assert query(f"ListObject where entity_id is {VERSION}") == []


def test_a_dense_value_is_updated_reset_and_never_created(update: Ask, create: Ask, delete: Ask, query: Ask) -> None:
    key = [FSTART, ROWS.identifier("Shot", "demo/bc0010")]
    assert update("ContextCustomAttributeValue", key, value=950)["value"] == 950
    assert len(query("CustomAttributeValue where value is 950")) == 1
    delete("ContextCustomAttributeValue", *key)
    (row,) = query(f'select value from ContextCustomAttributeValue where entity_id is "{key[1]}" and key is fstart')
    assert row["value"] == 0
    with pytest.raises(PermissionDeniedError):
        create("ContextCustomAttributeValue", configuration_id=key[0], entity_id=key[1], value=1)


def test_a_value_must_fit_its_configuration(update: Ask) -> None:
    with pytest.raises(ValidationError, match='Custom attribute value for "fstart" must be of type number'):
        update("ContextCustomAttributeValue", [FSTART, SHOT], value="many")
    with pytest.raises(IntegrityError, match="does not apply"):
        update("ContextCustomAttributeValue", [FSTART, TASK], value=1)


def test_a_stored_value_is_updated_into_being_and_created_once(update: Ask, create: Ask, query: Ask) -> None:
    update("CustomAttributeValue", [FSTART, TASK], value=1)
    assert len(query(f'CustomAttributeValue where entity_id is "{TASK}"')) == 1
    with pytest.raises(IntegrityError, match="Duplicate entry"):
        create("CustomAttributeValue", configuration_id=FSTART, entity_id=TASK, value=2)


# Delete


def test_an_update_without_a_value_leaves_the_value(update: Ask, query: Ask) -> None:
    where = f"configuration_id is {FSTART} and entity_id is {SHOT}"
    assert set(update("CustomAttributeValue", [FSTART, SHOT])) == {"__entity_type__", "configuration_id", "entity_id"}
    assert query(f"select value from CustomAttributeValue where {where}")[0]["value"] == 1001


def dated(call: Ask) -> None:
    data = {"id": "due", "key": "due", "type_id": ROWS.identifier("CustomAttributeType", "date")}
    data["entity_type"] = "assetversion"
    call({"action": "create", "entity_type": "CustomAttributeConfiguration", "entity_data": data})


def test_a_date_is_echoed_as_sent_and_stored_in_utc_like_other_times(
    call: Ask, create: Ask, update: Ask, query: Ask
) -> None:
    dated(call)
    sent = {"__type__": "datetime", "value": "2024-03-01T09:30:00.123456-05:00"}
    kept = {"__type__": "datetime", "value": "2024-03-01T14:30:00"}
    for name in ("AssetVersionCustomAttributeValue", "CustomAttributeValue"):
        assert update(name, ["due", VERSION], value=sent)["value"] == sent
        assert (
            query(f"select value from {name} where configuration_id is due and entity_id is {VERSION}")[0]["value"]
            == kept
        )
    other = ROWS.identifier("AssetVersion", "bc0040_comp/1")
    assert create("CustomAttributeValue", configuration_id="due", entity_id=other, value=sent)["value"] == sent
    found = query(f"select value from CustomAttributeValue where entity_id is {other}")
    assert [row["value"] for row in found] == [kept]


@pytest.mark.parametrize("value", [{"__type__": "datetime", "value": "tomorrow"}, {"value": 5}, {}, "2024-03-01", 5])
def test_what_is_no_date_is_refused_as_one(call: Ask, update: Ask, value: Any) -> None:
    dated(call)
    with pytest.raises(ValidationError, match=r"no date and time|must be of type date-time"):
        update("AssetVersionCustomAttributeValue", ["due", VERSION], value=value)


def test_there_is_no_version_after_the_highest_number(create: Ask, query: Ask) -> None:
    create("AssetVersion", asset_id=ASSET, version=2**63 - 1)
    with pytest.raises(IntegrityError, match=r"AssetVersion\.version cannot be counted on: 9223372036854775807 is"):
        create("AssetVersion", asset_id=ASSET)
    assert [row["version"] for row in query(f"select version, link from AssetVersion where asset_id is {ASSET}")] == [
        1, 2, 3, 2**63 - 1,
    ]  # fmt: skip


@pytest.mark.parametrize("duration", [2**62, 1.5e308, -2e15])
def test_numbers_that_cannot_be_added_up_are_refused(create: Ask, duration: float) -> None:
    with pytest.raises(ValidationError, match='"duration" must be between -1e15 and 1e15'):
        create("Timelog", context_id=TASK, duration=duration)


def test_a_reference_that_is_a_text_is_checked_like_any_other(create: Ask) -> None:
    with pytest.raises(ValidationError, match='"id" must be of type'):
        create("Task", name="x", parent="\ud800")


def test_a_create_needs_data(call: Ask, query: Ask) -> None:
    for data in ({}, {"entity_data": None}, {"entity_data": [1]}):
        with pytest.raises(MalformedRequestError, match="entity_data must be an object"):
            call({"action": "create", "entity_type": "User", **data})


def test_deleting_a_project_takes_everything_below(delete: Ask, query: Ask) -> None:
    assert delete("Project", PROJECT) is True
    # What is left belongs to the other two projects.
    left = {"Shot": 2, "Asset": 1, "AssetVersion": 1, "Component": 1, "ComponentLocation": 1, "Note": 1}
    for entity_type in (*left, "Metadata", "List"):
        rows = query(entity_type)
        assert [row for row in rows if row.get("project_id") == PROJECT] == []
        assert len(rows) == left.get(entity_type, 0), entity_type


def test_a_long_chain_of_replies_goes_with_its_first_note(call: Ask, delete: Ask, query: Ask) -> None:
    before = len(query("Note"))
    notes = [new("Note", id="0", content="x")]
    notes += [new("Note", id=str(number), content="x", in_reply_to_id=str(number - 1)) for number in range(1, 1200)]
    call(*notes)
    delete("Note", "0")
    assert len(query("Note")) == before


def test_deleting_a_person_keeps_their_notes_and_drops_what_is_theirs(delete: Ask, query: Ask) -> None:
    delete("User", ANNA)
    assert query("Timelog") == query("Membership") == []
    assert {row["author"] is None for row in query("select author from Note")} == {True, False}
    assert {row["user"] for row in query("select user from AssetVersion where asset.name is bc0040_comp")} == {None}


def test_nullable_references_to_a_deleted_row_become_null(delete: Ask, query: Ask) -> None:
    delete("Task", TASK)
    assert [row["task"] for row in query("select task from AssetVersion where asset.name is bc0040_comp")] == [None] * 3


def test_a_location_must_be_empty(delete: Ask) -> None:
    with pytest.raises(IntegrityError, match="still refer"):
        delete("Location", "cb268ecc-8809-11e3-a7e2-20c9d081909b")
    delete("Location", "cd41be70-8809-11e3-b98a-20c9d081909b")


def test_deleting_nothing_is_an_error(delete: Ask) -> None:
    with pytest.raises(IntegrityError, match="Scope nowhere does not exist"):
        delete("Scope", "nowhere")


# Integrity


def test_constraints_are_checked_at_the_end(call: Ask, query: Ask) -> None:
    call(new("Scope", id="a"), new("Scope", id="b", name="b"), change("Scope", "a", name="a"))
    assert len(query("Scope")) == 2
    with pytest.raises(IntegrityError, match=r"Scope\.name must not be null"):
        call(new("Scope", id="c"))


def test_references_must_exist_by_the_end(call: Ask) -> None:
    call(new("FileComponent", id="c", version_id="v"), new("AssetVersion", id="v", asset_id=ASSET))
    with pytest.raises(IntegrityError, match="AssetVersion nowhere, which does not exist"):
        call(new("FileComponent", version_id="nowhere"))
    with pytest.raises(IntegrityError, match="Context nowhere, which does not exist"):
        call(new("Task", name="x", parent_id="nowhere"))


@pytest.mark.parametrize(
    ("operations", "error"),
    [
        ([new("Timer", user_id=USER), new("Timer", user_id=USER)], DuplicateEntryError),
        ([new("User", username="anna")], DuplicateEntryError),
        ([new("Project", name="demo", full_name="x")], DuplicateEntryError),
        ([new("Task", name="compositing", parent_id=SHOT)], IntegrityError),
        ([new("Location", name="ftrack.server")], IntegrityError),
    ],
)
def test_what_must_be_unique_is(call: Ask, operations: list[dict[str, Any]], error: type[ApiError]) -> None:
    with pytest.raises(error, match="Duplicate entry"):
        call(*operations)


def test_names_may_be_swapped_within_a_batch(call: Ask, query: Ask) -> None:
    names = ROWS.identifier("Shot", "demo/bc0010"), ROWS.identifier("Shot", "demo/bc0020")
    call(change("Shot", names[0], name="bc0020"), change("Shot", names[1], name="bc0010"))
    assert [row["name"] for row in query(f'select name from Shot where id in ("{names[0]}", "{names[1]}")')] == [
        "bc0020",
        "bc0010",
    ]


def test_people_without_user_name_may_be_many(call: Ask) -> None:
    call(new("User", first_name="a"), new("User", first_name="b"))


@pytest.mark.parametrize(
    "bad",
    [
        new("Scope"),
        change("Scope", "nowhere", name="x"),
        gone("Scope", "nowhere"),
        {"action": "query", "expression": "nonsense where"},
        {"action": "nonsense"},
        new("Nonsense"),
    ],
)
def test_any_error_undoes_the_whole_batch(call: Ask, query: Ask, bad: dict[str, Any]) -> None:
    with pytest.raises(ApiError):
        call(
            new("Scope", id="a", name="a"),
            change("Shot", SHOT, description="changed"),
            gone("Note", ROWS.identifier("Note", "reply")),
            bad,
        )
    assert query("Scope") == []
    assert len(query("Note")) == 3
    assert query("Shot where description is changed") == []


def test_queries_see_what_came_before_them_in_the_batch(call: Ask) -> None:
    results = call(
        {"action": "query", "expression": "Scope"},
        new("Scope", id="a", name="a"),
        {"action": "query", "expression": "select name from Scope"},
    )
    assert [len(result["data"]) for result in (results[0], results[2])] == [0, 1]


def test_results_show_the_state_after_the_batch(call: Ask) -> None:
    first, _, _ = call(
        new("Shot", id="s", name="s", parent_id=SEQUENCE, scopes=[]),
        new("Scope", id="a", name="a"),
        change("Shot", "s", scopes=[ref("Scope", "a")]),
    )
    assert first["data"]["scopes"] == [ref("Scope", "a")]


def test_what_a_batch_makes_and_deletes_is_answered_by_its_key(call: Ask) -> None:
    first, second = call(new("Scope", id="a", name="a"), gone("Scope", "a"))
    assert first["data"] == {"__entity_type__": "Scope", "id": "a"}
    assert second == {"action": "delete", "data": True}


# The envelope


@pytest.mark.parametrize("payload", [None, 5, "x", [5], [{}], [{"action": 5}], [None]])
def test_a_body_that_is_no_batch_is_malformed(api: Api, payload: Any) -> None:
    with pytest.raises(MalformedRequestError):
        api.handle(payload, username=API_USER, api_key=GLOBAL_KEY)


def test_an_empty_batch_and_a_single_operation(api: Api) -> None:
    credentials = {"username": API_USER, "api_key": GLOBAL_KEY}
    assert api.handle([], **credentials) == []
    assert api.handle({"action": "permissions"}, **credentials) == {"action": "permissions", "data": {}}


def test_an_unknown_action_is_named_as_a_real_server_names_it(call: Ask) -> None:
    with pytest.raises(UnknownActionError, match=r"^Invalid action u'dance'$"):
        call({"action": "dance"})


@pytest.mark.parametrize(
    ("username", "api_key"),
    [("sandbox", "wrong"), ("nobody", "sandbox-key"), ("anna", "ben-key"), (None, None), ("sandbox", None), ("", "")],
)
def test_wrong_credentials_are_refused(api: Api, username: str | None, api_key: str | None) -> None:
    with pytest.raises(InvalidCredentialsError) as caught:
        api.handle([], username=username, api_key=api_key)
    assert caught.value.as_object()["error_code"] == "api_credentials_invalid"


def test_a_global_key_acts_as_any_active_user(api: Api, call: Ask) -> None:
    asked = [{"action": "query_server_information", "values": ["user_information"]}]
    for username in ("anna", "ben"):
        (answer,) = api.handle(asked, username=username, api_key=GLOBAL_KEY)
        assert answer["user_information"]["username"] == username
    call(change("User", ANNA, is_active=False))
    with pytest.raises(InvalidCredentialsError):
        api.handle(asked, username="anna", api_key=GLOBAL_KEY)


def test_resetting_the_key_replaces_it(api: Api, call: Ask) -> None:
    answer = call({"action": "reset_remote", "reset_type": "api_key", "entity_type": "User", "entity_key": ANNA})[0]
    assert api.handle([], username="anna", api_key=answer["data"]["api_key"]) == []
    with pytest.raises(InvalidCredentialsError):
        api.handle([], username="anna", api_key="anna-key")
    with pytest.raises(ValidationError):
        call({"action": "reset_remote", "reset_type": ["api_key"]})


def test_resetting_the_key_of_nobody_is_refused(call: Ask) -> None:
    for key in ("nobody", "\ud800", 5, [USER, ANNA], {}):
        operation = {"action": "reset_remote", "reset_type": "api_key", "entity_key": key or ["nobody"]}
        with pytest.raises((ValidationError, MalformedRequestError)):
            call(operation)


def test_server_information_follows_the_storage_setting(call: Ask) -> None:
    (before,) = call({"action": "query_server_information"})
    assert before["storage_scenario"] == {"scenario": "ftrack.automatic", "data": {}}
    assert before["version"] == "dev"
    call(change("Setting", ["storage_scenario", "STORAGE"], value='{"scenario": "x", "data": {}}'))
    assert call({"action": "query_server_information"})[0]["storage_scenario"]["scenario"] == "x"


def test_unknown_types_are_named(call: Ask) -> None:
    with pytest.raises(UnknownEntityTypeError, match='"Nonsense"'):
        call(new("Nonsense"))
    with pytest.raises(UnknownEntityTypeError, match='"Ancestry"'):
        call(gone("Ancestry", "a", "b"))


def test_the_servers_times_come_from_its_clock(demo_storage: tuple[Any, FakeClock], create: Ask) -> None:
    _, clock = demo_storage
    clock.advance(3600)
    shown = datetime.fromtimestamp(clock.now, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
    assert create("Note", content="x")["date"]["value"] == shown
