"""A queue that has filled Redis drains: although nobody can be woken, and although Celery cannot start on it."""

from __future__ import annotations

import pytest

from tests.integration.commits.conftest import Witness
from tests.support.processes import wait_until
from tests.support.sandbox import SandboxProcess
from tests.support.workers import worker_process
from trackteroid.commits.enqueueing import enqueue
from trackteroid.commits.redis_ledger import RedisLedger
from trackteroid.commits.state import CommitState
from trackteroid.settings import Settings


@pytest.mark.parametrize("running", [True, False], ids=["a running worker", "a worker that starts"])
def test_what_is_queued_in_a_full_redis_is_committed_once(
    running: bool, ledger: RedisLedger, settings: Settings, witness: Witness, sandbox: SandboxProcess
) -> None:
    recordings = [witness.publish() for _ in range(6)]

    def accept() -> None:
        for recording in recordings:
            enqueue(recording, ledger=ledger, settings=settings, wake=False)

    def fill() -> None:
        ledger.client.config_set("maxmemory", 1)

    if not running:
        accept()
        fill()
    with worker_process(settings.redis_url, sandbox.env, env={"TRACKTEROID_WORKER_SWEEP": "1"}, wait=running) as worker:
        if running:
            # A sweep between these two finds nothing: what is held is not due.
            for recording in recordings:
                enqueue(recording, ledger=ledger, settings=settings, wake=False, hold=True)
            for recording in recordings:
                ledger.release(recording.recording_id)
            fill()
        try:
            wait_until(
                lambda: ledger.counts()[CommitState.COMMITTED] == len(recordings),
                seconds=30,
                what="all of them committed",
            )
        except AssertionError:
            print(ledger.counts(), ledger.client.keys("*kombu*"), worker.output, [c.error for c in ledger.list()])
            raise
        assert worker.running, worker.output
        # What is wrong is said in a line that says what to do, not in a screen of Celery's insides.
        assert "Traceback" not in worker.output, worker.output
        # With room again it goes on as ever, by a wake-up.
        ledger.client.config_set("maxmemory", 0)
        wait_until(lambda: " ready." in worker.output, seconds=60, what="the worker")
        last = witness.publish()
        enqueue(last, ledger=ledger, settings=settings)
        wait_until(
            lambda: ledger.get(last.recording_id).state is CommitState.COMMITTED, seconds=60, what="the last one"
        )
    for recording in (*recordings, last):
        witness.assert_published_once(recording)
