"""The studio's rules are asked by the worker, before anything is sent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.canned_server import SERVER_URL, CannedServer
from tests.support.clock import FakeClock
from tests.support.recordings import create, delete, recorded, update
from tests.unit.commits.test_committer import POLICY
from trackteroid import configuration
from trackteroid.commits.commit import Commit
from trackteroid.commits.committer import Committer
from trackteroid.commits.enqueueing import enqueue
from trackteroid.commits.memory_ledger import MemoryLedger
from trackteroid.commits.policy import refuse_forbidden
from trackteroid.commits.state import CommitState
from trackteroid.errors import PolicyError, RecordingRefusedError
from trackteroid.operations.operation import Operation
from trackteroid.settings import Settings


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    configuration.forget()
    yield
    configuration.forget()


@pytest.fixture
def rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "rules.py"
    monkeypatch.setenv(configuration.VARIABLE, str(path))
    return path


NO_USERS = """
def ALLOWED_FOR_COMMIT_RESOLVER(recording, operation):
    return operation.entity_type != "User" or recording.manifest.user == "admin"
"""
NO_DELETED_SHOTS = """
def ALLOWED_FOR_DELETION_RESOLVER(session, type_name):
    return type_name != "Shot"
"""


def committed(*operations: Operation) -> tuple[Commit, CannedServer]:
    """The commit after one attempt, and the server."""
    clock = FakeClock()
    ledger = MemoryLedger(SERVER_URL, clock=clock)
    server = CannedServer({("Task", "t1"): {"bid": 1}, ("Task", "t2"): {"bid": 2}})
    enqueue(recorded(*operations), ledger=ledger, settings=Settings(), wake=False)
    Committer(server, ledger, owner="w", policy=POLICY, monotonic=clock).commit_next()
    return ledger.get("rec-1"), server


def test_without_rules_everything_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(configuration.VARIABLE, raising=False)
    commit, _ = committed(create("AssetVersion", "v1"), delete("Task", "t1"))
    assert commit.state is CommitState.COMMITTED


def test_one_forbidden_operation_ends_the_whole_commit_before_anything_is_sent(rules: Path) -> None:
    rules.write_text(NO_USERS)
    commit, server = committed(create("AssetVersion", "v1"), update("User", "u1", "username", "root"))
    assert commit.state is CommitState.DEAD
    assert commit.error is not None
    assert "ALLOWED_FOR_COMMIT_RESOLVER does not allow operation 2 of 2: update User u1" in commit.error.message
    assert server.effects == []


def test_what_the_rule_allows_is_committed(rules: Path) -> None:
    rules.write_text(NO_USERS)
    commit, server = committed(create("AssetVersion", "v1"))
    assert commit.state is CommitState.COMMITTED
    assert len(server.effects) == 1


def test_the_rule_about_deletions_holds_for_workers_too(rules: Path) -> None:
    rules.write_text(NO_DELETED_SHOTS.replace("Shot", "Task"))
    commit, server = committed(delete("Task", "t1"))
    assert commit.error is not None
    assert "ALLOWED_FOR_DELETION_RESOLVER does not allow operation 1 of 1: delete Task t1" in commit.error.message
    assert server.effects == []


def test_the_rule_about_deletions_is_asked_once_per_type_with_the_session(rules: Path) -> None:
    rules.write_text(
        "def ALLOWED_FOR_DELETION_RESOLVER(session, type_name):\n    session.append(type_name)\n    return True\n"
    )
    asked: list[str] = []
    refuse_forbidden(
        recorded(create("Task", "t0"), delete("Task", "t1"), delete("Shot", "s1"), delete("Task", "t2")), session=asked
    )
    assert asked == ["Task", "Shot"]


def test_a_rule_that_fails_is_tried_again_and_named(rules: Path) -> None:
    rules.write_text("def ALLOWED_FOR_COMMIT_RESOLVER(recording, operation):\n    raise KeyError('quota')\n")
    with pytest.raises(PolicyError, match=r"fails for operation 1, create Task t1: KeyError: 'quota'"):
        refuse_forbidden(recorded(create("Task", "t1")))
    commit, server = committed(create("Task", "t9"))
    assert commit.state is CommitState.RETRYING
    assert commit.error is not None and "ALLOWED_FOR_COMMIT_RESOLVER fails" in commit.error.message
    assert server.effects == []


def test_a_configuration_file_that_cannot_be_used_kills_nothing(rules: Path) -> None:
    rules.write_text("this is no Python\n")
    commit, server = committed(create("Task", "t9"))
    assert commit.state is CommitState.RETRYING
    assert commit.error is not None and commit.error.kind == "environment"
    assert server.effects == []


def test_a_false_answer_of_any_kind_forbids(rules: Path) -> None:
    rules.write_text("ALLOWED_FOR_COMMIT_RESOLVER = lambda recording, operation: None\n")
    with pytest.raises(RecordingRefusedError):
        refuse_forbidden(recorded(create("Task", "t1")))
