"""Publishes while everything around them breaks: none is lost, none is there twice.

The verdict comes from what this test enqueued, counted by the official client; the ledger is only asked whether it agrees.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from uuid import uuid4

import ftrack_api
import pytest

from tests.support.processes import ManagedProcess, wait_until
from tests.support.recordings import create, recorded, update
from tests.support.redis import embedded_redis
from tests.support.sandbox import SandboxProcess
from tests.support.workers import SHORT_TIMES, worker_process
from trackteroid.commits.enqueueing import enqueue, open_ledger
from trackteroid.commits.state import CommitState
from trackteroid.embedded_redis import EmbeddedRedis
from trackteroid.operations.recording import Recording
from trackteroid.settings import Settings

FAULTS = (
    {"kind": "drop_reply", "probability": 0.15, "actions": ["create"]},
    {"kind": "error", "status": 503, "probability": 0.1, "actions": ["create"]},
    {"kind": "latency", "seconds": 0.3, "probability": 0.2, "actions": ["create"]},
)


class Fire:
    """Kills worker processes and drops wake-ups, at random moments, until told to stop."""

    def __init__(self, redis: EmbeddedRedis, ftrack: Mapping[str, str], workers: int, seed: int) -> None:
        self.kills = 0
        self._redis, self._ftrack = redis, ftrack
        self._chance = random.Random(seed)
        self._workers = [self._start() for _ in range(workers)]

    def _start(self) -> ManagedProcess:
        # More claims than a commit will need: a worker that is killed is not the commit's fault here.
        return worker_process(
            self._redis.url, self._ftrack, concurrency=1, env={"TRACKTEROID_MAX_CLAIMS": "50"}, wait=False
        )

    def burn(self, until: threading.Event) -> None:
        while not until.wait(self._chance.uniform(0.8, 2.0)):
            position = self._chance.randrange(len(self._workers))
            self._workers[position].kill_group()
            self._workers[position].stop()
            self._workers[position] = self._start()
            self.kills += 1

    def stop(self) -> None:
        for worker in self._workers:
            worker.stop()


@pytest.fixture
def sandbox() -> Iterator[SandboxProcess]:
    with SandboxProcess(seed="demo") as server:
        yield server


@pytest.fixture
def redis() -> Iterator[EmbeddedRedis]:
    with embedded_redis() as server:
        yield server


def publish(asset: str, task: str, chance: random.Random) -> Recording:
    version, component, location = (str(uuid4()) for _ in range(3))
    return recorded(
        create("AssetVersion", version, comment=f"chaos {chance.random()}"),
        update("AssetVersion", version, "asset", {"__entity_type__": "Asset", "id": asset}),
        update("AssetVersion", version, "task", {"__entity_type__": "Task", "id": task}),
        create("Component", component, name="main"),
        update("Component", component, "version", {"__entity_type__": "AssetVersion", "id": version}),
        create(
            "ComponentLocation", location, resource_identifier="/x", location_id=ftrack_api.symbol.UNMANAGED_LOCATION_ID
        ),
        update("ComponentLocation", location, "component", {"__entity_type__": "Component", "id": component}),
        recording_id=str(uuid4()),
        server_url=None,
    )


def created(recording: Recording, entity_type: str) -> set[str]:
    return {
        operation.entity_key["id"]
        for operation in recording.operations
        if type(operation).__name__ == "CreateOperation" and operation.entity_type == entity_type
    }


@pytest.mark.timeout(1700)
@pytest.mark.parametrize(
    ("publishes", "workers", "fire_seconds"),
    [(30, 2, 8.0), pytest.param(500, 4, 180.0, marks=pytest.mark.soak)],
    ids=["short", "soak"],
)
def test_every_publish_arrives_exactly_once(
    publishes: int, workers: int, fire_seconds: float, sandbox: SandboxProcess, redis: EmbeddedRedis, tmp_path: Path
) -> None:
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    chance = random.Random(seed)
    settings = Settings.from_environment(
        {**SHORT_TIMES, "TRACKTEROID_REDIS_URL": redis.url, "TRACKTEROID_MAX_CLAIMS": "50"}
    )
    with ftrack_api.Session(
        sandbox.url, sandbox.env["FTRACK_API_KEY"], sandbox.env["FTRACK_API_USER"], schema_cache_path=str(tmp_path)
    ) as witness:
        asset = witness.query('Asset where name is "bc0040_comp"').one()
        task = witness.query('Task where name is "compositing" and parent.name is "bc0040"').one()
        before = len(witness.query(f'select id from AssetVersion where asset_id is "{asset["id"]}"').all())

        recordings = [publish(asset["id"], task["id"], chance) for _ in range(publishes)]
        ledger = open_ledger(settings, sandbox.url)
        fire = Fire(redis, sandbox.env, workers, seed)
        out = threading.Event()
        try:
            sandbox.faults([{**fault, "seed": seed} for fault in FAULTS])
            burning = threading.Thread(target=fire.burn, args=(out,))
            burning.start()
            started = time.monotonic()
            for number, recording in enumerate(recordings):
                enqueue(recording, ledger=ledger, settings=settings)
                if number % 7 == 0:
                    # Again, as a farm that lost count does.
                    enqueue(recording, ledger=ledger, settings=settings)
                if number % 11 == 0:
                    # Wake-ups get lost.
                    for key in ledger.client.scan_iter("trackteroid.commits.*"):
                        if ledger.client.type(key) == b"list":
                            ledger.client.delete(key)
            while time.monotonic() - started < fire_seconds:
                out.wait(0.1)
            out.set()
            burning.join()
            sandbox.clear_faults()

            def all_done() -> bool:
                return all(
                    ledger.get(recording.recording_id).state is CommitState.COMMITTED for recording in recordings
                )

            wait_until(all_done, seconds=120 if publishes < 100 else 900, what=f"all commits (seed {seed})")
        finally:
            out.set()
            fire.stop()

        assert fire.kills > 0
        rows = witness.query(
            f'select id, version from AssetVersion where asset_id is "{asset["id"]}" order by version'
        ).all()
        wanted = set().union(*(created(recording, "AssetVersion") for recording in recordings))
        assert len(rows) == before + publishes
        assert wanted <= {row["id"] for row in rows}
        assert [row["version"] for row in rows] == list(range(1, len(rows) + 1))
        for entity_type, path in (("Component", "version_id"), ("ComponentLocation", "component.version_id")):
            ids = set().union(*(created(recording, entity_type) for recording in recordings))
            found = witness.query(f"select id from {entity_type} where {path} in ({', '.join(sorted(wanted))})").all()
            assert {row["id"] for row in found} == ids
            assert len(found) == len(ids)
