"""Deferred blocks of a lazy session against a server: connecting in the block, committing from another session."""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ftrack_api
import pytest

from trackteroid.errors import BadInputError, RecordingRefusedError
from trackteroid.operations.recording import read_recording
from trackteroid.sandbox.server import SandboxServer
from trackteroid.session import Session, _lazy_session

# Only used through its public face, but made as the module makes it.
lazy_session = _lazy_session


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    with SandboxServer(seed="demo") as running:
        yield running


@pytest.fixture
def lazy(server: SandboxServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Session]:
    for name, value in {**server.env, "FTRACK_API_SCHEMA_CACHE_PATH": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    session = lazy_session()
    yield session
    session.close()


def official(server: SandboxServer) -> ftrack_api.Session:
    return ftrack_api.Session(
        server.env["FTRACK_SERVER"], server.env["FTRACK_API_KEY"], server.env["FTRACK_API_USER"], plugin_paths=[]
    )


def a_task(session: Any) -> Any:
    return session.query("select name, bid, description from Task order by id").first()


def test_a_block_on_a_session_that_never_connected_connects_on_first_use_inside(lazy: Session, tmp_path: Path) -> None:
    path = tmp_path / "a.dbm"
    with lazy.deferred_operations(path):
        assert lazy.generation == 0
        task = a_task(lazy)
        assert lazy.generation == 1
        task["bid"] = 5.0
        assert len(lazy.recorded_operations) == 1
    assert len(lazy.recorded_operations) == 0
    recording = read_recording(path)
    assert len(recording.operations) == 1
    assert recording.server_url == lazy.server_url


def test_a_block_that_does_nothing_needs_no_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FTRACK_SERVER", "http://nowhere.invalid")
    session = lazy_session()
    with session.deferred_operations(tmp_path / "a.dbm"):
        pass
    assert session.generation == 0
    assert read_recording(tmp_path / "a.dbm").server_url is None


def test_a_block_whose_session_cannot_connect_leaves_it_usable(
    server: SandboxServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in server.env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("FTRACK_API_KEY", "wrong")
    session = lazy_session()
    with pytest.raises(ftrack_api.exception.ServerError), session.deferred_operations(tmp_path / "a.dbm"):
        a_task(session)
    assert not session.in_deferred_block
    monkeypatch.setenv("FTRACK_API_KEY", server.env["FTRACK_API_KEY"])
    assert a_task(session)["name"]
    session.close()


def test_what_one_process_records_another_one_commits(server: SandboxServer, lazy: Session, tmp_path: Path) -> None:
    path = tmp_path / "a.dbm"
    with lazy.deferred_operations(path):
        task = a_task(lazy)
        version = lazy.create(
            "AssetVersion", {"task": task, "asset": lazy.query('Asset where name is "bc0040_comp"').first()}
        )
        component = lazy.create("Component", {"name": "main", "version": version})
        version["metadata"]["made_by"] = "render"
    with official(server) as reader:
        assert reader.query(f"AssetVersion where id is {version['id']}").all() == []

    committing = lazy_session()
    committing.reconnect_and_commit(path)
    committing.reconnect_and_commit(path)
    assert len(committing.recorded_operations) == 0
    assert committing.get("Task", task["id"])["name"] == task["name"]
    committing.close()

    with official(server) as reader:
        found = reader.query(f"AssetVersion where id is {version['id']}").one()
        assert [item["id"] for item in found["components"]] == [component["id"]]
        assert found["metadata"]["made_by"] == "render"
        assert found["user"]["username"] == server.env["FTRACK_API_USER"]
    lazy.commit()


def test_everything_recorded_is_in_memory_after_the_commit_however_much_it_is(
    lazy: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.dbm"
    with lazy.deferred_operations(path):
        parent = lazy.query("select id from Shot order by id").first()
        made = [lazy.create("Task", {"name": f"in_memory_{number}", "parent": parent})["id"] for number in range(5)]
    monkeypatch.setattr("trackteroid.session._RECORDS_AT_ONCE", 2)
    lazy.reconnect_and_commit(path)
    kept = {entity["id"]: entity for entity in lazy._local_cache.values() if entity.entity_type == "Task"}
    assert [kept[each]["name"] for each in made] == [f"in_memory_{number}" for number in range(5)]
    assert all(kept[each]["parent"]["id"] == parent["id"] for each in made)


def test_the_file_is_one_that_dbm_opens_from_python_3_13_on(lazy: Session, tmp_path: Path) -> None:
    path = tmp_path / "a.dbm"
    with lazy.deferred_operations(path):
        a_task(lazy)["bid"] = 5.0
    assert [item.name for item in tmp_path.iterdir() if item.name.startswith("a.dbm")] == ["a.dbm"]
    with sqlite3.connect(path) as connection:
        keys = {row[0] for row in connection.execute("SELECT key FROM Dict")}
    connection.close()
    assert b"__operations__" in keys
    if sys.version_info >= (3, 13):
        import dbm

        with dbm.open(str(path), "r") as opened:
            assert set(opened.keys()) == keys


def test_reconnecting_in_a_block_is_refused(lazy: Session, tmp_path: Path) -> None:
    with lazy.deferred_operations(tmp_path / "a.dbm"):
        task = a_task(lazy)
        task["bid"] = 1.0
        with pytest.raises(BadInputError, match="inside a deferred_operations block"):
            lazy.reconnect()
    assert len(read_recording(tmp_path / "a.dbm").operations) == 1


def test_entities_from_before_a_reconnect_are_refused(lazy: Session, tmp_path: Path) -> None:
    old = a_task(lazy)
    lazy.reconnect()
    with lazy.deferred_operations(tmp_path / "a.dbm"):
        version = lazy.query("select comment from AssetVersion").first()
        with pytest.raises(ValueError, match="reconnect"):
            version["task"] = old
        with pytest.raises(ValueError, match="connection"):
            old["bid"] = 2.0
        version["comment"] = "kept"
    assert len(read_recording(tmp_path / "a.dbm").operations) == 1


def test_closing_the_session_in_a_block_is_refused(lazy: Session, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="closed"), lazy.deferred_operations(tmp_path / "a.dbm"):
        a_task(lazy)["bid"] = 1.0
        lazy.close()
    assert not (tmp_path / "a.dbm").exists()


def test_with_auto_populate_nothing_is_fetched_for_the_file(lazy: Session, tmp_path: Path) -> None:
    with lazy.deferred_operations(tmp_path / "a.dbm"):
        task = lazy.query("select id from Task order by id").first()
        lazy.auto_populate = True
        calls: list[Any] = []
        original = lazy.call
        lazy.call = lambda data: calls.append(data) or original(data)  # type: ignore[method-assign, func-returns-value]
        task["bid"] = 5.0
    assert calls == []
    (operation,) = read_recording(tmp_path / "a.dbm").operations
    assert operation.new_value == 5.0  # type: ignore[union-attr]


@pytest.mark.parametrize("labels", ["farm_job=1", 5, ["farm_job"]])
def test_labels_that_are_no_dictionary_are_refused_at_once(lazy: Session, tmp_path: Path, labels: Any) -> None:
    with pytest.raises(BadInputError, match="labels must be a dictionary such as"):
        lazy.deferred_operations(tmp_path / "a.dbm", labels=labels)


@pytest.mark.parametrize("commit_as", ["somebody", ""])
def test_a_name_that_nobody_has_is_refused_at_once(lazy: Session, tmp_path: Path, commit_as: str) -> None:
    with pytest.raises(BadInputError, match="commit_as must be one of worker, recorder"):
        lazy.deferred_operations(tmp_path / "a.dbm", commit_as=commit_as)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this platform has no pipes among files")
def test_what_is_no_file_is_never_replaced(lazy: Session, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(RecordingRefusedError, match="a device, a pipe or a socket"):
        lazy.deferred_operations(tmp_path / "pipe").__enter__()


@pytest.mark.parametrize("name", ["x" * 300, "nul\0"])
def test_a_name_that_no_file_can_have_is_refused_at_entry(lazy: Session, tmp_path: Path, name: str) -> None:
    with pytest.raises(RecordingRefusedError, match="cannot be written"):
        lazy.deferred_operations(tmp_path / name).__enter__()


def test_what_an_earlier_block_created_is_noted_when_it_is_changed(lazy: Session, tmp_path: Path) -> None:
    with lazy.deferred_operations(tmp_path / "a.dbm"):
        note = lazy.create("Note", {"content": "first", "author": lazy.query("User").first()})
    with lazy.deferred_operations(tmp_path / "b.dbm"):
        note["content"] = "second"
        a_task(lazy)["bid"] = 1.0
    manifest = read_recording(tmp_path / "b.dbm").manifest
    assert manifest is not None
    assert manifest.recorded_before == (ascii(("Note", [note["id"]])),)
    with lazy.deferred_operations(tmp_path / "a.dbm", clear=False):
        note["content"] = "third"
    manifest = read_recording(tmp_path / "a.dbm").manifest
    assert manifest is not None and manifest.recorded_before == ()


def test_what_was_said_of_a_file_holds_for_what_is_appended(lazy: Session, tmp_path: Path) -> None:
    with lazy.deferred_operations(tmp_path / "a.dbm", commit_as="recorder", stamp=False):
        a_task(lazy)["bid"] = 1.0
    with lazy.deferred_operations(tmp_path / "a.dbm", clear=False):
        a_task(lazy)["bid"] = 2.0
    manifest = read_recording(tmp_path / "a.dbm").manifest
    assert manifest is not None
    assert (manifest.commit_as, manifest.stamped) == ("recorder", False)


def test_a_relative_path_is_meant_from_where_the_block_begins(
    lazy: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    with lazy.deferred_operations("a.dbm"):
        a_task(lazy)["bid"] = 1.0
        os.chdir("elsewhere")
    assert [path.name for path in tmp_path.rglob("*.dbm")] == ["a.dbm"]
    assert (tmp_path / "a.dbm").exists()
