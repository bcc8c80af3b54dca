"""In whose name a commit is sent, and whose name stands on what it creates."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.support.canned_server import SERVER_URL, CannedServer, refusal
from tests.support.clock import FakeClock
from tests.support.recordings import create, recorded
from trackteroid.commits.committer import Committer
from trackteroid.commits.enqueueing import enqueue
from trackteroid.commits.memory_ledger import MemoryLedger
from trackteroid.commits.senders import REFUSED_SECONDS
from trackteroid.commits.state import CommitState
from trackteroid.operations.operation import key_text
from trackteroid.settings import Settings


class Stage:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.ledger = MemoryLedger(SERVER_URL, clock=self.clock)
        self.server = CannedServer()
        self.server.users = {"anna": "u-anna", "ben": "u-ben"}
        self.committer = Committer(self.server, self.ledger, monotonic=self.clock)

    def commit(
        self, version: str, *, user: str | None = "anna", commit_as: str | None = "recorder", **facts: Any
    ) -> Any:
        recording = recorded(create("AssetVersion", version), recording_id=f"rec-{version}")
        manifest = replace(recording.manifest, user=user, commit_as=commit_as, **facts)  # type: ignore[type-var]
        enqueue(replace(recording, manifest=manifest), ledger=self.ledger, settings=Settings(), wake=False)
        outcome = self.committer.commit_next()
        assert outcome is not None and outcome.state is CommitState.COMMITTED, outcome
        return self.ledger.get(f"rec-{version}").result


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_with_a_global_key_each_batch_carries_its_recorders_name(stage: Stage) -> None:
    stage.server.global_for = {"anna", "ben"}
    assert stage.commit("v1")["sent_as"] == "anna"
    assert stage.commit("v2", user="ben")["sent_as"] == "ben"
    assert stage.commit("v3", commit_as="worker")["sent_as"] is None
    assert stage.commit("v4", commit_as=None)["sent_as"] is None
    assert stage.commit("v5", user=None)["sent_as"] is None
    assert stage.server.senders == ["anna", "ben", None, None, None]
    assert stage.server.queries == 0


def test_a_name_that_is_refused_gives_way_to_the_workers_and_the_result_says_so(stage: Stage) -> None:
    unstamped = {key_text("AssetVersion", ["v1"]): "user"}
    result = stage.commit("v1", unstamped=unstamped)
    assert stage.server.senders == ["anna", None]
    assert result["sent_as"] is None
    assert result["notes"] == [
        "It was sent in the name of the workers' user, as ftrack does not accept their key for anna."
    ]
    assert stage.server.rows["AssetVersion", "v1"]["user"] == {"__entity_type__": "User", "id": "u-anna"}
    assert stage.ledger.breaker().open_since is None


def test_a_refused_name_is_left_alone_for_a_while(stage: Stage) -> None:
    stage.commit("v1")
    assert "does not accept" in stage.commit("v2")["notes"][0]
    assert stage.server.senders == ["anna", None, None]
    stage.server.global_for = {"anna"}
    stage.clock.advance(REFUSED_SECONDS)
    assert stage.commit("v3")["sent_as"] == "anna"


def test_a_worker_without_any_valid_key_stops_commits_and_kills_none(stage: Stage) -> None:
    recording = recorded(create("AssetVersion", "v1"))
    recording = replace(recording, manifest=replace(recording.manifest, commit_as="recorder"))  # type: ignore[type-var]
    enqueue(recording, ledger=stage.ledger, settings=Settings(), wake=False)
    stage.server.before.append(refusal("InvalidCredentialsError", status=200))
    outcome = stage.committer.commit_next()
    assert outcome is not None and outcome.state is CommitState.RETRYING
    assert stage.ledger.breaker().kind == "environment"


def test_what_the_recorder_could_not_stamp_the_worker_does(stage: Stage) -> None:
    for version, user in (("v1", "anna"), ("v2", "anna"), ("v3", "ben")):
        stage.commit(version, user=user, commit_as=None, unstamped={key_text("AssetVersion", [version]): "user_id"})
    users = [stage.server.rows["AssetVersion", version]["user_id"] for version in ("v1", "v2", "v3")]
    assert users == ["u-anna", "u-anna", "u-ben"]
    assert stage.server.queries == 2


def test_a_recorder_whom_the_server_does_not_know_is_said_in_the_result(stage: Stage) -> None:
    result = stage.commit("v1", user="zoe", unstamped={key_text("AssetVersion", ["v1"]): "user"})
    assert result["notes"] == [
        "It was sent in the name of the workers' user, as ftrack does not accept their key for zoe.",
        "The server knows no user zoe: what was created shows the workers' user.",
    ]
    assert "user" not in stage.server.rows["AssetVersion", "v1"]
