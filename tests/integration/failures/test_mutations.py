"""Damaged and forged recordings, by the thousand: each a clear error of ours within bounds, and no harm to others."""

from __future__ import annotations

import dbm.dumb
import json
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.canned_server import SERVER_URL, CannedServer
from tests.support.clock import FakeClock
from tests.support.mutations import mutated_bytes, mutated_json
from tests.support.recordings import create, delete, recorded, update
from tests.support.shared import shared_file
from trackteroid.commits.commit import CommitFacts
from trackteroid.commits.committer import Committer, CommitterPolicy
from trackteroid.commits.enqueueing import enqueue
from trackteroid.commits.memory_ledger import MemoryLedger
from trackteroid.commits.payload import compress
from trackteroid.commits.retrying import RetryPolicy
from trackteroid.commits.state import CommitState
from trackteroid.errors import RecordingError, TrackteroidError
from trackteroid.operations.operation import operation_from_json
from trackteroid.operations.recording import digest_of, read_recording, write_recording
from trackteroid.settings import Settings

#: One reading of a small file takes a millisecond; a damage that makes it take this long is an attack that works.
SECONDS = 5.0

PUBLISH = recorded(
    create("AssetVersion", "v1", comment="märchen", version=3, asset_id="a1"),
    create("Component", "c1", name="main"),
    update("Component", "c1", "version", {"__entity_type__": "AssetVersion", "id": "v1"}),
    update("Task", "t1", "bid", 9.5),
    delete("Task", "t2"),
    bases=[("Task", "t1", "bid", 1)],
)


def ours(path: Path) -> Path:
    write_recording(path, PUBLISH)
    return path


def gnu(path: Path) -> Path:
    shutil.copyfile(shared_file("fixtures", "recorded", "operations_linux.dbm"), path)
    return path


def originals_sqlite(path: Path) -> Path:
    shutil.copyfile(shared_file("fixtures", "recorded", "operations_sqlite3.dbm"), path)
    return path


def dumb(path: Path) -> Path:
    """Its index is what is damaged."""
    with dbm.dumb.open(str(path), "c") as database:
        for key, value in {b"('Task', ['1'])": b"{}", b"__operations__": b'"[]"'}.items():
            database[key] = value
    return path.with_name(path.name + ".dir")


def check_reading(damaged: Path, path: Path, count: int, seed: int) -> tuple[int, int]:
    """Read `path` while `damaged`, one of its files, is damaged in `count` ways; return how often it was refused and read."""
    data = damaged.read_bytes()
    original = read_recording(path)
    chance = random.Random(seed)
    refused = 0
    for number in range(count):
        damaged.write_bytes(mutated_bytes(data, chance))
        started = time.monotonic()
        try:
            recording = read_recording(path)
        except RecordingError as error:
            refused += 1
            assert path.name in str(error), f"{number}: {error}"
        else:
            if recording.manifest is not None:
                assert recording.operations == original.operations, f"{number}: the digest must tell"
        assert time.monotonic() - started < SECONDS, number
    return refused, count - refused


@pytest.mark.parametrize("count", [500, pytest.param(10_000, marks=[pytest.mark.soak, pytest.mark.timeout(1200)])])
@pytest.mark.parametrize("make", [ours, gnu, originals_sqlite, dumb])
def test_a_damaged_file_is_refused_with_its_name_or_holds_what_it_held(
    make: Callable[[Path], Path], count: int, tmp_path: Path
) -> None:
    path = tmp_path / "publish.dbm"
    refused, read = check_reading(make(path), path, count, seed=20_26)
    assert refused > count // 20
    assert read > 0, "damage that hits nothing important is none"


class Stage:
    """A worker in this process that gets whatever is put into its ledger."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.ledger = MemoryLedger(SERVER_URL, clock=self.clock)
        self.server = CannedServer()
        policy = CommitterPolicy(retry=RetryPolicy(base=1.0, cap=1.0, unknown_attempts=2, waiting_horizon=1.0))
        self.committer = Committer(self.server, self.ledger, owner="w", policy=policy, monotonic=self.clock)

    def put(self, name: str, payload: bytes) -> None:
        """As somebody does who can write to Redis."""
        self.ledger.enqueue(name, digest="d", payload=payload, facts=CommitFacts(operations=1))

    def settle(self, name: str) -> None:
        """Let the worker try until there is a verdict."""
        self.server.rows = {("Task", "t1"): {"bid": 1}, ("Task", "t2"): {"bid": 2}}
        started = time.monotonic()
        for _ in range(20):
            self.committer.drain()
            if self.ledger.get(name).state in (CommitState.COMMITTED, CommitState.DEAD):
                break
            self.clock.advance(60.0)
        assert time.monotonic() - started < SECONDS, name

    def check(self, name: str) -> CommitState:
        commit = self.ledger.get(name)
        assert commit.state in (CommitState.COMMITTED, CommitState.DEAD), (name, commit)
        if commit.state is CommitState.DEAD:
            assert commit.error is not None
            assert len(commit.error.message) > 20
            assert "not a failure we know" not in commit.error.message, (name, commit.error)
        return commit.state


def forged(chance: random.Random) -> bytes:
    """A payload with strange operations or a strange manifest, whose digest is right if its operations can be read at all."""
    data = mutated_json(json.loads(PUBLISH.to_payload()), chance)
    try:
        operations = tuple(operation_from_json(item, literal=True) for item in data["operations"])
        data["manifest"]["digest"] = digest_of(operations)
    except (TrackteroidError, KeyError, TypeError, ValueError):
        pass
    return json.dumps(data).encode()


@pytest.mark.parametrize("count", [600, pytest.param(10_000, marks=[pytest.mark.soak, pytest.mark.timeout(1200)])])
def test_a_damaged_or_forged_payload_is_a_dead_commit_with_its_reason_and_the_next_one_is_committed(count: int) -> None:
    stage = Stage()
    chance = random.Random(11)
    whole = compress(PUBLISH.to_payload(), limit=10**6)
    states = []
    for number in range(count):
        name = f"bad-{number}"
        payload = mutated_bytes(whole, chance) if number % 4 == 0 else compress(forged(chance), limit=10**7)
        stage.put(name, payload)
        stage.settle(name)
        states.append(stage.check(name))
    assert states.count(CommitState.DEAD) > count // 2
    stage.server.rows.clear()
    good = recorded(create("AssetVersion", "good"), recording_id="good")
    enqueue(good, ledger=stage.ledger, settings=Settings(), wake=False)
    stage.committer.drain()
    assert stage.ledger.get("good").state is CommitState.COMMITTED


def test_a_seed_damages_in_the_same_way_every_time() -> None:
    value: Any = json.loads(PUBLISH.to_payload())
    for damage, data in ((mutated_bytes, PUBLISH.to_payload()), (mutated_json, value)):
        first, second = (damage(data, random.Random(5)) for _ in range(2))
        assert first == second != data
