"""What a recording says about itself, and appending to one."""

from __future__ import annotations

import datetime
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.integration.recording.blocks import a_task, a_version, commit, one, rows, summary, updates
from tests.support.local_session import LocalSession
from trackteroid.errors import BadInputError
from trackteroid.operations.manifest import Base, Delta, Manifest
from trackteroid.operations.operation import NOT_SET
from trackteroid.operations.recorder import Recorder
from trackteroid.operations.recording import Recording, digest_of, read_recording, write_recording


def key(entity: Any) -> str:
    return f"('{entity.entity_type}', ['{entity['id']}'])"


def manifest_of(path: Path) -> Manifest:
    manifest = read_recording(path).manifest
    assert manifest is not None
    return manifest


def record(recording: Recording, entity: Any) -> dict[str, Any]:
    return dict(recording.entities[key(entity)])


def test_it_says_what_when_where_and_by_whom(session: LocalSession, path: Path) -> None:
    moment = datetime.datetime(2024, 3, 1, 12, tzinfo=datetime.timezone(datetime.timedelta(hours=2)))
    recorder = Recorder(session, path, labels={"farm_job": "1"}, clock=lambda: moment, new_id=lambda: "the-id")
    with recorder:
        a_task(session)["bid"] = 1.0
    manifest = manifest_of(path)
    assert manifest.recording_id == "the-id"
    assert manifest.digest == digest_of(read_recording(path).operations)
    assert datetime.datetime.fromisoformat(manifest.created_at) == moment
    assert manifest.created_at.endswith("+00:00")
    assert manifest.user == "sandbox"
    assert manifest.server_url == session.server_url
    assert manifest.schema_hash == session.schema_hash
    assert manifest.labels == {"farm_job": "1"}
    assert manifest.predecessor is None
    assert manifest.host
    assert manifest.application
    assert manifest.library_versions.keys() >= {"trackteroid", "python"}


def test_every_recording_has_an_id_of_its_own(session: LocalSession, path: Path, tmp_path: Path) -> None:
    for target in (path, tmp_path / "second.dbm"):
        with session.deferred_operations(target):
            a_task(session)["bid"] = 1.0
    assert manifest_of(path).recording_id != manifest_of(tmp_path / "second.dbm").recording_id


def test_it_lists_what_is_created_updated_deleted_and_referred_to(session: LocalSession, path: Path) -> None:
    task, old = a_task(session), a_version(session)
    location = one(session, "select name from Location")
    with session.deferred_operations(path):
        version = session.create("AssetVersion", {"task": task})
        component = session.create("Component", {"name": "main", "version": version})
        session.create("ComponentLocation", {"component": component, "location_id": location["id"]})
        task["bid"] = 1.0
        session.delete(old)
    manifest = manifest_of(path)
    assert manifest.created[:2] == (key(version), key(component))
    assert manifest.updated[key(task)] == ("bid",)
    assert manifest.updated[key(version)] == ("task",)
    assert manifest.deleted == (key(old),)
    assert {key(task), key(location)} <= set(manifest.referenced)
    assert not {key(version), key(component)} & set(manifest.referenced)


def test_there_is_a_record_of_every_entity_involved(session: LocalSession, path: Path) -> None:
    # Loaded before the block, and only referred to or changed in it.
    task, old = a_task(session), a_version(session)
    bystander = one(session, "select username from User")
    with session.deferred_operations(path):
        version = session.create("AssetVersion", {"task": task, "comment": "a"})
        version["comment"] = "b"
        old["comment"] = "c"
    recording = read_recording(path)
    assert record(recording, task)["name"] == task["name"]
    assert record(recording, task)["parent"]["id"] == task["parent"]["id"]
    assert record(recording, version)["comment"] == "b"
    assert record(recording, version)["task"] == {"__entity_type__": "Task", "id": task["id"]}
    assert record(recording, old)["comment"] == "c"
    assert record(recording, old)["version"] == old["version"]
    assert key(bystander) not in recording.entities
    json.dumps(recording.entities)


def test_records_can_be_merged_into_another_session(session: LocalSession, path: Path) -> None:
    task = a_task(session)
    with session.deferred_operations(path):
        version = session.create("AssetVersion", {"task": task, "comment": "a"})
    other = LocalSession()
    for entry in read_recording(path).entities.values():
        other.merge(other.decode(json.dumps(entry)))
    assert other.get("AssetVersion", version["id"])["task"]["name"] == task["name"]


def test_the_base_is_what_the_server_had_said_and_not_the_local_value(session: LocalSession, path: Path) -> None:
    task = a_task(session)
    status = one(session, f"select name from Status where id is_not {task['status']['id']}")
    task["description"] = "pending"
    loaded = task.attributes.get("description").get_remote_value(task)
    with session.deferred_operations(path):
        task["description"] = "deferred"
        task["status"] = status
        task["sort"] = 5.0
    former = task.attributes.get("status").get_remote_value(task)
    assert manifest_of(path).bases == (
        Base(entity=key(task), attribute="description", known=True, value=loaded),
        Base(entity=key(task), attribute="status", known=True, value={"__entity_type__": "Status", "id": former["id"]}),
        Base(entity=key(task), attribute="sort", known=False),
    )


def test_what_is_loaded_in_the_block_after_the_change_is_a_base_too(session: LocalSession, path: Path) -> None:
    task = one(session, "select id from Task order by id")
    with session.deferred_operations(path):
        task["bid"] = 99.0
        one(session, f"select bid from Task where id is {task['id']}")
    (base,) = manifest_of(path).bases
    assert base.known
    assert base.value == rows(session, f"select bid from Task where id is {task['id']}")[0]["bid"]


def test_new_entities_have_no_bases(session: LocalSession, path: Path) -> None:
    with session.deferred_operations(path):
        version = session.create("AssetVersion", {})
        version["comment"] = "x"
        version["components"].append(session.create("Component", {"name": "main"}))
    assert manifest_of(path).bases == ()
    assert manifest_of(path).deltas == ()


def test_the_delta_says_which_members_came_and_went(session: LocalSession, path: Path) -> None:
    version = one(session, 'select notes from AssetVersion where notes any (content like "%")')
    leaving = version["notes"][0]
    with session.deferred_operations(path):
        first, second = (session.create("Note", {"content": text}) for text in "ab")
        version["notes"].append(first)
        version["notes"].append(second)
        version["notes"].remove(first)
        version["notes"].remove(leaving)
    assert manifest_of(path).deltas == (
        Delta(entity=key(version), attribute="notes", added=(key(second),), removed=(key(leaving),)),
    )
    (base,) = manifest_of(path).bases
    assert base.value == [{"__entity_type__": "Note", "id": leaving["id"]}]


def test_the_context_is_told_from_what_is_loaded_without_queries(session: LocalSession, path: Path) -> None:
    version = one(
        session,
        "select asset.name, asset.parent.name, asset.parent.project.full_name, task.name, version from AssetVersion "
        'where asset.name is "bc0040_comp"',
    )
    one(session, 'select username from User where username is "sandbox"')
    session.requests.clear()
    with session.deferred_operations(path):
        made = session.create("AssetVersion", {"asset": version["asset"], "task": version["task"], "version": 7})
        component = session.create("Component", {"name": "main", "version": made})
        session.create("ComponentLocation", {"component": component, "resource_identifier": "/show/beauty.exr"})
    assert session.requests == []
    context = manifest_of(path).context
    assert context["project"] == "Demo Film"
    assert context["asset"] == "bc0040_comp"
    assert context["task"] == version["task"]["name"]
    assert version["asset"]["parent"]["name"] in context["parents"]
    assert context["paths"] == ["/show/beauty.exr"]
    assert str(context["version"]) == "7"


# Stamping


def test_the_recording_user_is_asked_for_once_per_connection_and_without_a_word(
    session: LocalSession, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="trackteroid")
    a_task(session)
    session.requests.clear()
    for _ in range(2):
        with session.deferred_operations(path):
            for entity_type in ("AssetVersion", "Note"):
                session.create(entity_type, {})
    assert [text for text in session.expressions if "User" in text] == session.expressions
    assert len(session.expressions) == 1
    assert caplog.records == []
    user = rows(session, 'select id from User where username is "sandbox"')[0]["id"]
    assert [operation.entity_data["user_id"] for operation in read_recording(path).operations] == [user, user]
    session.reconnect()
    session.requests.clear()
    with session.deferred_operations(path):
        session.create("Note", {})
    assert len(session.expressions) == 1


def test_a_user_in_memory_is_not_asked_for(session: LocalSession, path: Path) -> None:
    user = one(session, 'select username from User where username is "sandbox"')
    session.requests.clear()
    with session.deferred_operations(path):
        session.create("Job", {})
    assert session.requests == []
    assert read_recording(path).operations[0].entity_data["user_id"] == user["id"]


@pytest.mark.parametrize("name", ["user", "user_id"])
def test_a_user_who_was_set_is_kept(session: LocalSession, path: Path, name: str) -> None:
    anna = one(session, 'select username from User where username is "anna"')
    with session.deferred_operations(path):
        session.create("AssetVersion", {name: anna if name == "user" else anna["id"]})
    (create, *rest) = read_recording(path).operations
    assert create.entity_data.get("user_id") == (anna["id"] if name == "user_id" else None)
    assert len(rest) == (1 if name == "user" else 0)


def test_types_without_a_user_are_neither_stamped_nor_asked_for(session: LocalSession, path: Path) -> None:
    session.requests.clear()
    with session.deferred_operations(path):
        session.create("Component", {"name": "main"})
    assert session.requests == []
    assert read_recording(path).operations[0].entity_data.keys() == {"id", "name", "size"}


@pytest.mark.parametrize("trouble", [requests.ConnectionError("away"), json.JSONDecodeError("away", "<html>", 0)])
def test_a_server_that_does_not_answer_costs_the_stamp_and_not_the_recording(
    session: LocalSession,
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    trouble: Exception,
) -> None:
    def away(*_: Any, **__: Any) -> Any:
        raise trouble

    monkeypatch.setattr(session, "fetch_entities", away)
    with session.deferred_operations(path):
        session.create("Note", {"content": "x"})
    assert "user_id" not in read_recording(path).operations[0].entity_data
    assert "away" in caplog.text


# Appending


def test_a_block_replaces_what_the_file_held(session: LocalSession, path: Path) -> None:
    task = a_task(session)
    for bid in (1.0, 2.0):
        with session.deferred_operations(path):
            task["bid"] = bid
    assert [item.new_value for item in updates(path)] == [2.0]


def test_appending_keeps_the_operations_and_names_the_predecessor(session: LocalSession, path: Path) -> None:
    task = a_task(session)
    with session.deferred_operations(path, clear=False, labels={"a": "1"}):
        version = session.create("AssetVersion", {"task": task})
    first = read_recording(path)
    with session.deferred_operations(path, clear=False, labels={"b": "2"}):
        version["comment"] = "x"
        task["bid"] = 1.0
    recording = read_recording(path)
    assert [row[:2] for row in summary(recording.operations)] == [
        ("create", "AssetVersion"),
        ("update", "AssetVersion"),
        ("update", "AssetVersion"),
        ("update", "Task"),
    ]
    manifest = manifest_of(path)
    assert manifest.predecessor == first.recording_id
    assert manifest.recording_id != first.recording_id
    assert manifest.labels == {"a": "1", "b": "2"}
    assert manifest.created == (key(version),)
    assert [base.entity for base in manifest.bases] == [key(task)]
    assert record(recording, version)["comment"] == "x"
    commit(session, path)
    assert rows(session, f"select comment from AssetVersion where id is {version['id']}")[0]["comment"] == "x"


def test_appending_to_a_collection_keeps_what_the_file_put_in(session: LocalSession, path: Path) -> None:
    version = one(session, "select notes from AssetVersion")
    made = []
    for content in ("a", "b"):
        with session.deferred_operations(path, clear=False):
            made.append(session.create("Note", {"content": content}))
            version["notes"].append(made[-1])
    (delta,) = manifest_of(path).deltas
    assert delta.added == (key(made[0]), key(made[1]))
    commit(session, path)
    (found,) = rows(session, f"select notes.id from AssetVersion where id is {version['id']}")
    assert {note["id"] for note in made} <= {note["id"] for note in found["notes"]}


def test_clearing_an_attribute_in_an_appended_block_cancels_the_files_updates(
    session: LocalSession, path: Path
) -> None:
    task = a_task(session)
    with session.deferred_operations(path):
        task["bid"] = 1.0
        task["description"] = "x"
    with session.deferred_operations(path, clear=False):
        del task["bid"]
    assert [item.attribute_name for item in updates(path)] == ["description"]
    assert [base.attribute for base in manifest_of(path).bases] == ["description"]


def test_appending_nothing_leaves_the_file_as_it_is(session: LocalSession, path: Path) -> None:
    with session.deferred_operations(path):
        session.create("Component", {"name": "main"})
    before = path.read_bytes()
    with session.deferred_operations(path, clear=False) as recorder:
        pass
    assert path.read_bytes() == before
    assert recorder.recording is not None
    assert recorder.recording.recording_id == read_recording(path).recording_id


def test_blocks_that_append_to_one_file_inside_each_other_lose_nothing(session: LocalSession, path: Path) -> None:
    first, second = a_task(session, 0), a_task(session, 1)
    with session.deferred_operations(path, clear=False):
        first["bid"] = 1.0
        with session.deferred_operations(path, clear=False):
            second["bid"] = 2.0
    assert sorted(item.new_value for item in updates(path)) == [1.0, 2.0]


def test_appending_to_a_file_of_the_original_library_resolves_its_references(session: LocalSession, path: Path) -> None:
    task, version = a_task(session), a_version(session)
    with session.deferred_operations(path):
        version["task"] = task
    recording = read_recording(path)
    (update,) = updates(path)
    textual = replace(update, new_value=key(task), old_value=NOT_SET)
    write_recording(path, Recording((textual,), recording.entities, None))
    with session.deferred_operations(path, clear=False):
        version["comment"] = "x"
    assert [item.new_value for item in updates(path)] == [{"__entity_type__": "Task", "id": task["id"]}, "x"]
    assert key(task) in manifest_of(path).referenced
    assert manifest_of(path).predecessor


# Doing nothing, and arguments


def test_a_block_that_does_nothing_writes_an_empty_recording(session: LocalSession, path: Path) -> None:
    with session.deferred_operations(path):
        pass
    assert read_recording(path).operations == ()


@pytest.mark.parametrize("labels", [{"frames": None}, {1: "a"}])
def test_labels_must_be_text(session: LocalSession, path: Path, labels: Any) -> None:
    with pytest.raises(BadInputError, match="label"):
        session.deferred_operations(path, labels=labels)
