"""Rows that somebody else has written, or a newer release."""

from __future__ import annotations

import pytest

from tests.support.clock import FakeClock
from tests.support.redis import fake_redis
from trackteroid.commits import filtering
from trackteroid.commits.commit import CommitFacts
from trackteroid.commits.filtering import CommitFilter, select
from trackteroid.commits.redis_ledger import RedisLedger
from trackteroid.commits.state import CommitState
from trackteroid.commits.stuck import find_stuck, stuck_text
from trackteroid.errors import LedgerDataError

SERVER = "https://studio.example"


@pytest.mark.parametrize(
    ("name", "value", "state"),
    [
        ("facts", b"{", CommitState.QUEUED),
        ("facts", b"\xff\xfe", CommitState.QUEUED),
        ("state", b"hovering", CommitState.DEAD),
        ("created_at", b"yesterday", CommitState.QUEUED),
        ("error", b"[]", CommitState.QUEUED),
    ],
)
def test_a_row_that_cannot_be_read_is_listed_in_its_place_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, name: str, value: bytes, state: CommitState
) -> None:
    clock = FakeClock()
    ledger = RedisLedger(fake_redis(), SERVER, clock=clock)
    for commit_id in ("first", "damaged", "last"):
        ledger.enqueue(commit_id, digest="d", payload=b"p", facts=CommitFacts(operations=1))
        clock.advance(60)
    ledger.client.hset(f"{ledger.prefix}c:damaged", name, value)
    monkeypatch.setattr(filtering, "_PAGE", 1)
    found = list(select(ledger, CommitFilter(), now=clock()))
    assert [commit.id for commit in found] == ["last", "damaged", "first"]
    damaged = found[1]
    assert (damaged.state, damaged.created_at) == (state, clock() - 120)
    assert damaged.error is not None
    assert (damaged.error.kind, "cannot be read" in damaged.error.message) == ("unreadable", True)
    assert "damaged" in stuck_text(find_stuck(ledger, now=clock(), seconds=0))
    with pytest.raises(LedgerDataError, match="damaged"):
        ledger.get("damaged")


@pytest.mark.parametrize("hold", [False, True])
def test_what_a_script_that_failed_half_way_has_left_is_accepted_anew(hold: bool) -> None:
    ledger = RedisLedger(fake_redis(), SERVER)
    left = {"state": "held" if hold else "queued", "digest": "d", "facts": "{}", "priority": 0, "recorded_at": "1.0"}
    ledger.client.hset(f"{ledger.prefix}c:a", mapping=left)
    ledger.client.set(f"{ledger.prefix}o:a", '{"c":["half \\udc80"]}')
    for known in (False, True):
        accepted = ledger.enqueue("a", digest="d", payload=b"p", facts=CommitFacts(operations=1), hold=hold)
        assert accepted.known is known
    assert [commit.id for commit in ledger.list()] == ["a"]
    assert ledger.client.hget(f"{ledger.prefix}c:a", "recorded_at") is None
    if hold:
        ledger.release("a")
    claim = ledger.claim("w", lease_seconds=60)
    assert claim is not None and claim.payload == b"p"
    ledger.complete(claim, result={})
    assert ledger.enqueue("a", digest="d", payload=b"p", facts=CommitFacts(operations=1)).known
