"""A commit in one thread leaves alone what an open block in another one holds."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from trackteroid.operations.operation import CreateOperation
from trackteroid.operations.recording import read_recording
from trackteroid.sandbox.server import SandboxServer
from trackteroid.session import Session


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    with SandboxServer(seed="demo") as running:
        yield running


@pytest.fixture
def session(server: SandboxServer) -> Iterator[Session]:
    env = server.env
    with Session(env["FTRACK_SERVER"], env["FTRACK_API_KEY"], env["FTRACK_API_USER"]) as connected:
        yield connected


def in_another_thread(work: Any) -> None:
    errors: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(30)
    assert not errors, errors


def test_what_the_block_holds_survives_a_commit_of_another_thread(session: Session, tmp_path: Path) -> None:
    version = session.query(
        'select id, comment, asset, task from AssetVersion where asset.name is "bc0040_comp" and version is 1'
    ).one()
    other = session.query(
        'select id, comment from AssetVersion where asset.name is "bc0040_comp" and version is 2'
    ).one()
    path = tmp_path / "recording.dbm"

    def commit_something() -> None:
        other["comment"] = "from another thread"
        session.commit()

    with session.deferred_operations(path):
        version["comment"] = "deferred"
        made = session.create("AssetVersion", {"asset": version["asset"], "task": version["task"], "comment": "new"})
        in_another_thread(commit_something)
        assert version["comment"] == "deferred"
        assert made["comment"] == "new"
        assert made["task"] is version["task"]
        session.create("Component", {"name": "main", "version": made})

    recording = read_recording(path)
    assert [operation.entity_type for operation in recording.operations if isinstance(operation, CreateOperation)] == [
        "AssetVersion",
        "Component",
    ]
    assert other["comment"] == "from another thread"
    session.reconnect_and_commit(path)
    assert (
        session.query(f'select comment from AssetVersion where id is "{version["id"]}"').one()["comment"] == "deferred"
    )
