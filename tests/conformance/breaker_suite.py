"""What every ledger must do about trouble around us: the breaker, the limit on concurrent commits, a server that wants peace."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.conformance.ledger_suite import ENVIRONMENT, LEASE, PERMANENT, POLICY, TRANSIENT, UNKNOWN, LedgerSuite
from tests.conformance.order_suite import MISSING
from trackteroid.commits.breaker import Breaker
from trackteroid.commits.claim import Claim
from trackteroid.commits.ledger import Burial, Doubt
from trackteroid.commits.state import CommitState

PROBE = 15.0


class BreakerSuite(LedgerSuite):
    @pytest.fixture
    def guarded(self, _start: None) -> None:
        policy = replace(POLICY, probe_seconds=PROBE, streak=3)
        self.ledger = self.make_ledger(self.clock, policy=policy)

    def none_is_claimable(self) -> bool:
        return self.ledger.sweep().due == 0 and self.ledger.claim("w", lease_seconds=LEASE) is None

    def fail(self, claim: Claim | None = None) -> bool:
        return self.ledger.retry(claim or self.claim(), delay=0, error=ENVIRONMENT, doubt=Doubt.NONE)

    def bury(self, signature: str = "PermissionError") -> Burial:
        return self.ledger.bury(self.claim(), error=PERMANENT, signature=signature)

    def test_an_environment_failure_stops_claims_and_the_attempt_does_not_count(self, guarded: None) -> None:
        for name in ("a", "b"):
            self.enqueue(name)
        assert self.ledger.breaker() == Breaker()
        assert self.fail() is True
        commit = self.ledger.get("a")
        assert (commit.state, commit.attempts, commit.undecided_claims) == (CommitState.RETRYING, 0, 0)
        assert self.ledger.breaker() == Breaker(
            open_since=self.clock.now, kind="environment", error=ENVIRONMENT, probe_at=self.clock.now + PROBE
        )
        self.clock.advance(PROBE - 1)
        assert self.none_is_claimable()

    def test_one_commit_at_a_time_finds_out_whether_the_trouble_is_over(self, guarded: None) -> None:
        for name in ("a", "b"):
            self.enqueue(name)
        self.fail()
        opened = self.clock.now
        for _ in range(3):
            self.clock.advance(PROBE)
            assert self.ledger.sweep().due == 1
            claim = self.claim()
            assert claim.probe
            assert self.none_is_claimable()
            assert self.fail(claim) is False
        assert self.ledger.breaker().open_since == opened
        self.clock.advance(PROBE)
        assert self.ledger.complete(self.claim(), result={}) is True
        assert self.ledger.breaker() == Breaker()
        claim = self.claim()
        assert (claim.probe, claim.commit.attempts) == (False, 1)
        assert self.ledger.complete(claim, result={}) is False

    def test_commits_that_were_on_their_way_do_not_count_either(self, guarded: None) -> None:
        for name in ("a", "b", "c"):
            self.enqueue(name)
        claims = [self.claim() for _ in range(3)]
        assert [self.fail(claim) for claim in claims[:2]] == [True, False]
        self.ledger.retry(claims[2], delay=5, error=TRANSIENT, doubt=Doubt.NONE)
        assert [self.ledger.get(name).attempts for name in ("a", "b", "c")] == [0, 0, 0]

    def test_a_probe_that_dies_with_its_worker_is_followed_by_another(self, guarded: None) -> None:
        self.enqueue()
        self.fail()
        self.clock.advance(PROBE)
        self.claim()
        self.clock.advance(LEASE)
        assert self.claim().probe

    def test_an_answer_about_the_commit_itself_closes_it(self, guarded: None) -> None:
        for name in ("a", "b"):
            self.enqueue(name)
        self.fail()
        self.clock.advance(PROBE)
        assert self.bury() is Burial.DEAD
        assert self.ledger.breaker() == Breaker()
        self.fail()
        self.clock.advance(PROBE)
        self.ledger.wait(self.claim(), delay=5, error=MISSING, doubt=Doubt.NONE)
        assert self.ledger.breaker() == Breaker()

    def test_the_clocks_of_the_horizons_stand_still_while_it_is_open(self, guarded: None) -> None:
        for name in ("trying", "waits", "zz"):
            self.enqueue(name)
        started = self.clock.now
        self.ledger.retry(self.claim(), delay=15, error=TRANSIENT, doubt=Doubt.NONE)
        self.ledger.wait(self.claim(), delay=15, error=MISSING, doubt=Doubt.NONE)
        self.clock.advance(10)
        self.fail()
        self.clock.advance(1000)
        claims = {}
        for _ in range(3):
            claim = self.claim()
            claims[claim.commit.id] = claim.commit
            self.ledger.complete(claim, result={})
            self.clock.advance(1)
        assert claims["trying"].trying_since == started + 1000
        assert claims["waits"].waiting_since == started + 1000
        assert claims["zz"].trying_since is not None and claims["zz"].trying_since > started + 1000

    # The same error on many commits in a row

    def test_one_error_that_hits_many_commits_in_a_row_kills_none_of_them(self, guarded: None) -> None:
        for name in ("a", "b", "c", "d"):
            self.enqueue(name)
        assert [self.bury() for _ in range(3)] == [Burial.DEAD, Burial.DEAD, Burial.OPENED]
        breaker = self.ledger.breaker()
        assert (breaker.kind, breaker.error) == ("streak", PERMANENT)
        assert self.ledger.counts()[CommitState.DEAD] == 0
        assert self.none_is_claimable()
        for _ in range(5):
            self.clock.advance(PROBE)
            assert self.bury() is Burial.SPARED
            assert self.none_is_claimable()
        self.clock.advance(PROBE)
        while (claim := self.ledger.claim("w", lease_seconds=LEASE)) is not None:
            self.ledger.complete(claim, result={})
        assert self.ledger.counts()[CommitState.COMMITTED] == 4

    def test_if_another_commit_passes_it_was_their_own_fault(self, guarded: None) -> None:
        for name in ("a", "b", "c", "good"):
            self.enqueue(name)
            self.clock.advance(0.125)
        for _ in range(3):
            self.bury()
        self.clock.advance(PROBE)
        claim = self.claim()
        while claim.commit.id != "good":
            self.ledger.bury(claim, error=PERMANENT, signature="PermissionError")
            self.clock.advance(PROBE)
            claim = self.claim()
        self.ledger.complete(claim, result={})
        assert [self.bury() for _ in range(3)] == [Burial.DEAD] * 3
        assert self.ledger.counts()[CommitState.DEAD] == 3
        assert self.ledger.breaker() == Breaker()

    def test_another_error_or_a_success_in_between_is_no_row(self, guarded: None) -> None:
        for number in range(8):
            self.enqueue(f"c{number}")
        for signature in ("x", "x", "y", "x", "x"):
            assert self.bury(signature) is Burial.DEAD
        self.ledger.complete(self.claim(), result={})
        assert [self.bury("x"), self.bury("x")] == [Burial.DEAD] * 2
        assert self.ledger.breaker() == Breaker()

    def test_one_commit_that_fails_again_and_again_is_no_row(self, guarded: None) -> None:
        self.enqueue()
        for _ in range(5):
            assert not self.ledger.retry(self.claim(), delay=0, error=UNKNOWN, doubt=Doubt.NONE, signature="x")
        assert self.ledger.get("a").unknown_failures == 5

    def test_unknown_errors_in_a_row_open_it_too(self, guarded: None) -> None:
        for name in ("a", "b", "c"):
            self.enqueue(name)
        opened = [
            self.ledger.retry(self.claim(), delay=1, error=UNKNOWN, doubt=Doubt.NONE, signature="x") for _ in range(3)
        ]
        assert opened == [False, False, True]
        assert self.ledger.get("c").unknown_failures == 0

    def test_an_error_without_a_signature_is_nobody_elses(self, guarded: None) -> None:
        for number in range(5):
            self.enqueue(f"c{number}")
        assert [self.bury("") for _ in range(5)] == [Burial.DEAD] * 5

    # Limits

    def test_only_so_many_commits_are_tried_at_a_time(self) -> None:
        self.ledger = self.make_ledger(self.clock, policy=replace(POLICY, concurrency=2))
        for name in ("a", "b", "c"):
            self.enqueue(name)
        assert self.ledger.sweep().due == 2
        claim = self.claim()
        assert self.ledger.sweep().due == 1
        self.claim()
        assert self.none_is_claimable()
        self.ledger.complete(claim, result={})
        assert self.claim().commit.id == "c"

    def test_an_expired_lease_makes_room(self) -> None:
        self.ledger = self.make_ledger(self.clock, policy=replace(POLICY, concurrency=1))
        self.enqueue()
        self.claim()
        self.clock.advance(LEASE)
        self.claim()

    def test_a_server_that_asks_for_peace_gets_it_from_everybody(self) -> None:
        for name in ("a", "b"):
            self.enqueue(name)
        self.ledger.retry(self.claim(), delay=0, error=TRANSIENT, doubt=Doubt.NONE, pause=30.0)
        until = self.clock.now + 30.0
        assert self.ledger.breaker() == Breaker(paused_until=until)
        self.clock.advance(20.0)
        assert self.none_is_claimable()
        other = self.make_ledger(self.clock, "https://other.example")
        assert other.breaker() == Breaker()
        self.clock.advance(10.0)
        self.ledger.retry(self.claim(), delay=0, error=TRANSIENT, doubt=Doubt.NONE, pause=0.0)
        assert self.ledger.sweep().due == 2
