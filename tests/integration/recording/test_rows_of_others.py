"""What anybody may have created (metadata of a name, what is ensured) does not tell that a recording was committed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ftrack_api.exception
import pytest

from tests.integration.recording.blocks import a_task, one, rows
from tests.support.canned_server import refusal
from tests.support.clock import FakeClock
from tests.support.local_session import LocalSession
from trackteroid.commits.committer import Committer, commit_now
from trackteroid.commits.enqueueing import enqueue
from trackteroid.commits.memory_ledger import MemoryLedger
from trackteroid.commits.state import CommitState
from trackteroid.errors import ServerCallError
from trackteroid.operations.recording import Recording, read_recording
from trackteroid.settings import Settings

LOST = ServerCallError("No answer", kind="connection", maybe_applied=True)


class Stage:
    """A session, a worker on the same server, and requests that get lost before they arrive."""

    def __init__(self, folder: Path) -> None:
        self.session = LocalSession()
        self.folder = folder
        self.clock = FakeClock()
        self.ledger = MemoryLedger(self.session.server_url, clock=self.clock)
        self.committer = Committer(self, self.ledger, monotonic=self.clock)
        self.server_url = self.session.server_url
        self.schemas = self.session.schemas
        self.lost = 0
        self.task = a_task(self.session)
        self.author = one(self.session, "select username from User order by id")

    def exchange(self, batch: list[Any], *, timeout: float | None = None, as_user: str | None = None) -> list[Any]:
        if self.lost and batch[0]["action"] != "query":
            self.lost -= 1
            raise LOST
        try:
            return self.session.exchange(batch, timeout=timeout)
        except ftrack_api.exception.ServerError as error:
            raise refusal("IntegrityError", str(error), status=200) from error

    def record(self, name: str, *, note: str | None = None, clear: bool = True, **metadata: str) -> Recording:
        path = self.folder / f"{name}.dbm"
        with self.session.deferred_operations(path, clear=clear):
            if note:
                made = self.session.create("Note", {"content": note, "author": self.author})
                self.task["notes"].append(made)
            for key, value in metadata.items():
                self.task["metadata"][key] = value
        return read_recording(path)

    def commit(self, *recordings: Recording) -> None:
        for recording in recordings:
            enqueue(recording, ledger=self.ledger, settings=Settings(), wake=False)
        for _ in range(3):
            self.committer.drain()
            self.clock.advance(100)
        states = {self.ledger.get(recording.recording_id).state for recording in recordings}
        assert states == {CommitState.COMMITTED}

    def by_hand(self, key: str, value: str) -> None:
        data = {"parent_id": self.task["id"], "parent_type": "Task", "key": key, "value": value}
        self.session.exchange([{"action": "create", "entity_type": "Metadata", "entity_data": data}])

    @property
    def metadata(self) -> dict[str, str]:
        found = rows(self.session, f"select key, value from Metadata where parent_id is {self.task['id']}")
        return {row["key"]: row["value"] for row in found}

    def notes(self, *contents: str) -> int:
        return sum(len(rows(self.session, f'select id from Note where content is "{each}"')) for each in contents)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


@pytest.mark.parametrize("note", [True, False])
@pytest.mark.parametrize("way", ["worker", "commit_now"])
def test_the_second_who_is_the_first_to_give_metadata_of_a_name_writes_its_value(
    stage: Stage, way: str, note: bool
) -> None:
    both = [stage.record(name, note=f"note of {name}" if note else None, last_render=name) for name in ("a", "b")]
    if way == "worker":
        stage.commit(*both)
    else:
        for recording in both:
            assert not commit_now(stage, recording).already_there
    assert stage.metadata["last_render"] == "b"
    assert stage.notes("note of a", "note of b") == (2 if note else 0)


def test_a_batch_that_never_arrived_is_sent_whoever_has_made_its_metadata_meanwhile(stage: Stage) -> None:
    recording = stage.record("a", note="mine", checked="by me")
    stage.lost = 1
    enqueue(recording, ledger=stage.ledger, settings=Settings(), wake=False)
    stage.committer.drain()
    stage.by_hand("checked", "by somebody")
    stage.clock.advance(100)
    stage.commit(recording)
    assert (stage.notes("mine"), stage.metadata["checked"]) == (1, "by me")


def test_a_batch_that_arrived_does_not_take_back_what_was_done_to_its_metadata_since(stage: Stage) -> None:
    recording = stage.record("a", note="mine", checked="by me")
    commit_now(stage, recording)
    entity_key = [stage.task["id"], "checked"]
    data = {"__entity_type__": "Metadata", "value": "by somebody"}
    stage.session.exchange(
        [{"action": "update", "entity_type": "Metadata", "entity_key": entity_key, "entity_data": data}]
    )
    stage.lost = 1
    stage.commit(recording)
    assert (stage.notes("mine"), stage.metadata["checked"]) == (1, "by somebody")


def test_an_ancestor_is_not_taken_for_committed_for_the_sake_of_somebodys_metadata(stage: Stage) -> None:
    stage.record("a", first="mine")
    recording = stage.record("a", note="second block", clear=False)
    stage.by_hand("first", "somebody's")
    stage.commit(recording)
    assert (stage.notes("second block"), stage.metadata["first"]) == (1, "mine")


def test_an_ancestor_is_not_taken_for_committed_for_the_sake_of_what_others_ensure_too(stage: Stage) -> None:
    shot = one(stage.session, "select name from Shot order by id")
    asset_type = one(stage.session, "select name from AssetType order by id")

    def ensure(name: str, description: str | None = None) -> None:
        with stage.session.deferred_operations(stage.folder / f"{name}.dbm"):
            stage.session.ensure("Asset", {"name": "beauty", "parent": shot, "type": asset_type}, ["name", "parent"])
            if description:
                stage.task["description"] = description

    ensure("other")
    ensure("a", "first block")
    recording = stage.record("a", note="second block", clear=False)
    stage.commit(read_recording(stage.folder / "other.dbm"))
    stage.commit(recording)
    found = rows(stage.session, f"select description from Task where id is {stage.task['id']}")
    assert (stage.notes("second block"), found[0]["description"]) == (1, "first block")
    assert len(rows(stage.session, 'select id from Asset where name is "beauty"')) == 1


def test_what_an_earlier_block_of_the_session_has_written_is_no_change_of_somebody_else(stage: Stage) -> None:
    paths = [stage.folder / f"{value}.dbm" for value in "ab"]
    for path in paths:
        with stage.session.deferred_operations(path):
            stage.task["description"] = path.stem
    first, second = map(read_recording, paths)
    stage.commit(first)
    stage.lost = 1
    stage.commit(second)
    assert rows(stage.session, f"select description from Task where id is {stage.task['id']}")[0]["description"] == "b"
