"""What was accepted long ago and has not ended."""

from __future__ import annotations

import pytest

from tests.support.clock import FakeClock
from tests.support.redis import fake_redis
from trackteroid.commits.commit import CommitError, CommitFacts
from trackteroid.commits.ledger import Doubt, Ledger
from trackteroid.commits.memory_ledger import MemoryLedger
from trackteroid.commits.order import Order
from trackteroid.commits.redis_ledger import RedisLedger
from trackteroid.commits.stuck import STUCK_SECONDS, find_stuck, stuck_text

SERVER = "https://studio.example"
BUSY = CommitError(kind="transient", error_class="Timeout", message="No answer\nfrom ftrack.")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=["memory", "redis"])
def ledger(request: pytest.FixtureRequest, clock: FakeClock) -> Ledger:
    return (
        MemoryLedger(SERVER, clock=clock)
        if request.param == "memory"
        else RedisLedger(fake_redis(), SERVER, clock=clock)
    )


def put(ledger: Ledger, name: str, order: Order | None = None, *, hold: bool = False) -> None:
    ledger.enqueue(name, digest="d", payload=b"p", facts=CommitFacts(operations=1), order=order, hold=hold)


def test_what_has_not_ended_after_a_day_is_named_with_its_reason(ledger: Ledger, clock: FakeClock) -> None:
    put(ledger, "tried")
    claim = ledger.claim("w", lease_seconds=60)
    assert claim is not None
    ledger.retry(claim, delay=10 * STUCK_SECONDS, error=BUSY, doubt=Doubt.NONE)
    clock.advance(1)
    put(ledger, "waits", Order(depends_on=("nobody",)))
    put(ledger, "held", hold=True)
    put(ledger, "cancelled")
    ledger.cancel("cancelled")
    assert find_stuck(ledger, now=clock()) == []
    clock.advance(STUCK_SECONDS + 1)
    put(ledger, "young")
    found = find_stuck(ledger, now=clock())
    assert [commit.id for commit in found] == ["waits", "tried"]
    assert stuck_text(found) == (
        "2 accepted more than a day ago and not at an end: waits waiting (Waits for commit nobody, as it was told to, which "
        "nobody has enqueued yet); tried retrying (No answer from ftrack)"
    )


def test_very_many_are_not_all_named(ledger: Ledger, clock: FakeClock) -> None:
    assert stuck_text([]) == ""
    for number in range(120):
        put(ledger, f"c{number:03}")
    clock.advance(STUCK_SECONDS + 1)
    found = find_stuck(ledger, now=clock())
    assert len(found) == 100
    assert stuck_text(found).startswith("100 or more accepted")
    assert stuck_text(found).count("queued") == 3
