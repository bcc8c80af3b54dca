"""Recordings of every flavour commit alike: the files of the original library, and ours written in each of its flavours."""

from __future__ import annotations

import dbm.dumb
import importlib
import importlib.util
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.local_session import LocalSession
from tests.support.shared import shared_file
from trackteroid import Asset, AssetVersion, Query, Task
from trackteroid.commits.committer import Committer, Outcome
from trackteroid.commits.enqueueing import enqueue
from trackteroid.commits.memory_ledger import MemoryLedger
from trackteroid.commits.state import CommitState
from trackteroid.errors import RecordingFormatError
from trackteroid.operations.containers import read_container, write_container
from trackteroid.settings import Settings

SERVER = "http://sandbox.invalid"
DEMO_USER = "5e1d85f2-97f3-4f66-b0e1-8ce612cf3297"


def commit(path: Path) -> tuple[LocalSession, Outcome]:
    """Commit a file on a server of its own, as a worker does."""
    session = LocalSession()
    ledger = MemoryLedger(SERVER)
    enqueue(path, ledger=ledger, settings=Settings(), server_url=SERVER, wake=False)
    outcome = Committer(session, ledger, owner="w").commit_next()
    assert outcome is not None
    assert outcome.state is CommitState.COMMITTED, outcome.message
    return session, outcome


@pytest.mark.parametrize("name", ["operations_linux.dbm", "operations_sqlite3.dbm", "operations_windows.dbm"])
def test_each_file_of_the_original_library_makes_the_same_user(name: str) -> None:
    session, outcome = commit(shared_file("fixtures", "recorded") / name)
    user = session.query(f'select username, first_name, last_name, is_active from User where id is "{DEMO_USER}"').one()
    assert (user["username"], user["first_name"], user["last_name"], user["is_active"]) == (
        "demo.user@example.com",
        "demo",
        "user",
        True,
    )
    assert outcome.result is not None
    assert outcome.result.created == {"User": [DEMO_USER]}


def test_an_ndbm_file_commits_too_where_the_interpreter_reads_it() -> None:
    path = shared_file("fixtures", "recorded") / "operations_ndbm.dbm"
    try:
        session, _ = commit(path)
    except RecordingFormatError as error:
        assert "ndbm" in str(error)
        pytest.skip(f"this interpreter reads no Berkeley files: {error}")
    assert session.query(f'User where id is "{DEMO_USER}"').one()["first_name"] == "demo"


def record(path: Path) -> tuple[str, str]:
    """Record something of each kind; return the ids of the version and of the task that it deletes."""
    session = LocalSession()
    with session.deferred_operations(path):
        asset = (
            Query(Asset, session=session)
            .by_name("bc0040_comp")
            .get_one(projections=[AssetVersion, AssetVersion.Task, "metadata"])
        )
        version = asset.AssetVersion.create(task=asset.AssetVersion.Task, comment="flavour märchen")
        version.Component.create(name="main").ComponentLocation.create(resource_identifier="/x/ü.exr")
        bare = session.query('Task where name is "compositing" and parent.name is "bc0040"').one()
        bare["description"] = "changed"
        bare["metadata"]["flavour"] = "ü"
        doomed = Query(Task, session=session).by_name("animation").get_first()
        session.delete(session.get("Task", doomed.id[0]))
    return version.id[0], doomed.id[0]


def as_dumb(path: Path, records: Mapping[bytes, bytes]) -> None:
    with dbm.dumb.open(str(path), "c") as database:
        for key, value in records.items():
            database[key] = value


def as_gnu(path: Path, records: Mapping[bytes, bytes]) -> None:
    library: Any = importlib.import_module("dbm.gnu")
    with library.open(str(path), "n") as database:
        for key, value in records.items():
            database[key] = value


def as_sqlite(path: Path, records: Mapping[bytes, bytes]) -> None:
    write_container(path, records, None)


FLAVOURS: dict[str, Callable[[Path, Mapping[bytes, bytes]], None]] = {
    "dumb": as_dumb,
    "GNU": as_gnu,
    "SQLite without manifest": as_sqlite,
}


def state(session: LocalSession, version: str, doomed: str) -> dict[str, Any]:
    """What is on the server afterwards, in plain values."""
    row = session.query(
        "select comment, version, asset.name, task.name, user.username, components.name, "
        "components.component_locations.resource_identifier "
        f'from AssetVersion where id is "{version}"'
    ).one()
    (component,) = row["components"]
    task = session.query(
        'select description, metadata.key, metadata.value from Task where name is "compositing" and parent.name is "bc0040"'
    ).one()
    return {
        "version": [row["comment"], row["version"], row["asset"]["name"], row["task"]["name"], row["user"]["username"]],
        "component": [component["name"], component["component_locations"][0]["resource_identifier"]],
        "task": [task["description"], dict(task["metadata"])],
        "doomed": len(session.query(f'Task where id is "{doomed}"').all()),
    }


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    path = tmp_path_factory.mktemp("ours") / "publish.dbm"
    return path, *record(path)


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_one_recording_in_each_flavour_has_the_same_effect(
    flavour: str, ours: tuple[Path, str, str], tmp_path: Path
) -> None:
    if flavour == "GNU" and importlib.util.find_spec("_gdbm") is None:
        pytest.skip("needs an interpreter with GNU dbm to write such a file; the original's is committed above")
    path, *ids = ours
    expected = state(commit(path)[0], *ids)
    assert expected["version"][:2] == ["flavour märchen", 4]
    assert expected["task"] == ["changed", {**expected["task"][1], "flavour": "ü"}]
    assert expected["doomed"] == 0
    other = tmp_path / "publish.dbm"
    FLAVOURS[flavour](other, read_container(path).records)
    assert state(commit(other)[0], *ids) == expected
