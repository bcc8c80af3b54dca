"""What somebody deleted after it was recorded: a delete is done, an update is dead and says so."""

from __future__ import annotations

import dataclasses

import pytest

from tests.support.canned_server import CannedServer, refusal
from tests.support.recordings import create, delete, recorded, update
from tests.unit.commits.test_committer import Stage
from trackteroid.commits.committer import commit_now
from trackteroid.commits.server import WarmServer
from trackteroid.commits.state import CommitState
from trackteroid.errors import RecordingRefusedError
from trackteroid.operations.operation import Operation, UpdateOperation, key_text

GONE = refusal("IntegrityError", "Task t9 does not exist.", status=200)


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_what_is_to_be_deleted_and_is_gone_is_done(stage: Stage) -> None:
    stage.enqueue(delete("Task", "t9"))
    stage.server.before.append(GONE)
    assert stage.attempt().state is CommitState.COMMITTED
    result = stage.commit().result
    assert result is not None and result["notes"] == ["Task t9 had been deleted already."]
    assert len(stage.server.writes) == 1


def test_the_rest_of_the_batch_is_sent_in_the_same_attempt(stage: Stage) -> None:
    stage.enqueue(create("AssetVersion", "v1"), delete("Task", "t9"), delete("Task", "t1"))
    assert stage.attempt().state is CommitState.COMMITTED
    assert stage.server.effects == [("create", "AssetVersion", "v1"), ("delete", "Task", "t1")]
    assert stage.commit().attempts == 1


def test_an_update_of_what_was_there_and_is_gone_is_dead_at_once_and_says_so(stage: Stage) -> None:
    stage.enqueue(create("AssetVersion", "v1"), update("Task", "t9", "bid", 2), bases=[("Task", "t9", "bid", 1)])
    outcome = stage.attempt()
    assert outcome.state is CommitState.DEAD
    assert "has been deleted since it was recorded: Task t9" in outcome.message
    assert stage.server.effects == []


def test_an_update_of_what_nobody_has_seen_yet_waits_for_it(stage: Stage) -> None:
    stage.enqueue(update("Task", "t9", "bid", 2))
    stage.server.before.append(GONE)
    assert stage.attempt().state is CommitState.WAITING


@pytest.mark.parametrize("operation", [update("Task", "t9", "bid", 2), delete("Task", "t9")])
def test_what_an_earlier_block_creates_is_waited_for(stage: Stage, operation: Operation) -> None:
    """A base tells what that block has recorded, not that the server has had it."""
    recording = recorded(operation, bases=[("Task", "t9", "bid", 1)])
    assert recording.manifest is not None
    manifest = dataclasses.replace(recording.manifest, recorded_before=(key_text("Task", ["t9"]),))
    stage.accept(dataclasses.replace(recording, manifest=manifest))
    stage.server.before.append(GONE)
    assert stage.attempt().state is CommitState.WAITING
    stage.enqueue(create("Task", "t9", bid=1), recording_id="rec-2")
    for _ in range(2):
        stage.attempt()
    assert {stage.commit(name).state for name in ("rec-1", "rec-2")} == {CommitState.COMMITTED}
    assert stage.server.rows.get(("Task", "t9"), {}).get("bid") == (
        2 if isinstance(operation, UpdateOperation) else None
    )


def test_a_refusal_for_another_reason_stays_what_it_is(stage: Stage) -> None:
    stage.enqueue(delete("Task", "t1"))
    stage.server.before.append(refusal("PermissionError", "no"))
    assert stage.attempt().state is CommitState.DEAD
    assert ("Task", "t1") in stage.server.rows


def test_committing_at_once_does_the_same() -> None:
    server = CannedServer()
    server.before.append(GONE)
    result = commit_now(server, recorded(create("AssetVersion", "v1"), delete("Task", "t9")))
    assert server.effects == [("create", "AssetVersion", "v1")]
    assert result.notes == ("Task t9 had been deleted already.",)
    with pytest.raises(RecordingRefusedError, match="deleted since it was recorded: Task t9"):
        commit_now(server, recorded(update("Task", "t9", "bid", 2), bases=[("Task", "t9", "bid", 1)]))


# A warm session may be older than the server's schema


def test_a_warm_worker_learns_of_a_new_attribute_before_it_refuses_it(stage: Stage) -> None:
    old = CannedServer(stage.server.rows)
    old.schemas = [{**each, "properties": {"id": {}}} for each in CannedServer.schemas]
    servers = [old, stage.server]
    stage.committer = stage.make_committer(WarmServer(lambda: servers.pop(0), monotonic=stage.clock))
    stage.enqueue(create("AssetVersion", "v0"), recording_id="rec-0")
    assert stage.attempt().state is CommitState.COMMITTED
    stage.clock.advance(0.5)
    stage.enqueue(update("Task", "t1", "bid", 2))
    assert stage.attempt().state is CommitState.COMMITTED
    assert servers == []


def test_a_connection_of_this_very_attempt_is_not_made_anew(stage: Stage) -> None:
    opened = []

    def open_server() -> CannedServer:
        opened.append(1)
        return stage.server

    stage.committer = stage.make_committer(WarmServer(open_server, monotonic=stage.clock))
    stage.enqueue(create("Spaceship", "s1"))
    assert stage.attempt().state is CommitState.DEAD
    assert len(opened) == 1
