"""A worker ends without warning at each step of a commit; the next attempt does the right thing, counted by the
official client.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from uuid import uuid4

import pytest

from tests.integration.commits.conftest import Witness
from tests.support.processes import ManagedProcess, wait_until
from tests.support.recordings import delete, update
from tests.support.sandbox import SandboxProcess
from tests.support.workers import service_environment
from trackteroid.commits.committer import Committer, CommitterPolicy, Outcome
from trackteroid.commits.enqueueing import enqueue
from trackteroid.commits.redis_ledger import RedisLedger
from trackteroid.commits.state import CommitState
from trackteroid.embedded_redis import EmbeddedRedis
from trackteroid.session import Session
from trackteroid.settings import Settings

LEASE = "1"
#: Whether the server has applied the batch when the worker dies there.
STEPS = {"claimed": False, "before_sent": False, "sent": False, "answered": True, "finished": True}


@pytest.fixture(scope="module")
def second_worker(sandbox_process: SandboxProcess) -> Iterator[Session]:
    session = Session(
        server_url=sandbox_process.url,
        api_key=sandbox_process.env["FTRACK_API_KEY"],
        api_user=sandbox_process.env["FTRACK_API_USER"],
        auto_connect_event_hub=False,
    )
    yield session
    session.close()


def next_attempt(ledger: RedisLedger, session: Session, settings: Settings) -> Outcome:
    committer = Committer(session, ledger, owner="successor", policy=CommitterPolicy.from_settings(settings))
    return wait_until(committer.commit_next, seconds=10, what="the lease to expire")  # type: ignore[return-value]


def victim(step: str, redis_server: EmbeddedRedis, sandbox: SandboxProcess) -> None:
    """Let a real process take the commit and die at a step."""
    env = service_environment(redis_server.url, sandbox.env, {"TRACKTEROID_LEASE_SECONDS": LEASE})
    with ManagedProcess(
        [sys.executable, "-m", "tests.integration.commits.kill_at", step], env=env, name="victim"
    ) as process:
        wait_until(lambda: not process.running, what="the victim's end")
        assert process.process.returncode == -signal.SIGKILL, process.output


def applied_writes(sandbox: SandboxProcess) -> int:
    return sum(1 for entry in sandbox.requests() if {"create", "update", "delete"} & set(entry["actions"]))


@pytest.mark.parametrize("step", STEPS)
def test_a_publish_is_there_once_wherever_its_worker_dies(
    step: str,
    redis_server: EmbeddedRedis,
    sandbox: SandboxProcess,
    ledger: RedisLedger,
    settings: Settings,
    witness: Witness,
    second_worker: Session,
) -> None:
    recording = witness.publish()
    enqueue(recording, settings=settings, wake=False)
    victim(step, redis_server, sandbox)
    if step == "finished":
        assert ledger.get(recording.recording_id).state is CommitState.COMMITTED
        assert ledger.claim("successor", lease_seconds=1) is None
    else:
        assert ledger.get(recording.recording_id).state is CommitState.COMMITTING
        outcome = next_attempt(ledger, second_worker, settings)
        assert outcome.state is CommitState.COMMITTED, outcome
        assert outcome.result is not None
        assert outcome.result.already_there is STEPS[step]
        assert ledger.get(recording.recording_id).attempts == 2
    assert applied_writes(sandbox) == 1
    witness.assert_published_once(recording)


@pytest.mark.parametrize("step", [step for step in STEPS if step != "finished"])
def test_a_mixed_batch_has_each_effect_once_wherever_its_worker_dies(
    step: str,
    redis_server: EmbeddedRedis,
    sandbox: SandboxProcess,
    ledger: RedisLedger,
    settings: Settings,
    witness: Witness,
    second_worker: Session,
) -> None:
    doomed, task = str(uuid4()), witness.task["id"]
    # Of another asset, so that the numbers of the published one stay without gaps.
    other = witness.session.query('Asset where name is "bc0010_comp"').one()
    witness.session.create("AssetVersion", {"id": doomed, "asset": other, "comment": "to be deleted"})
    witness.session.commit()
    (row,) = witness.rows(f'select bid from Task where id is "{task}"')
    base, wanted = row["bid"], float(row["bid"] or 0) + 3600.0
    recording = witness.publish(
        update("Task", task, "bid", wanted), delete("AssetVersion", doomed), bases=[("Task", task, "bid", base)]
    )
    sandbox.requests(clear=True)
    enqueue(recording, settings=settings, wake=False)
    victim(step, redis_server, sandbox)
    outcome = next_attempt(ledger, second_worker, settings)
    assert outcome.state is CommitState.COMMITTED, outcome
    assert outcome.result is not None and not outcome.result.notes
    assert applied_writes(sandbox) == 1
    (row,) = witness.rows(f'select bid from Task where id is "{task}"')
    assert row["bid"] == wanted
    assert witness.rows(f'select id from AssetVersion where id is "{doomed}"') == []
    witness.assert_published_once(recording)


def test_a_worker_that_dies_while_the_server_works_leads_to_one_commit(
    redis_server: EmbeddedRedis,
    sandbox: SandboxProcess,
    ledger: RedisLedger,
    settings: Settings,
    witness: Witness,
    second_worker: Session,
) -> None:
    recording = witness.publish()
    enqueue(recording, settings=settings, wake=False)
    # The server is at it for longer than the worker lives, and not longer than the request's deadline.
    sandbox.faults([{"kind": "latency", "seconds": 0.5, "times": 1, "actions": ["create"]}])
    env = service_environment(redis_server.url, sandbox.env, {"TRACKTEROID_LEASE_SECONDS": LEASE})
    command = [sys.executable, "-m", "tests.integration.commits.kill_at", "never"]
    with ManagedProcess(command, env=env, name="victim") as process:
        wait_until(lambda: ledger.get(recording.recording_id).sent_until is not None, what="the request to leave")
        time.sleep(0.1)
        process.kill_group(signal.SIGKILL)
    outcome = next_attempt(ledger, second_worker, settings)
    assert outcome.state is CommitState.COMMITTED
    witness.assert_published_once(recording)


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
