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
