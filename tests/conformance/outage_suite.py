"""What every ledger must do once a server that was away answers again: nobody waits out an hour of back-off."""

from __future__ import annotations

import pytest

from tests.conformance.ledger_suite import LEASE, PERMANENT, TRANSIENT, UNKNOWN, LedgerSuite
from tests.conformance.order_suite import MISSING
from trackteroid.commits.commit import CommitError
from trackteroid.commits.ledger import Doubt
from trackteroid.commits.state import CommitState

HOUR = 3600.0
#: As many are due again with each answer.
AT_ONCE = 10


class OutageSuite(LedgerSuite):
    def miss(self, *names: str, delay: float = HOUR, error: CommitError = TRANSIENT, doubt: Doubt = Doubt.NONE) -> None:
        """Accept commits that fail at once."""
        for name in names:
            self.enqueue(name)
            claim = self.claim()
            assert claim.commit.id == name
            self.ledger.mark_sent(claim, lease_seconds=LEASE, request_seconds=50)
            self.ledger.retry(claim, delay=delay, error=error, doubt=doubt)

    def answer(self, name: str = "passes") -> None:
        """Let the server answer for a new commit."""
        self.enqueue(name)
        claim = self.claim()
        assert claim.commit.id == name
        self.ledger.complete(claim, result={})

    def due(self, *names: str) -> list[bool]:
        return [(self.ledger.get(name).due_at or 0.0) <= self.clock.now for name in names]

    def test_who_failed_while_the_server_was_away_is_due_with_its_first_answer(self) -> None:
        self.miss("a", "b")
        self.clock.advance(600)
        assert self.ledger.claim("w", lease_seconds=LEASE) is None
        self.answer()
        for name in ("a", "b"):
            commit = self.ledger.get(name)
            assert (commit.state, commit.due_at, commit.attempts) == (CommitState.RETRYING, self.clock.now, 1)
            assert commit.error == TRANSIENT
        assert self.ledger.sweep().due == 2
        assert [self.claim().commit.id for _ in range(2)] == ["a", "b"]

    def test_they_come_back_a_few_with_each_answer_the_longest_failed_first(self) -> None:
        names = [f"c{number:02}" for number in range(25)]
        for name in names:
            self.miss(name)
            self.clock.advance(10)
        self.answer()
        assert self.ledger.sweep().due == AT_ONCE
        first = self.claim()
        assert first.commit.id == "c00"
        self.ledger.complete(first, result={})
        assert self.due(*names[1:]) == [True] * 19 + [False] * 5
        done = 1
        while (claim := self.ledger.claim("w", lease_seconds=LEASE)) is not None:
            self.ledger.complete(claim, result={})
            done += 1
        assert done == len(names)

    def test_who_fails_alone_waits_as_long_as_it_has_to_while_others_pass(self) -> None:
        self.answer("before")
        self.miss("big")
        self.clock.advance(5)
        for number in range(100):
            self.answer(f"passes-{number}")
            self.clock.advance(5)
        assert self.due("big") == [False]

    def test_who_comes_back_and_fails_again_waits_for_its_back_off(self) -> None:
        self.miss("a")
        self.clock.advance(600)
        self.answer()
        claim = self.claim()
        assert claim.commit.id == "a"
        self.ledger.retry(claim, delay=HOUR, error=TRANSIENT, doubt=Doubt.NONE)
        due_at = self.clock.now + HOUR
        self.clock.advance(30)
        self.answer("passes-again")
        assert self.ledger.get("a").due_at == due_at

    def test_a_second_outage_ends_as_the_first_did(self) -> None:
        for number in range(2):
            self.miss(f"a{number}")
            self.clock.advance(600)
            self.answer(f"passes-{number}")
            self.ledger.complete(self.claim(), result={})
            assert self.ledger.get(f"a{number}").state is CommitState.COMMITTED

    def test_an_answer_that_something_is_missing_is_one_too(self) -> None:
        self.miss("a")
        self.clock.advance(600)
        self.enqueue("b")
        self.ledger.wait(self.claim(), delay=HOUR, error=MISSING, doubt=Doubt.NONE)
        assert self.due("a", "b") == [True, False]

    def test_only_what_failed_because_the_server_was_away_comes_back(self) -> None:
        self.miss("a")
        self.miss("unknown", error=UNKNOWN)
        self.enqueue("waits")
        self.clock.advance(600)
        claim = self.claim()
        self.ledger.wait(claim, delay=HOUR, error=MISSING, doubt=Doubt.NONE)
        assert self.due("a", "unknown", "waits") == [True, False, False]

    def test_nobody_comes_back_before_a_request_that_may_be_running_is_over(self) -> None:
        self.miss("early")
        self.clock.advance(600)
        self.miss("a", doubt=Doubt.RUNNING)
        self.clock.advance(10)
        self.answer()
        assert self.ledger.get("a").due_at == self.ledger.get("a").uncertain_until == self.clock.now + 40
        assert self.due("early", "a") == [True, False]

    @pytest.mark.parametrize("how", ["cancelled", "dead", "committed"])
    def test_who_has_ended_does_not_come_back(self, how: str) -> None:
        self.miss("a", delay=60)
        if how == "cancelled":
            self.ledger.cancel("a")
        else:
            self.clock.advance(60)
            claim = self.claim()
            if how == "dead":
                self.ledger.bury(claim, error=PERMANENT)
            else:
                self.ledger.complete(claim, result={})
        before = self.ledger.get("a")
        self.clock.advance(600)
        self.answer()
        assert self.ledger.get("a") == before
        assert self.ledger.claim("w", lease_seconds=LEASE) is None

    def test_another_servers_answer_is_none(self) -> None:
        self.miss("a")
        self.clock.advance(600)
        other = self.make_ledger(self.clock, "https://other.example")
        other.enqueue("b", digest="d", payload=b"", facts=self.ledger.get("a").facts)
        claim = other.claim("w", lease_seconds=LEASE)
        assert claim is not None
        other.complete(claim, result={})
        assert self.due("a") == [False]
