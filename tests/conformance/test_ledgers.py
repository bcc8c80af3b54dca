"""Every ledger passes one suite: in memory, on fakeredis, and on a real server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pytest

from tests.conformance.breaker_suite import BreakerSuite
from tests.conformance.fairness_suite import FairnessSuite
from tests.conformance.index_suite import IndexSuite
from tests.conformance.ledger_suite import LEASE, POLICY, SERVER, TRANSIENT
from tests.conformance.order_suite import OrderSuite
from tests.conformance.outage_suite import OutageSuite
from tests.conformance.telling_suite import TellingSuite
from tests.support.clock import FakeClock
from tests.support.redis import embedded_redis, fake_redis
from trackteroid.commits import redis_ledger
from trackteroid.commits.cache_debts import CacheDebts
from trackteroid.commits.commit import CommitFacts
from trackteroid.commits.ledger import Doubt, Ledger, LedgerPolicy
from trackteroid.commits.memory_ledger import MemoryLedger
from trackteroid.commits.order import Order
from trackteroid.commits.redis_client import connect
from trackteroid.commits.redis_ledger import RedisLedger
from trackteroid.commits.state import CommitState
from trackteroid.embedded_redis import EmbeddedRedis
from trackteroid.errors import LedgerError, LedgerUnavailableError


class TestMemoryLedger(OrderSuite, BreakerSuite, FairnessSuite, IndexSuite, OutageSuite, TellingSuite):
    def make_ledger(self, clock: FakeClock, server_url: str = SERVER, policy: LedgerPolicy = POLICY) -> Ledger:
        return MemoryLedger(server_url, policy=policy, clock=clock)


class TestRedisLedgerOnFakeredis(OrderSuite, BreakerSuite, FairnessSuite, IndexSuite, OutageSuite, TellingSuite):
    def prepare(self, request: pytest.FixtureRequest) -> None:
        self.client = fake_redis()

    def make_ledger(self, clock: FakeClock, server_url: str = SERVER, policy: LedgerPolicy = POLICY) -> Ledger:
        return RedisLedger(self.client, server_url, policy=policy, clock=clock)


@pytest.fixture(scope="module")
def real_server() -> Iterator[EmbeddedRedis]:
    with embedded_redis() as server:
        yield server


class TestRedisLedgerOnARealServer(OrderSuite, BreakerSuite, FairnessSuite, IndexSuite, OutageSuite, TellingSuite):
    def prepare(self, request: pytest.FixtureRequest) -> None:
        self.client = connect(request.getfixturevalue("real_server").url)
        self.client.flushall()
        request.addfinalizer(self.client.close)

    def make_ledger(self, clock: FakeClock, server_url: str = SERVER, policy: LedgerPolicy = POLICY) -> Ledger:
        return RedisLedger(self.client, server_url, policy=policy, clock=clock)

    def test_without_a_given_clock_the_servers_decides(self) -> None:
        ledger = RedisLedger(self.client, SERVER, policy=POLICY)
        ledger.enqueue("a", digest="d", payload=b"x", facts=CommitFacts(operations=1))
        seconds, microseconds = self.client.time()
        assert abs(ledger.get("a").created_at - (seconds + microseconds / 1e6)) < 5
        claim = ledger.claim("w", lease_seconds=60)
        assert claim is not None and claim.commit.id == "a"

    def test_a_full_server_takes_nothing_new_but_lets_workers_finish(self) -> None:
        assert isinstance(self.ledger, RedisLedger)
        self.enqueue("a", payload=b"x" * 1000)
        self.enqueue("b")
        self.claim()
        self.clock.advance(LEASE)
        limit = self.client.config_get("maxmemory")
        self.client.config_set("maxmemory", 1)
        try:
            with pytest.raises(LedgerUnavailableError, match="takes nothing now"):
                self.enqueue("c")
            first, second = self.claim(), self.claim()
            assert {first.commit.id, second.commit.id} == {"a", "b"}
            self.ledger.remember_stand_ins({"p1": "x1", "p2": None})
            assert self.ledger.stand_ins(["p1"]) == {"p1": "x1"}
            CacheDebts(self.ledger).owe()
            self.ledger.mark_sent(first, lease_seconds=LEASE, request_seconds=10)
            self.ledger.complete(first, result={})
            self.ledger.retry(second, delay=0, error=TRANSIENT, doubt=Doubt.NONE)
            assert self.ledger.sweep().due == 1
            assert CacheDebts(self.ledger).pay(lambda: None)
        finally:
            self.client.config_set("maxmemory", next(iter(limit.values())))
        assert [commit.id for commit in self.ledger.list([CommitState.COMMITTED])] == [first.commit.id]

    def test_a_recording_whose_keys_cannot_be_read_leaves_nothing_behind(self) -> None:
        with pytest.raises(LedgerError):
            self.ledger.enqueue(
                "a", digest="d", payload=b"p", facts=CommitFacts(operations=1), order=Order(created=("half \udc80",))
            )
        assert not self.everything()

    def test_a_result_whose_words_cannot_be_read_changes_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.enqueue("a")
        claim = self.claim()
        before = self.everything()
        with monkeypatch.context() as patch:
            patch.setattr(redis_ledger, "_words", lambda *facts: ("[", "1"))
            with pytest.raises(LedgerError):
                self.ledger.complete(claim, result={})
        assert self.everything() == before
        self.ledger.complete(claim, result={})
        assert self.ledger.get("a").state is CommitState.COMMITTED

    def everything(self) -> dict[bytes, Any]:
        return {key: self.client.dump(key) for key in cast("list[bytes]", self.client.keys("*"))}
