"""Appending (`clear=False`) to a recording that is, or is not, committed already."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.integration.recording.blocks import a_task, one, rows
from tests.support.local_session import LocalSession
from trackteroid.commits.committer import Committer, commit_now
from trackteroid.commits.enqueueing import enqueue
from trackteroid.commits.memory_ledger import MemoryLedger
from trackteroid.commits.state import CommitState
from trackteroid.operations.manifest import Ancestor
from trackteroid.operations.recording import Recording, read_recording
from trackteroid.settings import Settings


class Stage:
    def __init__(self, path: Path) -> None:
        self.session = LocalSession()
        self.path = path
        self.ledger = MemoryLedger(self.session.server_url)
        self.committer = Committer(self.session, self.ledger)
        self.task = a_task(self.session)

    def record(self, **changes: Any) -> Recording:
        """Append updates of the task; the first block makes a note too."""
        with self.session.deferred_operations(self.path, clear=False):
            for name, value in changes.items():
                self.task[name] = value
            if not self.path.exists():
                author = one(self.session, "select username from User order by id")
                self.session.create("Note", {"content": "new", "author": author})
        return read_recording(self.path)

    def commit(self, recording: Recording) -> CommitState:
        enqueue(recording, ledger=self.ledger, settings=Settings(), wake=False)
        outcome = self.committer.commit_next()
        assert outcome is not None, self.ledger.get(recording.recording_id)
        return outcome.state

    def by_hand(self, name: str, value: Any) -> None:
        data = {"__entity_type__": "Task", name: value}
        self.session.exchange(
            [{"action": "update", "entity_type": "Task", "entity_key": [self.task["id"]], "entity_data": data}]
        )

    def on_server(self, name: str) -> Any:
        return rows(self.session, f"select {name} from Task where id is {self.task['id']}")[0][name]


@pytest.fixture
def stage(path: Path) -> Stage:
    return Stage(path)


def test_each_recording_says_what_it_has_from_which_other(stage: Stage) -> None:
    first, second, third = stage.record(bid=1), stage.record(description="a"), stage.record(description="b")
    count = len(first.operations)
    assert second.manifest is not None and third.manifest is not None
    assert second.manifest.ancestors == (Ancestor(recording_id=first.recording_id, operations=count),)
    assert third.manifest.ancestors == (
        Ancestor(recording_id=first.recording_id, operations=count),
        Ancestor(recording_id=second.recording_id, operations=len(second.operations)),
    )


def test_what_was_committed_before_is_not_applied_again(stage: Stage) -> None:
    assert stage.commit(stage.record(bid=5)) is CommitState.COMMITTED
    stage.by_hand("bid", 7)
    assert stage.commit(stage.record(description="more")) is CommitState.COMMITTED
    assert (stage.on_server("bid"), stage.on_server("description")) == (7, "more")
    assert len(rows(stage.session, 'select id from Note where content is "new"')) == 1


def test_the_second_but_last_may_be_the_one_that_was_committed(stage: Stage) -> None:
    stage.commit(stage.record(bid=5))
    stage.record(description="never enqueued by itself")
    stage.by_hand("bid", 7)
    assert stage.commit(stage.record(name="renamed")) is CommitState.COMMITTED
    assert stage.on_server("bid") == 7
    assert (stage.on_server("description"), stage.on_server("name")) == ("never enqueued by itself", "renamed")


def test_without_a_ledger_the_server_tells_what_was_committed_before(stage: Stage) -> None:
    commit_now(stage.session, stage.record(bid=5))
    stage.by_hand("bid", 7)
    commit_now(stage.session, stage.record(description="more"))
    assert (stage.on_server("bid"), stage.on_server("description")) == (7, "more")
    assert len(rows(stage.session, 'select id from Note where content is "new"')) == 1


def test_a_commit_of_another_way_is_recognised_by_the_worker_too(stage: Stage) -> None:
    commit_now(stage.session, stage.record(bid=5))
    stage.by_hand("bid", 7)
    assert stage.commit(stage.record(description="more")) is CommitState.COMMITTED
    assert (stage.on_server("bid"), stage.on_server("description")) == (7, "more")


def test_a_value_written_by_both_is_a_conflict_only_if_somebody_else_changed_it(stage: Stage) -> None:
    stage.commit(stage.record(bid=5))
    second = stage.record(bid=6)
    assert stage.commit(second) is CommitState.COMMITTED
    result = stage.ledger.get(second.recording_id).result
    assert result is not None and result["skipped"] == []
    assert stage.on_server("bid") == 6


def test_what_was_not_committed_before_is_applied_as_a_whole(stage: Stage) -> None:
    stage.record(bid=5)
    assert stage.commit(stage.record(description="more")) is CommitState.COMMITTED
    assert (stage.on_server("bid"), stage.on_server("description")) == (5, "more")


# Two recordings of one session, in two files


def test_the_second_block_of_a_session_knows_what_the_first_one_writes(stage: Stage, tmp_path: Path) -> None:
    task, session = stage.task, stage.session
    statuses = session.query("select name from Status order by id").all()
    other = [status for status in statuses if status["id"] != task["status"]["id"]][:2]
    recordings = []
    for number, status in enumerate(other):
        path = tmp_path / f"{number}.dbm"
        with session.deferred_operations(path):
            task["status"] = status
        recordings.append(read_recording(path))
    for recording in recordings:
        assert stage.commit(recording) is CommitState.COMMITTED
        result = stage.ledger.get(recording.recording_id).result
        assert result is not None and result["skipped"] == []
    assert rows(session, f"select status_id from Task where id is {task['id']}")[0]["status_id"] == other[1]["id"]


def test_what_somebody_else_set_in_between_is_still_a_conflict(stage: Stage, tmp_path: Path) -> None:
    task, session = stage.task, stage.session
    statuses = session.query("select name from Status order by id").all()
    first, second, by_hand = [status for status in statuses if status["id"] != task["status"]["id"]][:3]
    for number, status in enumerate((first, second)):
        with session.deferred_operations(tmp_path / f"{number}.dbm"):
            task["status"] = status
    assert stage.commit(read_recording(tmp_path / "0.dbm")) is CommitState.COMMITTED
    stage.by_hand("status_id", by_hand["id"])
    recording = read_recording(tmp_path / "1.dbm")
    assert stage.commit(recording) is CommitState.COMMITTED
    result = stage.ledger.get(recording.recording_id).result
    assert result is not None and [each["reason"] for each in result["skipped"]] == ["conflict"]
    assert rows(session, f"select status_id from Task where id is {task['id']}")[0]["status_id"] == by_hand["id"]
