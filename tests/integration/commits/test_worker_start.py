"""What somebody sees who starts a worker without what it needs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
SERVER = "https://studio.example"


@pytest.mark.parametrize(
    "missing",
    ["FTRACK_SERVER", "FTRACK_API_USER", "FTRACK_API_KEY", "TRACKTEROID_LEASE_SECONDS", "TRACKTEROID_CONFLICT_POLICY"],
)
def test_a_worker_without_its_settings_says_so_in_one_line(missing: str) -> None:
    environ = {
        **os.environ,
        "FTRACK_SERVER": SERVER,
        "FTRACK_API_USER": "u",
        "FTRACK_API_KEY": "k",
        "TRACKTEROID_REDIS_URL": "redis://127.0.0.1:1/0",
    }
    environ[missing] = "x" if missing.startswith("TRACKTEROID") else ""
    command = [sys.executable, "-m", "celery", "-A", "workers", "worker", "-c", "1"]
    done = subprocess.run(command, env=environ, cwd=ROOT, capture_output=True, text=True, timeout=60)
    output = done.stdout + done.stderr
    assert done.returncode != 0
    assert missing in output and "Traceback" not in output


def test_what_is_installed_under_a_running_worker_does_not_become_a_part_of_it() -> None:
    source = """
import os, sys, threading
import workers.app
from workers.preloading import preload

preload()
assert threading.active_count() == 1, threading.enumerate()
ours = (os.path.dirname(sys.modules["trackteroid"].__file__), os.path.dirname(workers.__file__))
reading = []

def hook(event, arguments):
    if event == "open" and str(arguments[0]).startswith(ours):
        reading.append(str(arguments[0]))

from tests.support.canned_server import CannedServer, SERVER_URL
from tests.support.recordings import create, recorded, update
from tests.support.redis import fake_redis

sys.addaudithook(hook)
from trackteroid.cache.redis_backend import connect
from trackteroid.commits.committer import Committer
from trackteroid.commits.enqueueing import enqueue
from trackteroid.commits.redis_ledger import RedisLedger
from trackteroid.settings import Settings

ledger = RedisLedger(fake_redis(), SERVER_URL)
for number, operation in enumerate((create("AssetVersion", "v1"), update("Task", "t1", "bid", 2), create("Nonsense", "n"))):
    enqueue(recorded(operation, recording_id=f"rec-{number}"), ledger=ledger, settings=Settings(), wake=False)
committer = Committer(CannedServer({("Task", "t1"): {"bid": 1}}), ledger)
print([outcome.state.value for outcome in committer.drain()])
ledger.retry_dead("rec-2"), ledger.cancel("rec-2"), ledger.sweep(), ledger.list(), ledger.purge()
connect("redis://127.0.0.1:1/0", 0.1)
import trackteroid.session
print(reading)
"""
    done = subprocess.run(
        [sys.executable, "-c", source],
        env={**os.environ, "FTRACK_SERVER": SERVER},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.splitlines() == ["['committed', 'committed', 'dead']", "[]"], done.stdout + done.stderr
