"""What every ledger must do. Each implementation subclasses `LedgerSuite` and supplies `make_ledger`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.support.clock import FakeClock
from trackteroid.commits.breaker import Breaker
from trackteroid.commits.claim import Claim
from trackteroid.commits.commit import CommitError, CommitFacts
from trackteroid.commits.ledger import Doubt, Ledger, LedgerPolicy
from trackteroid.commits.order import Order
from trackteroid.commits.release_facts import ReleaseFacts
from trackteroid.commits.state import CommitState
from trackteroid.errors import LeaseLostError, LedgerError, RecordingChangedError, UnknownCommitError

SERVER = "https://studio.example"
#: Probes at once, so that an environment failure does not end a test that is about something else.
POLICY = LedgerPolicy(max_claims=3, retention_seconds=1000.0, tombstone_seconds=5000.0, probe_seconds=0.0)
LEASE = 60.0

UNKNOWN = CommitError(kind="unknown", error_class="InternalError", message="No idea.", server_text="boom")
TRANSIENT = CommitError(kind="transient", error_class="Timeout", message="Later.")
ENVIRONMENT = CommitError(
    kind="environment", error_class="InvalidCredentialsError", message="Give the workers a new key."
)
PERMANENT = CommitError(
    kind="permanent", error_class="ValidationError", message="Bad value.", server_text="is not a number"
)


class LedgerSuite:
    clock: FakeClock
    ledger: Ledger

    def make_ledger(self, clock: FakeClock, server_url: str = SERVER, policy: LedgerPolicy = POLICY) -> Ledger:
        # The suite by itself is not collected; the class of each implementation that inherits it says how one is made.
        raise NotImplementedError

    def prepare(self, request: pytest.FixtureRequest) -> None:
        """Make what `make_ledger` needs, once per test."""

    @pytest.fixture(autouse=True)
    def _start(self, request: pytest.FixtureRequest) -> None:
        self.prepare(request)
        self.clock = FakeClock()
        self.ledger = self.make_ledger(self.clock)

    def enqueue(self, name: str = "a", *, digest: str = "d", payload: bytes = b"\x00payload\xff", **facts: Any) -> str:
        facts.setdefault("operations", 2)
        return self.ledger.enqueue(name, digest=digest, payload=payload, facts=CommitFacts(**facts)).commit_id

    def claim(self, owner: str = "worker-1") -> Claim:
        claim = self.ledger.claim(owner, lease_seconds=LEASE)
        assert claim is not None
        return claim

    # Enqueueing

    def test_an_accepted_recording_is_queued_with_all_its_facts(self) -> None:
        facts = CommitFacts(
            operations=4,
            user="anna",
            host="node7",
            application="nuke",
            context={"project": "bc"},
            labels={"farm_job": "1"},
        )
        accepted = self.ledger.enqueue("a", digest="d", payload=b"12345", facts=facts)
        commit = self.ledger.get("a")
        assert (accepted.commit_id, accepted.state, accepted.known) == ("a", CommitState.QUEUED, False)
        assert commit.state is CommitState.QUEUED
        assert commit.facts == facts
        assert (commit.digest, commit.payload_size, commit.server_url, commit.attempts) == ("d", 5, SERVER, 0)
        assert commit.created_at == commit.due_at == commit.updated_at == self.clock.now
        assert commit.error is None and commit.result is None and commit.owner is None

    def test_the_same_recording_again_changes_nothing(self) -> None:
        self.enqueue()
        before = self.ledger.get("a")
        self.clock.advance(5)
        again = self.ledger.enqueue("a", digest="d", payload=b"other", facts=CommitFacts(operations=9))
        assert (again.known, again.state) == (True, CommitState.QUEUED)
        assert self.ledger.get("a") == before
        assert self.ledger.payload("a") == b"\x00payload\xff"
        assert len(self.ledger.list()) == 1

    def test_a_known_id_with_another_content_is_refused(self) -> None:
        self.enqueue()
        with pytest.raises(RecordingChangedError, match="a is known with another content"):
            self.ledger.enqueue("a", digest="other", payload=b"", facts=CommitFacts(operations=1))

    def test_a_dead_recording_enqueued_again_stays_dead_and_is_reported_as_such(self) -> None:
        self.enqueue()
        self.ledger.bury(self.claim(), error=PERMANENT)
        again = self.ledger.enqueue("a", digest="d", payload=b"", facts=CommitFacts(operations=1))
        assert (again.known, again.state) == (True, CommitState.DEAD)
        assert self.ledger.claim("w", lease_seconds=LEASE) is None

    def test_a_tombstone_recognises_a_committed_recording_after_its_row_is_gone(self) -> None:
        self.enqueue()
        self.ledger.complete(self.claim(), result={})
        committed_at = self.clock.now
        self.clock.advance(POLICY.retention_seconds + 1)
        assert self.ledger.purge() == 1
        again = self.ledger.enqueue("a", digest="d", payload=b"", facts=CommitFacts(operations=1))
        assert (again.known, again.state) == (True, CommitState.COMMITTED)
        assert self.ledger.claim("w", lease_seconds=LEASE) is None
        with pytest.raises(RecordingChangedError):
            self.ledger.enqueue("a", digest="other", payload=b"", facts=CommitFacts(operations=1))
        commit = self.ledger.get("a")
        assert (commit.state, commit.committed_at, commit.digest) == (CommitState.COMMITTED, committed_at, "d")

    def test_a_tombstone_is_forgotten_after_its_time(self) -> None:
        self.enqueue()
        self.ledger.complete(self.claim(), result={})
        self.clock.advance(POLICY.tombstone_seconds + 1)
        self.ledger.purge()
        with pytest.raises(UnknownCommitError):
            self.ledger.get("a")
        assert not self.ledger.enqueue("a", digest="d", payload=b"", facts=CommitFacts(operations=1)).known

    # Claiming

    def test_a_claim_hands_out_the_payload_and_holds_the_commit(self) -> None:
        self.enqueue()
        self.clock.advance(3)
        claim = self.claim("worker-7")
        assert claim.payload == b"\x00payload\xff"
        assert claim.now == self.clock.now
        commit = self.ledger.get("a")
        assert commit == claim.commit
        assert (commit.state, commit.owner, commit.attempts) == (CommitState.COMMITTING, "worker-7", 1)
        assert commit.lease_expires_at == self.clock.now + LEASE
        assert commit.due_at is None
        assert commit.trying_since == self.clock.now
        assert self.ledger.claim("other", lease_seconds=LEASE) is None

    def test_the_longest_due_commit_is_claimed_first(self) -> None:
        for name in ("b", "c", "a"):
            self.enqueue(name)
            self.clock.advance(1)
        assert [self.claim().commit.id for _ in range(3)] == ["b", "c", "a"]
        assert self.ledger.claim("w", lease_seconds=LEASE) is None

    def test_nothing_is_claimed_from_an_empty_ledger(self) -> None:
        assert self.ledger.claim("w", lease_seconds=LEASE) is None

    def test_another_servers_commits_are_never_seen(self) -> None:
        self.enqueue()
        other = self.make_ledger(self.clock, "https://other.example")
        assert other.claim("w", lease_seconds=LEASE) is None
        assert other.list() == []
        with pytest.raises(UnknownCommitError, match=r"a is known for https://other\.example"):
            other.get("a")

    # Leases

    def test_an_expired_lease_is_put_back_with_the_reason_and_the_attempt_counts(self) -> None:
        self.enqueue()
        self.claim("worker-1")
        self.clock.advance(LEASE - 1)
        assert self.ledger.claim("w", lease_seconds=LEASE) is None
        self.clock.advance(1)
        claim = self.claim("worker-2")
        assert (claim.commit.attempts, claim.commit.undecided_claims) == (2, 2)
        assert claim.commit.error is not None
        assert claim.commit.error.kind == "worker_lost"
        assert "worker-1" in claim.commit.error.message

    def test_a_renewed_lease_does_not_expire(self) -> None:
        self.enqueue()
        claim = self.claim()
        self.clock.advance(LEASE - 1)
        self.ledger.renew(claim, lease_seconds=LEASE)
        self.clock.advance(LEASE - 1)
        assert self.ledger.sweep().reaped == 0
        self.clock.advance(1)
        assert self.ledger.sweep().reaped == 1

    def can_do_nothing(self, lost: Claim) -> None:
        before = self.ledger.get(lost.commit.id)
        for act in (
            lambda: self.ledger.renew(lost, lease_seconds=LEASE),
            lambda: self.ledger.mark_sent(lost, lease_seconds=LEASE, request_seconds=10),
            lambda: self.ledger.complete(lost, result={}),
            lambda: self.ledger.complete_and_claim(lost, result={}, owner="worker-1", lease_seconds=LEASE),
            lambda: self.ledger.retry(lost, delay=0, error=TRANSIENT, doubt=Doubt.NONE),
            lambda: self.ledger.retry(lost, delay=0, error=ENVIRONMENT, doubt=Doubt.NONE, pause=60.0),
            lambda: self.ledger.wait(lost, delay=0, error=PERMANENT, doubt=Doubt.NONE),
            lambda: self.ledger.bury(lost, error=PERMANENT, signature="x"),
            lambda: self.ledger.hand_back(lost),
        ):
            with pytest.raises(LeaseLostError, match=rf"{lost.commit.id} is no longer held by {lost.commit.owner}"):
                act()
        assert self.ledger.get(lost.commit.id) == before
        assert self.ledger.breaker() == Breaker()

    def test_who_lost_the_lease_can_do_nothing(self) -> None:
        self.enqueue()
        lost = self.claim("worker-1")
        self.clock.advance(LEASE)
        held = self.claim("worker-2")
        self.can_do_nothing(lost)
        self.ledger.complete(held, result={})
        self.can_do_nothing(lost)

    def test_who_slept_through_everything_can_do_nothing(self) -> None:
        self.enqueue()
        claims = []
        for _ in range(POLICY.max_claims + 1):
            claims.append(self.claim("worker-1"))
            self.clock.advance(LEASE)
        assert self.ledger.sweep().reaped == 1
        assert self.ledger.get("a").state is CommitState.DEAD
        self.can_do_nothing(claims[-1])
        self.ledger.retry_dead("a")
        self.can_do_nothing(claims[-1])
        again = self.claim("worker-1")
        for claim in claims:
            self.can_do_nothing(claim)
        self.ledger.hand_back(again)
        self.ledger.cancel("a")
        self.can_do_nothing(again)

    def test_a_number_alone_is_no_hold(self) -> None:
        # A replica that took over without the last moment may give the same number to another worker.
        self.enqueue()
        held = self.claim("worker-2")
        self.can_do_nothing(replace(held, commit=replace(held.commit, owner="worker-1")))
        self.ledger.complete(held, result={})

    def test_a_lease_that_nobody_has_missed_yet_is_still_good(self) -> None:
        self.enqueue()
        claim = self.claim()
        self.clock.advance(10 * LEASE)
        self.ledger.mark_sent(claim, lease_seconds=LEASE, request_seconds=10)
        assert self.ledger.claim("other", lease_seconds=LEASE) is None
        self.ledger.complete(claim, result={})

    # A clock that is set

    def test_a_clock_that_is_set_back_holds_up_nothing_that_is_due(self) -> None:
        for name in ("a", "b"):
            self.enqueue(name)
            self.clock.advance(1)
        held = self.claim()
        self.clock.advance(-7200)
        assert self.ledger.sweep().due == 1
        assert self.claim("worker-2").commit.id == "b"
        self.enqueue("c")
        assert self.claim("worker-3").commit.id == "c"
        self.ledger.renew(held, lease_seconds=LEASE)
        assert self.ledger.get("a").lease_expires_at == self.clock.now + LEASE
        self.ledger.complete(held, result={})
        assert self.ledger.get("a").committed_at == self.clock.now

    def test_a_clock_that_is_set_forward_takes_leases_away_and_nobodys_doubt(self) -> None:
        self.enqueue()
        lost = self.claim("worker-1")
        self.ledger.mark_sent(lost, lease_seconds=LEASE, request_seconds=50)
        sent_until = self.clock.now + 50
        self.clock.advance(7200)
        found = self.claim("worker-2")
        # Its request may still be running, so the next attempt asks what is there before it sends anything.
        assert found.commit.uncertain_until == sent_until
        self.can_do_nothing(lost)
        self.ledger.complete(found, result={})

    def test_a_verdict_ends_the_hold(self) -> None:
        self.enqueue()
        claim = self.claim()
        self.ledger.complete(claim, result={})
        with pytest.raises(LeaseLostError):
            self.ledger.complete(claim, result={})
        self.clock.advance(LEASE * 2)
        assert self.ledger.sweep().reaped == 0

    def test_as_many_claims_without_a_verdict_as_are_allowed_are_no_poison_yet(self) -> None:
        self.enqueue()
        for _ in range(POLICY.max_claims):
            self.claim()
            self.clock.advance(LEASE)
        self.ledger.complete(self.claim(), result={})
        assert self.ledger.get("a").state is CommitState.COMMITTED
        # Five, unless somebody says otherwise (design section 5).
        assert LedgerPolicy().max_claims == 5

    def test_more_claims_without_a_verdict_are_poison(self) -> None:
        self.enqueue()
        for _ in range(POLICY.max_claims + 1):
            self.claim()
            self.clock.advance(LEASE)
        assert self.ledger.claim("w", lease_seconds=LEASE) is None
        commit = self.ledger.get("a")
        assert (commit.state, commit.attempts) == (CommitState.DEAD, POLICY.max_claims + 1)
        assert commit.error is not None
        assert commit.error.kind == "poison"
        assert "4 workers took this commit" in commit.error.message
        assert self.ledger.payload("a") is not None

    def test_a_verdict_starts_the_count_towards_poison_anew(self) -> None:
        self.enqueue()
        for _ in range(POLICY.max_claims - 1):
            self.claim()
            self.clock.advance(LEASE)
        self.ledger.retry(self.claim(), delay=0, error=TRANSIENT, doubt=Doubt.NONE)
        self.claim()
        self.clock.advance(LEASE)
        assert self.claim().commit.undecided_claims == 2

    def test_a_claim_reaps_a_bounded_number_of_leases(self) -> None:
        for number in range(14):
            self.enqueue(f"c{number:02}")
        for _ in range(14):
            self.claim()
        self.clock.advance(LEASE)
        self.claim()
        counts = self.ledger.counts()
        assert (counts[CommitState.COMMITTING], counts[CommitState.RETRYING]) == (5, 9)
        assert self.ledger.sweep(limit=100).reaped == 4

    def test_a_handed_back_lease_does_not_count_and_is_due_at_once(self) -> None:
        self.enqueue()
        self.ledger.hand_back(self.claim("worker-1"))
        commit = self.ledger.get("a")
        assert (commit.state, commit.attempts, commit.undecided_claims) == (CommitState.QUEUED, 0, 0)
        assert commit.owner is None and commit.lease_expires_at is None
        assert self.claim("worker-2").commit.attempts == 1

    # Uncertain attempts

    def test_a_request_that_got_no_verdict_keeps_everybody_away_until_its_deadline(self) -> None:
        self.enqueue()
        claim = self.claim()
        self.ledger.mark_sent(claim, lease_seconds=LEASE, request_seconds=50)
        deadline = self.clock.now + 50
        assert self.ledger.get("a").sent_until == deadline
        self.clock.advance(1)
        self.ledger.retry(claim, delay=5, error=TRANSIENT, doubt=Doubt.RUNNING)
        commit = self.ledger.get("a")
        assert (commit.due_at, commit.uncertain_until, commit.sent_until) == (deadline, deadline, None)
        self.clock.advance(48)
        assert self.ledger.claim("w", lease_seconds=LEASE) is None
        self.clock.advance(1)
        assert self.claim().commit.uncertain_until == deadline

    def test_a_worker_killed_after_sending_leaves_its_deadline_behind(self) -> None:
        self.enqueue()
        claim = self.claim()
        self.clock.advance(30)
        self.ledger.mark_sent(claim, lease_seconds=LEASE, request_seconds=50)
        deadline = self.clock.now + 50
        self.clock.advance(LEASE)
        assert self.claim().commit.uncertain_until == deadline

    def test_a_lease_handed_back_after_sending_is_uncertain_too(self) -> None:
        self.enqueue()
        claim = self.claim()
        self.ledger.mark_sent(claim, lease_seconds=LEASE, request_seconds=50)
        self.ledger.hand_back(claim)
        assert self.ledger.get("a").due_at == self.ledger.get("a").uncertain_until == self.clock.now + 50
        assert self.ledger.sweep().due == 0

    def test_a_refusal_that_changed_nothing_is_not_uncertain(self) -> None:
        self.enqueue()
        claim = self.claim()
        self.ledger.mark_sent(claim, lease_seconds=LEASE, request_seconds=50)
        self.ledger.retry(claim, delay=5, error=UNKNOWN, doubt=Doubt.NONE)
        commit = self.ledger.get("a")
        assert (commit.uncertain_until, commit.sent_until) == (None, None)
        assert commit.due_at == self.clock.now + 5

    def test_a_doubtful_answer_is_reconciled_without_waiting_for_the_deadline(self) -> None:
        self.enqueue()
        claim = self.claim()
        self.ledger.mark_sent(claim, lease_seconds=LEASE, request_seconds=50)
        self.clock.advance(2)
        self.ledger.retry(claim, delay=5, error=UNKNOWN, doubt=Doubt.SETTLED)
        commit = self.ledger.get("a")
        assert (commit.uncertain_until, commit.due_at) == (self.clock.now, self.clock.now + 5)

    def test_uncertainty_stays_until_the_commit_ends(self) -> None:
        self.enqueue()
        claim = self.claim()
        self.ledger.mark_sent(claim, lease_seconds=LEASE, request_seconds=10)
        deadline = self.clock.now + 10
        self.ledger.retry(claim, delay=0, error=TRANSIENT, doubt=Doubt.RUNNING)
        self.clock.advance(10)
        claim = self.claim()
        self.ledger.mark_sent(claim, lease_seconds=LEASE, request_seconds=10)
        self.ledger.retry(claim, delay=0, error=UNKNOWN, doubt=Doubt.NONE)
        assert self.ledger.get("a").uncertain_until == deadline
        self.ledger.complete(self.claim(), result={})
        assert self.ledger.get("a").uncertain_until is None

    def test_sending_renews_the_lease(self) -> None:
        self.enqueue()
        claim = self.claim()
        self.clock.advance(50)
        self.ledger.mark_sent(claim, lease_seconds=LEASE, request_seconds=50)
        assert self.ledger.get("a").lease_expires_at == self.clock.now + LEASE

    # Verdicts

    def test_committed_keeps_the_result_and_drops_the_payload(self) -> None:
        self.enqueue()
        self.ledger.retry(self.claim(), delay=0, error=TRANSIENT, doubt=Doubt.NONE)
        self.clock.advance(2)
        result = {"created": {"AssetVersion": ["1"]}, "notes": ["ümlaut"]}
        self.ledger.complete(self.claim(), result=result)
        commit = self.ledger.get("a")
        assert (commit.state, commit.result, commit.committed_at) == (CommitState.COMMITTED, result, self.clock.now)
        assert (commit.attempts, commit.error, commit.owner, commit.due_at) == (2, None, None, None)
        assert self.ledger.payload("a") is None
        assert self.ledger.claim("w", lease_seconds=LEASE) is None

    def test_a_retry_is_due_after_its_delay_and_says_why(self) -> None:
        self.enqueue()
        self.ledger.retry(self.claim(), delay=7.5, error=UNKNOWN, doubt=Doubt.NONE)
        commit = self.ledger.get("a")
        assert (commit.state, commit.error, commit.due_at) == (CommitState.RETRYING, UNKNOWN, self.clock.now + 7.5)
        assert (commit.unknown_failures, commit.undecided_claims, commit.attempts) == (1, 0, 1)
        self.clock.advance(7.4)
        assert self.ledger.claim("w", lease_seconds=LEASE) is None
        self.clock.advance(0.2)
        assert self.claim().token == 2

    def test_only_unknown_failures_count_as_such(self) -> None:
        self.enqueue()
        for error in (TRANSIENT, UNKNOWN, ENVIRONMENT, TRANSIENT):
            self.ledger.retry(self.claim(), delay=0, error=error, doubt=Doubt.NONE)
        assert self.ledger.get("a").unknown_failures == 1

    def test_the_environments_time_does_not_count_against_the_commit(self) -> None:
        self.enqueue()
        self.ledger.retry(self.claim(), delay=0, error=TRANSIENT, doubt=Doubt.NONE)
        started = self.clock.now
        self.clock.advance(100)
        assert self.claim().commit.trying_since == started
        self.clock.advance(LEASE)
        self.ledger.retry(self.claim(), delay=0, error=ENVIRONMENT, doubt=Doubt.NONE)
        assert self.ledger.get("a").trying_since is None
        self.clock.advance(100)
        assert self.claim().commit.trying_since == self.clock.now

    def test_a_dead_commit_keeps_its_reason_and_payload(self) -> None:
        self.enqueue()
        self.ledger.bury(self.claim(), error=PERMANENT)
        commit = self.ledger.get("a")
        assert (commit.state, commit.error, commit.due_at) == (CommitState.DEAD, PERMANENT, None)
        assert self.ledger.payload("a") is not None
        self.clock.advance(10 * POLICY.tombstone_seconds)
        assert self.ledger.purge() == 0

    # Retrying the dead

    def test_a_dead_commit_can_be_retried_with_fresh_counters(self) -> None:
        self.enqueue()
        self.ledger.retry(self.claim(), delay=0, error=UNKNOWN, doubt=Doubt.NONE)
        self.ledger.bury(self.claim(), error=PERMANENT)
        self.clock.advance(100)
        commit = self.ledger.retry_dead("a")
        assert (commit.state, commit.unknown_failures, commit.trying_since) == (CommitState.QUEUED, 0, None)
        assert commit.error == PERMANENT
        assert self.claim().commit.attempts == 3

    def test_a_retried_dead_commit_still_waits_out_an_uncertain_request(self) -> None:
        self.enqueue()
        claim = self.claim()
        self.ledger.mark_sent(claim, lease_seconds=LEASE, request_seconds=50)
        self.ledger.bury(claim, error=PERMANENT, doubt=Doubt.RUNNING)
        assert self.ledger.retry_dead("a").due_at == self.clock.now + 50

    def test_only_the_dead_are_retried(self) -> None:
        with pytest.raises(UnknownCommitError, match="No commit a is known"):
            self.ledger.retry_dead("a")
        self.enqueue()
        with pytest.raises(LedgerError, match="a is queued; only a dead one can be retried"):
            self.ledger.retry_dead("a")

    # Get or create

    def test_which_entity_took_the_place_of_another_is_remembered(self) -> None:
        assert self.ledger.stand_ins([]) == {}
        self.ledger.remember_stand_ins({"p1": "x1", "p2": "x2", "p3": None})
        assert self.ledger.stand_ins(["p2", "p3", "p1", "p4"]) == {"p2": "x2", "p1": "x1"}
        self.ledger.remember_stand_ins({"p1": None, "p2": "x3"})
        assert self.ledger.stand_ins(["p1", "p2"]) == {"p2": "x3"}
        assert self.make_ledger(self.clock, "https://other.example").stand_ins(["p2"]) == {}

    def test_a_claim_tells_what_the_entities_it_refers_to_stand_for(self) -> None:
        ensured, made = "5f0c2f6e-1f1e-5b1a-9c39-0a2f6d1c7e11", "7a1d2b3c-0000-5000-8000-000000000001"
        order = Order(created=("v1",), needed=(ensured, "7d0f3a52-3c8e-11e1-b7cc-0019bb4983d8", made, "shot/1"))
        self.ledger.remember_stand_ins({ensured: "x1", made: None, "shot/1": "no"})
        self.ledger.enqueue("a", digest="d", payload=b"p", facts=CommitFacts(operations=1), order=order)
        assert self.claim().stand_ins == {ensured: "x1", made: None}
        self.enqueue("b")
        assert self.claim().stand_ins == {}

    # Completing and claiming in one step

    def both(self, claim: Claim) -> tuple[bool, Claim | None]:
        result = {"versions": {"v1": 3}}
        return self.ledger.complete_and_claim(claim, result=result, owner="worker-2", lease_seconds=LEASE)

    def test_who_is_done_with_one_commit_gets_the_next_one_in_the_same_step(self) -> None:
        self.enqueue("a")
        first = self.claim()
        self.clock.advance(1)
        self.enqueue("b", payload=b"second")
        self.clock.advance(1)
        closed, second = self.both(first)
        assert not closed and second is not None
        done, going = self.ledger.get("a"), self.ledger.get("b")
        assert (done.state, done.result, done.owner) == (CommitState.COMMITTED, {"versions": {"v1": 3}}, None)
        assert self.ledger.payload("a") is None
        assert (second.commit, second.payload, second.now) == (going, b"second", self.clock.now)
        assert (going.state, going.owner, going.attempts) == (CommitState.COMMITTING, "worker-2", 1)
        assert going.lease_expires_at == self.clock.now + LEASE
        self.ledger.mark_sent(second, lease_seconds=LEASE, request_seconds=5)

    def test_it_is_done_where_no_other_is_due(self) -> None:
        self.enqueue("a")
        assert self.both(self.claim()) == (False, None)
        assert self.ledger.get("a").state is CommitState.COMMITTED

    def test_what_waited_for_it_is_next(self) -> None:
        self.ledger.enqueue(
            "a", digest="d", payload=b"p", facts=CommitFacts(operations=1), order=Order(created=("shot",))
        )
        self.ledger.enqueue(
            "b", digest="d", payload=b"p", facts=CommitFacts(operations=1), order=Order(needed=("shot",))
        )
        _, second = self.both(self.claim())
        assert second is not None and second.commit.id == "b"

    def test_who_has_lost_the_hold_completes_and_gets_nothing(self) -> None:
        self.enqueue("a")
        lost = self.claim()
        self.clock.advance(LEASE + 1)
        assert self.claim("worker-3").commit.id == "a"
        self.enqueue("b")
        with pytest.raises(LeaseLostError, match="a is no longer held by worker-1"):
            self.both(lost)
        assert self.ledger.get("a").owner == "worker-3"
        assert self.ledger.get("b").state is CommitState.QUEUED

    def test_a_probe_that_passes_closes_the_breaker_and_gets_the_next_one(self) -> None:
        self.enqueue("a")
        self.enqueue("b")
        self.ledger.retry(self.claim(), delay=0, error=ENVIRONMENT, doubt=Doubt.NONE)
        probe = self.claim()
        assert probe.probe
        closed, following = self.both(probe)
        assert closed and following is not None and not following.probe

    # What people do

    def hold(self, name: str = "a") -> None:
        facts = CommitFacts(operations=1)
        accepted = self.ledger.enqueue(name, digest="d", payload=b"p", facts=facts, hold=True, actor="anna")
        assert accepted.state is CommitState.HELD

    def actions(self, name: str = "a") -> list[tuple[str, str | None, float]]:
        return [(action.name, action.actor, action.at) for action in self.ledger.get(name).actions]

    def test_a_held_commit_is_known_and_nobody_commits_it(self) -> None:
        self.hold()
        held_at = self.clock.now
        self.clock.advance(1e6)
        assert self.ledger.claim("w", lease_seconds=LEASE) is None
        assert self.ledger.sweep().due == 0
        commit = self.ledger.get("a")
        assert (commit.state, commit.due_at) == (CommitState.HELD, None)
        assert self.actions() == [("hold", "anna", held_at)]
        assert self.ledger.purge() == 0
        assert self.enqueue() == "a"
        assert self.ledger.get("a") == commit

    def test_a_released_commit_is_due_and_says_who_released_it(self) -> None:
        self.hold()
        self.clock.advance(5)
        # Unicode has more ends of a line than one; none of them ends a row.
        actor = 'farm job 7 "x"\n\u2028\x85\x0b.'
        commit = self.ledger.release("a", actor=actor)
        assert (commit.state, commit.due_at) == (CommitState.QUEUED, self.clock.now)
        assert self.actions()[1:] == [("release", actor, self.clock.now)]
        assert self.claim().commit.id == "a"

    def test_releasing_again_changes_nothing_whatever_became_of_it(self) -> None:
        self.hold()
        self.ledger.release("a", actor="x")
        before = self.ledger.get("a")
        self.clock.advance(1)
        assert self.ledger.release("a", actor="y") == before
        claim = self.claim()
        assert self.ledger.release("a").state is CommitState.COMMITTING
        self.ledger.complete(claim, result={})
        assert self.ledger.release("a").state is CommitState.COMMITTED

    def test_what_was_committed_long_ago_needs_no_release(self) -> None:
        self.hold()
        self.ledger.release("a")
        self.ledger.complete(self.claim(), result={})
        self.clock.advance(POLICY.retention_seconds)
        assert self.ledger.purge() == 1
        assert self.ledger.release("a").state is CommitState.COMMITTED

    def test_the_facts_of_the_first_release_reach_the_worker(self) -> None:
        self.hold()
        facts = ReleaseFacts(released_at="2026-03-01T12:00:00+00:00", outputs={"c": {"size": 3}}, gaps=("Größe",))
        assert self.ledger.release("a", facts=facts).release == facts
        assert self.ledger.release("a", facts=ReleaseFacts(released_by="somebody else")).release == facts
        assert self.claim().commit.release == facts
        assert self.ledger.get("a").as_dict()["release"]["outputs"] == {"c": {"size": 3}}
        self.hold("b")
        assert self.ledger.release("b").release is None

    def test_what_has_ended_badly_is_not_released(self) -> None:
        self.hold()
        self.ledger.cancel("a", actor="x")
        with pytest.raises(LedgerError, match="a is cancelled; only a held one can be released"):
            self.ledger.release("a")
        self.enqueue("b")
        self.ledger.bury(self.claim(), error=PERMANENT)
        with pytest.raises(LedgerError, match="b is dead"):
            self.ledger.release("b")
        with pytest.raises(UnknownCommitError):
            self.ledger.release("nope")

    @pytest.mark.parametrize("state", ["held", "queued", "retrying", "dead"])
    def test_what_is_not_on_the_server_can_be_cancelled(self, state: str) -> None:
        if state == "held":
            self.hold()
        else:
            self.enqueue()
        if state == "retrying":
            self.ledger.retry(self.claim(), delay=5, error=TRANSIENT, doubt=Doubt.NONE)
        if state == "dead":
            self.ledger.bury(self.claim(), error=PERMANENT)
        self.clock.advance(1)
        commit = self.ledger.cancel("a", actor="ben")
        assert (commit.state, commit.due_at) == (CommitState.CANCELLED, None)
        assert self.actions()[-1] == ("cancel", "ben", self.clock.now)
        assert self.ledger.payload("a") is None
        self.clock.advance(1e3 - 1)
        assert self.ledger.claim("w", lease_seconds=LEASE) is None
        again = self.ledger.enqueue("a", digest="d", payload=b"", facts=CommitFacts(operations=1))
        assert (again.known, again.state) == (True, CommitState.CANCELLED)

    def test_cancelling_again_changes_nothing(self) -> None:
        self.enqueue()
        before = self.ledger.cancel("a", actor="x")
        self.clock.advance(1)
        assert self.ledger.cancel("a", actor="y") == before

    def test_what_a_worker_is_committing_or_has_committed_is_not_cancelled(self) -> None:
        self.enqueue()
        claim = self.claim()
        with pytest.raises(LedgerError, match="a is committing; wait for the end of the attempt"):
            self.ledger.cancel("a")
        self.ledger.complete(claim, result={})
        with pytest.raises(LedgerError, match="a is committed; what is on the server cannot be cancelled"):
            self.ledger.cancel("a")
        with pytest.raises(UnknownCommitError):
            self.ledger.cancel("nope")

    def test_a_cancelled_commit_is_remembered_after_its_row_is_gone(self) -> None:
        self.enqueue()
        self.ledger.cancel("a")
        self.clock.advance(POLICY.retention_seconds)
        assert self.ledger.purge() == 1
        commit = self.ledger.get("a")
        assert (commit.state, commit.committed_at) == (CommitState.CANCELLED, None)
        again = self.ledger.enqueue("a", digest="d", payload=b"", facts=CommitFacts(operations=1))
        assert (again.known, again.state) == (True, CommitState.CANCELLED)
        assert self.ledger.cancel("a") == commit
        for act in (self.ledger.release, self.ledger.retry_dead):
            with pytest.raises(LedgerError, match="a is cancelled"):
                act("a")

    def test_a_retry_says_who_wanted_it(self) -> None:
        self.enqueue()
        for actor in ("anna", None):
            self.ledger.bury(self.claim(), error=PERMANENT)
            self.clock.advance(1)
            self.ledger.retry_dead("a", actor=actor)
        now = self.clock.now
        assert self.actions() == [("retry", "anna", now - 1), ("retry", None, now)]
        assert self.ledger.get("a").as_dict()["actions"][0] == {"name": "retry", "actor": "anna", "at": now - 1}

    # Looking

    def test_the_sweep_counts_what_is_due(self) -> None:
        for name in ("a", "b", "c"):
            self.enqueue(name)
        self.ledger.retry(self.claim(), delay=100, error=TRANSIENT, doubt=Doubt.NONE)
        self.claim()
        assert (self.ledger.sweep().reaped, self.ledger.sweep().due) == (0, 1)
        self.clock.advance(100)
        sweep = self.ledger.sweep()
        assert (sweep.reaped, sweep.due) == (1, 3)

    def test_commits_are_listed_newest_first_by_state_up_to_a_limit(self) -> None:
        for name in ("a", "b", "c", "d"):
            self.enqueue(name)
            self.clock.advance(1)
        self.ledger.bury(self.claim(), error=PERMANENT)
        assert [commit.id for commit in self.ledger.list()] == ["d", "c", "b", "a"]
        assert [commit.id for commit in self.ledger.list(limit=2)] == ["d", "c"]
        assert [commit.id for commit in self.ledger.list([CommitState.DEAD])] == ["a"]
        both = self.ledger.list([CommitState.DEAD, CommitState.QUEUED], limit=10)
        assert [commit.id for commit in both] == ["d", "c", "b", "a"]
        assert self.ledger.list([CommitState.HELD]) == []
        assert self.ledger.counts()[CommitState.QUEUED] == 3
        assert set(self.ledger.counts()) == set(CommitState)

    def test_a_listing_goes_on_where_a_page_ended_even_within_one_moment(self) -> None:
        for name in ("a", "b", "c", "d", "e", "f", "g"):
            self.enqueue(name)
            if name not in "bcd":
                self.clock.advance(1.25)
        self.ledger.bury(self.claim(), error=PERMANENT)
        seen: list[str] = []
        before = None
        while page := self.ledger.list(limit=2, before=before):
            seen += [commit.id for commit in page]
            before = (page[-1].created_at, page[-1].id)
        assert seen == ["g", "f", "e", "d", "c", "b", "a"]
        middle = self.ledger.get("d")
        older = self.ledger.list([CommitState.QUEUED], before=(middle.created_at, ""))
        assert [commit.id for commit in older] == []
        assert [commit.id for commit in self.ledger.list(before=(middle.created_at, ""))] == ["a"]

    def test_purging_removes_expired_rows_and_nothing_else(self) -> None:
        for name in ("a", "b"):
            self.enqueue(name)
        self.ledger.complete(self.claim(), result={})
        self.clock.advance(POLICY.retention_seconds - 1)
        assert self.ledger.purge() == 0
        self.clock.advance(1)
        assert self.ledger.purge() == 1
        assert [commit.id for commit in self.ledger.list()] == ["b"]

    def test_an_unknown_id_is_named(self) -> None:
        with pytest.raises(UnknownCommitError, match="nope"):
            self.ledger.get("nope")
        assert self.ledger.payload("nope") is None
