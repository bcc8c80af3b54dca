"""What a worker could not tell the query cache is kept in the ledger, and told by whoever can."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from tests.support.canned_server import SERVER_URL, CannedServer
from tests.support.clock import FakeClock
from tests.support.recordings import create, recorded
from tests.support.redis import fake_redis
from trackteroid.commits.cache_debts import CacheDebts
from trackteroid.commits.committer import Committer, CommitterPolicy
from trackteroid.commits.enqueueing import enqueue
from trackteroid.commits.redis_ledger import RedisLedger
from trackteroid.commits.state import CommitState
from trackteroid.errors import CacheUnavailableError, LeaseLostError, LedgerUnavailableError, ServerCallError
from trackteroid.settings import Settings

LOST_REPLY = ServerCallError("No answer", kind="connection", maybe_applied=True)


class CachingServer(CannedServer):
    """Notes what is told to the cache, and owes it where the cache is away."""

    def __init__(self, debts: CacheDebts | None = None) -> None:
        super().__init__()
        self.debts = debts
        self.told: list[list[Any]] = []
        self.away = False
        self.writers: list[str | None] = []
        self.steps: list[str] = []
        self._writer: str | None = None
        self.announced: Any = None

    @contextlib.contextmanager
    def writing_as(self, writer: str) -> Iterator[None]:
        self._writer = writer
        try:
            yield
        finally:
            self._writer = None

    @contextlib.contextmanager
    def announcing(self, batch: Any) -> Iterator[None]:
        self.announced = batch
        self.steps.append("announced")
        try:
            yield
        finally:
            self.steps.append("told")

    def invalidate(self, batch: Any) -> None:
        self.told.append(list(batch))
        self.writers.append(self._writer)
        if self.away and self.debts is not None:
            self.debts.owe()

    def exchange(self, batch: Any, **options: Any) -> Any:
        writes = [item for item in batch if item["action"] != "query"]
        if writes:
            self.steps.append("sent" if batch is self.announced else "something else is sent")
        try:
            return super().exchange(batch, **options)
        finally:
            if writes:
                self.invalidate(writes)


@pytest.fixture
def ledger() -> RedisLedger:
    return RedisLedger(fake_redis(), SERVER_URL, clock=FakeClock())


def test_a_debt_is_paid_once(ledger: RedisLedger) -> None:
    debts, paid = CacheDebts(ledger), []
    assert not debts.pay(lambda: paid.append(1))
    debts.owe()
    debts.owe()
    # Any worker may pay.
    assert CacheDebts(ledger).pay(lambda: paid.append(1))
    assert not debts.pay(lambda: paid.append(1))
    assert paid == [1]


def test_a_debt_stays_while_the_cache_is_away(ledger: RedisLedger) -> None:
    debts = CacheDebts(ledger)
    debts.owe()

    def away() -> None:
        raise CacheUnavailableError("away")

    with pytest.raises(CacheUnavailableError):
        debts.pay(away)
    assert debts.pay(lambda: None)


def test_a_debt_that_is_made_while_another_is_paid_stays(ledger: RedisLedger) -> None:
    debts = CacheDebts(ledger)
    debts.owe()
    assert debts.pay(debts.owe)
    assert debts.pay(lambda: None)
    assert not debts.pay(lambda: None)


def test_debts_of_other_servers_are_others(ledger: RedisLedger) -> None:
    CacheDebts(RedisLedger(ledger.client, "http://other")).owe()
    assert not CacheDebts(ledger).pay(lambda: None)


def test_a_debt_that_cannot_be_noted_is_an_error(ledger: RedisLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    debts = CacheDebts(ledger)

    def away(*_: Any, **__: Any) -> None:
        raise redis.ConnectionError("away")

    monkeypatch.setattr(ledger.client, "evalsha", away)
    with pytest.raises(LedgerUnavailableError):
        debts.owe()


def stage(ledger: RedisLedger) -> tuple[CachingServer, Committer, CacheDebts]:
    debts = CacheDebts(ledger)
    server = CachingServer(debts)
    clock: Any = ledger._clock
    committer = Committer(server, ledger, owner="w", policy=CommitterPolicy(), random=lambda: 0.0, monotonic=clock)
    enqueue(recorded(create("AssetVersion", "v1")), ledger=ledger, settings=Settings(), wake=False)
    return server, committer, debts


def test_what_an_earlier_attempt_may_have_done_is_told_before_it_is_reported(ledger: RedisLedger) -> None:
    server, committer, _ = stage(ledger)
    server.after.append(LOST_REPLY)
    outcome = committer.commit_next()
    assert outcome is not None
    assert outcome.state is CommitState.RETRYING
    # As if that worker had been killed before it could tell anybody.
    server.told.clear()
    wait(ledger)
    outcome = committer.commit_next()
    assert outcome is not None
    assert outcome.state is CommitState.COMMITTED
    assert len(server.writes) == 1
    assert [item["entity_type"] for batch in server.told for item in batch] == ["AssetVersion"]
    # What the killed one announced to the cache ends with what is told by the next, in the name of the same commit.
    (writer,) = set(server.writers)
    assert writer is not None


def wait(ledger: RedisLedger) -> None:
    clock: Any = ledger._clock
    clock.advance(3600)


def test_what_the_cache_is_owed_is_in_the_ledger_when_the_commit_is_reported(ledger: RedisLedger) -> None:
    server, committer, debts = stage(ledger)
    server.away = True
    outcome = committer.commit_next()
    assert outcome is not None
    assert outcome.state is CommitState.COMMITTED
    assert debts.pay(lambda: None)


def test_what_can_be_noted_nowhere_is_not_reported_as_done(
    ledger: RedisLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, committer, debts = stage(ledger)
    server.away = True

    def away() -> None:
        raise LedgerUnavailableError("away")

    monkeypatch.setattr(debts, "owe", away)
    with pytest.raises(LedgerUnavailableError):
        committer.commit_next()
    commit = ledger.get("rec-1")
    assert (commit.state, commit.uncertain_until is not None) == (CommitState.RETRYING, True)
    # Another attempt finds it there, tells the cache and reports it.
    monkeypatch.undo()
    server.away = False
    server.told.clear()
    wait(ledger)
    outcome = committer.commit_next()
    assert outcome is not None
    assert outcome.state is CommitState.COMMITTED
    assert server.told
    assert len(server.writes) == 1


def test_the_cache_makes_ready_while_the_ledger_does(ledger: RedisLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    server, committer, _ = stage(ledger)
    mark_sent = ledger.mark_sent

    def marking(*arguments: Any, **options: Any) -> None:
        server.steps.append("marked as sent")
        mark_sent(*arguments, **options)

    monkeypatch.setattr(ledger, "mark_sent", marking)
    outcome = committer.commit_next()
    assert outcome is not None
    assert outcome.state is CommitState.COMMITTED
    assert server.steps == ["announced", "marked as sent", "sent", "told"]


def test_nothing_is_sent_that_was_announced_where_the_lease_is_lost(
    ledger: RedisLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, committer, _ = stage(ledger)

    def lost(*_: Any, **__: Any) -> None:
        raise LeaseLostError("Somebody else holds it.")

    monkeypatch.setattr(ledger, "mark_sent", lost)
    outcome = committer.commit_next()
    assert outcome is not None
    assert outcome.state is CommitState.COMMITTING
    assert server.steps == ["announced", "told"]
    assert server.writes == []
