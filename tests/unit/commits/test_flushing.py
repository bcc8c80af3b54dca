from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest

from tests.support.clock import FakeClock
from tests.support.recordings import create, recorded
from trackteroid.commits.flushing import FlushReport, flush
from trackteroid.commits.ledger import Enqueued
from trackteroid.commits.memory_ledger import MemoryLedger
from trackteroid.commits.payload import compress
from trackteroid.commits.servers import normalise_server_url
from trackteroid.commits.spool import Entry, Spool, SpooledRecording
from trackteroid.commits.submission import submit
from trackteroid.errors import LedgerError, LedgerUnavailableError, SettingsError
from trackteroid.operations.recording import Recording

SERVER = "https://studio.example"
REDIS = "redis://h/0"
LIMIT = 10**6


def publish(recording_id: str, *, version: str = "v1") -> Recording:
    return recorded(create("AssetVersion", version), recording_id=recording_id)


def spooled(recording: Recording, *, server_url: str = SERVER, redis_url: str = REDIS) -> SpooledRecording:
    return SpooledRecording(
        commit_id=recording.recording_id,
        digest=recording.digest,
        server_url=server_url,
        redis_url=redis_url,
        payload=compress(recording.to_payload(), limit=LIMIT),
    )


class Stage:
    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock()
        self.spool = Spool(folder, clock=self.clock)
        self.ledgers: dict[str, MemoryLedger] = {}

    def put(self, *recordings: Recording, server_url: str = SERVER, redis_url: str = REDIS) -> None:
        for recording in recordings:
            self.spool.accept(spooled(recording, server_url=server_url, redis_url=redis_url))
            self.clock.advance(1)

    def open(self, server_url: str) -> MemoryLedger:
        return self.ledgers.setdefault(server_url, MemoryLedger(server_url, clock=self.clock))

    def flush(
        self, *, redis_url: str | None = REDIS, seconds: float | None = None, others: Collection[str] = ()
    ) -> FlushReport:
        return flush(
            self.spool,
            self.open,
            redis_url=redis_url,
            payload_limit=LIMIT,
            also_at=lambda server_url: others,
            seconds=seconds,
            monotonic=self.clock,
            on_entry=lambda done, total: self.clock.advance(1),
        )


def test_what_waits_is_delivered_in_order_and_kept_as_sent(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.put(publish("z"), publish("a"), publish("m"))
    assert stage.flush() == FlushReport(delivered=3)
    assert [commit.id for commit in stage.open(SERVER).list()] == ["m", "a", "z"]
    assert (stage.spool.status().waiting, stage.spool.status().sent) == (0, 3)
    facts = stage.open(SERVER).get("z").facts
    assert (facts.user, facts.host, facts.operations) == ("anna", "node7", 1)


TERMS = {"hold": False, "priority": 0, "depends_on": [], "actor": None}


def forged(payload: bytes, **changes: Any) -> bytes:
    """A file of a spool as anybody may write it who can write there."""
    recording = publish("forged")
    header = {
        "format": "trackteroid spool",
        "version": 2,
        "commit_id": "forged",
        "digest": recording.digest,
        "server_url": SERVER,
        "redis_url": REDIS,
        "reason": "",
        "bytes": len(payload),
        "sha256": hashlib.sha256(payload).hexdigest(),
        "kind": "recording",
        "terms": TERMS,
    }
    return json.dumps({**header, **changes}).encode() + b"\n" + payload


@pytest.mark.parametrize(
    "changes",
    [
        {"server_url": ""},
        {"server_url": "ftp://studio.example"},
        {"server_url": "http://[::1"},
        {"server_url": "http://half\ud800"},
        {"reason": "half \ud800"},
        {"terms": {**TERMS, "priority": float("inf")}},
        {"terms": {**TERMS, "priority": True}},
        {"terms": {**TERMS, "actor": {"name": "anna"}}},
        {"terms": {**TERMS, "actor": "half \ud800"}},
        {"terms": {**TERMS, "depends_on": "abc"}},
        {"terms": {**TERMS, "depends_on": ["half \ud800"]}},
        {"kind": "release", "terms": TERMS},
    ],
)
def test_what_somebody_forged_is_put_aside_and_nobody_waits_for_it(changes: dict[str, Any], tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.put(publish("good"))
    payload = b"[" * 100_000 if "kind" in changes else compress(publish("forged").to_payload(), limit=LIMIT)
    path = tmp_path / "forged.000000000000.spooled"
    path.write_bytes(forged(payload, **changes))
    os.utime(path, (1, 1))
    stage.open = lambda url: Stage.open(stage, normalise_server_url(url))  # type: ignore[method-assign]
    assert stage.flush() == FlushReport(delivered=1, refused=1)


def test_trouble_that_nobody_has_thought_of_keeps_nothing_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stage = Stage(tmp_path)
    stage.put(publish("a"), server_url="https://odd.example")
    stage.put(publish("b"))

    def opened(server_url: str) -> MemoryLedger:
        if "odd" in server_url:
            raise ArithmeticError("whatever it is")
        return Stage.open(stage, server_url)

    stage.open = opened  # type: ignore[method-assign]
    assert stage.flush() == FlushReport(delivered=1, left=1)
    assert "ArithmeticError: whatever it is" in caplog.text


def test_a_setting_of_ours_that_cannot_be_used_is_not_the_recordings_fault(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.put(publish("a"))

    def opened(server_url: str) -> MemoryLedger:
        raise SettingsError("TRACKTEROID_SERVER_ALIASES")

    stage.open = opened  # type: ignore[method-assign]
    with pytest.raises(SettingsError):
        stage.flush()
    assert stage.spool.status().waiting == 1


def test_each_recording_goes_to_its_own_server(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.put(publish("a"))
    stage.put(publish("b"), server_url="https://other.example")
    assert stage.flush().delivered == 2
    assert [commit.id for commit in stage.open("https://other.example").list()] == ["b"]


def test_what_the_ledger_knows_changes_nothing(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    recording = publish("a")
    submit(stage.open(SERVER), recording, compress(recording.to_payload(), limit=LIMIT))
    stage.put(recording)
    assert stage.flush() == FlushReport(known=1)
    assert stage.spool.status().waiting == 0


def test_sending_a_sent_copy_again_changes_nothing(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.put(publish("a"))
    stage.flush()
    (copy,) = (tmp_path / "sent").iterdir()
    copy.rename(tmp_path / copy.name)
    assert stage.flush() == FlushReport(known=1)
    assert len(stage.open(SERVER).list()) == 1


def test_what_was_meant_for_another_redis_is_left_unless_asked_for(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.put(publish("a"), redis_url="redis://staging/0")
    assert stage.flush() == FlushReport(elsewhere=1)
    assert stage.spool.status().waiting == 1
    assert stage.flush(redis_url=None) == FlushReport(delivered=1)


def test_what_was_meant_for_this_redis_is_delivered_however_its_address_was_spelled(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.put(publish("a"), redis_url="redis://H:6379")
    stage.put(publish("b"), redis_url="redis://h.studio.example/0")
    stage.put(publish("c"), redis_url="redis://h/1")
    assert stage.flush() == FlushReport(delivered=1, elsewhere=2)
    assert stage.flush(others={"redis://h.studio.example:6379/0"}) == FlushReport(delivered=1, elsewhere=1)


def test_what_is_left_for_another_redis_is_said_once_in_a_while(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stage = Stage(tmp_path)
    stage.put(publish("a"), publish("b"), redis_url="redis://moved-away/0")
    stage.flush()
    stage.flush()
    (said,) = [record.getMessage() for record in caplog.records if "moved-away" in record.getMessage()]
    assert "2 for redis://moved-away:6379/0" in said and "--any-redis" in said


def test_what_can_never_be_delivered_is_put_aside_and_keeps_nobody(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.put(publish("damaged"))
    (path,) = tmp_path.glob("*.spooled")
    path.write_bytes(path.read_bytes()[:-2])
    known = publish("changed", version="other")
    submit(stage.open(SERVER), known, compress(known.to_payload(), limit=LIMIT))
    stage.put(publish("changed"), publish("good"))
    assert stage.flush() == FlushReport(delivered=1, refused=2)
    assert stage.spool.status().refused == 2
    reasons = sorted(path.read_text() for path in (tmp_path / "refused").glob("*.txt"))
    assert "damaged" in reasons[0]
    assert "another content" in reasons[1]


def test_what_was_accepted_anew_while_its_damaged_copy_is_refused_is_delivered(tmp_path: Path) -> None:
    class Raced(Spool):
        def refuse(self, entry: Entry, reason: str) -> bool:
            stage.put(publish("a"))
            return super().refuse(entry, reason)

    stage = Stage(tmp_path)
    stage.put(publish("a"))
    (entry,) = stage.spool.waiting()
    entry.path.write_bytes(entry.path.read_bytes()[:-1])
    report = flush(Raced(tmp_path, clock=stage.clock), stage.open, redis_url=REDIS, payload_limit=LIMIT)
    assert report == FlushReport(left=1)
    assert stage.flush() == FlushReport(delivered=1)


def test_a_header_that_speaks_of_another_recording_is_put_aside(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    mixed = spooled(publish("a"))
    stage.spool.accept(
        SpooledRecording(commit_id="b", digest=mixed.digest, server_url=SERVER, redis_url=REDIS, payload=mixed.payload)
    )
    assert stage.flush() == FlushReport(refused=1)
    assert list(stage.open(SERVER).list()) == []


class Failing(MemoryLedger):
    failure: LedgerError | None = None

    def enqueue(self, commit_id: str, **arguments: object) -> Enqueued:  # type: ignore[override]
        if self.failure is not None and commit_id == "a":
            raise self.failure
        return super().enqueue(commit_id, **arguments)  # type: ignore[arg-type]


def test_a_redis_that_goes_away_stops_it_and_nothing_is_lost(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.put(publish("first"), publish("a"), publish("last"))
    ledger = stage.ledgers[SERVER] = Failing(SERVER, clock=stage.clock)
    ledger.failure = LedgerUnavailableError("Redis is away.")
    assert stage.flush() == FlushReport(delivered=1, left=2, error="Redis is away.")
    ledger.failure = None
    assert stage.flush() == FlushReport(delivered=2)


def test_one_row_that_redis_cannot_take_does_not_keep_the_others(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.put(publish("a"), publish("b"))
    stage.ledgers[SERVER] = ledger = Failing(SERVER, clock=stage.clock)
    ledger.failure = LedgerError("WRONGTYPE")
    assert stage.flush() == FlushReport(delivered=1, left=1)
    assert stage.spool.status().waiting == 1


def test_it_ends_when_its_time_is_up(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.put(*(publish(f"r{number}") for number in range(10)))
    report = stage.flush(seconds=3)
    assert report.delivered + report.left == 10
    assert 1 <= report.delivered <= 4


def test_a_file_somebody_else_has_sent_meanwhile_is_no_trouble(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.put(publish("a"), publish("b"))

    def steal(done: int, total: int) -> None:
        for entry in stage.spool.waiting():
            stage.spool.mark_sent(entry)

    report = flush(stage.spool, stage.open, redis_url=REDIS, payload_limit=LIMIT, on_entry=steal)
    assert report == FlushReport()
