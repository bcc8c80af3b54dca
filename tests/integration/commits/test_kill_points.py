"""A worker ends without warning, or stands still, at each step of a commit; the next attempt does the right thing, counted by
the official client.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from tests.integration.commits.conftest import Witness
from tests.support.processes import ManagedProcess, wait_until
from tests.support.recordings import delete, recorded, update
from tests.support.redis import embedded_redis
from tests.support.sandbox import SandboxProcess
from tests.support.workers import service_environment
from trackteroid.commits.committer import Committer, CommitterPolicy, Outcome
from trackteroid.commits.enqueueing import enqueue
from trackteroid.commits.redis_ledger import RedisLedger
from trackteroid.commits.state import CommitState
from trackteroid.embedded_redis import EmbeddedRedis
from trackteroid.operations.recording import Recording
from trackteroid.session import Session
from trackteroid.settings import Settings

#: The request's deadline is shorter, and the sandbox's faults shorter than that.
SHORT_LEASE = 1.0
LONG_LEASE = 30.0


@dataclass(frozen=True, kw_only=True)
class Death:
    """Where a worker dies.

    Attributes:
        fault: What the sandbox does meanwhile.
        claimed: Whether it has claimed the commit.
        applied: Whether the server applies the batch that it has sent.
        known: Whether the ledger knows.
    """

    fault: dict[str, object] | None = None
    claimed: bool = True
    applied: bool = False
    known: bool = False


STEPS = {
    "before_claim": Death(claimed=False),
    "claimed": Death(),
    "before_sent": Death(),
    # Marked as sent, but the request has not left.
    "sent": Death(),
    # Longer than the worker lives, and not longer than the request's deadline.
    "at_work": Death(fault={"kind": "latency", "seconds": 0.4}, applied=True),
    "replying": Death(fault={"kind": "trickle", "seconds": 0.6}, applied=True),
    # The reply is there, the ledger does not know.
    "answered": Death(applied=True),
    "finished": Death(applied=True, known=True),
}


@pytest.fixture(scope="module")
def redis_server() -> Iterator[EmbeddedRedis]:
    with embedded_redis() as server:
        yield server


class Victim:
    """A process whose forks die on order."""

    def __init__(self, redis_url: str, sandbox: SandboxProcess, pipe: Path) -> None:
        os.mkfifo(pipe)
        env = service_environment(redis_url, sandbox.env)
        command = [sys.executable, "-m", "tests.integration.commits.kill_at", str(pipe)]
        self.process = ManagedProcess(command, env=env, name="victim")
        wait_until(lambda: "ready" in self.process.output or not self.process.running, what="the victim")
        assert self.process.running, self.process.output
        self._pipe = open(pipe, "w", encoding="utf-8", buffering=1)
        self._deaths = 0

    def die_at(self, step: str, lease_seconds: float) -> None:
        self._pipe.write(f"kill {step} {lease_seconds}\n")
        self._deaths += 1
        wait_until(lambda: self.process.output.count("killed") == self._deaths, what="the victim's end")
        assert "not killed" not in self.process.output, self.process.output

    def stand_still_at(self, step: str, lease_seconds: float) -> None:
        before = self.process.output.count("stopped")
        self._pipe.write(f"stop {step} {lease_seconds}\n")
        wait_until(lambda: self.process.output.count("stopped") > before, what="the victim to stand still")

    def go_on(self) -> str:
        """Let it go on; return what it made of its commit."""
        before = len(self.process.output)
        self._pipe.write("continue\n")
        wait_until(lambda: "ended" in self.process.output[before:], what="the victim to go on")
        return self.process.output[before:]

    def stop(self) -> None:
        self.process.stop()
        self._pipe.close()


@pytest.fixture(scope="module")
def victim(
    redis_server: EmbeddedRedis, sandbox_process: SandboxProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Victim]:
    victim = Victim(redis_server.url, sandbox_process, tmp_path_factory.mktemp("victim") / "pipe")
    yield victim
    victim.stop()


@pytest.fixture(scope="module")
def second_worker(sandbox_process: SandboxProcess) -> Iterator[Session]:
    with Session(
        server_url=sandbox_process.url,
        api_key=sandbox_process.env["FTRACK_API_KEY"],
        api_user=sandbox_process.env["FTRACK_API_USER"],
        auto_connect_event_hub=False,
    ) as session:
        yield session


def next_attempt(ledger: RedisLedger, session: Session, settings: Settings) -> Outcome:
    committer = Committer(session, ledger, owner="successor", policy=CommitterPolicy.from_settings(settings))
    return wait_until(committer.commit_next, seconds=20, what="the lease to expire")  # type: ignore[return-value]


def writes(sandbox: SandboxProcess) -> int:
    return sum(1 for entry in sandbox.requests() if {"create", "update", "delete"} & set(entry["actions"]))


# What is committed: a recording, and a check that each effect is there once

Made = tuple[Recording, Callable[[], None]]


def creates(witness: Witness, url: str) -> Made:
    recording = witness.publish()
    return recording, lambda: witness.assert_published_once(recording)


def updates(witness: Witness, url: str) -> Made:
    task = witness.task["id"]
    (row,) = witness.rows(f'select bid, description from Task where id is "{task}"')
    bid, text = float(row["bid"] or 0) + 3600.0, f"from {uuid4()}"
    recording = recorded(
        update("Task", task, "bid", bid),
        update("Task", task, "description", text),
        bases=[("Task", task, "bid", row["bid"]), ("Task", task, "description", row["description"])],
        recording_id=str(uuid4()),
        server_url=url,
    )

    def check() -> None:
        (row,) = witness.rows(f'select bid, description from Task where id is "{task}"')
        assert (row["bid"], row["description"]) == (bid, text)

    return recording, check


def deletes(witness: Witness, url: str) -> Made:
    doomed = str(uuid4())
    # Of another asset, so that the numbers of the published one stay without gaps.
    other = witness.session.query('Asset where name is "bc0010_comp"').one()
    witness.session.create("AssetVersion", {"id": doomed, "asset": other, "comment": "to be deleted"})
    witness.session.commit()

    def check() -> None:
        assert witness.rows(f'select id from AssetVersion where id is "{doomed}"') == []

    return recorded(delete("AssetVersion", doomed), recording_id=str(uuid4()), server_url=url), check


def mixed(witness: Witness, url: str) -> Made:
    updated, check_updates = updates(witness, url)
    deleted, check_deletes = deletes(witness, url)
    assert updated.manifest is not None
    task, base = witness.task["id"], next(base for base in updated.manifest.bases if base.attribute == "bid")
    recording = witness.publish(*updated.operations, *deleted.operations, bases=[("Task", task, "bid", base.value)])

    def check() -> None:
        witness.assert_published_once(recording)
        check_updates()
        check_deletes()

    return recording, check


@pytest.mark.parametrize("kinds", [(creates, updates, deletes), (mixed,)], ids=["apart", "mixed"])
@pytest.mark.parametrize("step", STEPS)
def test_each_effect_is_there_once_wherever_the_worker_dies(
    step: str,
    kinds: Sequence[Callable[[Witness, str], Made]],
    victim: Victim,
    sandbox: SandboxProcess,
    ledger: RedisLedger,
    settings: Settings,
    witness: Witness,
    second_worker: Session,
) -> None:
    death = STEPS[step]
    for make in kinds:
        ledger.client.flushall()
        recording, check = make(witness, sandbox.url)
        sandbox.requests(clear=True)
        enqueue(recording, settings=settings, wake=False)
        if death.fault is not None:
            sandbox.faults([{**death.fault, "times": 1, "actions": ["create", "update", "delete"]}])
        victim.die_at(step, SHORT_LEASE if death.fault else LONG_LEASE)
        state = ledger.get(recording.recording_id).state
        assert state is (
            CommitState.COMMITTED if death.known else CommitState.COMMITTING if death.claimed else CommitState.QUEUED
        )
        # Nobody is at work any more, so there is nothing to wait for: the next attempt happens a minute later by its clock.
        now = ledger if death.fault else RedisLedger(ledger.client, ledger.server_url, clock=lambda: time.time() + 60)
        if death.known:
            assert now.claim("successor", lease_seconds=1) is None
        else:
            outcome = next_attempt(now, second_worker, settings)
            assert outcome.state is CommitState.COMMITTED, outcome
            assert outcome.result is not None and not outcome.result.notes
            assert outcome.result.already_there is death.applied
        commit = ledger.get(recording.recording_id)
        assert commit.state is CommitState.COMMITTED
        assert commit.attempts == (2 if death.claimed and not death.known else 1)
        assert writes(sandbox) == 1
        check()


@pytest.mark.parametrize("step", ["claimed", "before_sent", "sent", "at_work", "answered"])
def test_a_worker_that_stood_still_and_goes_on_after_another_took_over_does_no_harm(
    step: str,
    victim: Victim,
    sandbox: SandboxProcess,
    ledger: RedisLedger,
    settings: Settings,
    witness: Witness,
    second_worker: Session,
) -> None:
    ledger.client.flushall()
    recording, check = mixed(witness, sandbox.url)
    sandbox.requests(clear=True)
    enqueue(recording, settings=settings, wake=False)
    death = STEPS[step]
    if death.fault is not None:
        sandbox.faults([{**death.fault, "times": 1, "actions": ["create", "update", "delete"]}])
    # Once its request may leave, time has to pass in truth: its own clock decides what it may do, and the server is at work.
    in_truth = step in ("sent", "at_work")
    victim.stand_still_at(step, 3.0 if in_truth else LONG_LEASE)
    now = ledger if in_truth else RedisLedger(ledger.client, ledger.server_url, clock=lambda: time.time() + 60)
    try:
        outcome = next_attempt(now, second_worker, settings)
    finally:
        said = victim.go_on()
    assert outcome.state is CommitState.COMMITTED
    assert outcome.result is not None and outcome.result.already_there is death.applied
    # It has done nothing that counts, and says why.
    assert "CommitState.COMMITTING" in said and ("no longer held" in said or "stood still" in said), said
    commit = ledger.get(recording.recording_id)
    assert (commit.state, commit.attempts) == (CommitState.COMMITTED, 2)
    assert writes(sandbox) == 1
    check()


def test_a_ledger_that_was_lost_leads_to_no_second_effect(
    sandbox: SandboxProcess, ledger: RedisLedger, settings: Settings, witness: Witness, second_worker: Session
) -> None:
    recording = witness.publish()
    enqueue(recording, settings=settings, wake=False)
    assert next_attempt(ledger, second_worker, settings).state is CommitState.COMMITTED
    ledger.client.flushall()
    assert not enqueue(recording, settings=settings, wake=False).already_known
    outcome = next_attempt(ledger, second_worker, settings)
    assert outcome.state is CommitState.COMMITTED
    assert outcome.result is not None and outcome.result.already_there
    witness.assert_published_once(recording)
