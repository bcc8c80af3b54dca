"""Which operations a deferred block records, and that the server makes of them what was meant."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import arrow
import pytest
from ftrack_api.symbol import NOT_SET as CLIENT_NOT_SET

from tests.integration.recording.blocks import (
    UNMANAGED_LOCATION,
    a_task,
    a_version,
    commit,
    is_set,
    local,
    one,
    rows,
    short,
    summary,
    updates,
)
from tests.support.local_session import LocalSession
from trackteroid.errors import RecordingRefusedError
from trackteroid.operations.operation import NOT_SET, CreateOperation, DeleteOperation
from trackteroid.operations.recording import read_recording


def test_a_publish_is_recorded_in_the_clients_order_and_with_its_values(session: LocalSession, path: Path) -> None:
    task = a_task(session)
    asset = one(session, 'select name from Asset where name is "bc0040_comp"')
    with session.deferred_operations(path):
        version = session.create("AssetVersion", {"task": task, "asset": asset})
        component = session.create("Component", {"name": "main", "version": version})
        location = session.create(
            "ComponentLocation",
            {"resource_identifier": "/a.exr", "location_id": UNMANAGED_LOCATION, "component": component},
        )
        version["is_published"] = True

    operations = read_recording(path).operations
    assert summary(operations) == [
        ("create", "AssetVersion"),
        ("update", "AssetVersion", "task", NOT_SET, task["id"]),
        ("update", "AssetVersion", "asset", NOT_SET, asset["id"]),
        ("create", "Component"),
        ("update", "Component", "version", NOT_SET, version["id"]),
        ("create", "ComponentLocation"),
        ("update", "ComponentLocation", "component", NOT_SET, component["id"]),
        ("update", "AssetVersion", "is_published", True, True),
    ]
    creates = [operation for operation in operations if isinstance(operation, CreateOperation)]
    user = rows(session, 'select id from User where username is "sandbox"')[0]["id"]
    assert [dict(operation.entity_data) for operation in creates] == [
        {"id": version["id"], "comment": "", "is_published": True, "user_id": user},
        {"id": component["id"], "name": "main", "size": 0},
        {"id": location["id"], "resource_identifier": "/a.exr", "location_id": UNMANAGED_LOCATION},
    ]

    commit(session, path)
    (found,) = rows(
        session,
        f"select components.component_locations.resource_identifier from AssetVersion where id is {version['id']}",
    )
    assert found["components"][0]["component_locations"][0]["resource_identifier"] == "/a.exr"


def test_references_name_the_concrete_type(session: LocalSession, path: Path) -> None:
    task = a_task(session)
    shot = one(session, "select name from Shot")
    with session.deferred_operations(path):
        task["parent"] = shot
    (update,) = updates(path)
    assert update.new_value == {"__entity_type__": "Shot", "id": shot["id"]}
    assert update.old_value is NOT_SET


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (arrow.get("2024-03-01T10:00:00+02:00"), "2024-03-01T10:00:00+02:00"),
        (datetime.datetime(2024, 3, 1, 10), "2024-03-01T10:00:00"),
        (datetime.date(2024, 3, 1), "2024-03-01"),
    ],
)
def test_dates_travel_as_the_client_encodes_them(session: LocalSession, path: Path, value: Any, text: str) -> None:
    task = a_task(session)
    with session.deferred_operations(path):
        task["start_date"] = value
    assert updates(path)[0].new_value == {"__type__": "datetime", "value": text}
    assert '"' + text + '"' in session.encode({"value": value})
    commit(session, path)
    assert rows(session, f"select start_date from Task where id is {task['id']}")[0]["start_date"] is not None


def test_a_collection_is_recorded_as_a_list_of_references(session: LocalSession, path: Path) -> None:
    version = a_version(session)
    with session.deferred_operations(path):
        note = session.create("Note", {"content": "Nice."})
        version["notes"].append(note)
    (update,) = updates(path)
    assert update.attribute_name == "notes"
    assert update.new_value[-1] == {"__entity_type__": "Note", "id": note["id"]}
    commit(session, path)
    (found,) = rows(session, f"select notes.content from AssetVersion where id is {version['id']}")
    assert "Nice." in [item["content"] for item in found["notes"]]


def test_many_changes_of_one_collection_are_one_operation_at_the_place_of_the_last(
    session: LocalSession, path: Path
) -> None:
    version = one(session, "select notes from AssetVersion")
    before = [note["id"] for note in version["notes"]]
    with session.deferred_operations(path) as recorder:
        made = []
        for number in range(200):
            made.append(session.create("Note", {"content": str(number)})["id"])
            version["notes"].append(session.get("Note", made[-1]))
        assert len(session.recorded_operations) == 400
    recording = recorder.recording
    assert recording is not None
    assert len(recording.operations) == 201
    assert summary(recording.operations)[-1] == ("update", "AssetVersion", "notes", before, [*before, *made])


def test_metadata_is_recorded_as_rows_and_the_list_of_them(session: LocalSession, path: Path) -> None:
    task = one(session, "select metadata from Task order by id")
    with session.deferred_operations(path):
        task["metadata"]["renderer"] = "Arnold"
    assert summary(read_recording(path).operations)[0] == ("create", "Metadata")
    assert updates(path)[-1].new_value[-1] == {
        "__entity_type__": "Metadata",
        "parent_id": task["id"],
        "key": "renderer",
    }
    commit(session, path)
    (found,) = rows(session, f'select value from Metadata where parent_id is {task["id"]} and key is "renderer"')
    assert found["value"] == "Arnold"


def test_changing_and_removing_metadata_is_recorded(session: LocalSession, path: Path) -> None:
    task = one(session, "select metadata from Task order by id")
    task["metadata"]["a"], task["metadata"]["b"] = "1", "2"
    session.commit()
    session.reset()
    task = one(session, "select metadata.key, metadata.value from Task order by id")
    with session.deferred_operations(path):
        task["metadata"]["a"] = "one"
        del task["metadata"]["b"]
    assert ("delete", "Metadata") in summary(read_recording(path).operations)
    commit(session, path)
    found = rows(session, f"select key, value from Metadata where parent_id is {task['id']}")
    assert {item["key"]: item["value"] for item in found} == {"a": "one"}


def test_keys_of_several_parts_and_other_alphabets_survive(session: LocalSession, path: Path) -> None:
    task = one(session, "select metadata from Task order by id")
    with session.deferred_operations(path):
        task["metadata"]["Größe/大小"] = "groß"
    recording = read_recording(path)
    (create,) = [item for item in recording.operations if isinstance(item, CreateOperation)]
    assert list(create.entity_key.items()) == [("parent_id", task["id"]), ("key", "Größe/大小")]
    assert recording.manifest is not None
    assert recording.manifest.created == (ascii(("Metadata", [task["id"], "Größe/大小"])),)
    assert set(recording.manifest.created) <= recording.entities.keys()
    commit(session, path)
    (found,) = rows(session, f"select value from Metadata where parent_id is {task['id']}")
    assert found["value"] == "groß"


def test_a_custom_attribute_of_a_new_entity_is_recorded(session: LocalSession, path: Path) -> None:
    task = a_task(session)
    asset = one(session, 'select name, parent.project_id from Asset where name is "bc0040_comp"')
    session.query(
        "select key, project_id, object_type_id, entity_type, is_hierarchical from CustomAttributeConfiguration"
    ).all()
    with session.deferred_operations(path):
        version = session.create("AssetVersion", {"asset": asset, "task": task})
        version["custom_attributes"]["codec"] = "exr"
    commit(session, path)
    (found,) = rows(session, f"select custom_attributes from AssetVersion where id is {version['id']}")
    assert "exr" in [item["value"] for item in found["custom_attributes"]]


def test_a_delete_is_recorded(session: LocalSession, path: Path) -> None:
    version = a_version(session)
    with session.deferred_operations(path) as recorder:
        session.delete(version)
    (operation,) = read_recording(path).operations
    assert operation == DeleteOperation(entity_type="AssetVersion", entity_key={"id": version["id"]})
    assert recorder.recording is not None
    assert recorder.recording.manifest is not None
    assert recorder.recording.manifest.deleted == (f"('AssetVersion', ['{version['id']}'])",)
    commit(session, path)
    assert rows(session, f"select id from AssetVersion where id is {version['id']}") == []


def test_clearing_an_attribute_drops_what_was_recorded_for_it(session: LocalSession, path: Path) -> None:
    first, second = a_task(session, 0), a_task(session, 1)
    with session.deferred_operations(path):
        first["description"] = "a"
        first["bid"] = 1.0
        first["description"] = "b"
        second["description"] = "c"
        del first["description"]
    assert [(item.attribute_name, item.new_value) for item in updates(path)] == [("bid", 1.0), ("description", "c")]


def test_an_attribute_written_after_it_was_cleared_is_recorded(session: LocalSession, path: Path) -> None:
    task = a_task(session)
    with session.deferred_operations(path):
        task["description"] = "a"
        del task["description"]
        task["description"] = "b"
    assert [item.new_value for item in updates(path)] == ["b"]


class Unknown:
    pass


@pytest.mark.parametrize("value", [Unknown(), {1, 2}, b"bytes", Path("/a"), float("nan"), {1: "a"}, [Unknown()]])
def test_a_value_that_cannot_be_recorded_is_refused_at_the_assignment_and_not_assigned(
    session: LocalSession, path: Path, value: Any
) -> None:
    task = a_task(session)
    with session.deferred_operations(path):
        task["bid"] = 2.0
        with pytest.raises(RecordingRefusedError) as caught:
            task["description"] = value
        assert not is_set(local(task, "description"))
    assert task["id"] in str(caught.value)
    assert "Task" in str(caught.value)
    assert "'description'" in str(caught.value)
    assert [item.attribute_name for item in updates(path)] == ["bid"]


def test_the_message_names_the_type_of_what_cannot_be_recorded(session: LocalSession, path: Path) -> None:
    task = a_task(session)
    with (
        pytest.raises(RecordingRefusedError, match=r"test_recorder_operations\.Unknown"),
        session.deferred_operations(path),
    ):
        task["description"] = Unknown()
    assert not path.exists()


@pytest.mark.parametrize("data", [{"comment": Unknown()}, {"comment": "a", "task": Unknown()}])
def test_a_creation_that_is_refused_leaves_nothing(session: LocalSession, path: Path, data: dict[str, Any]) -> None:
    task = a_task(session)
    with session.deferred_operations(path):
        with pytest.raises(RecordingRefusedError):
            session.create("AssetVersion", data)
        task["bid"] = 2.0
    assert summary(read_recording(path).operations) == [("update", "Task", "bid", NOT_SET, 2.0)]


def test_entities_of_another_session_are_refused(session: LocalSession, path: Path) -> None:
    other = LocalSession()
    version = a_version(session)
    task = a_task(other)
    note = one(other, "select content from Note")
    with session.deferred_operations(path):
        with pytest.raises(RecordingRefusedError, match="another session"):
            version["task"] = task
        before = [item["id"] for item in version["notes"]]
        with pytest.raises(RecordingRefusedError, match="another session"):
            version["notes"].append(note)
        assert [item["id"] for item in version["notes"]] == before
        version["comment"] = "x"
    assert [item.attribute_name for item in updates(path)] == ["comment"]


def test_lists_and_dictionaries_of_plain_values_are_recorded(session: LocalSession, path: Path) -> None:
    with session.deferred_operations(path):
        session.create("Job", {"data": {"frames": [1, 2.5], "when": arrow.get("2024-03-01T10:00:00")}})
    (create,) = read_recording(path).operations
    assert isinstance(create, CreateOperation)
    assert create.entity_data["data"] == {
        "frames": [1, 2.5],
        "when": {"__type__": "datetime", "value": "2024-03-01T10:00:00+00:00"},
    }


def test_what_is_changed_after_an_assignment_does_not_reach_the_recording(session: LocalSession, path: Path) -> None:
    frames = [1]
    with session.deferred_operations(path):
        session.create("Job", {"data": frames})
        frames.append(2)
    (create,) = read_recording(path).operations
    assert isinstance(create, CreateOperation)
    assert create.entity_data["data"] == [1]


def test_the_block_looks_to_the_client_like_any_stack_of_operations(session: LocalSession, path: Path) -> None:
    task, deleted = a_task(session), a_version(session)
    with session.deferred_operations(path):
        version = session.create("AssetVersion", {"task": task})
        task["bid"] = 1.0
        session.delete(deleted)
        assert [entity["id"] for entity in session.created] == [version["id"]]
        assert [entity["id"] for entity in session.modified] == [task["id"]]
        assert [entity["id"] for entity in session.deleted] == [deleted["id"]]
        assert len(session.recorded_operations) == 4
        assert session.recorded_operations.pop().entity_type == "AssetVersion"
    assert summary(read_recording(path).operations)[-1] == ("update", "Task", "bid", NOT_SET, 1.0)


def test_text_that_reads_like_no_value_stays_text(session: LocalSession, path: Path) -> None:
    task = a_task(session)
    with session.deferred_operations(path):
        task["description"] = "NOT SET"
    commit(session, path)
    assert rows(session, f"select description from Task where id is {task['id']}")[0]["description"] == "NOT SET"


def test_what_was_rolled_back_in_the_block_is_not_recorded(session: LocalSession, path: Path) -> None:
    task = a_task(session)
    with session.deferred_operations(path):
        session.create("AssetVersion", {"task": task})
        task["bid"] = 1.0
        session.rollback()
        task["description"] = "kept"
    assert [short(item.new_value) for item in updates(path)] == ["kept"]
    assert len(read_recording(path).operations) == 1


def test_what_was_reset_in_the_block_is_not_recorded(session: LocalSession, path: Path) -> None:
    task = a_task(session)
    with session.deferred_operations(path):
        task["bid"] = 1.0
        session.reset()
        a_task(session)["description"] = "kept"
    assert [short(item.new_value) for item in updates(path)] == ["kept"]


def test_using_what_was_created_and_rolled_back_is_refused(session: LocalSession, path: Path) -> None:
    task = a_task(session)
    with pytest.raises(RecordingRefusedError, match="rolled back"), session.deferred_operations(path):
        version = session.create("AssetVersion", {"task": task})
        identifier = version["id"]
        session.rollback()
        session.create("Component", {"name": "main", "version_id": identifier})
    assert not path.exists()
    assert task["name"] is not CLIENT_NOT_SET


def test_advice_in_a_nested_block_can_be_followed(session: LocalSession, path: Path, tmp_path: Path) -> None:
    author = one(session, "select username from User order by id")
    with session.deferred_operations(path):
        note = session.create("Note", {"content": "a", "author": author})
        with (
            pytest.raises(RecordingRefusedError, match=r"still pending\. Create it inside"),
            session.deferred_operations(tmp_path / "inner.dbm"),
        ):
            note["content"] = "b"
