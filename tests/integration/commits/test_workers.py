"""The whole way: a recording is enqueued, a real worker process commits it on the sandbox, whatever is broken meanwhile."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from tests.integration.commits.conftest import Witness
from tests.support.processes import ManagedProcess, wait_until
from tests.support.recordings import create, recorded, update
from tests.support.sandbox import SandboxProcess
from tests.support.workers import beat_process, service_environment, worker_process
from trackteroid.commits.commit import Commit
from trackteroid.commits.enqueueing import enqueue
from trackteroid.commits.redis_ledger import RedisLedger
from trackteroid.commits.state import CommitState
from trackteroid.commits.submission import submit
from trackteroid.commits.wakeups import WakeupSender, housekeeping_queue, wakeup_queue
from trackteroid.embedded_redis import EmbeddedRedis
from trackteroid.errors import LedgerUnavailableError
from trackteroid.operations.recording import Recording
from trackteroid.settings import Settings


@pytest.fixture
def worker(redis_server: EmbeddedRedis, sandbox: SandboxProcess) -> Iterator[ManagedProcess]:
    with worker_process(redis_server.url, sandbox.env) as process:
        yield process
        # A warm shutdown takes two seconds, and this worker's Redis ends with the test.
        process.kill_group()


def finished(ledger: RedisLedger, recording: Recording, *, seconds: float = 20.0) -> Commit:
    def final() -> Commit | None:
        commit = ledger.get(recording.recording_id)
        return commit if commit.state in (CommitState.COMMITTED, CommitState.DEAD) else None

    commit: Any = wait_until(final, seconds=seconds, what="the verdict")
    assert commit.state is CommitState.COMMITTED, commit.error
    return commit


def writes(sandbox: SandboxProcess) -> int:
    """How many requests with something to write have reached the sandbox."""
    return sum(1 for entry in sandbox.requests() if {"create", "update", "delete"} & set(entry["actions"]))


def test_an_enqueued_recording_is_committed_with_one_request(
    worker: ManagedProcess, ledger: RedisLedger, settings: Settings, witness: Witness, sandbox: SandboxProcess
) -> None:
    recording = witness.publish()
    result = enqueue(recording, settings=settings)
    assert (result.state, result.already_known, result.wakeup_sent) == (CommitState.QUEUED, False, True)
    commit = finished(ledger, recording)
    assert commit.attempts == 1
    assert commit.result is not None
    assert list(commit.result["created"]) == ["AssetVersion", "Component"]
    assert list(commit.result["versions"]) == commit.result["created"]["AssetVersion"]
    witness.assert_published_once(recording)
    assert writes(sandbox) == 1
    # Both queues are separate: a wake-up is no housekeeping.
    assert ledger.client.llen(housekeeping_queue(ledger.server_url)) == 0
    assert worker.running


def test_the_same_file_enqueued_twice_and_its_message_repeated_is_committed_once(
    worker: ManagedProcess, ledger: RedisLedger, settings: Settings, witness: Witness, sandbox: SandboxProcess
) -> None:
    recording = witness.publish()
    sender = WakeupSender(settings.redis_url, ledger.server_url)
    assert sender.send(5)
    enqueue(recording, settings=settings)
    assert enqueue(recording, settings=settings).already_known
    assert sender.send(5)
    finished(ledger, recording)
    assert enqueue(recording, settings=settings).state is CommitState.COMMITTED
    assert sender.send(5)
    wait_until(lambda: ledger.client.llen(wakeup_queue(ledger.server_url)) == 0, what="the messages to be taken")
    witness.assert_published_once(recording)
    assert writes(sandbox) == 1


def test_a_dropped_reply_leads_to_one_commit(
    worker: ManagedProcess, ledger: RedisLedger, settings: Settings, witness: Witness, sandbox: SandboxProcess
) -> None:
    sandbox.faults([{"kind": "drop_reply", "times": 1, "actions": ["create"]}])
    recording = witness.publish()
    enqueue(recording, settings=settings)
    commit = finished(ledger, recording)
    assert commit.attempts == 2
    assert commit.result is not None and commit.result["already_there"]
    witness.assert_published_once(recording)
    assert writes(sandbox) == 1


def test_a_worker_killed_while_it_holds_a_commit_leads_to_one_commit(
    redis_server: EmbeddedRedis, ledger: RedisLedger, settings: Settings, witness: Witness, sandbox: SandboxProcess
) -> None:
    sandbox.faults([{"kind": "latency", "seconds": 1.0, "times": 1, "actions": ["create"]}])
    recording = witness.publish()
    with worker_process(redis_server.url, sandbox.env) as first:
        enqueue(recording, settings=settings)
        wait_until(lambda: ledger.get(recording.recording_id).sent_until is not None, what="the request to leave")
        first.kill_group(signal.SIGKILL)
    assert ledger.get(recording.recording_id).state is CommitState.COMMITTING
    with worker_process(redis_server.url, sandbox.env):
        commit = finished(ledger, recording)
    assert commit.attempts == 2
    witness.assert_published_once(recording)


def test_a_process_of_the_pool_that_is_killed_leads_to_one_commit(
    worker: ManagedProcess, ledger: RedisLedger, settings: Settings, witness: Witness, sandbox: SandboxProcess
) -> None:
    sandbox.faults([{"kind": "latency", "seconds": 0.5, "times": 1, "actions": ["create"]}])
    recording = witness.publish()
    enqueue(recording, settings=settings)
    held: Any = wait_until(lambda: (c := ledger.get(recording.recording_id)).owner and c, what="the claim")
    os.kill(int(held.owner.rpartition(":")[2]), signal.SIGKILL)
    assert finished(ledger, recording).attempts == 2
    witness.assert_published_once(recording)
    assert worker.running


def test_while_ftrack_answers_503_the_commit_waits_and_then_goes_through(
    worker: ManagedProcess, ledger: RedisLedger, settings: Settings, witness: Witness, sandbox: SandboxProcess
) -> None:
    sandbox.faults([{"kind": "error", "status": 503, "actions": ["create"]}])
    recording = witness.publish()
    enqueue(recording, settings=settings)
    waiting: Any = wait_until(
        lambda: (c := ledger.get(recording.recording_id)).state is CommitState.RETRYING and c.attempts >= 2 and c,
        what="the second attempt",
    )
    assert waiting.error.kind == "transient"
    sandbox.clear_faults()
    finished(ledger, recording)
    witness.assert_published_once(recording)


def test_a_worker_that_cannot_connect_blames_no_commit(
    worker: ManagedProcess, ledger: RedisLedger, settings: Settings, witness: Witness, sandbox: SandboxProcess
) -> None:
    recording = witness.publish()
    sandbox.faults([{"kind": "maintenance"}])
    enqueue(recording, settings=settings)
    wait_until(lambda: ledger.breaker().open_since is not None, what="the breaker to open")
    error = ledger.get(recording.recording_id).error
    assert error is not None and error == ledger.breaker().error
    assert "The worker cannot connect to ftrack" in error.message
    sandbox.clear_faults()
    assert finished(ledger, recording).attempts == 1
    witness.assert_published_once(recording)


def test_a_lost_wakeup_is_found_by_the_workers_own_sweep(
    worker: ManagedProcess, ledger: RedisLedger, settings: Settings, witness: Witness
) -> None:
    recording = witness.publish()
    assert not enqueue(recording, settings=settings, wake=False).wakeup_sent
    finished(ledger, recording)


def test_a_lost_wakeup_is_found_by_beat(
    redis_server: EmbeddedRedis, ledger: RedisLedger, settings: Settings, witness: Witness, sandbox: SandboxProcess
) -> None:
    recording = witness.publish()
    without = {"TRACKTEROID_WORKER_SWEEP": "0"}
    with worker_process(redis_server.url, sandbox.env, env=without):
        enqueue(recording, settings=settings, wake=False)
        time.sleep(1.0)
        assert ledger.get(recording.recording_id).state is CommitState.QUEUED
        with beat_process(redis_server.url, sandbox.env):
            finished(ledger, recording)


def test_revoked_credentials_kill_nothing(
    worker: ManagedProcess, ledger: RedisLedger, settings: Settings, witness: Witness, sandbox: SandboxProcess
) -> None:
    sandbox.faults([{"kind": "reject_credentials"}])
    recordings = [witness.publish() for _ in range(3)]
    others = [
        recorded(
            update("Task", witness.task["id"], f"description{suffix}"[:11], f"note {suffix}"),
            recording_id=str(uuid4()),
            server_url=ledger.server_url,
        )
        for suffix in range(20)
    ]
    for recording in (*recordings, *others):
        enqueue(recording, settings=settings)
    wait_until(lambda: ledger.breaker().open_since is not None, what="the breaker to open")
    rejected = len(sandbox.requests())
    time.sleep(2)
    # A probe in half a second, and nothing else.
    assert len(sandbox.requests()) - rejected <= 20
    assert ledger.counts()[CommitState.DEAD] == 0
    assert all(commit.attempts <= 1 for commit in ledger.list(limit=100))
    sandbox.clear_faults()
    for recording in (*recordings, *others):
        assert finished(ledger, recording).attempts == 1
    assert ledger.breaker().open_since is None
    for recording in recordings:
        witness.assert_published_once(recording)


def test_a_shutdown_hands_the_lease_back(
    redis_server: EmbeddedRedis, ledger: RedisLedger, settings: Settings, witness: Witness, sandbox: SandboxProcess
) -> None:
    sandbox.faults([{"kind": "latency", "seconds": 30.0, "actions": ["create"]}])
    recording = witness.publish()
    # Without a soft time-out SIGQUIT ends what runs at once; the lease is long, so that only handing it back ends it.
    env = {"TRACKTEROID_LEASE_SECONDS": "300", "TRACKTEROID_REQUEST_TIMEOUT": "60"}
    source = """
import sys
from workers.app import app

app.conf.worker_soft_shutdown_timeout = 0.0
app.worker_main(sys.argv[1:])
"""
    arguments = [sys.executable, "-c", source, "worker", "-c", "1", "--without-gossip", "--without-mingle"]
    with ManagedProcess(
        arguments, env=service_environment(redis_server.url, sandbox.env, env), name="worker"
    ) as worker:
        enqueue(recording, settings=settings, wake=False)
        wait_until(lambda: ledger.get(recording.recording_id).sent_until is not None, what="the request to leave")
        worker.process.send_signal(signal.SIGQUIT)
        released: Any = wait_until(
            lambda: (c := ledger.get(recording.recording_id)).state is not CommitState.COMMITTING and c,
            what="the release",
        )
    assert (released.state, released.attempts) == (CommitState.QUEUED, 0)
    assert released.due_at == released.uncertain_until


def test_a_worker_refuses_a_redis_that_evicts(
    redis_server: EmbeddedRedis, ledger: RedisLedger, sandbox: SandboxProcess
) -> None:
    ledger.client.config_set("maxmemory-policy", "allkeys-lru")
    with worker_process(redis_server.url, sandbox.env, wait=False) as worker:
        wait_until(lambda: not worker.running, what="the refusal")
        assert "CONFIG SET maxmemory-policy noeviction" in worker.output
        assert worker.process.returncode != 0


@pytest.mark.parametrize("trouble", ["stopped", "frozen", "full"])
def test_without_redis_the_ledger_fails_within_two_seconds(
    redis_server: EmbeddedRedis, ledger: RedisLedger, settings: Settings, witness: Witness, trouble: str
) -> None:
    recording = witness.publish()
    if trouble == "stopped":
        redis_server.kill()
    elif trouble == "frozen":
        redis_server.freeze()
    else:
        ledger.client.config_set("maxmemory", "1mb")
    started = time.monotonic()
    with pytest.raises(LedgerUnavailableError, match="redis://127") as caught:
        submit(ledger, recording, recording.to_payload())
    assert time.monotonic() - started < 2.0
    assert settings.redis_url not in str(caught.value)


def test_what_was_accepted_survives_a_crash_of_redis(
    redis_server: EmbeddedRedis, ledger: RedisLedger, settings: Settings, witness: Witness, sandbox: SandboxProcess
) -> None:
    recording = witness.publish()
    with worker_process(redis_server.url, sandbox.env) as worker:
        sandbox.faults([{"kind": "error", "status": 503}])
        enqueue(recording, settings=settings)
        wait_until(lambda: ledger.get(recording.recording_id).attempts >= 1, what="the first attempt")
        redis_server.kill()
        sandbox.clear_faults()
        redis_server.start()
        finished(ledger, recording, seconds=30)
        assert worker.running
    witness.assert_published_once(recording)


def test_a_wanted_version_number_that_is_taken_is_refused_by_name(
    worker: ManagedProcess, ledger: RedisLedger, settings: Settings, witness: Witness
) -> None:
    asset = {"__entity_type__": "Asset", "id": witness.session.query('Asset where name is "bc0010_comp"').one()["id"]}
    row = witness.rows(f'select id, version from AssetVersion where asset_id is "{asset["id"]}"')[0]
    key = str(uuid4())
    recording = recorded(
        create("AssetVersion", key, version=row["version"]),
        update("AssetVersion", key, "asset", asset),
        recording_id=str(uuid4()),
        server_url=ledger.server_url,
    )
    enqueue(recording, settings=settings)
    wait_until(lambda: ledger.get(recording.recording_id).state is CommitState.DEAD, what="the verdict")
    error = ledger.get(recording.recording_id).error
    assert error is not None and f"is AssetVersion {row['id']} by now" in error.message
    assert witness.rows(f'select id from AssetVersion where id is "{key}"') == []
