"""What every ledger must do about recordings that have to do with each other."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.ledger_suite import LEASE, PERMANENT, POLICY, TRANSIENT, LedgerSuite
from tests.support.canned_server import CannedServer
from tests.support.recordings import create, recorded, update
from trackteroid.commits.claim import Claim
from trackteroid.commits.commit import CommitError, CommitFacts
from trackteroid.commits.committer import Committer
from trackteroid.commits.enqueueing import enqueue
from trackteroid.commits.ledger import Doubt
from trackteroid.commits.order import Order, order_of
from trackteroid.commits.state import CommitState
from trackteroid.errors import LedgerError
from trackteroid.settings import Settings

MISSING = CommitError(kind="missing_reference", error_class="IntegrityError", message="Not there.")
FACTS = CommitFacts(operations=1)


class OrderSuite(LedgerSuite):
    def accept(self, name: str, *, hold: bool = False, **keys: Any) -> CommitState:
        order = Order(**keys)
        return self.ledger.enqueue(name, digest="d", payload=b"p", facts=FACTS, hold=hold, order=order).state

    def commit_all(self) -> list[str]:
        """Commit whatever is due until nothing is; return the ids in that order."""
        done = []
        while (claim := self.ledger.claim("w", lease_seconds=LEASE)) is not None:
            done.append(claim.commit.id)
            self.ledger.complete(claim, result={})
        return done

    def waiting(self, name: str) -> tuple[str, str | None, str, str]:
        commit = self.ledger.get(name)
        assert (commit.state, commit.due_at) == (CommitState.WAITING, None), commit
        assert commit.waiting is not None
        return commit.waiting.kind, commit.waiting.commit_id, commit.waiting.subject, commit.waiting.state

    def take(self, name: str) -> Claim:
        claim = self.claim()
        assert claim.commit.id == name
        return claim

    def test_what_refers_to_something_waits_for_what_creates_it(self) -> None:
        self.accept("z-creator", created=("e1", "e2"))
        assert self.accept("needs", needed=("x", "e2")) is CommitState.WAITING
        assert self.waiting("needs") == ("needs", "z-creator", "e2", "")
        assert self.ledger.sweep().due == 1
        assert "which creates e2" in self.ledger.get("needs").as_dict()["waiting"]["reason"]
        claim = self.take("z-creator")
        assert self.ledger.claim("w", lease_seconds=LEASE) is None
        self.clock.advance(3)
        self.ledger.complete(claim, result={})
        commit = self.ledger.get("needs")
        assert (commit.state, commit.due_at, commit.waiting) == (CommitState.QUEUED, self.clock.now, None)
        assert self.commit_all() == ["needs"]

    def test_a_creator_that_is_retried_is_waited_for_as_long_as_it_takes(self) -> None:
        self.accept("creator", created=("e",))
        self.accept("needs", needed=("e",))
        self.ledger.retry(self.claim(), delay=1e6, error=TRANSIENT, doubt=Doubt.NONE)
        self.clock.advance(1e6 - 1)
        assert self.ledger.claim("w", lease_seconds=LEASE) is None
        self.clock.advance(1)
        assert self.commit_all() == ["creator", "needs"]

    def test_if_the_creator_dies_what_needs_it_stays_waiting_with_the_reason(self) -> None:
        self.accept("creator", created=("e",))
        self.accept("needs", needed=("e",))
        self.ledger.bury(self.take("creator"), error=PERMANENT)
        assert self.waiting("needs") == ("needs", "creator", "e", "dead")
        assert "which is dead: retry it" in self.ledger.get("needs").waiting.reason  # type: ignore[union-attr]
        self.clock.advance(1e9)
        assert self.ledger.claim("w", lease_seconds=LEASE) is None
        self.ledger.retry_dead("creator")
        assert self.waiting("needs") == ("needs", "creator", "e", "")
        assert self.commit_all() == ["creator", "needs"]

    def test_what_needs_a_dead_creator_waits_from_its_acceptance_on(self) -> None:
        self.accept("creator", created=("e",))
        self.ledger.bury(self.claim(), error=PERMANENT)
        assert self.accept("needs", needed=("e",)) is CommitState.WAITING
        assert self.waiting("needs") == ("needs", "creator", "e", "dead")

    def test_a_living_creator_is_preferred_to_a_dead_one(self) -> None:
        self.accept("creator", created=("e",))
        self.ledger.bury(self.claim(), error=PERMANENT)
        self.accept("again", created=("e",))
        self.accept("needs", needed=("e",))
        assert self.waiting("needs") == ("needs", "again", "e", "")

    def test_if_the_creator_is_cancelled_what_needs_it_is_left_to_the_server(self) -> None:
        self.accept("creator", created=("e",))
        self.accept("needs", needed=("e",))
        self.ledger.cancel("creator")
        assert self.commit_all() == ["needs"]

    def test_a_held_creator_is_waited_for_and_named(self) -> None:
        self.accept("creator", hold=True, created=("e",))
        self.accept("needs", needed=("e",))
        assert self.waiting("needs") == ("needs", "creator", "e", "held")
        self.ledger.release("creator")
        assert self.waiting("needs") == ("needs", "creator", "e", "")
        assert self.commit_all() == ["creator", "needs"]

    def test_the_same_attribute_is_written_in_the_order_of_acceptance(self) -> None:
        for name in ("c", "b", "a"):
            self.accept(name, needed=("e",), written=(("e", "status"),))
        assert self.waiting("b") == ("order", "c", "e.status", "")
        assert self.waiting("a") == ("order", "b", "e.status", "")
        assert self.commit_all() == ["c", "b", "a"]

    def test_other_attributes_and_other_entities_are_not_waited_for(self) -> None:
        assert self.accept("a", needed=("e",), written=(("e", "status"),)) is CommitState.QUEUED
        assert self.accept("b", needed=("e",), written=(("e", "bid"),)) is CommitState.QUEUED
        assert self.accept("c", needed=("f", "e"), written=(("f", "status"),)) is CommitState.QUEUED
        assert self.accept("d", created=("g",), needed=("e",)) is CommitState.QUEUED
        assert self.ledger.sweep().due == 4

    def test_if_an_earlier_writer_dies_or_is_cancelled_the_next_goes_on(self) -> None:
        for name in ("a", "b", "c"):
            self.accept(name, changed=(("e", "lists"),))
        self.ledger.bury(self.take("a"), error=PERMANENT)
        assert self.waiting("c") == ("order", "b", "e.lists", "")
        assert self.ledger.get("b").state is CommitState.QUEUED
        self.ledger.cancel("b")
        assert self.commit_all() == ["c"]

    def test_a_cancelled_writer_lets_nobody_pass_those_before_it(self) -> None:
        for name in ("a", "b", "c"):
            self.accept(name, written=(("e", "x"),))
        self.ledger.cancel("b")
        assert self.waiting("c") == ("order", "a", "e.x", "")

    def test_a_delete_waits_for_earlier_writes_and_later_writes_for_the_delete(self) -> None:
        self.accept("write", written=(("e", "x"),))
        self.accept("other", written=(("e", "y"),))
        self.accept("delete", deleted=("e",))
        self.accept("later", written=(("e", "x"),))
        assert self.waiting("delete") == ("order", "other", "e", "")
        assert self.waiting("later") == ("order", "delete", "e.x", "")
        assert self.commit_all() == ["other", "write", "delete", "later"]

    def test_a_held_writer_takes_its_place_in_line_when_it_is_released(self) -> None:
        self.accept("held", hold=True, written=(("e", "x"),))
        assert self.accept("a", written=(("e", "x"),)) is CommitState.QUEUED
        assert self.ledger.release("held").state is CommitState.WAITING
        assert self.waiting("held") == ("order", "a", "e.x", "")
        assert self.commit_all() == ["a", "held"]

    def test_a_retried_dead_writer_goes_to_the_end_of_the_line(self) -> None:
        self.accept("dead", written=(("e", "x"),))
        self.ledger.bury(self.claim(), error=PERMANENT)
        self.accept("a", written=(("e", "x"),))
        self.ledger.retry_dead("dead")
        assert self.waiting("dead") == ("order", "a", "e.x", "")

    def test_versions_of_one_asset_are_made_one_at_a_time_in_the_order_of_acceptance(self) -> None:
        for name in ("c", "b", "a"):
            self.accept(name, created=(f"v-{name}",), needed=("asset",), assets=("asset",))
        assert self.accept("other", needed=("asset-2",), assets=("asset-2",)) is CommitState.QUEUED
        assert self.waiting("a") == ("version", "b", "asset", "")
        self.ledger.bury(self.take("c"), error=PERMANENT)
        assert self.commit_all() == ["b", "a", "other"]

    def test_a_commit_waits_for_what_it_depends_on(self) -> None:
        self.accept("a")
        self.accept("b", depends_on=("a", "later"))
        assert self.waiting("b") == ("depends", "a", "a", "")
        assert self.commit_all() == ["a"]
        assert self.waiting("b") == ("depends", "later", "later", "unknown")
        self.accept("later")
        assert self.waiting("b") == ("depends", "later", "later", "")
        assert self.commit_all() == ["later", "b"]

    def test_what_it_depends_on_may_have_been_committed_long_ago(self) -> None:
        self.accept("a")
        self.commit_all()
        self.clock.advance(POLICY.retention_seconds)
        self.ledger.purge()
        assert self.accept("b", depends_on=("a",)) is CommitState.QUEUED

    def test_what_depends_on_something_cancelled_stays_with_the_reason(self) -> None:
        self.accept("a")
        self.accept("b", depends_on=("a",))
        self.ledger.cancel("a")
        assert self.waiting("b") == ("depends", "a", "a", "cancelled")

    def test_of_very_many_references_the_last_counts_as_the_first(self) -> None:
        many = tuple(f"00000000-0000-5000-8000-{number:012}" for number in range(1100))
        self.ledger.remember_stand_ins({many[0]: "x", many[-1]: "y"})
        self.accept("creator", created=many[-1:])
        self.accept("needs", needed=many)
        assert self.waiting("needs") == ("needs", "creator", many[-1], "")
        self.ledger.complete(self.take("creator"), result={})
        claim = self.take("needs")
        assert claim.stand_ins == {**dict.fromkeys(many), many[0]: "x", many[-1]: "y"}
        # Nobody creates any of them; then each is waited for.
        self.ledger.wait(claim, delay=50, error=MISSING, doubt=Doubt.NONE)
        assert self.accept("late", created=many[-1:]) is CommitState.QUEUED
        assert self.waiting("needs") == ("needs", "late", many[-1], "")
        assert self.commit_all() == ["late", "needs"]
        # And nothing of that is left.
        assert self.accept("again", created=many[-1:]) is CommitState.QUEUED
        assert self.commit_all() == ["again"]

    @pytest.mark.parametrize("end", ["complete", "bury"])
    def test_of_very_many_that_wait_for_one_none_is_forgotten(self, end: str) -> None:
        names = [f"n{number:03}" for number in range(230)]
        self.accept("creator", created=("e1",), written=(("t", "status"),))
        for name in names[:200]:
            self.accept(name, needed=("e1",))
        for name in names[200:]:
            self.accept(name, depends_on=("creator",))
        if end == "complete":
            self.ledger.complete(self.claim(), result={})
        else:
            self.ledger.bury(self.claim(), error=PERMANENT)
        for _ in range(5):
            self.ledger.sweep()
        due = self.ledger.sweep().due
        if end == "complete":
            assert due == 230 and sorted(self.commit_all()) == names
        else:
            assert due == 0
            assert {self.waiting(name)[3] for name in names} == {"dead"}
            # A second change, and they look once more.
            self.ledger.retry_dead("creator")
            for _ in range(5):
                self.ledger.sweep()
            assert {self.waiting(name)[3] for name in names} == {""}
            assert len(self.commit_all()) == 231

    # Missing references

    def test_a_missing_reference_waits_for_the_recording_that_creates_it(self) -> None:
        self.accept("needs", needed=("x", "e"))
        claim = self.claim()
        since = self.clock.now
        self.ledger.wait(claim, delay=50, error=MISSING, doubt=Doubt.NONE)
        commit = self.ledger.get("needs")
        assert (commit.state, commit.error, commit.due_at) == (CommitState.WAITING, MISSING, since + 50)
        assert (commit.waiting_since, commit.undecided_claims, commit.attempts) == (since, 0, 1)
        assert commit.waiting is not None and commit.waiting.kind == "missing"
        self.clock.advance(1)
        self.accept("creator", created=("e",))
        assert self.waiting("needs") == ("needs", "creator", "e", "")
        assert self.ledger.get("needs").waiting_since is None
        self.clock.advance(100)
        assert self.commit_all() == ["creator", "needs"]

    def test_a_missing_reference_whose_creator_was_accepted_meanwhile_waits_for_that(self) -> None:
        self.accept("needs", needed=("e",))
        claim = self.claim()
        self.accept("creator", created=("e",))
        self.ledger.wait(claim, delay=50, error=MISSING, doubt=Doubt.NONE)
        assert self.waiting("needs") == ("needs", "creator", "e", "")
        assert self.commit_all() == ["creator", "needs"]

    def test_without_a_creator_it_is_tried_again_and_the_first_refusal_counts(self) -> None:
        self.accept("needs", needed=("e",))
        since = self.clock.now
        for _ in range(2):
            self.ledger.wait(self.claim(), delay=50, error=MISSING, doubt=Doubt.NONE)
            self.clock.advance(49)
            assert self.ledger.claim("w", lease_seconds=LEASE) is None
            self.clock.advance(1)
        assert self.ledger.get("needs").waiting_since == since
        assert self.commit_all() == ["needs"]
        assert self.ledger.get("needs").waiting is None

    def test_a_waiting_commit_can_be_cancelled(self) -> None:
        self.accept("needs", needed=("e",))
        self.ledger.wait(self.claim(), delay=50, error=MISSING, doubt=Doubt.NONE)
        assert self.ledger.cancel("needs").waiting is None
        self.accept("creator", created=("e",))
        assert self.commit_all() == ["creator"]
        assert self.ledger.get("needs").state is CommitState.CANCELLED

    def test_a_parked_commit_can_be_cancelled(self) -> None:
        self.accept("creator", created=("e",))
        self.accept("needs", needed=("e",), written=(("f", "x"),))
        self.accept("last", written=(("f", "x"),))
        self.ledger.cancel("needs")
        assert self.commit_all() == ["creator", "last"]

    # Circles

    def test_what_stands_in_line_lets_pass_what_it_is_needed_by(self) -> None:
        self.accept("first", needed=("e",), written=(("f", "x"),))
        claim = self.claim()
        assert self.accept("creator", created=("e",), written=(("f", "x"),)) is CommitState.WAITING
        self.ledger.wait(claim, delay=50, error=MISSING, doubt=Doubt.NONE)
        assert self.waiting("first") == ("needs", "creator", "e", "")
        assert self.commit_all() == ["creator", "first"]

    # Superseding

    def test_an_older_value_that_comes_late_is_overtaken(self) -> None:
        self.accept(
            "old", hold=True, written=(("e", "status"), ("e", "bid")), changed=(("e", "lists"),), recorded_at=100.5
        )
        self.accept("new", written=(("e", "status"),), changed=(("e", "lists"),), recorded_at=200.25)
        assert self.claim_and_complete("new").overtaken == frozenset()
        self.ledger.release("old")
        claim = self.claim_and_complete("old")
        assert claim.overtaken == {("e", "status")}
        self.accept("between", written=(("e", "status"), ("e", "bid")), recorded_at=150.0)
        assert self.claim_and_complete("between").overtaken == {("e", "status")}

    def test_of_very_many_values_each_one_that_comes_late_is_overtaken(self) -> None:
        pairs = tuple((f"e{number}", "bid") for number in range(1100))
        self.accept("old", hold=True, written=pairs, recorded_at=100.0)
        self.accept("new", written=(pairs[0], pairs[-1]), recorded_at=200.0)
        self.claim_and_complete("new")
        self.ledger.release("old")
        assert self.claim_and_complete("old").overtaken == {pairs[0], pairs[-1]}
        self.accept("between", written=(pairs[500], pairs[-1]), recorded_at=99.0)
        assert self.claim_and_complete("between").overtaken == {pairs[500], pairs[-1]}

    def test_a_recording_that_does_not_say_when_counts_from_its_acceptance(self) -> None:
        self.accept("a", written=(("e", "x"),))
        self.clock.advance(5)
        self.accept("b", written=(("e", "x"),))
        assert self.claim_and_complete("a").overtaken == frozenset()
        assert self.claim_and_complete("b").overtaken == frozenset()
        self.accept("c", written=(("e", "x"),), recorded_at=self.clock.now - 1)
        assert self.claim_and_complete("c").overtaken == {("e", "x")}

    def test_a_clock_that_is_fast_does_not_make_a_value_outlast_later_ones(self) -> None:
        self.accept("fast", written=(("e", "x"),), recorded_at=self.clock.now + 1e6)
        assert self.claim_and_complete("fast").overtaken == frozenset()
        self.clock.advance(5)
        self.accept("later", written=(("e", "x"),), recorded_at=self.clock.now - 1)
        assert self.claim_and_complete("later").overtaken == frozenset()
        self.accept("earlier", written=(("e", "x"),), recorded_at=self.clock.now - 10)
        assert self.claim_and_complete("earlier").overtaken == {("e", "x")}

    def claim_and_complete(self, name: str) -> Claim:
        claim = self.take(name)
        self.ledger.complete(claim, result={})
        return claim

    def test_names_may_hold_anything(self) -> None:
        odd = 'é:"\\/ x'
        self.accept("a", created=(odd,))
        self.accept("b", needed=(odd,), written=((odd, "ü"),), recorded_at=5.0)
        assert self.waiting("b") == ("needs", "a", odd, "")
        assert self.commit_all() == ["a", "b"]
        self.accept("c", written=((odd, "ü"),), recorded_at=4.0)
        assert self.claim_and_complete("c").overtaken == {(odd, "ü")}

    # Recordings that need each other

    def together(self, name: str) -> tuple[str, ...]:
        return self.ledger.get(name).together

    def test_recordings_that_need_each_other_are_claimed_and_committed_as_one(self) -> None:
        self.accept("a", created=("e1",), needed=("e2",), written=(("f", "x"),), recorded_at=100.0)
        self.accept("b", created=("e2",), needed=("e1",))
        self.accept("later", needed=("e2",))
        claim = self.claim()
        assert {claim.commit.id, *(each.commit.id for each in claim.companions)} == {"a", "b"}
        (other,) = claim.companions
        assert other.payload == b"p"
        assert self.waiting(other.commit.id) == ("together", claim.commit.id, claim.commit.id, "")
        assert self.ledger.claim("w", lease_seconds=LEASE) is None
        self.ledger.complete(claim, result={"n": 1}, companions={other.commit.id: {"n": 2}})
        assert [self.ledger.get(name).result for name in (claim.commit.id, other.commit.id)] == [{"n": 1}, {"n": 2}]
        for name in ("a", "b"):
            assert (self.ledger.get(name).state, self.together(name)) == (CommitState.COMMITTED, ())
            assert self.ledger.payload(name) is None
        assert self.commit_all() == ["later"]
        self.accept("old", written=(("f", "x"),), recorded_at=99.0)
        assert self.claim_and_complete("old").overtaken == {("f", "x")}

    def test_who_leads_a_circle_is_due_and_waits_for_nobody(self) -> None:
        self.accept("a", created=("e1",), needed=("e2",))
        self.accept("b", created=("e2",), needed=("e1",))
        leader = self.ledger.get("a")
        assert (leader.state, leader.due_at, leader.waiting) == (CommitState.QUEUED, self.clock.now, None)
        assert leader.together == ("b",)
        assert self.waiting("b") == ("together", "a", "a", "")
        found = [[commit.id for commit in self.ledger.list([state])] for state in (leader.state, CommitState.WAITING)]
        assert found == [["a"], ["b"]]

    def test_a_circle_may_be_long_and_depend_explicitly(self) -> None:
        self.accept("a", created=("e1",), needed=("e3",))
        self.accept("b", created=("e2",), depends_on=("a",))
        self.accept("c", created=("e3",), needed=("e2",))
        claim = self.claim()
        assert {claim.commit.id, *(each.commit.id for each in claim.companions)} == {"a", "b", "c"}

    def test_a_circle_waits_for_whatever_one_of_it_waits_for(self) -> None:
        self.accept("creator", created=("x",))
        self.accept("writer", written=(("f", "y"),))
        self.accept("a", created=("e1",), needed=("e2", "x"))
        self.accept("b", created=("e2",), needed=("e1",), written=(("f", "y"),))
        first = [self.claim(), self.claim()]
        assert {claim.commit.id for claim in first} == {"creator", "writer"}
        for claim in first:
            assert self.ledger.claim("w", lease_seconds=LEASE) is None
            self.ledger.complete(claim, result={})
        assert len(self.claim().companions) == 1

    def test_if_a_circle_dies_all_of_it_waits_and_a_retry_brings_all_of_it_back(self) -> None:
        self.accept("a", created=("e1",), needed=("e2",))
        self.accept("b", created=("e2",), needed=("e1",))
        claim = self.claim()
        leader, other = claim.commit.id, claim.companions[0].commit.id
        self.ledger.bury(claim, error=PERMANENT)
        assert self.ledger.get(leader).state is CommitState.DEAD
        assert self.waiting(other)[:2] == ("needs", leader)
        self.ledger.retry_dead(leader)
        claim = self.claim()
        assert {claim.commit.id, *(each.commit.id for each in claim.companions)} == {"a", "b"}

    def test_a_circle_that_misses_something_waits_for_it_as_one(self) -> None:
        self.accept("a", created=("e1",), needed=("e2",))
        self.accept("b", created=("e2",), needed=("e1", "x"))
        claim = self.claim()
        self.ledger.wait(claim, delay=50, error=MISSING, doubt=Doubt.NONE)
        assert self.ledger.get(claim.commit.id).state is CommitState.WAITING
        assert self.ledger.claim("w", lease_seconds=LEASE) is None
        self.accept("creator", created=("x",))
        assert self.take("creator").companions == ()
        self.clock.advance(LEASE)
        self.claim_and_complete("creator")
        assert len(self.claim().companions) == 1

    def test_a_retried_circle_keeps_together(self) -> None:
        self.accept("a", created=("e1",), needed=("e2",))
        self.accept("b", created=("e2",), needed=("e1",))
        for _ in range(2):
            claim = self.claim()
            assert len(claim.companions) == 1
            self.ledger.retry(claim, delay=5, error=TRANSIENT, doubt=Doubt.NONE)
            self.clock.advance(5)
        self.claim()
        self.clock.advance(LEASE)
        assert len(self.claim().companions) == 1

    def test_one_of_a_circle_is_cancelled_only_while_nobody_tries_it(self) -> None:
        self.accept("a", created=("e1",), needed=("e2",))
        self.accept("b", created=("e2",), needed=("e1",))
        claim = self.claim()
        other = claim.companions[0].commit.id
        with pytest.raises(LedgerError, match="is committing; wait for the end"):
            self.ledger.cancel(other)
        self.ledger.mark_sent(claim, lease_seconds=LEASE, request_seconds=30)
        self.ledger.retry(claim, delay=5, error=TRANSIENT, doubt=Doubt.RUNNING)
        self.ledger.cancel(claim.commit.id)
        # What was tried for both of them may have got through.
        assert self.ledger.get(other).uncertain_until == claim.now + 30
        self.clock.advance(30)
        assert self.claim_and_complete(other).companions == ()

    def test_what_merely_stands_in_line_does_not_hold_a_circle(self) -> None:
        self.accept("first", needed=("e1",), written=(("f", "x"),))
        claim = self.take("first")
        self.accept("a", created=("e1",), needed=("e2",), written=(("f", "x"),))
        self.accept("b", created=("e2",), needed=("e1",))
        self.ledger.wait(claim, delay=50, error=MISSING, doubt=Doubt.NONE)
        claim = self.claim()
        assert len(claim.companions) == 1
        self.ledger.complete(claim, result={}, companions={claim.companions[0].commit.id: {}})
        assert self.commit_all() == ["first"]

    def test_names_with_half_characters_are_ordered_and_committed(self) -> None:
        operations = {
            "version": create("AssetVersion", "v\udc80", asset_id="a\udc80"),
            "needs": create("Component", "c\udc80", name="main", version_id="v\udc80"),
            "other": create("Component", "c\udc81", name="main", version_id="v\udc81"),
        }
        states = {}
        for name, operation in operations.items():
            recording = recorded(operation, recording_id=name)
            known = enqueue(recording, ledger=self.ledger, settings=Settings(), wake=False)
            assert not known.already_known
            states[name] = known.state
        assert states == {"version": "queued", "needs": "waiting", "other": "queued"}
        committer = Committer(CannedServer(), self.ledger, monotonic=self.clock, random=lambda: 1.0)
        while committer.commit_next() is not None:
            pass
        assert self.ledger.counts()[CommitState.COMMITTED] == 3
        assert self.ledger.get("needs").result["created"] == {"Component": ["c\udc80"]}  # type: ignore[index]

    def test_of_names_with_half_characters_only_the_same_is_overtaken(self) -> None:
        values = {"late": ("t\udc80", "09"), "same": ("t\udc80", "01"), "another": ("t\udc81", "01")}
        overtaken = {}
        self.clock.now = 1_800_000_000.0
        for name, (task, day) in values.items():
            recording = recorded(update("Task", task, "bid", 1), created_at=f"2026-01-{day}T00:00:00+00:00")
            self.ledger.enqueue(name, digest="d", payload=b"p", facts=FACTS, order=order_of(recording))
            claim = self.take(name)
            overtaken[name] = claim.overtaken
            assert claim.overtaken in (frozenset(), frozenset(order_of(recording).written))
            self.ledger.complete(claim, result={})
        assert {name for name, pairs in overtaken.items() if pairs} == {"same"}
