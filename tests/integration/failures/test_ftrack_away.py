"""ftrack is away for six hours, on a clock that is moved: everything waits in the ledger, nothing in the broker."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable

import pytest

from tests.support.canned_server import SERVER_URL, CannedServer
from tests.support.clock import FakeClock
from tests.support.recordings import create, recorded, update
from trackteroid.commits.committer import Committer, CommitterPolicy
from trackteroid.commits.enqueueing import enqueue
from trackteroid.commits.ledger import LedgerPolicy
from trackteroid.commits.redis_client import connect
from trackteroid.commits.redis_ledger import RedisLedger
from trackteroid.commits.retrying import RetryPolicy
from trackteroid.commits.state import CommitState
from trackteroid.commits.sweeping import WAKEUPS_PER_SLOT, Sweeper
from trackteroid.commits.wakeups import WakeupSender, wakeup_queue
from trackteroid.embedded_redis import EmbeddedRedis
from trackteroid.errors import ServerCallError
from trackteroid.settings import Settings

HOUR = 3600.0
SLOTS = 2
COUNT = 40


def away(status: int = 0) -> ServerCallError:
    if status:
        return ServerCallError(f"HTTP {status}", kind="http", status=status, maybe_applied=True)
    return ServerCallError("Connection refused", kind="connection", maybe_applied=False)


class AwayServer(CannedServer):
    """Answers nothing until `back`."""

    def __init__(self, clock: FakeClock, back: float, error: Callable[[], ServerCallError]) -> None:
        super().__init__({("Task", "t1"): {"bid": 1}})
        self.asked: list[float] = []
        self._clock, self._back, self._error = clock, back, error

    def exchange(self, batch, *, timeout=None):  # type: ignore[no-untyped-def]
        self.asked.append(self._clock.now)
        if self._clock.now < self._back:
            raise self._error()
        return super().exchange(batch, timeout=timeout)


class Farm:
    """The ledger in Redis, its wake-up list there too, and one worker; all on one clock."""

    def __init__(
        self,
        redis: EmbeddedRedis,
        error: Callable[[], ServerCallError],
        *,
        hours: float = 6.0,
        jitter: Callable[[], float] = lambda: 1.0,
    ) -> None:
        self.clock = FakeClock()
        self.began = self.clock.now
        self.back = self.began + hours * HOUR
        self.redis = connect(redis.url)
        self.redis.flushall()
        self.ledger = RedisLedger(self.redis, SERVER_URL, policy=LedgerPolicy(), clock=self.clock)
        self.server = AwayServer(self.clock, self.back, error)
        self.committer = Committer(
            self.server,
            self.ledger,
            owner="w",
            policy=CommitterPolicy(retry=RetryPolicy()),
            monotonic=self.clock,
            random=jitter,
        )
        self.longest_list = 0
        self.sweeper = Sweeper(self.ledger, WakeupSender(redis.url, SERVER_URL), self._waiting, slots=SLOTS)

    def _waiting(self) -> int:
        return int(self.redis.llen(wakeup_queue(SERVER_URL)))

    def enqueue(self, count: int, first: int = 0) -> None:
        for number in range(first, first + count):
            recording = recorded(create("AssetVersion", f"v{number}"), recording_id=f"rec-{number}")
            enqueue(recording, ledger=self.ledger, settings=Settings(), wake=False)

    def run(self, seconds: float, *, step: float) -> None:
        """Let the time pass: a sweep, then the worker takes each wake-up there is."""
        end = self.clock.now + seconds
        while self.clock.now < end:
            self.sweeper.sweep()
            self.longest_list = max(self.longest_list, self._waiting())
            while self.redis.lpop(wakeup_queue(SERVER_URL)) is not None:
                self.committer.drain()
            self.clock.advance(step)

    def keys_but_the_ledgers(self) -> list[bytes]:
        """What lies in the broker; kombu notes there which queues there are."""
        keys = self.redis.keys("*")
        assert isinstance(keys, list)
        return [key for key in keys if not key.startswith((self.ledger.prefix.encode(), b"_kombu."))]


def test_one_commit_is_tried_on_schedule_and_committed_once_when_ftrack_is_back(redis: EmbeddedRedis) -> None:
    farm = Farm(redis, away)
    farm.enqueue(1)
    farm.run(6 * HOUR + 2 * HOUR, step=10.0)
    # Five seconds, doubled each time, at most an hour (design 3; here with the whole of the jitter).
    expected = list(
        itertools.accumulate([5.0, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600, 3600, 3600, 3600])
    )
    tried = [moment - farm.began for moment in farm.server.asked]
    assert tried[0] == 0
    assert tried[1:] == [pytest.approx(moment, abs=10 * len(expected)) for moment in expected[: len(tried) - 1]]
    assert 11 <= len(tried) <= 17
    assert farm.ledger.get("rec-0").state is CommitState.COMMITTED
    assert farm.server.effects == [("create", "AssetVersion", "v0")]
    assert farm.keys_but_the_ledgers() == []


@pytest.mark.parametrize("status", [0, 503], ids=["nobody answers", "503"])
def test_many_commits_wait_in_the_ledger_and_are_committed_once_when_ftrack_is_back(
    redis: EmbeddedRedis, status: int
) -> None:
    farm = Farm(redis, lambda: away(status))
    farm.enqueue(COUNT)
    farm.run(5.9 * HOUR, step=30.0)
    counts = farm.ledger.counts()
    assert counts[CommitState.DEAD] == counts[CommitState.COMMITTED] == 0
    assert sum(counts.values()) == COUNT
    # On schedule: each of them about as often as one alone, although they failed together.
    assert all(10 <= farm.ledger.get(f"rec-{number}").attempts <= 17 for number in range(COUNT))
    assert len(farm.server.asked) <= 17 * COUNT
    farm.run(0.1 * HOUR + HOUR + 60.0, step=30.0)
    counts = farm.ledger.counts()
    assert counts[CommitState.COMMITTED] == COUNT
    assert sorted(farm.server.effects) == sorted(("create", "AssetVersion", f"v{number}") for number in range(COUNT))
    assert farm.ledger.breaker().open_since is None
    # Never more wake-ups than the sweep's bound, and none left; no message that waits for its time.
    assert farm.longest_list <= WAKEUPS_PER_SLOT * SLOTS
    assert farm.keys_but_the_ledgers() == []


def test_the_first_commit_that_gets_through_brings_the_others_back(redis: EmbeddedRedis) -> None:
    farm = Farm(redis, away, jitter=random.Random(7).random)
    farm.enqueue(COUNT)
    farm.run(6 * HOUR - 10, step=10.0)
    assert farm.ledger.counts()[CommitState.RETRYING] == COUNT
    # Their back-offs are half an hour on average.
    waits = sorted((commit.due_at or 0.0) - farm.back for commit in farm.ledger.list(limit=COUNT))
    assert waits[COUNT // 2] > 0.25 * HOUR
    farm.run(20, step=10.0)
    farm.enqueue(1, first=COUNT)
    farm.run(30, step=10.0)
    assert farm.ledger.counts()[CommitState.COMMITTED] == COUNT + 1
    assert len(farm.server.effects) == len(set(farm.server.effects)) == COUNT + 1


def test_while_ftrack_is_away_new_ones_are_accepted_and_a_value_is_written_in_the_order_of_recording(
    redis: EmbeddedRedis,
) -> None:
    farm = Farm(redis, away, hours=6.0)
    for number in range(3):
        recording = recorded(update("Task", "t1", "bid", number + 10), recording_id=f"rec-{number}")
        enqueue(recording, ledger=farm.ledger, settings=Settings(), wake=False)
        farm.run(2 * HOUR - 60, step=30.0)
    farm.run(3 * HOUR, step=30.0)
    assert farm.ledger.counts()[CommitState.COMMITTED] == 3
    assert farm.server.rows["Task", "t1"]["bid"] == 12
