"""What every ledger must do about who is next."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.ledger_suite import LEASE, TRANSIENT, LedgerSuite
from trackteroid.commits.commit import CommitFacts
from trackteroid.commits.ledger import Doubt
from trackteroid.errors import BadInputError


class FairnessSuite(LedgerSuite):
    def publish(self, name: str, user: str = "anna", project: str = "bc", **options: Any) -> None:
        facts = CommitFacts(operations=1, user=user, context={"project": project})
        self.ledger.enqueue(name, digest="d", payload=b"p", facts=facts, **options)
        self.clock.advance(1)

    def next(self, number: int) -> list[str]:
        # A lease that does not expire while the clock goes on.
        claims = [self.ledger.claim("w", lease_seconds=1e9) for _ in range(number)]
        return [claim.commit.id for claim in claims if claim is not None]

    def test_one_shows_flood_does_not_starve_a_single_publish(self) -> None:
        for number in range(50):
            self.publish(f"flood-{number:02}", project="flood")
        assert self.next(3) == ["flood-00", "flood-01", "flood-02"]
        self.publish("single", project="other")
        assert "single" in self.next(2)

    def test_users_of_one_show_take_turns(self) -> None:
        for user in ("anna", "ben"):
            for number in range(3):
                self.publish(f"{user}-{number}", user=user)
        self.publish("cleo-0", user="cleo")
        assert self.next(8) == ["anna-0", "ben-0", "cleo-0", "anna-1", "ben-1", "anna-2", "ben-2"]

    def test_higher_priorities_are_first_whoever_asks(self) -> None:
        self.publish("low", priority=-5)
        self.publish("normal")
        self.publish("high-2", user="ben", priority=10)
        self.publish("high-1", priority=10)
        assert self.next(4) == ["high-2", "high-1", "normal", "low"]

    def test_a_priority_is_shown_and_bounded(self) -> None:
        self.publish("a", priority=7)
        assert self.ledger.get("a").as_dict()["priority"] == 7
        with pytest.raises(BadInputError, match="between -100 and 100"):
            self.publish("b", priority=101)

    def test_what_is_retried_takes_its_turn_when_it_is_due(self) -> None:
        self.publish("a")
        self.ledger.retry(self.claim(), delay=10, error=TRANSIENT, doubt=Doubt.NONE)
        self.publish("b", user="ben")
        assert self.next(1) == ["b"]
        self.clock.advance(10)
        self.publish("c", user="ben")
        assert set(self.next(2)) == {"a", "c"}

    def test_a_cancelled_commit_leaves_its_line(self) -> None:
        for name in ("a", "b"):
            self.publish(name)
        self.ledger.cancel("a")
        assert self.next(1) == ["b"]
        assert self.ledger.sweep().due == 0
        self.publish("c")
        assert self.next(1) == ["c"]

    def test_many_that_become_due_at_once_are_all_claimed(self) -> None:
        for number in range(120):
            self.enqueue(f"c{number:03}")
        for _ in range(120):
            self.ledger.retry(self.claim(), delay=1000, error=TRANSIENT, doubt=Doubt.NONE)
        self.clock.advance(1000)
        assert self.ledger.sweep().due == 120
        assert len(set(self.next(120))) == 120
        assert self.ledger.claim("w", lease_seconds=LEASE) is None
