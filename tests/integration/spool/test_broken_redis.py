"""Whatever is wrong with Redis: enqueueing takes at most two seconds, and what was accepted is delivered once."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import redis

from tests.support.processes import REPOSITORY
from tests.support.recordings import create, recorded
from tests.support.redis import embedded_redis
from trackteroid.commits.enqueueing import EnqueueResult, enqueue, flush_spool, open_ledger
from trackteroid.commits.redis_client import connect
from trackteroid.commits.redis_ledger import RedisLedger
from trackteroid.commits.spool import Spool, open_spool
from trackteroid.embedded_redis import EmbeddedRedis
from trackteroid.operations.recording import Recording
from trackteroid.settings import Settings

SERVER = "https://studio.example"


def publish(size: int = 0) -> Recording:
    return recorded(
        create("AssetVersion", str(uuid4()), comment="".join(str(uuid4()) for _ in range(size // 36))),
        recording_id=str(uuid4()),
        server_url=SERVER,
    )


def timed(recording: Recording, settings: Settings) -> EnqueueResult:
    started = time.monotonic()
    result = enqueue(recording, settings=settings)
    assert time.monotonic() - started < 2.0
    return result


@pytest.fixture
def server() -> Iterator[EmbeddedRedis]:
    with embedded_redis() as server:
        yield server


@pytest.fixture
def settings(server: EmbeddedRedis, tmp_path: Path) -> Settings:
    return Settings(redis_url=server.url, spool_folder=str(tmp_path / "spool"))


@pytest.fixture
def spool(settings: Settings) -> Spool:
    return open_spool(settings)


@pytest.fixture
def ledger(settings: Settings) -> Iterator[RedisLedger]:
    ledger = open_ledger(settings, SERVER)
    yield ledger
    ledger.client.close()


@pytest.fixture
def client(server: EmbeddedRedis) -> Iterator[redis.Redis]:
    client = connect(server.url)
    yield client
    client.close()


def test_with_redis_nothing_touches_the_spool(settings: Settings, spool: Spool) -> None:
    assert timed(publish(), settings).accepted_in == "ledger"
    assert not spool.folder.exists()


@pytest.mark.parametrize("warm", [False, True], ids=["first", "after another"])
def test_a_redis_that_is_down(
    warm: bool, server: EmbeddedRedis, settings: Settings, spool: Spool, ledger: RedisLedger
) -> None:
    if warm:
        enqueue(publish(), settings=settings)
    server.kill()
    recordings = [publish() for _ in range(3)]
    for recording in recordings:
        assert timed(recording, settings).accepted_in == "spool"
    server.start()
    last = publish()
    assert timed(last, settings).accepted_in == "ledger"
    assert spool.status().waiting == 0
    # In the order in which they were enqueued.
    order = [commit.id for commit in reversed(ledger.list())][-4:]
    assert order == [recording.recording_id for recording in (*recordings, last)]


@pytest.mark.parametrize("warm", [False, True], ids=["first", "after another"])
def test_a_redis_that_hangs(
    warm: bool, server: EmbeddedRedis, settings: Settings, spool: Spool, ledger: RedisLedger
) -> None:
    if warm:
        enqueue(publish(), settings=settings)
    first, second = publish(), publish()
    server.freeze()
    try:
        for recording in (first, second):
            result = timed(recording, settings)
            assert result.accepted_in == "spool"
            assert "Redis" in result.reason
    finally:
        server.thaw()
    report = flush_spool(settings)
    # What hung may have arrived after all: then it is known.
    assert report.delivered + report.known == 2
    assert spool.status().waiting == 0
    known = [commit.id for commit in ledger.list()]
    assert known.count(first.recording_id) == known.count(second.recording_id) == 1


def test_a_redis_that_is_full(client: redis.Redis, settings: Settings, spool: Spool, ledger: RedisLedger) -> None:
    used = int(client.info("memory")["used_memory"])
    client.config_set("maxmemory", str(used + 400_000))
    results = [timed(publish(100_000), settings) for _ in range(10)]
    where = [result.accepted_in for result in results]
    assert where[0] == "ledger"
    assert where[-1] == "spool"
    assert "takes nothing now" in results[-1].reason
    client.config_set("maxmemory", "0")
    assert flush_spool(settings).delivered == where.count("spool")
    assert {commit.id for commit in ledger.list()} == {result.commit_id for result in results}


def test_a_redis_that_would_evict(client: redis.Redis, settings: Settings, spool: Spool) -> None:
    client.config_set("maxmemory-policy", "allkeys-lru")
    result = timed(publish(), settings)
    assert result.accepted_in == "spool"
    assert "maxmemory-policy is allkeys-lru" in result.reason
    assert flush_spool(settings).left == 1, "nor is it flushed there"
    client.config_set("maxmemory-policy", "noeviction")
    assert flush_spool(settings).delivered == 1


def test_a_redis_that_refuses_the_password(server: EmbeddedRedis, tmp_path: Path) -> None:
    wrong = server.url.replace("redis://:", "redis://:wrong")
    result = timed(publish(), Settings(redis_url=wrong, spool_folder=str(tmp_path)))
    assert result.accepted_in == "spool"
    assert "refuses us" in result.reason


def test_a_redis_that_flaps(server: EmbeddedRedis, settings: Settings, spool: Spool, ledger: RedisLedger) -> None:
    recordings = [publish() for _ in range(40)]
    over = threading.Event()

    def flap() -> None:
        while not over.wait(0.15):
            server.freeze()
            over.wait(0.25)
            server.thaw()

    flapping = threading.Thread(target=flap)
    flapping.start()
    try:
        for number, recording in enumerate(recordings):
            if number == 20:
                server.kill()
            if number == 24:
                # From this thread: the server ends with the thread that started it.
                server.start()
            timed(recording, settings)
    finally:
        over.set()
        flapping.join()
        server.thaw()
    while flush_spool(settings).left:
        time.sleep(0.05)
    assert sorted(commit.id for commit in ledger.list()) == sorted(item.recording_id for item in recordings)


KILLED = """
import os, signal, sys
from tests.integration.spool.test_broken_redis import SERVER
from tests.support.recordings import create, recorded
from trackteroid.commits.enqueueing import enqueue
from trackteroid.settings import Settings

replace = os.replace

def die(source, target):
    if str(target).endswith(".spooled"):
        os.kill(os.getpid(), signal.SIGKILL)
    replace(source, target)

os.replace = die
enqueue(recorded(create("AssetVersion", "v1"), recording_id="rec-1", server_url=SERVER),
        settings=Settings(redis_url=sys.argv[1], spool_folder=sys.argv[2]))
"""


def test_a_process_killed_between_write_and_rename_has_accepted_nothing_and_may_try_again(
    server: EmbeddedRedis, settings: Settings, spool: Spool, ledger: RedisLedger
) -> None:
    server.kill()
    arguments = [sys.executable, "-c", KILLED, settings.redis_url, str(spool.folder)]
    done = subprocess.run(arguments, cwd=REPOSITORY, timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    assert spool.waiting() == []
    (left,) = [path for path in spool.folder.iterdir() if path.is_file()]
    assert left.suffix == ".tmp"
    recording = recorded(create("AssetVersion", "v1"), recording_id="rec-1", server_url=SERVER)
    assert timed(recording, settings).accepted_in == "spool"
    server.start()
    assert flush_spool(settings).delivered == 1
    assert [commit.id for commit in ledger.list()] == ["rec-1"]


FLUSH = """
import sys
from trackteroid.commits.enqueueing import flush_spool
from trackteroid.settings import Settings

print("ready", flush=True)
sys.stdin.readline()
report = flush_spool(Settings(redis_url=sys.argv[1], spool_folder=sys.argv[2]))
assert report.error is None and report.left == report.refused == 0, report
print(report.delivered)
"""


def test_processes_that_flush_at_once_deliver_each_recording_once(
    server: EmbeddedRedis, settings: Settings, spool: Spool, ledger: RedisLedger
) -> None:
    server.kill()
    recordings = [publish() for _ in range(60)]
    for recording in recordings:
        enqueue(recording, settings=settings)
    server.start()
    arguments = [sys.executable, "-c", FLUSH, settings.redis_url, str(spool.folder)]
    flushers = [
        subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY)
        for _ in range(3)
    ]
    try:
        for flusher in flushers:
            assert flusher.stdout is not None
            assert flusher.stdout.readline() == "ready\n"
        for flusher in flushers:
            assert flusher.stdin is not None
            flusher.stdin.write("go\n")
            flusher.stdin.flush()
        told = [flusher.communicate(timeout=60)[0] for flusher in flushers]
    finally:
        for flusher in flushers:
            flusher.kill()
            flusher.wait()
    assert [flusher.returncode for flusher in flushers] == [0, 0, 0]
    # New to the ledger each exactly once, whoever brought it.
    assert sum(int(line) for line in told) == 60
    assert sorted(commit.id for commit in ledger.list(limit=100)) == sorted(item.recording_id for item in recordings)
    assert (spool.status().waiting, spool.status().sent, spool.status().refused) == (0, 60, 0)


def test_writers_that_spool_at_once_lose_nothing(tmp_path: Path, server: EmbeddedRedis, settings: Settings) -> None:
    server.kill()
    results: list[EnqueueResult] = []
    threads = [
        threading.Thread(target=lambda: results.extend(enqueue(publish(), settings=settings) for _ in range(10)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({result.commit_id for result in results}) == 80
    assert open_spool(settings).status().waiting == 80
    server.start()
    assert flush_spool(settings).delivered == 80
