"""One spool folder for a whole farm: nodes write to it and vanish, the workers deliver."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.processes import REPOSITORY
from tests.support.recordings import create, recorded
from tests.support.redis import embedded_redis
from trackteroid.commits import addresses
from trackteroid.commits.enqueueing import open_ledger
from trackteroid.commits.reaching import fit_ledger
from trackteroid.commits.redis_ledger import RedisLedger
from trackteroid.commits.spool import open_spool
from trackteroid.commits.state import CommitState
from trackteroid.embedded_redis import EmbeddedRedis
from trackteroid.operations.recording import write_recording
from trackteroid.settings import Settings

SERVER = "https://studio.example"

#: A node: enqueues a held recording and releases another one, says so, and is gone before it can do anything else.
NODE = """
import os, signal, sys
from trackteroid import enqueue, release
print(enqueue(sys.argv[1], hold=True).accepted_in, release(sys.argv[2]).accepted_in, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def redis() -> Iterator[EmbeddedRedis]:
    with embedded_redis() as server:
        yield server


@pytest.fixture
def ledger(redis: EmbeddedRedis) -> Iterator[RedisLedger]:
    ledger = open_ledger(Settings(redis_url=redis.url), SERVER)
    yield ledger
    ledger.client.close()


def test_what_nodes_left_that_are_gone_is_delivered_once(
    redis: EmbeddedRedis, ledger: RedisLedger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(redis_url=redis.url, spool_folder=str(tmp_path / "spool"))
    for name in ("held", "one", "two"):
        write_recording(tmp_path / f"{name}.dbm", recorded(create("AssetVersion", name), recording_id=name))
    environment = {"TRACKTEROID_REDIS_URL": redis.url, "TRACKTEROID_SPOOL": str(tmp_path / "spool")}
    for name, value in {**environment, "FTRACK_SERVER": SERVER}.items():
        monkeypatch.setenv(name, value)
    # Full: nothing is taken. (Stopping the server would change its address.)
    ledger.client.config_set("maxmemory", 1)
    for name in ("one", "two"):
        done = subprocess.run(
            [sys.executable, "-c", NODE, tmp_path / "held.dbm", tmp_path / f"{name}.dbm"],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.stdout.split() == ["spool", "spool"], done.stderr
        assert done.returncode < 0
    ledger.client.config_set("maxmemory", 0)
    # The held one, and two that were released, each with its order.
    assert open_spool(settings).status().waiting == 5

    # Nodes in a container and workers on a host call the same Redis differently; what is local is nobody else's.
    monkeypatch.setattr(addresses, "_is_local", lambda spelling: False)
    fit_ledger(settings, SERVER)
    by_name = replace(settings, redis_url=redis.url.replace("127.0.0.1", "localhost"))

    from workers.runtime import Runtime

    runtime = Runtime(by_name, SERVER)
    assert runtime.flush_spool() == 5
    states = {name: ledger.get(name).state for name in ("held", "one", "two")}
    assert states == {"held": CommitState.HELD, "one": CommitState.QUEUED, "two": CommitState.QUEUED}
    assert runtime.flush_spool() == 0
    assert open_spool(settings).status().waiting == 0
