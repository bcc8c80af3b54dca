from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from tests.unit.sandbox.conftest import Ask
from trackteroid.sandbox.api import Api
from trackteroid.sandbox.committed import Committed
from trackteroid.sandbox.errors import ApiError
from trackteroid.sandbox.events.updates import update_event
from trackteroid.sandbox.seeds import API_KEY, API_USER

Event = dict[str, Any]


@pytest.fixture
def events(api: Api) -> list[Event | None]:
    """The update event of every request since, None for one that deserves none."""
    made: list[Event | None] = []

    def keep(committed: Committed) -> None:
        made.append(update_event(api.storage, committed, event_id="event", server_id="server"))

    api.on_commit = keep
    return made


@pytest.fixture
def last(events: list[Event | None]) -> Callable[..., Any]:
    """The last event's entities of one type and, if given, action."""

    def find(entity_type: str, action: str | None = None) -> Any:
        event = events[-1]
        assert event is not None
        found = [
            each
            for each in event["data"]["entities"]
            if each["entity_type"] == entity_type and action in (None, each["action"])
        ]
        assert len(found) == 1
        return found[0]

    return find


@pytest.fixture
def shot(query: Ask) -> Event:
    row = query('select parent_id, project_id, parent.parent_id from Shot where name is "bc0040"')[0]
    assert isinstance(row, dict)
    return row


def test_an_update_tells_storage_columns_with_old_and_new_value(
    update: Ask, query: Ask, shot: Event, last: Callable[..., Any]
) -> None:
    task = query(f'select status_id, end_date from Task where parent_id is "{shot["id"]}"')[0]
    status = query('Status where name is "Approved"')[0]["id"]
    end = {"__type__": "datetime", "value": "2024-05-01T10:00:00+02:00"}

    update("Task", [task["id"]], status_id=status, end_date=end, description="Rain")

    entity = last("Task")
    assert entity["action"] == "update"
    assert entity["entityType"] == "task"
    assert entity["entityId"] == task["id"]
    assert entity["parentId"] == shot["id"]
    assert entity["objectTypeId"] == query('ObjectType where name is "Task"')[0]["id"]
    assert entity["changes"] == {
        "statusid": {"old": task["status_id"], "new": status},
        "enddate": {"old": task["end_date"]["value"], "new": "2024-05-01T08:00:00"},
        "description": {"old": "", "new": "Rain"},
    }
    assert sorted(entity["keys"]) == sorted(entity["changes"])


def test_the_event_says_who_changed_what_where(api: Api, query: Ask, shot: Event, events: list[Event | None]) -> None:
    operation = {"action": "update", "entity_type": "Shot", "entity_key": [shot["id"]], "entity_data": {"name": "new"}}
    api.handle([operation], username=API_USER, api_key=API_KEY, client_token="client", push_token="push")

    event = events[-1]
    assert event is not None
    user = query(f'User where username is "{API_USER}"')[0]["id"]
    assert set(event) == {"id", "topic", "data", "sent", "source", "target", "inReplyToEvent"}
    assert event["topic"] == "ftrack.update"
    assert event["source"] == {
        "id": "server",
        "applicationId": "ftrack.server",
        "user": {"id": user, "username": API_USER},
    }
    assert event["data"]["user"] == {"userid": user, "name": "Sandy Box"}
    assert (event["data"]["clientToken"], event["data"]["pushToken"]) == ("client", "push")


def test_parents_lead_from_the_entity_to_the_project(
    update: Ask, shot: Event, events: list[Event | None], last: Callable[..., Any]
) -> None:
    update("Shot", [shot["id"]], name="renamed")

    parents = last("Shot")["parents"]
    assert [(each["entityType"], each["entity_type"]) for each in parents] == [
        ("task", "Shot"),
        ("task", "Sequence"),
        ("task", "Episode"),
        ("show", "Project"),
    ]
    assert parents[0]["entityId"] == shot["id"]
    assert parents[-1] == {
        "entityId": shot["project_id"],
        "entityType": "show",
        "entity_type": "Project",
        "parentId": None,
    }
    for below, above in pairwise(parents):
        assert below["parentId"] == above["entityId"]
    assert events[-1] is not None
    assert events[-1]["data"]["parents"] == [each["entityId"] for each in parents]


def test_a_created_entity_tells_all_its_columns(create: Ask, shot: Event, last: Callable[..., Any]) -> None:
    task = create("Task", name="roto", parent_id=shot["id"])

    entity = last("Task")
    assert entity["action"] == "add"
    assert entity["entityId"] == task["id"]
    assert {"id", "name", "parent_id", "showid", "statusid", "typeid"} <= set(entity["keys"])
    assert entity["changes"]["name"] == {"old": None, "new": "roto"}
    assert entity["changes"]["showid"] == {"old": None, "new": shot["project_id"]}
    assert [each["entityId"] for each in entity["parents"]][:2] == [task["id"], shot["id"]]


def test_a_removed_entity_tells_all_its_columns_and_where_it_was(
    create: Ask, delete: Ask, shot: Event, last: Callable[..., Any]
) -> None:
    task = create("Task", name="roto", parent_id=shot["id"])
    delete("Task", task["id"])

    entity = last("Task")
    assert entity["action"] == "remove"
    assert entity["changes"]["name"] == {"old": "roto", "new": None}
    assert all(each["new"] is None for each in entity["changes"].values())
    assert not {key for key in entity["keys"] if key.startswith("__")}
    assert entity["parents"][-1]["entityId"] == shot["project_id"]


def test_what_goes_along_with_a_deletion_is_told_with_its_former_parents(
    query: Ask, delete: Ask, shot: Event, events: list[Event | None]
) -> None:
    version = query(f'select asset_id from AssetVersion where asset.context_id is "{shot["id"]}"')[0]
    delete("Shot", shot["id"])

    event = events[-1]
    assert event is not None
    entities = {each["entityId"]: each for each in event["data"]["entities"]}
    assert entities[version["id"]]["action"] == "remove"
    assert entities[version["id"]]["entityType"] == "assetversion"
    chain = [each["entityId"] for each in entities[version["id"]]["parents"]]
    assert chain[:3] == [version["id"], version["asset_id"], shot["id"]]
    assert chain[-1] == shot["project_id"]


def test_a_new_parent_is_a_move(update: Ask, query: Ask, shot: Event, last: Callable[..., Any]) -> None:
    update("Shot", [shot["id"]], parent_id=shot["project_id"], name="moved")

    entity = last("Shot")
    assert entity["action"] == "move"
    assert entity["changes"]["parent_id"] == {"old": shot["parent_id"], "new": shot["project_id"]}
    assert [each["entity_type"] for each in entity["parents"]] == ["Shot", "Project"]


def test_one_request_is_one_event_and_one_entity_is_in_it_once(
    call: Ask, shot: Event, events: list[Event | None], last: Callable[..., Any]
) -> None:
    def update(**data: Any) -> Event:
        return {"action": "update", "entity_type": "Shot", "entity_key": [shot["id"]], "entity_data": data}

    call(update(description="first"), update(description="second"), update(name="x"), update(name="bc0040"))

    assert len(events) == 1
    assert last("Shot")["keys"] == ["description"]
    assert last("Shot")["changes"]["description"]["new"] == "second"


def test_create_and_update_in_one_request_is_an_addition(call: Ask, shot: Event, last: Callable[..., Any]) -> None:
    data = {"id": "5c9b1d0c-0000-4000-8000-000000000001", "name": "first", "parent_id": shot["id"]}
    call(
        {"action": "create", "entity_type": "Task", "entity_data": data},
        {"action": "update", "entity_type": "Task", "entity_key": [data["id"]], "entity_data": {"name": "second"}},
    )

    assert last("Task")["action"] == "add"
    assert last("Task")["changes"]["name"] == {"old": None, "new": "second"}


def test_what_came_and_went_in_one_request_is_nobodys_business(
    call: Ask, shot: Event, events: list[Event | None]
) -> None:
    data = {"id": "5c9b1d0c-0000-4000-8000-000000000002", "name": "gone", "parent_id": shot["id"]}
    call(
        {"action": "create", "entity_type": "Task", "entity_data": data},
        {"action": "delete", "entity_type": "Task", "entity_key": [data["id"]]},
    )

    assert events == [None]


def test_update_and_delete_in_one_request_tells_the_value_that_others_knew(
    call: Ask, create: Ask, shot: Event, last: Callable[..., Any]
) -> None:
    task = create("Task", name="known", parent_id=shot["id"])
    call(
        {"action": "update", "entity_type": "Task", "entity_key": [task["id"]], "entity_data": {"name": "unknown"}},
        {"action": "delete", "entity_type": "Task", "entity_key": [task["id"]]},
    )

    assert last("Task")["action"] == "remove"
    assert last("Task")["changes"]["name"] == {"old": "known", "new": None}


def test_an_entity_made_again_under_its_id_is_an_update(
    call: Ask, create: Ask, shot: Event, last: Callable[..., Any]
) -> None:
    task = create("Task", name="old", parent_id=shot["id"])
    call(
        {"action": "delete", "entity_type": "Task", "entity_key": [task["id"]]},
        {
            "action": "create",
            "entity_type": "Task",
            "entity_data": {"id": task["id"], "name": "new", "parent_id": shot["id"]},
        },
    )

    assert last("Task")["action"] == "update"
    assert last("Task")["changes"]["name"] == {"old": "old", "new": "new"}
    assert "parent_id" not in last("Task")["keys"]


def test_a_request_that_only_reads_or_fails_makes_no_event(
    call: Ask, query: Ask, update: Ask, shot: Event, events: list[Event | None]
) -> None:
    query("Task")
    update("Shot", [shot["id"]], name="bc0040")
    with pytest.raises(ApiError):
        call(
            {
                "action": "update",
                "entity_type": "Shot",
                "entity_key": [shot["id"]],
                "entity_data": {"description": "never"},
            },
            {"action": "delete", "entity_type": "Shot", "entity_key": ["no-such-id"]},
        )

    assert events == []


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [("fstart", 42, "42"), ("fstart", 1.5, "1.5"), ("fstart", None, None)],
)
def test_a_custom_attribute_is_an_update_of_its_owner(
    update: Ask, query: Ask, shot: Event, last: Callable[..., Any], key: str, value: Any, text: str | None
) -> None:
    configuration = query(f'CustomAttributeConfiguration where key is "{key}"')[0]["id"]

    update("ContextCustomAttributeValue", [configuration, shot["id"]], value=value)

    entity = last("Shot")
    assert entity["action"] == "update"
    assert entity["keys"] == [key]
    assert entity["changes"] == {key: {"old": "1001", "new": text}}


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("boolean", True, "1"),
        ("boolean", False, "0"),
        ("text", "word", "word"),
        ("enumerator", ["a", "b"], "a,b"),
        ("date", {"__type__": "datetime", "value": "2024-03-01T08:30:00"}, "2024-03-01T08:30:00"),
    ],
)
def test_custom_attributes_are_told_as_text(
    call: Ask, update: Ask, query: Ask, shot: Event, last: Callable[..., Any], kind: str, value: Any, text: str
) -> None:
    data = {
        "key": "probe",
        "label": "Probe",
        "type_id": query(f'CustomAttributeType where name is "{kind}"')[0]["id"],
        "group_id": query("CustomAttributeGroup")[0]["id"],
        "entity_type": "show",
        "is_hierarchical": True,
        "config": "{}",
    }
    configuration = call({"action": "create", "entity_type": "CustomAttributeConfiguration", "entity_data": data})[0][
        "data"
    ]

    update("ContextCustomAttributeValue", [configuration["id"], shot["id"]], value=value)

    assert last("Shot")["changes"]["probe"] == {"old": None, "new": text}


def test_custom_attributes_join_their_owners_own_update(
    call: Ask, query: Ask, shot: Event, last: Callable[..., Any]
) -> None:
    configuration = query('CustomAttributeConfiguration where key is "fstart"')[0]["id"]
    call(
        {
            "action": "update",
            "entity_type": "ContextCustomAttributeValue",
            "entity_key": [configuration, shot["id"]],
            "entity_data": {"value": 7},
        },
        {"action": "update", "entity_type": "Shot", "entity_key": [shot["id"]], "entity_data": {"name": "renamed"}},
    )

    assert sorted(last("Shot")["keys"]) == ["fstart", "name"]


def test_custom_attributes_of_a_new_entity_are_an_update_of_their_own(
    call: Ask, query: Ask, shot: Event, last: Callable[..., Any]
) -> None:
    configuration = query('CustomAttributeConfiguration where key is "fstart"')[0]["id"]
    data = {"id": "5c9b1d0c-0000-4000-8000-000000000003", "name": "bc0999", "parent_id": shot["parent_id"]}
    call(
        {"action": "create", "entity_type": "Shot", "entity_data": data},
        {
            "action": "update",
            "entity_type": "ContextCustomAttributeValue",
            "entity_key": [configuration, data["id"]],
            "entity_data": {"value": 7},
        },
    )

    assert "fstart" not in last("Shot", "add")["keys"]
    assert last("Shot", "update")["changes"] == {"fstart": {"old": None, "new": "7"}}


def test_values_that_go_with_their_owner_are_not_told(
    delete: Ask, query: Ask, shot: Event, last: Callable[..., Any]
) -> None:
    assert query(f'CustomAttributeValue where entity_id is "{shot["id"]}"')

    delete("Shot", shot["id"])

    assert last("Shot")["action"] == "remove"
    assert "fstart" not in last("Shot")["keys"]


def test_values_that_go_with_their_configuration_are_updates(
    delete: Ask, query: Ask, shot: Event, last: Callable[..., Any]
) -> None:
    configuration = query('CustomAttributeConfiguration where key is "fstart"')[0]["id"]

    delete("CustomAttributeConfiguration", configuration)

    assert last("CustomAttributeConfiguration")["action"] == "remove"
    assert last("Shot")["changes"] == {"fstart": {"old": "1001", "new": None}}


def test_a_note_leads_to_what_it_is_about(create: Ask, shot: Event, last: Callable[..., Any]) -> None:
    note = create("Note", content="Too dark", parent_id=shot["id"], parent_type="Shot")

    entity = last("Note")
    assert entity["entityType"] == "note"
    assert entity["changes"]["text"] == {"old": None, "new": "Too dark"}
    assert [each["entity_type"] for each in entity["parents"]][:3] == ["Note", "Shot", "Sequence"]

    create("Note", content="Fixed", in_reply_to_id=note["id"])

    assert [each["entity_type"] for each in last("Note")["parents"]][:3] == ["Note", "Note", "Shot"]


def test_a_component_leads_through_version_and_asset(
    create: Ask, query: Ask, shot: Event, last: Callable[..., Any]
) -> None:
    version = query(f'AssetVersion where asset.context_id is "{shot["id"]}"')[0]["id"]

    create("FileComponent", name="main", file_type=".exr", version_id=version)

    entity = last("FileComponent")
    assert entity["entityType"] == "component"
    chain = [each["entity_type"] for each in entity["parents"]]
    assert chain[:4] == ["FileComponent", "AssetVersion", "Asset", "Shot"]
    assert chain[-1] == "Project"


@pytest.mark.parametrize(
    ("entity_type", "data", "storage_name", "columns"),
    [
        (
            "Appointment",
            {"context_id": "shot", "resource_id": "user", "type": "assignment"},
            "appointment",
            {"context_id"},
        ),
        ("Timelog", {"context_id": "shot", "user_id": "user", "duration": 60}, "timelog", {"duration"}),
        ("TypedContextLink", {"from_id": "task", "to_id": "shot"}, "dependency", {"from_id", "to_id"}),
        ("TypedContextList", {"name": "new", "project_id": "project"}, "list", {"showid", "name"}),
        ("User", {"username": "new"}, "user", {"username", "isactive"}),
        ("Project", {"name": "new", "full_name": "New"}, "show", {"fullname"}),
    ],
)
def test_storage_names_of_the_commonest_types(
    create: Ask,
    query: Ask,
    shot: Event,
    last: Callable[..., Any],
    entity_type: str,
    data: dict[str, Any],
    storage_name: str,
    columns: set[str],
) -> None:
    places = {
        "shot": shot["id"],
        "project": shot["project_id"],
        "user": query("User")[0]["id"],
        "task": query(f'Task where parent_id is_not "{shot["id"]}"')[0]["id"],
    }
    values = {name: places.get(value, value) for name, value in data.items()}
    if entity_type == "TypedContextList":
        values["category_id"] = query("ListCategory")[0]["id"]
    if entity_type == "Project":
        values["project_schema_id"] = query("ProjectSchema")[0]["id"]

    create(entity_type, **values)

    entity = last(entity_type)
    assert entity["entityType"] == storage_name
    assert columns <= set(entity["keys"])


def test_rows_that_clients_never_see_are_not_told(
    create: Ask, update: Ask, events: list[Event | None], shot: Event
) -> None:
    scope = create("Scope", name="new")
    update("Shot", [shot["id"]], scopes=[{"__entity_type__": "Scope", "id": scope["id"]}])

    assert events[-1] is None


def test_a_large_request_costs_a_constant_number_of_lookups_per_entity(api: Api, call: Ask, shot: Event) -> None:
    statements: list[int] = []

    def measure(committed: Committed) -> None:
        counted = 0

        def count(statement: str) -> None:
            nonlocal counted
            counted += 1

        api.storage._connection.set_trace_callback(count)
        update_event(api.storage, committed, event_id="event", server_id="server")
        api.storage._connection.set_trace_callback(None)
        statements.append(counted)

    api.on_commit = measure
    for size in (10, 100):
        call(
            *(
                {
                    "action": "create",
                    "entity_type": "Task",
                    "entity_data": {"name": f"t{size}-{number}", "parent_id": shot["id"]},
                }
                for number in range(size)
            )
        )

    small, large = statements
    # One look at each new row; the way up is the same for all and read once.
    assert large - small == 90


def test_keys_that_differ_in_case_alone_are_different_rows(
    call: Ask, update: Ask, shot: Event, events: list[Event | None]
) -> None:
    data = {"parent_id": shot["id"], "parent_type": "Shot", "value": "1"}
    call(*({"action": "create", "entity_type": "Metadata", "entity_data": {**data, "key": key}} for key in ("k", "K")))
    assert events[-1] is not None
    made = [(each["entityId"], each["action"]) for each in events[-1]["data"]["entities"]]
    assert made == [(f"{shot['id']},k", "add"), (f"{shot['id']},K", "add")]
    update("Metadata", [shot["id"], "K"], value="2")
    assert events[-1] is not None
    assert [each["entityId"] for each in events[-1]["data"]["entities"]] == [f"{shot['id']},K"]
