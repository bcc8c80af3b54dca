"""The primary dies and Sentinel makes another one: publishes are accepted all the time, and committed once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.cli.test_cli import trackteroid
from tests.integration.commits.conftest import Witness
from tests.support.processes import wait_until
from tests.support.sandbox import SandboxProcess
from tests.support.sentinel import Watched, watched_redis
from tests.support.workers import beat_process, worker_process
from trackteroid.cache.redis_backend import connect as connect_cache
from trackteroid.cli.exit_codes import ExitCode
from trackteroid.commits.enqueueing import open_ledger
from trackteroid.commits.state import CommitState
from trackteroid.operations.recording import Recording, write_recording
from trackteroid.settings import Settings


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    with watched_redis(tmp_path) as watched:
        yield watched


@pytest.mark.timeout(240)
def test_publishing_goes_on_through_a_failover(
    watched: Watched, sandbox: SandboxProcess, witness: Witness, tmp_path: Path
) -> None:
    env = {**sandbox.env, "TRACKTEROID_REDIS_URL": watched.url, "TRACKTEROID_SPOOL": str(tmp_path / "spool")}
    ledger = open_ledger(Settings.from_environment(env), sandbox.url)
    recordings: list[Recording] = []

    def publish() -> int:
        recordings.append(witness.publish())
        path = tmp_path / f"{len(recordings)}.dbm"
        write_recording(path, recordings[-1])
        return trackteroid("enqueue", str(path), env=env).returncode

    def committed() -> bool:
        try:
            return ledger.counts()[CommitState.COMMITTED] == len(recordings)
        except OSError:
            return False

    # The second worker is woken by messages alone: they have to find the new primary too.
    with (
        worker_process(watched.url, sandbox.env, env={"TRACKTEROID_WORKER_SWEEP": "0"}) as worker,
        beat_process(watched.url, sandbox.env) as beat,
    ):
        assert [publish() for _ in range(3)] == [ExitCode.OK] * 3
        wait_until(committed, seconds=60, what="the first commits")
        assert connect_cache(watched.url, 1.0).stamps(["x"]) == {}
        watched.fail_over()
        assert {publish() for _ in range(3)} <= {ExitCode.OK, ExitCode.SPOOLED}
        wait_until(
            lambda: trackteroid("spool", "flush", env=env).returncode == ExitCode.OK, seconds=60, what="an empty spool"
        )
        wait_until(committed, seconds=90, what="all commits")
        assert worker.running and beat.running, (worker.output, beat.output)
        for output in (worker.output, beat.output):
            assert "Traceback" not in output and "of-the-" not in output and "<redis." not in output, output
        worker.kill_group()
        beat.kill_group()
    assert connect_cache(watched.url, 1.0).stamps(["x"]) == {}
    for recording in recordings:
        witness.assert_published_once(recording)
    found = json.loads(trackteroid("doctor", "--json", env=env).stdout)
    ours = [finding for finding in found if finding["subject"] == "ledger"]
    assert {finding["status"] for finding in ours} == {"ok"}, ours
    # Nothing secret in what people are shown.
    assert "sentinel://" in ours[0]["text"] and "of-the-" not in json.dumps(found)
    ledger.client.close()
