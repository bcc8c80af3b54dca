"""What a deferred block leaves in the session: entities, values, collections, pending operations."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tests.integration.recording.blocks import (
    a_task,
    a_version,
    in_cache,
    is_set,
    local,
    one,
    remote,
    rows,
    summary,
    updates,
    writes,
)
from tests.support.local_session import LocalSession
from trackteroid.errors import DeferredCommitError, RecordingError, RecordingFormatError, RecordingRefusedError
from trackteroid.operations.operation import NOT_SET
from trackteroid.operations.recorder import Recorder
from trackteroid.operations.recording import read_recording


class Broken(Exception):
    pass


# A clean exit


def test_created_entities_keep_what_was_recorded_as_loaded_values(session: LocalSession, path: Path) -> None:
    task = a_task(session)
    with session.deferred_operations(path):
        version = session.create("AssetVersion", {"task": task, "comment": "a"})
        version["comment"] = "b"
        component = session.create("Component", {"name": "main"})
        version["components"].append(component)
    for name, value in {"id": version["id"], "comment": "b", "task": task, "is_published": True}.items():
        assert remote(version, name) == value
        assert not is_set(local(version, name))
    assert [item["id"] for item in version["components"]] == [component["id"]]
    assert remote(version, "user_id") == rows(session, 'select id from User where username is "sandbox"')[0]["id"]
    assert session.created == []
    session.rollback()
    assert version["comment"] == "b"


def test_a_collection_that_was_only_looked_at_does_not_count_as_loaded(session: LocalSession, path: Path) -> None:
    with session.deferred_operations(path):
        version = session.create("AssetVersion", {})
        assert len(version["components"]) == 0
    assert not is_set(local(version, "components"))
    assert not is_set(remote(version, "components"))


def test_an_entity_created_and_deleted_in_the_block_leaves_the_session(session: LocalSession, path: Path) -> None:
    with session.deferred_operations(path):
        version = session.create("AssetVersion", {})
        session.delete(version)
    assert not in_cache(session, version)


def test_nothing_of_the_block_is_sent_by_a_later_commit(session: LocalSession, path: Path) -> None:
    task, version = a_task(session), a_version(session)
    with session.deferred_operations(path):
        note = session.create("Note", {"content": "deferred"})
        version["notes"].append(note)
        version["metadata"]["deferred"] = "1"
        task["bid"] = 1.0
        session.delete(one(session, "select id from AssetVersion"))
    assert len(session.recorded_operations) == 0
    task["description"] = "sent"
    thread = threading.Thread(target=session.commit)
    thread.start()
    thread.join()
    (write,) = writes(session)
    assert write["entity_data"] == {"__entity_type__": "Task", "description": "sent"}


def test_collections_have_their_former_members_so_that_a_later_edit_sends_no_others(
    session: LocalSession, path: Path
) -> None:
    version = one(session, "select notes, metadata from AssetVersion")
    notes = version["notes"]
    before = [note["id"] for note in notes]
    with session.deferred_operations(path):
        notes.append(session.create("Note", {"content": "deferred"}))
        version["metadata"]["deferred"] = "1"
    assert [note["id"] for note in version["notes"]] == before
    assert "deferred" not in version["metadata"]
    # Also one that was got hold of before.
    later = session.create("Note", {"content": "later"})
    notes.append(later)
    version["metadata"]["later"] = "2"
    session.commit()
    sent = [item["entity_data"] for item in writes(session) if item["action"] == "update"]
    assert [[note["id"] for note in data["notes"]] for data in sent if "notes" in data] == [[*before, later["id"]]]
    assert [[row["key"] for row in data["metadata"]] for data in sent if "metadata" in data] == [["later"]]


def test_a_collection_that_was_replaced_as_a_whole_is_as_before(session: LocalSession, path: Path) -> None:
    first, second = session.query("select notes from AssetVersion order by id limit 2").all()
    untouched = a_version(session)
    before = [note["id"] for note in first["notes"]]
    with session.deferred_operations(path):
        made = session.create("Note", {"content": "deferred"})
        first["notes"] = [made]
        untouched["notes"] = [made]
        held = untouched["notes"]
    assert [note["id"] for note in first["notes"]] == before
    assert not is_set(local(untouched, "notes"))
    assert len(held) == 0
    assert second["id"] != first["id"]


def test_values_set_on_other_entities_stay_visible_and_are_not_pending(session: LocalSession, path: Path) -> None:
    task = a_task(session)
    status = one(session, "select name from Status")
    with session.deferred_operations(path):
        task["bid"] = 9.0
        task["status"] = status
    assert task["bid"] == 9.0
    assert task["status"] is status
    assert session.modified == []
    session.commit()
    assert writes(session) == []


def test_pending_operations_and_values_from_before_are_as_before(session: LocalSession, path: Path) -> None:
    task, version = a_task(session), a_version(session)
    task["description"] = "before"
    version["comment"] = "before"
    version["comment"] = "before 2"
    pending = session.recorded_operations
    assert len(pending) == 3
    with session.deferred_operations(path):
        assert len(session.recorded_operations) == 0
        task["description"] = "deferred"
        task["bid"] = 2.0
    assert session.recorded_operations is pending
    assert len(pending) == 3
    assert task["description"] == "before"
    assert task["bid"] == 2.0
    assert [(item.attribute_name, item.new_value) for item in updates(path)] == [
        ("description", "deferred"),
        ("bid", 2.0),
    ]
    session.commit()
    assert [write["entity_data"].get("description") for write in writes(session)] == ["before", None]


def test_an_entity_created_in_an_earlier_block_can_be_changed_in_a_later_one(
    session: LocalSession, path: Path, tmp_path: Path
) -> None:
    with session.deferred_operations(path):
        version = session.create("AssetVersion", {"comment": "a"})
    with session.deferred_operations(tmp_path / "second.dbm") as recorder:
        version["comment"] = "b"
    assert recorder.recording is not None
    assert summary(recorder.recording.operations) == [("update", "AssetVersion", "comment", NOT_SET, "b")]


# An exception


def test_an_exception_leaves_no_file_and_is_raised_again(session: LocalSession, path: Path) -> None:
    with pytest.raises(Broken), session.deferred_operations(path) as recorder:
        session.create("AssetVersion", {})
        raise Broken
    assert not path.exists()
    assert list(path.parent.iterdir()) == []
    assert recorder.recording is None
    assert not session.in_deferred_block


def test_an_exception_leaves_an_existing_file_untouched(session: LocalSession, path: Path) -> None:
    with session.deferred_operations(path):
        session.create("AssetVersion", {})
    before = path.read_bytes()
    for clear in (True, False):
        with pytest.raises(Broken), session.deferred_operations(path, clear=clear):
            session.create("AssetVersion", {})
            raise Broken
    assert path.read_bytes() == before


def test_an_exception_restores_values_collections_and_pending_operations(session: LocalSession, path: Path) -> None:
    task, version = a_task(session), one(session, "select notes, metadata, task.name from AssetVersion")
    former_task = version["task"]
    task["description"] = "pending"
    version["task"] = task
    notes, before = version["notes"], [note["id"] for note in version["notes"]]
    with pytest.raises(Broken), session.deferred_operations(path):
        task["description"] = "deferred"
        task["bid"] = 5.0
        version["task"] = former_task
        made = session.create("Note", {"content": "x"})
        notes.append(made)
        version["notes"] = [made]
        version["metadata"]["k"] = "v"
        created = session.create("AssetVersion", {"task": task})
        created["comment"] = "x"
        raise Broken
    assert task["description"] == "pending"
    assert not is_set(local(task, "bid"))
    assert version["task"] is task
    assert [note["id"] for note in version["notes"]] == before
    assert len(version["metadata"]) == 0
    assert not in_cache(session, created)
    assert not in_cache(session, made)
    assert len(session.recorded_operations) == 2
    session.commit()
    assert len(writes(session)) == 2


def test_an_interrupt_counts_as_an_exception(session: LocalSession, path: Path) -> None:
    task = a_task(session)
    with pytest.raises(KeyboardInterrupt), session.deferred_operations(path):
        task["bid"] = 1.0
        raise KeyboardInterrupt
    assert not path.exists()
    assert not is_set(local(task, "bid"))


def test_a_file_that_cannot_be_written_restores_as_after_an_exception(session: LocalSession, tmp_path: Path) -> None:
    folder = tmp_path / "show"
    folder.mkdir()
    task = a_task(session)
    with pytest.raises(RecordingError, match="cannot be written"), session.deferred_operations(folder / "a.dbm"):
        task["bid"] = 1.0
        created = session.create("AssetVersion", {"task": task})
        folder.rmdir()
    assert not is_set(local(task, "bid"))
    assert not in_cache(session, created)
    assert not session.in_deferred_block
    assert len(session.recorded_operations) == 0


# What is pending outside


@pytest.mark.parametrize("use", ["reference", "collection", "foreign key", "update", "delete"])
def test_a_block_that_needs_what_is_pending_outside_is_refused(session: LocalSession, path: Path, use: str) -> None:
    version = a_version(session)
    pending = (
        session.create("Note", {"content": "pending"}) if use == "collection" else session.create("Task", {"name": "t"})
    )
    count = len(session.recorded_operations)
    with pytest.raises(RecordingRefusedError) as caught, session.deferred_operations(path):
        version["comment"] = "x"
        if use == "reference":
            version["task"] = pending
        elif use == "collection":
            version["notes"].append(pending)
        elif use == "foreign key":
            version["task_id"] = pending["id"]
        elif use == "update":
            pending["bid"] = 1.0
        else:
            session.delete(pending)
    assert pending["id"] in str(caught.value)
    assert "pending" in str(caught.value)
    assert not path.exists()
    assert not is_set(local(version, "comment"))
    assert len(session.recorded_operations) == count
    assert in_cache(session, pending)


def test_an_inner_block_may_not_need_what_the_outer_one_creates(
    session: LocalSession, path: Path, tmp_path: Path
) -> None:
    inner = tmp_path / "inner.dbm"
    with session.deferred_operations(path):
        version = session.create("AssetVersion", {})
        with pytest.raises(RecordingRefusedError, match=version["id"]), session.deferred_operations(inner):
            session.create("Component", {"name": "main", "version": version})
        session.create("Component", {"name": "other", "version": version})
    assert not inner.exists()
    assert [row[:2] for row in summary(read_recording(path).operations)] == [
        ("create", "AssetVersion"),
        ("create", "Component"),
        ("update", "Component"),
    ]


def test_a_block_may_need_what_an_earlier_block_recorded(session: LocalSession, path: Path, tmp_path: Path) -> None:
    with session.deferred_operations(path):
        version = session.create("AssetVersion", {})
    with session.deferred_operations(tmp_path / "second.dbm") as recorder:
        session.create("Component", {"name": "main", "version": version})
    assert recorder.recording is not None
    assert recorder.recording.manifest is not None
    assert recorder.recording.manifest.referenced == (f"('AssetVersion', ['{version['id']}'])",)


# Nesting, threads, committing


def test_operations_of_an_inner_block_go_to_its_own_file(session: LocalSession, path: Path, tmp_path: Path) -> None:
    task = a_task(session)
    with session.deferred_operations(path):
        task["bid"] = 1.0
        with session.deferred_operations(tmp_path / "inner.dbm"):
            task["description"] = "inner"
            assert len(session.recorded_operations) == 1
        task["bid"] = 3.0
        assert len(session.recorded_operations) == 2
    assert [item.attribute_name for item in updates(tmp_path / "inner.dbm")] == ["description"]
    assert [item.new_value for item in updates(path)] == [1.0, 3.0]


def test_an_exception_in_an_inner_block_spares_the_outer_one(session: LocalSession, path: Path, tmp_path: Path) -> None:
    task = a_task(session)
    with session.deferred_operations(path):
        task["bid"] = 1.0
        with pytest.raises(Broken), session.deferred_operations(tmp_path / "inner.dbm"):
            task["bid"] = 2.0
            raise Broken
        assert task["bid"] == 1.0
    assert [item.new_value for item in updates(path)] == [1.0]


def test_operations_of_other_threads_stay_pending(session: LocalSession, path: Path) -> None:
    first, second = a_task(session, 0), a_task(session, 1)

    def work() -> None:
        second["bid"] = 7.0

    with session.deferred_operations(path):
        first["bid"] = 1.0
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        assert len(session.recorded_operations) == 1
    assert [item.new_value for item in updates(path)] == [1.0]
    session.commit()
    assert [write["entity_key"] for write in writes(session)] == [[second["id"]]]


def test_committing_in_the_block_is_refused_and_the_block_goes_on(session: LocalSession, path: Path) -> None:
    task = a_task(session)
    with session.deferred_operations(path):
        task["bid"] = 1.0
        with pytest.raises(DeferredCommitError):
            session.commit()
    assert len(updates(path)) == 1
    assert writes(session) == []


def test_leaving_blocks_in_the_wrong_order_is_refused(session: LocalSession, path: Path, tmp_path: Path) -> None:
    outer = session.deferred_operations(path)
    inner = session.deferred_operations(tmp_path / "inner.dbm")
    outer.__enter__()
    inner.__enter__()
    with pytest.raises(RecordingRefusedError):
        outer.__exit__(None, None, None)
    with pytest.raises(RecordingRefusedError):
        inner.__exit__(None, None, None)
    assert not session.in_deferred_block
    assert list(tmp_path.iterdir()) == []


# Entry


def test_the_block_hands_out_its_recorder(session: LocalSession, path: Path) -> None:
    with session.deferred_operations(path) as recorder:
        assert isinstance(recorder, Recorder)
        assert recorder.path == path
        assert recorder.recording is None
    assert recorder.recording is not None
    assert recorder.recording.recording_id == read_recording(path).recording_id


def test_a_missing_folder_is_refused_at_entry(session: LocalSession, tmp_path: Path) -> None:
    with (
        pytest.raises(RecordingRefusedError, match="no folder"),
        session.deferred_operations(tmp_path / "no" / "a.dbm"),
    ):
        pytest.fail("the block must not run")
    assert not session.in_deferred_block


def test_a_folder_as_path_is_refused_at_entry(session: LocalSession, tmp_path: Path) -> None:
    with pytest.raises(RecordingRefusedError, match="is a folder"), session.deferred_operations(tmp_path):
        pytest.fail("the block must not run")


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a folder that not even root can write to")
def test_a_folder_that_cannot_be_written_to_is_refused_at_entry(session: LocalSession) -> None:
    with pytest.raises(RecordingRefusedError, match="folder /proc"), session.deferred_operations("/proc/a.dbm"):
        pytest.fail("the block must not run")


def test_something_else_to_append_to_is_refused_at_entry(session: LocalSession, path: Path) -> None:
    path.write_text("a letter")
    with pytest.raises(RecordingFormatError), session.deferred_operations(path, clear=False):
        pytest.fail("the block must not run")
    assert path.read_text() == "a letter"
    assert not session.in_deferred_block
