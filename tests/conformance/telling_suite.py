"""What every ledger must do about telling somebody: it is noted in the very step in which it happens, for each channel."""

from __future__ import annotations

from dataclasses import replace

from tests.conformance.ledger_suite import ENVIRONMENT, LEASE, PERMANENT, POLICY, LedgerSuite
from trackteroid.commits.commit import CommitError
from trackteroid.commits.ledger import Doubt
from trackteroid.commits.outbox import CHANNELS
from trackteroid.commits.state import CommitState


class TellingSuite(LedgerSuite):
    def told(self, channel: str = CHANNELS[0]) -> list[tuple[str, str, float, CommitError | None]]:
        notices = self.ledger.outbox.notices(channel)
        return [(notice.event, notice.commit_id, notice.at, notice.error) for notice in notices]

    def test_a_death_is_noted_for_each_channel_and_taken_away_by_each(self) -> None:
        self.enqueue("a")
        self.ledger.bury(self.claim(), error=PERMANENT)
        died = [("dead", "a", self.clock.now, PERMANENT)]
        assert [self.told(channel) for channel in CHANNELS] == [died, died]
        first, second = CHANNELS
        # Another process reads and another takes away: what counts is what the ledger holds.
        self.ledger.outbox.dismiss(first, self.ledger.outbox.notices(first))
        assert [self.told(first), self.told(second)] == [[], died]
        assert self.ledger.outbox.states(["a", "unknown"]) == {"a": "dead"}

    def test_poison_is_told_of_like_any_death(self) -> None:
        self.enqueue("a")
        for _ in range(POLICY.max_claims + 1):
            self.claim()
            self.clock.advance(LEASE)
        self.ledger.sweep()
        assert [(event, name) for event, name, _, _ in self.told()] == [("dead", "a")]

    def test_what_goes_well_is_not_told(self) -> None:
        for name in ("a", "b"):
            self.enqueue(name)
        self.ledger.complete(self.claim(), result={})
        self.ledger.hand_back(self.claim())
        self.ledger.cancel("b")
        assert self.told() == []

    def test_the_breaker_is_noted_once_when_it_opens_and_once_when_it_closes(self) -> None:
        self.enqueue("a")
        for _ in range(2):
            self.ledger.retry(self.claim(), delay=0, error=ENVIRONMENT, doubt=Doubt.NONE)
            self.clock.advance(1)
        self.ledger.complete(self.claim(), result={})
        assert [(event, error) for event, _, _, error in self.told()] == [
            ("breaker_open", ENVIRONMENT),
            ("breaker_closed", ENVIRONMENT),
        ]

    def test_the_same_error_on_many_tells_of_the_breaker_too(self) -> None:
        self.ledger = self.make_ledger(self.clock, policy=replace(POLICY, streak=2))
        for name in ("a", "b"):
            self.enqueue(name)
            self.ledger.bury(self.claim(), error=PERMANENT, signature="PermissionError")
            self.clock.advance(1)
        assert [(event, name) for event, name, _, _ in self.told()] == [("dead", "a"), ("breaker_open", "")]
        # Who is told looks again: the first one is not dead any more.
        assert self.ledger.outbox.states(["a"]) != {"a": "dead"}

    def test_what_is_held_for_too_long_is_noted_once_and_stays_held(self) -> None:
        for name in ("a", "b", "c"):
            self.hold(name)
        self.clock.advance(50)
        self.hold("young")
        self.enqueue("queued")
        self.clock.advance(50)
        # A limit that cuts between commits of one moment loses none.
        assert self.ledger.note_overdue(100, limit=2) == 3
        assert self.ledger.note_overdue(100, limit=2) == 0
        assert [(event, name) for event, name, _, _ in self.told()] == [("overdue", name) for name in "abc"]
        assert self.ledger.get("a").state is CommitState.HELD
        self.clock.advance(50)
        assert self.ledger.note_overdue(100) == 1

    def test_what_was_released_in_time_is_not_overdue(self) -> None:
        self.hold("a")
        self.ledger.release("a")
        self.clock.advance(1000)
        assert self.ledger.note_overdue(100) == 0
        assert self.told() == []

    def test_a_channel_is_locked_by_one_at_a_time(self) -> None:
        mine, another = self.ledger.outbox, self.ledger.outbox
        channel, other_channel = CHANNELS
        assert mine.lock(channel, seconds=60)
        assert not another.lock(channel, seconds=60)
        assert another.lock(other_channel, seconds=60)
        another.unlock(channel)
        assert not another.lock(channel, seconds=60), "only who has it gives it back"
        mine.unlock(channel)
        assert another.lock(channel, seconds=60)

    def test_what_a_teller_remembers_is_there_for_the_next_one(self) -> None:
        channel, other_channel = CHANNELS
        self.ledger.outbox.remember(channel, {"tries": 1.0, "paused_until": 1e9}, seconds=60)
        self.ledger.outbox.remember(channel, {"tries": None, "told": 2.5}, seconds=60)
        assert self.ledger.outbox.remembered(channel) == {"paused_until": 1e9, "told": 2.5}
        assert self.ledger.outbox.remembered(other_channel) == {}
