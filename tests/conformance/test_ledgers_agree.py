"""Random histories: both ledgers answer alike after every step. One is written as scans, the other as indices."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from tests.conformance.ledger_suite import ENVIRONMENT, LEASE, PERMANENT, POLICY, SERVER, TRANSIENT, UNKNOWN
from tests.conformance.order_suite import MISSING
from tests.support.clock import FakeClock
from tests.support.redis import fake_redis
from trackteroid.commits.claim import Claim
from trackteroid.commits.commit import CommitFacts
from trackteroid.commits.ledger import Doubt, Ledger
from trackteroid.commits.memory_ledger import MemoryLedger
from trackteroid.commits.order import Order
from trackteroid.commits.redis_ledger import RedisLedger
from trackteroid.commits.state import CommitState
from trackteroid.errors import LedgerError

STEPS = 150
NUMBERS = replace(POLICY, probe_seconds=7.0, streak=3, concurrency=4)
ENTITIES = ("e1", "e2", "e3")


class History:
    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.clock = FakeClock()
        self.ledgers: tuple[MemoryLedger, RedisLedger] = (
            MemoryLedger(SERVER, policy=NUMBERS, clock=self.clock),
            RedisLedger(fake_redis(), SERVER, policy=NUMBERS, clock=self.clock),
        )
        self.names: list[str] = []
        self.claims: list[tuple[Claim, Claim]] = []
        self.log: list[str] = []

    def some(self, values: tuple[str, ...], chance: float = 0.3) -> tuple[str, ...]:
        return tuple(value for value in values if self.chance.random() < chance)

    def step(self) -> None:
        acts = (self.enqueue, self.enqueue, self.claim, self.claim, self.verdict, self.verdict, self.person, self.wait)
        self.chance.choice(acts)()

    def enqueue(self) -> None:
        name = f"c{self.chance.randrange(1000):03}"
        if name in self.names:
            return
        created = self.some(ENTITIES, 0.2)
        pairs = tuple((entity, name) for entity in self.some(ENTITIES) for name in ("x", "y"))
        order = Order(
            created=created,
            needed=tuple(entity for entity in self.some(ENTITIES) if entity not in created),
            written=tuple(pair for pair in pairs if self.chance.random() < 0.4),
            deleted=self.some(ENTITIES, 0.1),
            assets=self.some(("asset",), 0.2),
            depends_on=self.some(tuple(self.names[-3:]), 0.1),
            recorded_at=self.clock.now + 20 - self.chance.randrange(100),
        )
        hold = self.chance.random() < 0.1
        priority = self.chance.choice((0, 0, 0, 5, -5))
        facts = CommitFacts(operations=1, user=self.chance.choice("ab"))
        self.names.append(name)
        self.log.append(f"enqueue {name} {hold} {order}")
        for ledger in self.ledgers:
            ledger.enqueue(name, digest="d", payload=b"p", facts=facts, hold=hold, order=order, priority=priority)

    def claim(self) -> None:
        found = [ledger.claim("w", lease_seconds=LEASE) for ledger in self.ledgers]
        self.log.append(f"claim {[claim and claim.commit.id for claim in found]}")
        first, second = found
        if first is None or second is None:
            assert first is second, self.log
        else:
            self.take(first, second)

    def take(self, first: Claim, second: Claim) -> None:
        assert replace(first, payload=None) == replace(second, payload=None), "\n".join(self.log)
        self.claims.append((first, second))

    def verdict(self) -> None:
        if not self.claims:
            return
        pair = self.claims.pop(self.chance.randrange(len(self.claims)))
        kind = self.chance.choice(
            ("complete", "and claim", "retry", "transient", "environment", "bury", "wait", "hand_back", "forget")
        )
        sent = self.chance.random() < 0.5
        self.log.append(f"{kind} {pair[0].commit.id} {sent}")
        signature = self.chance.choice(("", "s1", "s2"))
        answers: list[object] = []
        for ledger, claim in zip(self.ledgers, pair, strict=True):
            try:
                if sent:
                    ledger.mark_sent(claim, lease_seconds=LEASE, request_seconds=30.0)
                answers.append(give(kind, ledger, claim, signature))
            except LedgerError:
                answers.append("refused")
        first, second = answers
        if isinstance(first, Claim) and isinstance(second, Claim):
            self.take(first, second)
        else:
            assert first == second, "\n".join(self.log)

    def person(self) -> None:
        if not self.names:
            return
        name, act = self.chance.choice(self.names), self.chance.choice(("release", "cancel", "retry_dead"))
        self.log.append(f"{act} {name}")
        answers = []
        for ledger in self.ledgers:
            try:
                answers.append(str(getattr(ledger, act)(name, actor="p").state))
            except LedgerError as error:
                answers.append(str(error))
        assert answers[0] == answers[1], self.log

    def wait(self) -> None:
        self.clock.advance(self.chance.choice((1.0, 10.0, LEASE)))
        self.log.append("time passes")

    def compare(self) -> None:
        memory, redis = ([ledger.get(name) for name in self.names] for ledger in self.ledgers)
        assert memory == redis, "\n".join(self.log)
        assert self.ledgers[0].breaker() == self.ledgers[1].breaker(), "\n".join(self.log)
        assert self.ledgers[0].sweep() == self.ledgers[1].sweep(), "\n".join(self.log)
        assert told(self.ledgers[0]) == told(self.ledgers[1]), "\n".join(self.log)

    def check_rows(self) -> None:
        """What the scripts read off a row, so that they need not look into the indices."""
        log, redis, prefix = "\n".join(self.log), self.ledgers[1].client, self.ledgers[1].prefix
        queued = {each for name in ("due", "ready", "away") for each in texts(redis.zrange(f"{prefix}{name}", 0, -1))}
        for name in self.names:
            fields = redis.hgetall(f"{prefix}c:{name}")
            row = dict(zip(texts(fields.keys()), texts(fields.values()), strict=True))  # type: ignore[union-attr]
            states = [each for each in CommitState if redis.zscore(f"{prefix}state:{each.value}", name) is not None]
            assert [each.value for each in states] == [row["state"]], (name, row, states, log)
            held = row["state"] == "committing"
            assert ("due_at" in row) == (name in queued), (name, row, log)
            assert [field in row for field in ("owner", "lease_expires_at")] == [held, held], (name, row, log)
            assert held or "sent_until" not in row, (name, row, log)
            assert ("waiting_kind" in row) == (row["state"] == "waiting"), (name, row, log)
            if "waiting_for" in row:
                assert "waiting_kind" in row, (name, row, log)
                assert redis.sismember(f"{prefix}w:{row['waiting_for']}", name), (name, row, log)

    def finish(self) -> None:
        """Whatever happened: once nothing fails any more, only what waits for the dead or the unknown is left."""
        for name in self.names:
            if self.ledgers[0].get(name).state is CommitState.HELD:
                for ledger in self.ledgers:
                    ledger.release(name)
        for _ in range(10 * len(self.names)):
            self.clock.advance(LEASE)
            self.claim()
            while self.claims:
                for ledger, claim in zip(self.ledgers, self.claims.pop(), strict=True):
                    try:
                        complete(ledger, claim)
                    except LedgerError:
                        break
        self.compare()
        for name in self.names:
            commit = self.ledgers[0].get(name)
            if commit.state is CommitState.WAITING:
                assert commit.waiting is not None
                assert self.stands_for_good(name), ("\n".join(self.log), commit)
            else:
                assert commit.state in (CommitState.COMMITTED, CommitState.DEAD, CommitState.CANCELLED), commit

    def forget(self) -> None:
        """Nothing but tombstones, counters and the times of values is left of commits that ended long ago."""
        for name in self.names:
            for ledger in self.ledgers:
                if ledger.get(name).state is not CommitState.COMMITTED:
                    ledger.cancel(name)
        self.clock.advance(NUMBERS.retention_seconds)
        assert [ledger.purge() for ledger in self.ledgers] == [len(self.names)] * 2
        kept = {"t", "x:t", "accepted", "place", "turn", "breaker", "outage", "pause", "tell"}
        redis = self.ledgers[1]
        for key in redis.client.keys("*"):
            first, _, rest = key.decode().removeprefix(redis.prefix).partition(":")
            assert (f"x:{rest.partition(':')[0]}" if first == "x" else first) in kept, key

    def stands_for_good(self, name: str) -> bool:
        """Whether a commit waits, over any number of others, for one that has ended."""
        chain: list[str] = []
        while name not in chain:
            commit = self.ledgers[0].get(name)
            if commit.waiting is None or commit.waiting.commit_id is None:
                return commit.state in (CommitState.DEAD, CommitState.CANCELLED)
            chain.append(name)
            name = commit.waiting.commit_id
        return False


def told(ledger: Ledger) -> list[tuple[str, str, float, str]]:
    """What waits in the outbox. The order within a moment is the ledger's affair."""
    notices = ledger.outbox.notices("hook")
    return sorted((each.event, each.commit_id, round(each.at, 3), repr(each.error)) for each in notices)


def texts(values: Any) -> list[str]:
    return [value.decode() for value in values]


def give(kind: str, ledger: Ledger, claim: Claim, signature: str) -> object:
    """Give a verdict on a claim, and return what the ledger answers: whatever it is, both answer alike."""
    if kind == "complete":
        return complete(ledger, claim)
    if kind == "and claim":
        closed, following = ledger.complete_and_claim(
            claim, result={}, companions=whole(claim), owner="w", lease_seconds=LEASE
        )
        return following or closed
    if kind == "retry":
        return ledger.retry(claim, delay=10.0, error=UNKNOWN, doubt=Doubt.RUNNING, signature=signature)
    if kind == "transient":
        return ledger.retry(claim, delay=1000.0, error=TRANSIENT, doubt=Doubt.NONE)
    if kind == "environment":
        return ledger.retry(claim, delay=10.0, error=ENVIRONMENT, doubt=Doubt.SETTLED, pause=5.0)
    if kind == "bury":
        return ledger.bury(claim, error=PERMANENT, signature=signature)
    if kind == "wait":
        return ledger.wait(claim, delay=20.0, error=MISSING, doubt=Doubt.NONE)
    return ledger.hand_back(claim) if kind == "hand_back" else None


def complete(ledger: Ledger, claim: Claim) -> bool:
    return ledger.complete(claim, result={}, companions=whole(claim))


def whole(claim: Claim) -> dict[str, dict[str, object]]:
    """The results of everything that was committed together with a claim."""
    return {each.commit.id: {} for each in claim.companions}


@pytest.mark.parametrize("seed", range(12))
def test_both_ledgers_agree_on_any_history(seed: int) -> None:
    history = History(seed)
    for number in range(STEPS):
        history.step()
        history.compare()
        if number % 10 == 0:
            history.check_rows()
    history.finish()
    history.forget()
