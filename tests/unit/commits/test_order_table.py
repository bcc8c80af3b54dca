"""Two recordings, or a recording and a person, about the same thing: the rules of design section 5, row by row."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.support.canned_server import refusal
from tests.support.recordings import create, delete, recorded, update
from tests.unit.commits.test_committer import POLICY, Stage
from trackteroid.commits.conflicts import ConflictPolicy
from trackteroid.commits.state import CommitState
from trackteroid.operations.manifest import Delta
from trackteroid.operations.operation import key_text


@pytest.fixture
def stage() -> Stage:
    stage = Stage()
    stage.server.rows["Task", "t1"] = {"status_id": "wip", "bid": 1, "lists": [member("c0")]}
    return stage


def member(key: str) -> dict[str, str]:
    return {"__entity_type__": "Component", "id": key}


def at(second: int) -> str:
    return f"2026-01-01T00:00:{second:02}+00:00"


def status(value: str, name: str, second: int, *, base: str | None = "wip") -> Any:
    bases = [] if base is None else [("Task", "t1", "status_id", base)]
    return recorded(update("Task", "t1", "status_id", value), recording_id=name, created_at=at(second), bases=bases)


def appending(key: str, name: str, second: int) -> Any:
    delta = Delta(entity=key_text("Task", ["t1"]), attribute="lists", added=(key_text("Component", [key]),))
    wanted = [member("c0"), member(key)]
    return recorded(update("Task", "t1", "lists", wanted), recording_id=name, created_at=at(second), deltas=[delta])


def drain(stage: Stage) -> dict[str, list[str]]:
    """What is committed, with the reasons for what was left out."""
    while (outcome := stage.committer.commit_next()) is not None:
        assert outcome.state is CommitState.COMMITTED, outcome
    found = {}
    for commit in stage.ledger.list([CommitState.COMMITTED]):
        found[commit.id] = [each["reason"] for each in (commit.result or {})["skipped"]]
    return found


def lists(stage: Stage) -> set[str]:
    return {each["id"] for each in stage.server.rows["Task", "t1"]["lists"]}


def test_two_that_append_to_one_list_both_have_their_effect(stage: Stage) -> None:
    stage.accept(appending("c1", "one", 1))
    stage.accept(appending("c2", "two", 2))
    assert drain(stage) == {"one": [], "two": []}
    assert lists(stage) == {"c0", "c1", "c2"}


def test_one_that_appends_late_has_its_effect_all_the_same(stage: Stage) -> None:
    stage.accept(appending("c2", "two", 2))
    drain(stage)
    stage.accept(appending("c1", "one", 1))
    assert drain(stage)["one"] == []
    assert lists(stage) == {"c0", "c1", "c2"}


def test_what_a_person_added_and_removed_in_between_stays(stage: Stage) -> None:
    stage.accept(appending("c1", "one", 1))
    stage.server.rows["Task", "t1"]["lists"] = [member("c9")]
    drain(stage)
    assert lists(stage) == {"c1", "c9"}


def test_of_two_that_set_the_same_status_the_one_recorded_last_counts(stage: Stage) -> None:
    stage.accept(status("review", "one", 1))
    stage.accept(status("done", "two", 2, base="review"))
    assert drain(stage) == {"one": [], "two": []}
    assert stage.server.rows["Task", "t1"]["status_id"] == "done"


def test_two_from_one_base_are_a_conflict_that_the_statuss_policy_decides(stage: Stage) -> None:
    stage.accept(status("review", "one", 1))
    stage.accept(status("done", "two", 2))
    assert drain(stage) == {"one": [], "two": ["conflict"]}
    assert stage.server.rows["Task", "t1"]["status_id"] == "review"


def test_an_older_one_that_comes_late_is_superseded(stage: Stage) -> None:
    stage.accept(status("done", "two", 2))
    drain(stage)
    stage.accept(status("review", "one", 1))
    assert drain(stage)["one"] == ["superseded"]
    assert stage.server.rows["Task", "t1"]["status_id"] == "done"


def test_an_older_one_that_died_and_is_retried_is_superseded(stage: Stage) -> None:
    stage.accept(status("review", "one", 1))
    stage.server.before.append(refusal("PermissionError"))
    assert stage.attempt().state is CommitState.DEAD
    stage.accept(status("done", "two", 2))
    drain(stage)
    stage.ledger.retry_dead("one")
    assert drain(stage)["one"] == ["superseded"]
    assert stage.server.rows["Task", "t1"]["status_id"] == "done"


@pytest.mark.parametrize(
    ("choice", "state", "value"),
    [
        ("overwrite", CommitState.COMMITTED, "review"),
        ("skip", CommitState.COMMITTED, "approved"),
        ("fail", CommitState.DEAD, "approved"),
    ],
)
def test_a_persons_change_in_between_is_treated_as_the_policy_says(
    stage: Stage, choice: str, state: CommitState, value: str
) -> None:
    stage.accept(status("review", "one", 1))
    stage.server.rows["Task", "t1"]["status_id"] = "approved"
    policy = replace(POLICY, conflict_policy=ConflictPolicy({"status": choice}))
    outcome = stage.make_committer(stage.server, policy=policy).commit_next()
    assert outcome is not None and outcome.state is state
    assert stage.server.rows["Task", "t1"]["status_id"] == value


def test_a_person_who_did_the_same_is_no_conflict(stage: Stage) -> None:
    stage.accept(status("review", "one", 1))
    stage.server.rows["Task", "t1"]["status_id"] = "review"
    assert drain(stage) == {"one": []}


def test_an_unknown_base_is_written_and_reported(stage: Stage) -> None:
    stage.accept(status("review", "one", 1, base=None))
    assert drain(stage) == {"one": ["unchecked"]}
    assert stage.server.rows["Task", "t1"]["status_id"] == "review"


def test_what_refers_to_something_created_earlier_waits_and_what_is_unrelated_does_not(stage: Stage) -> None:
    stage.accept(recorded(create("AssetVersion", "v1"), recording_id="creator"))
    stage.accept(recorded(create("Component", "c1", version_id="v1"), recording_id="needs"))
    stage.accept(recorded(create("AssetVersion", "v2"), recording_id="unrelated"))
    assert stage.ledger.get("needs").state is CommitState.WAITING
    assert stage.ledger.get("unrelated").state is CommitState.QUEUED
    assert set(drain(stage)) == {"creator", "needs", "unrelated"}


def test_a_delete_waits_for_earlier_writes_and_a_later_write_finds_it_gone(stage: Stage) -> None:
    stage.accept(status("review", "write", 1))
    stage.accept(recorded(delete("Task", "t1"), recording_id="delete", created_at=at(2)))
    stage.accept(status("done", "later", 3, base="review"))
    assert [stage.attempt().commit_id for _ in range(2)] == ["write", "delete"]
    outcome = stage.attempt()
    assert outcome.state is CommitState.DEAD
    assert "deleted since it was recorded: Task t1" in outcome.message
