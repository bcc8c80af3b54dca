"""Holding on to commits from one thread, which is there only while it is needed."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from tests.support.clock import FakeClock
from tests.support.processes import wait_until
from trackteroid.commits.claim import Claim
from trackteroid.commits.commit import CommitFacts
from trackteroid.commits.lease import LeaseKeeper
from trackteroid.commits.memory_ledger import MemoryLedger
from trackteroid.errors import LeaseLostError, LedgerUnavailableError

SHORT = 0.03


class Renewed(MemoryLedger):
    """Counts renewals; the next ones may fail."""

    def __init__(self, **options: Any) -> None:
        super().__init__("https://studio.example", **options)
        self.renewals: list[str] = []
        self.threads: set[threading.Thread] = set()
        self.failures: list[Exception] = []
        self.gate: threading.Event | None = None
        self.entered = threading.Event()

    def renew(self, claim: Claim, *, lease_seconds: float) -> None:
        self.entered.set()
        if self.gate is not None:
            assert self.gate.wait(10)
        self.threads.add(threading.current_thread())
        if self.failures:
            raise self.failures.pop(0)
        super().renew(claim, lease_seconds=lease_seconds)
        self.renewals.append(claim.commit.id)

    def claimed(self, name: str) -> Claim:
        self.enqueue(name, digest="d", payload=b"p", facts=CommitFacts(operations=1))
        claim = self.claim("w", lease_seconds=60.0)
        assert claim is not None
        return claim


def test_a_lease_is_renewed_for_as_long_as_it_is_held() -> None:
    ledger = Renewed()
    keeper = LeaseKeeper(ledger, lease_seconds=SHORT)
    with keeper.holding(ledger.claimed("a")):
        wait_until(lambda: len(ledger.renewals) >= 3, what="three renewals")
    count = len(ledger.renewals)
    with keeper.holding(ledger.claimed("b")):
        wait_until(lambda: "b" in ledger.renewals, what="a renewal of the next one")
    assert ledger.renewals[count:] == ["b"] * (len(ledger.renewals) - count)


def test_one_thread_renews_all_and_ends_when_nothing_is_held() -> None:
    ledger = Renewed()
    keeper = LeaseKeeper(ledger, lease_seconds=SHORT)
    with keeper.holding(ledger.claimed("a")), keeper.holding(ledger.claimed("b")):
        wait_until(lambda: {"a", "b"} <= set(ledger.renewals), what="renewals of both")
        (thread,) = ledger.threads
    wait_until(lambda: not thread.is_alive(), what="the end of the thread")


def test_no_renewal_follows_the_end_of_a_hold() -> None:
    ledger = Renewed()
    ledger.gate = threading.Event()
    keeper = LeaseKeeper(ledger, lease_seconds=SHORT)
    ended = threading.Event()

    def hold() -> None:
        with keeper.holding(ledger.claimed("a")):
            assert ledger.entered.wait(10)
        ended.set()

    holder = threading.Thread(target=hold)
    holder.start()
    assert ledger.entered.wait(10)
    # It is at it: whoever ends the hold waits until that is over.
    assert not ended.wait(0.1)
    ledger.gate.set()
    assert ended.wait(10)
    holder.join()
    assert ledger.renewals == ["a"]


def test_a_lease_that_could_not_be_renewed_is_tried_again() -> None:
    ledger = Renewed()
    ledger.failures = [LedgerUnavailableError("away")]
    with LeaseKeeper(ledger, lease_seconds=SHORT).holding(ledger.claimed("a")) as lease:
        wait_until(lambda: bool(ledger.renewals), what="a renewal")
        lease.send_within(5.0)


def test_nothing_is_sent_once_the_lease_is_known_to_be_lost() -> None:
    clock = FakeClock()
    ledger = Renewed(clock=clock)
    claim = ledger.claimed("a")
    ledger.failures = [LeaseLostError("lost")]
    with LeaseKeeper(ledger, lease_seconds=SHORT).holding(claim) as lease:
        wait_until(lambda: not ledger.failures, what="the renewal that finds out")
        with pytest.raises(LeaseLostError, match="a is no longer held by w"):
            wait_until(lambda: lease.send_within(5.0) < 0, what="the loss to be noted")
