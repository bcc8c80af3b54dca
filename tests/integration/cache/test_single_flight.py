"""Many processes that ask the same at once, with a real Redis and a real server."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import redis as redis_client

from tests.support.askers import Askers, started_together
from tests.support.processes import wait_until
from tests.support.sandbox import SandboxProcess
from trackteroid.cache.connection import LONGEST_LEASE
from trackteroid.embedded_redis import EmbeddedRedis

QUESTION = "select id, version, asset.name from AssetVersion"


@pytest.fixture
def env(sandbox: SandboxProcess, redis: EmbeddedRedis, tmp_path: Path) -> Iterator[dict[str, str]]:
    yield {
        **sandbox.env,
        "TRACKTEROID_QUERY_CACHE_URL": redis.url,
        "TRACKTEROID_CACHE_TIMEOUT": "20",
        "TRACKTEROID_CACHE_WAIT_SECONDS": "60",
        "FTRACK_API_SCHEMA_CACHE_PATH": str(tmp_path),
    }
    sandbox.clear_faults()


def asked(sandbox: SandboxProcess, question: str) -> int:
    return sum(question in expression for entry in sandbox.requests() for expression in entry["expressions"])


@pytest.mark.parametrize("latency", [0.0, 1.0], ids=["usual server", "slow server"])
def test_two_hundred_askers_of_one_question_ask_ftrack_once(
    default_timeout: None,
    latency: float,
    sandbox: SandboxProcess,
    redis: EmbeddedRedis,
    env: dict[str, str],
    tmp_path: Path,
) -> None:
    """Eight processes of twenty-five threads, with the default time-out though they are in each other's way."""
    del env["TRACKTEROID_CACHE_TIMEOUT"]
    with redis_client.Redis.from_url(redis.url) as client:
        client.flushall()
    with ExitStack() as stack:
        askers = [Askers(tmp_path / f"{number}", QUESTION, threads=25, env=env) for number in range(8)]
        for each in askers:
            stack.callback(each.stop)
        for each in askers:
            each.wait_ready()
        sandbox.requests(clear=True)
        sandbox.faults([{"kind": "latency", "seconds": latency}])
        started_together(askers)
        answers = [each.answers() for each in askers]
    assert sum(answer["count"] for answer in answers) == 200
    assert len({digest for answer in answers for digest in answer["digests"]}) == 1
    assert asked(sandbox, QUESTION) == 1


def test_killing_who_asks_delays_the_others_no_longer_than_a_lead_lasts(
    sandbox: SandboxProcess, redis: EmbeddedRedis, env: dict[str, str], tmp_path: Path
) -> None:
    question = "select id, name from Shot"
    with ExitStack() as stack:
        first, second = (Askers(tmp_path / name, question, threads=4, env=env) for name in ("first", "second"))
        stack.callback(first.stop)
        stack.callback(second.stop)
        first.wait_ready()
        second.wait_ready()
        sandbox.faults([{"kind": "latency", "seconds": 60.0, "times": 1}])
        with redis_client.Redis.from_url(redis.url) as client:
            first.start()
            (flight,) = wait_until(lambda: client.keys("*:flight:*"), seconds=60, what="the first one to lead")  # type: ignore[misc]
            # Else it would strike who asks next.
            wait_until(lambda: not sandbox.faults_left(), seconds=60, what="the first one to ask")
            began = time.monotonic()
            second.start()
            wait_until(lambda: client.hget(flight, "waited"), seconds=60, what="the second one to wait")
            os.kill(first.process.pid, signal.SIGKILL)
            answers = second.answers()
    assert answers["count"] == 4
    assert answers["statistics"]["waits"] >= 3
    # Connecting to a busy machine's server takes its time too; without an election it would be a minute.
    assert time.monotonic() - began < LONGEST_LEASE + 12


def test_an_answer_takes_longer_than_a_lead_and_the_others_go_on_waiting(
    sandbox: SandboxProcess, env: dict[str, str], tmp_path: Path
) -> None:
    question = "select id, name from Sequence"
    with ExitStack() as stack:
        askers = [
            Askers(tmp_path / f"{number}", question, threads=3, env=env | {"TRACKTEROID_CACHE_WAIT_SECONDS": "30"})
            for number in range(2)
        ]
        for each in askers:
            stack.callback(each.stop)
        for each in askers:
            each.wait_ready()
        sandbox.faults([{"kind": "latency", "seconds": LONGEST_LEASE + 1.5}])
        started_together(askers)
        answers = [each.answers() for each in askers]
    assert asked(sandbox, question) == 1
    assert sum(answer["statistics"]["waits"] for answer in answers) == 5
