"""Whatever is wrong with Redis: what the command line says and returns, and that nothing is lost or delivered twice.

`tests/integration/spool` has the same from Python, with threads and killed processes.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.cli.test_cli import trackteroid
from tests.integration.commits.conftest import Witness
from tests.support.processes import run_python, wait_until
from tests.support.recordings import create, recorded
from tests.support.sandbox import SandboxProcess
from tests.support.workers import worker_process
from trackteroid.cli.exit_codes import ExitCode
from trackteroid.commits.enqueueing import open_ledger
from trackteroid.commits.health import check_redis
from trackteroid.commits.redis_client import connect
from trackteroid.commits.redis_ledger import RedisLedger
from trackteroid.commits.state import CommitState
from trackteroid.embedded_redis import EmbeddedRedis
from trackteroid.operations.recording import write_recording
from trackteroid.settings import Settings

SERVER = "https://studio.example"


@pytest.fixture
def env(redis: EmbeddedRedis, tmp_path: Path) -> dict[str, str]:
    # No FTRACK_: what doctor says of ftrack is none of these tests' business.
    return {"TRACKTEROID_REDIS_URL": redis.url, "TRACKTEROID_SPOOL": str(tmp_path / "spool")}


@pytest.fixture
def ledger(redis: EmbeddedRedis) -> Iterator[RedisLedger]:
    ledger = open_ledger(Settings(redis_url=redis.url), SERVER)
    ledger.client.flushall()
    yield ledger
    ledger.client.close()


def configure(redis: EmbeddedRedis, **options: str) -> None:
    client = connect(redis.url)
    for name, value in options.items():
        client.config_set(name.replace("_", "-"), value)
    client.close()


@dataclass(frozen=True)
class Trouble:
    """How it begins and ends, and what `doctor` has to say: subject, words."""

    begin: Callable[[EmbeddedRedis], None]
    end: Callable[[EmbeddedRedis], object]
    words: tuple[str, str]


TROUBLES = {
    "down": Trouble(lambda redis: redis.kill(), lambda redis: redis.start(), ("Start it", "TRACKTEROID_REDIS_URL")),
    "frozen": Trouble(lambda redis: redis.freeze(), lambda redis: redis.thaw(), ("imeout", "TRACKTEROID_REDIS_URL")),
    "full": Trouble(
        lambda redis: configure(redis, maxmemory="1mb"),
        lambda redis: configure(redis, maxmemory="0"),
        ("It is full", "Raise maxmemory"),
    ),
    "evicting": Trouble(
        lambda redis: configure(redis, maxmemory_policy="allkeys-lru"),
        lambda redis: configure(redis, maxmemory_policy="noeviction"),
        ("allkeys-lru", "CONFIG SET maxmemory-policy noeviction"),
    ),
}

#: Times the calls themselves: a process of its own takes longer to start than `enqueue` may take.
TIMED = """
import sys, time
import trackteroid.commits.enqueueing as enqueueing

real, seconds = enqueueing.enqueue, []

def timed(*arguments, **options):
    started = time.monotonic()
    try:
        return real(*arguments, **options)
    finally:
        seconds.append(time.monotonic() - started)

enqueueing.enqueue = timed
from trackteroid.cli.main import main
code = main(["enqueue", *sys.argv[1:]])
print("slowest", max(seconds), file=sys.stderr)
sys.exit(code)
"""


@pytest.mark.parametrize("name", TROUBLES)
def test_the_command_line_accepts_within_two_seconds_says_why_and_the_spool_delivers_once(
    name: str, redis: EmbeddedRedis, ledger: RedisLedger, env: dict[str, str], tmp_path: Path
) -> None:
    trouble = TROUBLES[name]
    files = []
    for number in range(3):
        files.append(str(tmp_path / f"publish-{number}.dbm"))
        write_recording(
            files[-1],
            recorded(create("AssetVersion", f"v{number}"), recording_id=f"{name}-{number}", server_url=SERVER),
        )
    ids = [f"{name}-{number}" for number in range(3)]
    # The trouble is over at the end, whatever happens.
    try:
        trouble.begin(redis)
        source = f"import sys; sys.argv[1:] = {files!r}\n{TIMED}"
        done = run_python(source, env=env, check=False)
        assert done.returncode == ExitCode.SPOOLED, done.stderr
        assert done.stdout.split() == ids
        assert float(done.stderr.split()[-1]) < 2.0
        assert "Redis" in done.stderr
        started = time.monotonic()
        doctor = trackteroid("doctor", "--json", env=env)
        assert time.monotonic() - started < 30
        assert doctor.returncode == ExitCode.FAILED
        found = [finding for finding in json.loads(doctor.stdout) if finding["subject"] == "ledger"]
        bad = [finding for finding in found if finding["status"] == "problem"]
        assert len(bad) == 1, found
        for word in trouble.words:
            assert word in f"{bad[0]['text']} {bad[0]['remedy']}"
        spool = next(finding for finding in json.loads(doctor.stdout) if finding["subject"] == "spool")
        assert (spool["status"], "3 recordings and release orders wait" in spool["text"]) == ("warning", True)
    finally:
        trouble.end(redis)
    # More than once on a machine under load, where even a good Redis may not answer in time.
    wait_until(
        lambda: trackteroid("spool", "flush", env=env).returncode == ExitCode.OK, seconds=60, what="an empty spool"
    )

    def all_known() -> bool:
        again = trackteroid("enqueue", *files, env=env)
        return again.returncode == ExitCode.OK and again.stderr.count("known already") == 3

    wait_until(all_known, seconds=60, what="the ledger to know all of them")
    # What Redis had taken before it froze comes first, and then again as known.
    assert sorted(commit.id for commit in ledger.list()) == ids
    assert ledger.counts()[CommitState.QUEUED] == 3
    assert "problem" not in {finding.severity for finding in check_redis(redis.url)}


def test_a_redis_that_flaps_under_publishes_and_a_worker_costs_nothing(
    redis_server: EmbeddedRedis, sandbox: SandboxProcess, witness: Witness, tmp_path: Path
) -> None:
    files = []
    recordings = [witness.publish() for _ in range(30)]
    for number, recording in enumerate(recordings):
        files.append(str(tmp_path / f"{number}.dbm"))
        write_recording(files[-1], recording)
    env = {**sandbox.env, "TRACKTEROID_REDIS_URL": redis_server.url, "TRACKTEROID_SPOOL": str(tmp_path / "spool")}
    over = threading.Event()

    def flap() -> None:
        while not over.wait(0.2):
            redis_server.freeze()
            over.wait(0.3)
            redis_server.thaw()

    flapping = threading.Thread(target=flap)
    with worker_process(redis_server.url, sandbox.env) as worker:
        flapping.start()
        try:
            for number in range(0, 30, 10):
                done = run_python(
                    f"import sys; sys.argv[1:] = {files[number : number + 10]!r}\n{TIMED}", env=env, check=False
                )
                assert done.returncode in (ExitCode.OK, ExitCode.SPOOLED), done.stderr
                assert float(done.stderr.split()[-1]) < 2.0
        finally:
            over.set()
            flapping.join()
            redis_server.thaw()
        wait_until(
            lambda: trackteroid("spool", "flush", env=env).returncode == ExitCode.OK, seconds=30, what="an empty spool"
        )
        ledger = open_ledger(Settings(redis_url=redis_server.url), sandbox.url)
        wait_until(lambda: ledger.counts()[CommitState.COMMITTED] == 30, seconds=60, what="all commits")
        assert worker.running
        assert "Traceback" not in worker.output, worker.output
        worker.kill_group()
    assert sum(ledger.counts().values()) == 30
    ledger.client.close()
    for recording in recordings:
        witness.assert_published_once(recording)
