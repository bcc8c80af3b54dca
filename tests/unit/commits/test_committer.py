"""One attempt after the other, against a server that fails on order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.canned_server import SERVER_URL, CannedServer, refusal
from tests.support.clock import FakeClock
from tests.support.recordings import create, delete, recorded, update
from trackteroid.commits.claim import Claim
from trackteroid.commits.commit import Commit
from trackteroid.commits.committer import Committer, CommitterPolicy, Outcome
from trackteroid.commits.conflicts import ConflictPolicy
from trackteroid.commits.enqueueing import enqueue
from trackteroid.commits.ledger import LedgerPolicy
from trackteroid.commits.memory_ledger import MemoryLedger
from trackteroid.commits.retrying import RetryPolicy
from trackteroid.commits.server import WarmServer
from trackteroid.commits.state import CommitState
from trackteroid.errors import LedgerUnavailableError, ServerCallError
from trackteroid.operations.manifest import Delta
from trackteroid.operations.operation import key_text
from trackteroid.operations.recording import Recording
from trackteroid.settings import Settings

LEASE = 60.0
POLICY = CommitterPolicy(
    lease_seconds=LEASE,
    request_timeout=30.0,
    retry=RetryPolicy(base=5.0, cap=100.0, horizon=1000.0, unknown_attempts=3),
)
LOST_REPLY = ServerCallError("No answer", kind="connection", maybe_applied=True)
REFUSED = ServerCallError("No answer", kind="connection", maybe_applied=False)

PUBLISH = (
    create("AssetVersion", "v1"),
    create("Component", "c1", name="main"),
    update("AssetVersion", "v1", "is_published", True),
)


class Stage:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.ledger = MemoryLedger(SERVER_URL, policy=LedgerPolicy(), clock=self.clock)
        self.server = CannedServer({("Task", "t1"): {"bid": 1, "name": "anim"}})
        self.steps: list[str] = []
        self.on_step: Callable[[str], None] = lambda name: None
        self.committer = self.make_committer(self.server)

    def make_committer(self, server: Any, **options: Any) -> Committer:
        def observe(name: str, claim: Claim) -> None:
            self.steps.append(name)
            self.on_step(name)

        options = {"owner": "w1", "policy": POLICY, "random": lambda: 1.0, **options}
        return Committer(server, self.ledger, on_step=observe, monotonic=self.clock, **options)

    def enqueue(self, *operations: Any, **facts: Any) -> str:
        return self.accept(recorded(*operations, **facts))

    def accept(self, recording: Recording) -> str:
        return enqueue(recording, ledger=self.ledger, settings=Settings(), wake=False).commit_id

    def attempt(self) -> Outcome:
        outcome = self.committer.commit_next()
        assert outcome is not None
        return outcome

    def commit(self, commit_id: str = "rec-1") -> Commit:
        return self.ledger.get(commit_id)


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_a_publish_is_committed_with_one_request(stage: Stage) -> None:
    stage.enqueue(*PUBLISH)
    outcome = stage.attempt()
    assert outcome.state is CommitState.COMMITTED
    assert stage.commit().result == {
        "created": {"AssetVersion": ["v1"], "Component": ["c1"]},
        "versions": {"v1": 1},
        "sent_operations": 3,
        "already_there": False,
        "notes": [],
        "skipped": [],
        "sent_as": None,
        "stands_for": {},
    }
    assert (len(stage.server.writes), stage.server.queries) == (1, 0)
    assert stage.steps == ["claimed", "before_sent", "sent", "answered", "finished"]
    assert stage.committer.commit_next() is None


def test_the_request_must_be_over_well_before_the_lease(stage: Stage) -> None:
    stage.enqueue(*PUBLISH)
    stage.attempt()
    assert stage.server.timeouts == [30.0]
    stage.enqueue(create("AssetVersion", "v2"), recording_id="rec-2")
    policy = CommitterPolicy(lease_seconds=10.0, request_timeout=30.0)
    stage.make_committer(stage.server, policy=policy).commit_next()
    assert stage.server.timeouts[1] == 8.0


def test_a_lost_reply_is_looked_into_and_nothing_is_sent_twice(stage: Stage) -> None:
    stage.enqueue(*PUBLISH)
    stage.server.after.append(LOST_REPLY)
    assert stage.attempt().state is CommitState.RETRYING
    assert stage.committer.commit_next() is None
    stage.clock.advance(30.0)
    outcome = stage.attempt()
    assert outcome.state is CommitState.COMMITTED
    assert outcome.result is not None
    assert (outcome.result.already_there, outcome.result.versions) == (True, {"v1": 1})
    assert len(stage.server.writes) == 1


def test_a_request_that_never_left_is_sent_again_without_questions(stage: Stage) -> None:
    stage.enqueue(*PUBLISH)
    stage.server.before.append(REFUSED)
    assert stage.attempt().state is CommitState.RETRYING
    stage.clock.advance(5.0)
    assert stage.attempt().state is CommitState.COMMITTED
    assert (len(stage.server.writes), stage.server.queries) == (2, 0)


def test_a_lost_request_is_looked_into_and_sent_again(stage: Stage) -> None:
    stage.enqueue(*PUBLISH)
    stage.server.before.append(LOST_REPLY)
    stage.attempt()
    stage.clock.advance(30.0)
    assert stage.attempt().state is CommitState.COMMITTED
    assert (len(stage.server.writes), stage.server.queries) == (2, 1)


def test_a_server_that_stopped_half_way_gets_the_rest(stage: Stage) -> None:
    stage.enqueue(*PUBLISH)
    stage.server.half_way = 1
    stage.server.after.append(refusal("ServerError", status=500, maybe_applied=True))
    stage.attempt()
    stage.clock.advance(100.0)
    outcome = stage.attempt()
    assert outcome.state is CommitState.COMMITTED
    created = [effect for effect in stage.server.effects if effect[0] == "create"]
    assert sorted(created) == [("create", "AssetVersion", "v1"), ("create", "Component", "c1")]
    assert stage.server.rows["AssetVersion", "v1"]["is_published"] is True


@pytest.mark.parametrize("applied", [True, False])
def test_a_mixed_batch_whose_reply_was_lost_has_each_effect_once(stage: Stage, applied: bool) -> None:
    stage.server.rows["Task", "t2"] = {"bid": 5}
    stage.enqueue(
        create("AssetVersion", "v1"),
        update("Task", "t1", "bid", 9),
        delete("Task", "t2"),
        bases=[("Task", "t1", "bid", 1)],
    )
    (stage.server.after if applied else stage.server.before).append(LOST_REPLY)
    stage.attempt()
    stage.clock.advance(30.0)
    assert stage.attempt().state is CommitState.COMMITTED
    assert stage.server.effects == [
        ("create", "AssetVersion", "v1"),
        ("update", "Task", "t1"),
        ("delete", "Task", "t2"),
    ]


def test_what_a_person_changed_after_a_lost_reply_stays(stage: Stage) -> None:
    stage.enqueue(update("Task", "t1", "bid", 9), bases=[("Task", "t1", "bid", 1)])
    stage.server.after.append(LOST_REPLY)
    stage.attempt()
    stage.server.rows["Task", "t1"]["bid"] = 4
    stage.clock.advance(30.0)
    outcome = stage.attempt()
    assert outcome.result is not None
    assert "superseded" in outcome.result.notes[0]
    assert stage.server.rows["Task", "t1"]["bid"] == 4


def test_a_permanent_refusal_is_dead_at_once_with_what_to_do(stage: Stage) -> None:
    stage.enqueue(*PUBLISH)
    stage.server.before.append(refusal("ValidationError", "name is too long"))
    outcome = stage.attempt()
    assert outcome.state is CommitState.DEAD
    error = stage.commit().error
    assert error is not None
    assert (error.kind, error.error_class, error.server_text) == ("permanent", "ValidationError", "name is too long")
    assert "record again" in error.message
    assert stage.commit().uncertain_until is None


def test_a_clash_with_its_own_earlier_effect_is_done(stage: Stage) -> None:
    stage.enqueue(*PUBLISH)
    stage.server.rows["AssetVersion", "v1"] = {"version": 7}
    stage.server.rows["Component", "c1"] = {}
    outcome = stage.attempt()
    assert outcome.state is CommitState.COMMITTED
    assert outcome.result is not None
    assert (outcome.result.already_there, outcome.result.versions) == (True, {"v1": 7})
    assert stage.server.effects == []


def test_a_clash_with_half_of_its_own_effect_sends_the_rest(stage: Stage) -> None:
    stage.enqueue(*PUBLISH)
    stage.server.rows["AssetVersion", "v1"] = {"version": 7}
    assert stage.attempt().state is CommitState.RETRYING
    stage.clock.advance(100.0)
    assert stage.attempt().state is CommitState.COMMITTED
    assert ("Component", "c1") in stage.server.rows


def test_a_server_that_stopped_after_the_last_create_gets_the_updates(stage: Stage) -> None:
    stage.enqueue(*PUBLISH, update("Task", "t1", "bid", 9), bases=[("Task", "t1", "bid", 1)])
    stage.server.half_way = 2
    stage.server.after.append(REFUSED)
    assert stage.attempt().state is CommitState.RETRYING
    for _ in range(2):
        stage.clock.advance(100.0)
        outcome = stage.attempt()
    assert outcome.state is CommitState.COMMITTED
    assert stage.server.rows["Task", "t1"]["bid"] == 9


def test_a_clash_with_something_else_is_dead(stage: Stage) -> None:
    stage.enqueue(*PUBLISH)
    stage.server.before.append(refusal("DuplicateEntryError", "name main is taken"))
    assert stage.attempt().state is CommitState.DEAD
    assert stage.server.queries == 1


def test_an_unknown_failure_is_tried_a_few_times(stage: Stage) -> None:
    stage.enqueue(*PUBLISH)
    for expected in (CommitState.RETRYING, CommitState.RETRYING, CommitState.DEAD):
        stage.server.before.append(refusal("Strange", status=500, maybe_applied=True))
        assert stage.attempt().state is expected
        stage.clock.advance(100.0)
    error = stage.commit().error
    assert error is not None
    assert error.message.endswith("Given up after 3 such attempts.")


def test_before_it_is_given_up_what_it_did_is_found_out(stage: Stage) -> None:
    stage.enqueue(*PUBLISH)
    policy = CommitterPolicy(retry=RetryPolicy(unknown_attempts=1))
    stage.server.after.append(refusal("Strange", status=500, maybe_applied=True))
    outcome = stage.make_committer(stage.server, policy=policy).commit_next()
    assert outcome is not None
    assert outcome.state is CommitState.COMMITTED


def test_what_the_server_does_not_know_is_named_and_never_sent(stage: Stage) -> None:
    stage.enqueue(create("Spaceship", "s1"), update("Task", "t1", "colour", "red"), update("Task", "t1", "bid", 2))
    outcome = stage.attempt()
    assert outcome.state is CommitState.DEAD
    assert "the type Spaceship, the attribute Task.colour" in outcome.message
    assert stage.server.writes == []


def test_a_recording_for_another_server_is_never_sent(stage: Stage) -> None:
    stage.enqueue(*PUBLISH, server_url="https://other.example")
    outcome = stage.attempt()
    assert outcome.state is CommitState.DEAD
    assert "recorded for https://other.example" in outcome.message
    assert stage.server.writes == []


def test_a_damaged_payload_is_dead_with_its_reason(stage: Stage) -> None:
    facts = stage.ledger.get(stage.enqueue(*PUBLISH)).facts
    stage.ledger.enqueue("zz-broken", digest="d", payload=b"garbage", facts=facts)
    assert [outcome.state for outcome in stage.committer.drain()] == [CommitState.COMMITTED, CommitState.DEAD]
    error = stage.commit("zz-broken").error
    assert error is not None
    assert "damaged" in error.message


def test_a_payload_that_redis_has_lost_is_dead_with_its_reason(stage: Stage) -> None:
    stage.enqueue(*PUBLISH)
    stage.ledger._payloads.clear()
    assert "lost the recording" in stage.attempt().message
    assert stage.commit().state is CommitState.DEAD


def test_rejected_credentials_kill_nothing_and_the_session_is_rebuilt(stage: Stage) -> None:
    opened: list[CannedServer] = []

    def open_server() -> CannedServer:
        opened.append(stage.server)
        return stage.server

    closed: list[Any] = []
    stage.committer = stage.make_committer(WarmServer(open_server, closed.append))
    stage.enqueue(*PUBLISH)
    for _ in range(20):
        stage.server.before.append(refusal("InvalidCredentialsError", status=401))
        assert stage.attempt().state is CommitState.RETRYING
        stage.clock.advance(1e6)
    assert stage.commit().unknown_failures == 0
    assert stage.attempt().state is CommitState.COMMITTED
    assert (len(opened), len(closed)) == (21, 20)
    stage.enqueue(create("AssetVersion", "v2"), recording_id="rec-2")
    stage.attempt()
    assert len(opened) == 21


def test_a_busy_server_is_not_connected_to_anew(stage: Stage) -> None:
    opened: list[CannedServer] = []

    def open_server() -> CannedServer:
        opened.append(stage.server)
        return stage.server

    stage.committer = stage.make_committer(WarmServer(open_server))
    stage.enqueue(*PUBLISH)
    stage.server.before += [ServerCallError("Busy", kind="http", status=503, maybe_applied=False), LOST_REPLY]
    for _ in range(3):
        stage.attempt()
        stage.clock.advance(100.0)
    assert stage.commit().state is CommitState.COMMITTED
    assert len(opened) == 2


def test_a_server_that_cannot_be_connected_to_blames_no_commit(stage: Stage) -> None:
    def open_server() -> CannedServer:
        raise refusal("ValidationError", "whatever it says")

    stage.committer = stage.make_committer(WarmServer(open_server))
    stage.enqueue(*PUBLISH)
    outcome = stage.attempt()
    assert outcome.state is CommitState.RETRYING
    assert outcome.message.startswith("The worker cannot connect to ftrack")
    error = stage.commit().error
    assert error is not None and error.kind == "environment"


def test_what_ftrack_asks_to_wait_is_waited(stage: Stage) -> None:
    stage.enqueue(*PUBLISH)
    busy = ServerCallError("Busy", kind="http", status=429, retry_after=77.0, maybe_applied=False)
    stage.server.before.append(busy)
    stage.attempt()
    assert stage.commit().due_at == stage.clock.now + 77.0


def test_beyond_the_horizon_a_transient_failure_is_dead(stage: Stage) -> None:
    stage.enqueue(*PUBLISH)
    stage.clock.advance(1e6)  # waiting in the queue is not trying
    for _ in range(100):
        stage.server.before.append(REFUSED)
        if stage.attempt().state is CommitState.DEAD:
            break
        stage.clock.advance(100.0)
    assert 10 <= stage.commit().attempts <= 20
    error = stage.commit().error
    assert error is not None
    assert "hours of trying" in error.message


def test_a_machine_that_stood_still_does_not_send(stage: Stage) -> None:
    stage.enqueue(*PUBLISH)
    stage.on_step = lambda name: stage.clock.advance(31.0) if name == "sent" else None
    outcome = stage.attempt()
    assert outcome.state is CommitState.COMMITTING
    assert "stood still" in outcome.message
    assert stage.server.writes == []


def test_who_lost_the_lease_records_no_verdict(stage: Stage) -> None:
    stage.enqueue(*PUBLISH)
    other: list[Outcome | None] = []

    def steal(name: str) -> None:
        if name == "answered" and not other:
            other.append(None)
            stage.clock.advance(LEASE)
            other.append(stage.make_committer(stage.server).commit_next())

    stage.on_step = steal
    assert stage.attempt().state is CommitState.COMMITTING
    assert other[1] is not None and other[1].state is CommitState.COMMITTED
    assert stage.commit().state is CommitState.COMMITTED
    assert len(stage.server.writes) == 1


@pytest.mark.parametrize(("step", "uncertain"), [("claimed", False), ("before_sent", False), ("sent", True)])
def test_a_shutdown_hands_the_lease_back_and_does_not_count(stage: Stage, step: str, uncertain: bool) -> None:
    def shut_down(name: str) -> None:
        if name == step:
            raise SystemExit

    stage.enqueue(*PUBLISH)
    stage.on_step = shut_down
    with pytest.raises(SystemExit):
        stage.committer.commit_next()
    commit = stage.commit()
    assert (commit.state, commit.attempts) == (CommitState.QUEUED, 0)
    assert (commit.uncertain_until is not None) is uncertain
    stage.on_step = lambda name: None
    stage.clock.advance(30.0)
    assert stage.attempt().state is CommitState.COMMITTED


def test_draining_takes_what_is_due_within_its_bounds(stage: Stage) -> None:
    for number in range(5):
        stage.enqueue(create("AssetVersion", f"x{number}"), recording_id=f"rec-{number}")
    assert len(stage.committer.drain(limit=2)) == 2
    assert len(stage.committer.drain(seconds=0.0)) == 1
    assert len(stage.committer.drain()) == 2
    assert stage.committer.drain() == []


def test_a_commit_that_is_done_brings_the_next_one(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    claims: list[str] = []
    claim = stage.ledger.claim
    monkeypatch.setattr(stage.ledger, "claim", lambda owner, **options: claims.append("") or claim(owner, **options))
    together: list[str] = []
    both = stage.ledger.complete_and_claim
    monkeypatch.setattr(
        stage.ledger, "complete_and_claim", lambda claim, **options: together.append("") or both(claim, **options)
    )
    for number in range(3):
        stage.enqueue(create("AssetVersion", f"x{number}"), recording_id=f"rec-{number}")
    assert len(stage.committer.drain(limit=2)) == 2
    # The last one within the bounds claims nothing that nobody would try.
    assert (len(together), stage.commit("rec-2").state) == (1, CommitState.QUEUED)
    assert [outcome.commit_id for outcome in stage.committer.drain()] == ["rec-2"]
    # Where nothing is left, that is known without asking again: these claims are one per drain and one per pair.
    assert (len(together), len(claims)) == (2, 4)


def test_a_shutdown_right_after_a_verdict_hands_the_next_commit_back(stage: Stage) -> None:
    def shut_down(name: str) -> None:
        if name == "finished":
            raise SystemExit

    stage.enqueue(create("AssetVersion", "x1"), recording_id="rec-1")
    stage.enqueue(create("AssetVersion", "x2"), recording_id="rec-2")
    stage.on_step = shut_down
    with pytest.raises(SystemExit):
        stage.committer.drain()
    assert stage.commit("rec-1").state is CommitState.COMMITTED
    following = stage.commit("rec-2")
    assert (following.state, following.attempts, following.owner) == (CommitState.QUEUED, 0, None)


def test_after_an_attempt_that_fails_the_next_commit_is_claimed_by_itself(stage: Stage) -> None:
    stage.enqueue(create("AssetVersion", "x1"), recording_id="rec-1")
    stage.enqueue(create("AssetVersion", "x2"), recording_id="rec-2")
    stage.server.before.append(REFUSED)
    states = [outcome.state for outcome in stage.committer.drain()]
    assert states == [CommitState.RETRYING, CommitState.COMMITTED]


def test_a_recording_without_effect_is_committed_without_a_request(stage: Stage) -> None:
    stage.enqueue(create("AssetVersion", "v1"), delete("AssetVersion", "v1"))
    assert stage.attempt().state is CommitState.COMMITTED
    assert stage.server.writes == []


def test_a_missing_reference_waits_for_the_recording_that_brings_it(stage: Stage) -> None:
    stage.enqueue(create("Component", "c1", version_id="v9"))
    stage.server.before.append(refusal("IntegrityError", "version_id refers to AssetVersion v9, which does not exist"))
    assert stage.attempt().state is CommitState.WAITING
    assert stage.committer.commit_next() is None
    stage.enqueue(create("AssetVersion", "v9"), recording_id="rec-2")
    assert [outcome.commit_id for outcome in stage.committer.drain()] == ["rec-2", "rec-1"]
    assert stage.commit().state is CommitState.COMMITTED


def test_what_nobody_brings_is_given_up_after_its_own_horizon(stage: Stage) -> None:
    stage.enqueue(create("Component", "c1", version_id="v9"))
    policy = CommitterPolicy(retry=RetryPolicy(base=5.0, cap=100.0, horizon=10.0, waiting_horizon=1000.0))
    committer = stage.make_committer(stage.server, policy=policy)
    outcome = None
    while outcome is None or outcome.state is CommitState.WAITING:
        stage.server.before.append(refusal("IntegrityError", "a foreign key constraint fails"))
        outcome = committer.commit_next()
        stage.clock.advance(100.0)
    assert outcome.state is CommitState.DEAD
    assert "waiting for 0.277778 hours" in outcome.message
    assert 10 <= stage.commit().attempts <= 20


def test_an_older_value_that_comes_late_is_dropped_and_listed(stage: Stage) -> None:
    stage.enqueue(update("Task", "t1", "bid", 7), recording_id="new", created_at="2026-01-02T00:00:00+00:00")
    stage.attempt()
    stage.enqueue(
        update("Task", "t1", "bid", 3),
        update("Task", "t1", "name", "x"),
        recording_id="old",
        created_at="2026-01-01T00:00:00+00:00",
    )
    outcome = stage.attempt()
    assert outcome.result is not None
    (skipped,) = outcome.result.skipped
    assert (skipped.key, skipped.attribute, skipped.reason, skipped.wanted) == ("t1", "bid", "superseded", 3)
    assert stage.server.rows["Task", "t1"] == {"__entity_type__": "Task", "bid": 7, "name": "x"}
    assert "superseded" in outcome.result.notes[0]


def wanted(key: str, number: int, **more: Any) -> Any:
    return create("AssetVersion", key, asset_id="a1", version=number, **more)


def test_a_wanted_number_that_is_free_is_used(stage: Stage) -> None:
    stage.server.rows["AssetVersion", "old"] = {"asset_id": "a1", "version": 4}
    stage.server.rows["AssetVersion", "other"] = {"asset_id": "a2", "version": 7}
    stage.enqueue(wanted("v1", 7))
    outcome = stage.attempt()
    assert outcome.result is not None
    assert (outcome.result.versions, stage.server.queries) == ({"v1": 7}, 1)


def test_a_wanted_number_that_is_taken_sends_nothing_and_names_the_holder(stage: Stage) -> None:
    stage.server.rows["AssetVersion", "other"] = {"asset_id": "a1", "version": 7}
    stage.enqueue(wanted("v1", 7), create("Component", "c1"))
    outcome = stage.attempt()
    assert outcome.state is CommitState.DEAD
    assert "version 7 of the asset a1 is AssetVersion other by now" in outcome.message
    assert stage.server.writes == []


@pytest.mark.parametrize("how", ["in the create", "by an update"])
def test_a_wanted_number_that_is_taken_may_give_way(stage: Stage, how: str) -> None:
    stage.server.rows["AssetVersion", "other"] = {"asset_id": "a1", "version": 7}
    if how == "in the create":
        stage.enqueue(wanted("v1", 7))
    else:
        stage.enqueue(
            create("AssetVersion", "v1", asset_id="a1"),
            create("Component", "c1"),
            update("AssetVersion", "v1", "version", 7),
        )
    committer = stage.make_committer(stage.server, policy=CommitterPolicy(version_policy="next"))
    outcome = committer.commit_next()
    assert outcome is not None and outcome.result is not None
    assert outcome.result.versions == {"v1": 2}
    assert "got the next number, as version 7" in outcome.result.notes[0]


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        # 3 is the highest that is there.
        ((3, 4), (5, 4)),
        ((4, 3), (4, 5)),
        ((3, 2), (4, 5)),
        ((3, 3, 4, 6), (5, 7, 4, 6)),
        ((7, 7), (7, 8)),
        ((None, 4), (5, 4)),
        ((4, None), (4, 5)),
        ((None, 3, None), (4, 5, 6)),
    ],
)
@pytest.mark.parametrize("how", ["in the create", "by an update"])
def test_several_versions_of_one_asset_get_different_numbers(
    stage: Stage, how: str, numbers: tuple[int | None, ...], expected: tuple[int, ...]
) -> None:
    for number in (1, 2, 3):
        stage.server.rows["AssetVersion", f"old{number}"] = {"asset_id": "a1", "version": number}
    stage.server.rows["AssetVersion", "other"] = {"asset_id": "a2", "version": 50}
    versions = {f"v{place}": number for place, number in enumerate(numbers)}
    told = {key: {} if number is None else {"version": number} for key, number in versions.items()}
    if how == "in the create":
        operations = [create("AssetVersion", key, asset_id="a1", **data) for key, data in told.items()]
    else:
        operations = [create("AssetVersion", key, asset_id="a1") for key in versions]
        operations += [update("AssetVersion", key, "version", data["version"]) for key, data in told.items() if data]
    stage.enqueue(*operations, create("AssetVersion", "w1", asset_id="a2", version=60))
    outcome = stage.make_committer(stage.server, policy=CommitterPolicy(version_policy="next")).commit_next()
    assert outcome is not None and outcome.state is CommitState.COMMITTED
    got = [stage.server.rows["AssetVersion", key]["version"] for key in versions]
    assert len(set(got) - {1, 2, 3}) == len(versions)
    if how == "in the create":
        assert tuple(got) == expected
    assert stage.server.queries == 1


def test_a_version_without_a_number_does_not_take_that_of_another_one(stage: Stage) -> None:
    stage.server.rows["AssetVersion", "old"] = {"asset_id": "a1", "version": 3}
    stage.enqueue(create("AssetVersion", "v1", asset_id="a1"), wanted("v2", 4))
    outcome = stage.attempt()
    assert outcome.result is not None
    assert outcome.result.versions == {"v1": 5, "v2": 4}


def test_two_versions_of_one_recording_cannot_have_one_number(stage: Stage) -> None:
    stage.enqueue(wanted("v1", 7), wanted("v2", 7))
    outcome = stage.attempt()
    assert outcome.state is CommitState.DEAD
    assert "is AssetVersion v1 by now" in outcome.message


def test_a_wanted_number_that_is_its_own_is_no_clash(stage: Stage) -> None:
    stage.enqueue(wanted("v1", 7), create("Component", "c1"))
    stage.server.after.append(LOST_REPLY)
    stage.attempt()
    stage.clock.advance(100.0)
    outcome = stage.attempt()
    assert outcome.state is CommitState.COMMITTED
    assert outcome.result is not None and outcome.result.versions == {"v1": 7}


def test_versions_of_one_asset_follow_each_other_although_the_first_fails(stage: Stage) -> None:
    for number in (1, 2, 3):
        stage.enqueue(create("AssetVersion", f"v{number}", asset_id="a1"), recording_id=f"rec-{number}")
    stage.server.before.append(REFUSED)
    assert [outcome.commit_id for outcome in stage.committer.drain()] == ["rec-1"]
    stage.clock.advance(5.0)
    outcomes = stage.committer.drain()
    assert [(o.commit_id, o.result and dict(o.result.versions)) for o in outcomes] == [
        ("rec-1", {"v1": 1}),
        ("rec-2", {"v2": 2}),
        ("rec-3", {"v3": 3}),
    ]


def test_rejected_credentials_under_many_queued_commits_cost_them_nothing(stage: Stage) -> None:
    for number in range(50):
        stage.enqueue(create("AssetVersion", f"x{number}"), recording_id=f"rec-{number}")
    for _ in range(5):
        stage.server.before.append(refusal("InvalidCredentialsError", status=401))
        assert [outcome.state for outcome in stage.committer.drain()] == [CommitState.RETRYING]
        stage.clock.advance(60.0)
    assert stage.ledger.counts()[CommitState.DEAD] == 0
    while stage.committer.drain(limit=100, seconds=1e9):
        stage.clock.advance(60.0)
    commits = stage.ledger.list([CommitState.COMMITTED], limit=100)
    assert {commit.attempts for commit in commits} == {1}
    assert len(commits) == 50


def test_one_refusal_of_everything_kills_nothing(stage: Stage) -> None:
    for number in range(30):
        stage.enqueue(create("AssetVersion", f"x{number}"), recording_id=f"rec-{number}")
    stage.server.before += [refusal("PermissionError", f"Not for x{n}, number {n}", status=403) for n in range(20)]
    for _ in range(20):
        stage.committer.drain(limit=100, seconds=1e9)
        stage.clock.advance(60.0)
    assert stage.ledger.counts()[CommitState.COMMITTED] == 30


def test_one_mistake_of_ours_on_everything_kills_nothing(stage: Stage) -> None:
    for number in range(30):
        stage.enqueue(create("AssetVersion", f"x{number}"), recording_id=f"rec-{number}")
    stage.server.before += [ZeroDivisionError(f"in x{number}") for number in range(40)]
    for _ in range(100):
        stage.committer.drain(limit=100, seconds=1e9)
        stage.clock.advance(60.0)
    assert stage.ledger.counts()[CommitState.COMMITTED] == 30


def test_a_worker_whose_machine_is_in_trouble_kills_nothing(stage: Stage) -> None:
    stage.enqueue(*PUBLISH)
    stage.server.before += [OSError(28, "No space left on device") for _ in range(9)]
    for _ in range(9):
        assert stage.attempt().state is CommitState.RETRYING
        stage.clock.advance(100.0)
    assert stage.attempt().state is CommitState.COMMITTED


def test_a_ledger_that_misses_the_verdict_again_and_again_makes_no_poison(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.enqueue(*PUBLISH)
    complete, misses = stage.ledger.complete, iter(range(8))

    def flapping(*arguments: Any, **options: Any) -> bool:
        if next(misses, None) is not None:
            raise LedgerUnavailableError("The Redis at redis://x cannot be reached.")
        return complete(*arguments, **options)

    monkeypatch.setattr(stage.ledger, "complete", flapping)
    for _ in range(8):
        with pytest.raises(LedgerUnavailableError):
            stage.committer.commit_next()
        commit = stage.commit()
        assert (commit.state, commit.uncertain_until is not None) == (CommitState.RETRYING, True)
        stage.clock.advance(100.0)
    outcome = stage.attempt()
    assert outcome.result is not None
    assert (outcome.state, outcome.result.already_there) == (CommitState.COMMITTED, True)
    assert len(stage.server.writes) == 1


def test_a_ledger_that_is_away_for_longer_gets_its_commit_back_by_the_lease(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.enqueue(*PUBLISH)

    def away(*_: Any, **__: Any) -> bool:
        raise LedgerUnavailableError("The Redis at redis://x cannot be reached.")

    for name in ("complete", "retry"):
        monkeypatch.setattr(stage.ledger, name, away)
    with pytest.raises(LedgerUnavailableError):
        stage.committer.commit_next()
    assert stage.commit().state is CommitState.COMMITTING
    monkeypatch.undo()
    stage.clock.advance(LEASE + 30.0)
    assert stage.attempt().state is CommitState.COMMITTED
    assert len(stage.server.writes) == 1


def test_a_verdict_whose_receipt_is_lost_is_not_said_to_come_back(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stage.enqueue(*PUBLISH)
    complete = stage.ledger.complete

    def receipt_lost(*arguments: Any, **options: Any) -> bool:
        complete(*arguments, **options)
        raise LedgerUnavailableError("The Redis at redis://x cannot be reached.")

    monkeypatch.setattr(stage.ledger, "complete", receipt_lost)
    with pytest.raises(LedgerUnavailableError):
        stage.committer.commit_next()
    assert stage.commit().state is CommitState.COMMITTED
    assert "the ledger knows how it goes on" in caplog.text
    assert "comes back" not in caplog.text


def test_a_probe_has_a_connection_of_its_own(stage: Stage) -> None:
    opened: list[CannedServer] = []

    def open_server() -> CannedServer:
        opened.append(stage.server)
        return stage.server

    stage.committer = stage.make_committer(WarmServer(open_server, monotonic=stage.clock))
    other = stage.make_committer(stage.server)
    for number in range(3):
        stage.enqueue(create("AssetVersion", f"x{number}"), recording_id=f"rec-{number}")
    stage.attempt()
    stage.server.before.append(refusal("InvalidCredentialsError", status=401))
    other.commit_next()
    stage.clock.advance(60.0)
    assert stage.attempt().state is CommitState.COMMITTED
    assert len(opened) == 2


def test_an_old_connection_is_made_anew_before_a_verdict_for_good(stage: Stage) -> None:
    opened: list[CannedServer] = []

    def open_server() -> CannedServer:
        opened.append(stage.server)
        return stage.server

    stage.committer = stage.make_committer(WarmServer(open_server, monotonic=stage.clock))
    stage.enqueue(create("AssetVersion", "x1"), recording_id="rec-0")
    stage.attempt()
    stage.clock.advance(61.0)
    stage.enqueue(*PUBLISH)
    stage.server.before.append(refusal("PermissionError", status=403))
    assert stage.attempt().state is CommitState.COMMITTED
    assert len(opened) == 2
    stage.enqueue(create("AssetVersion", "x2"), recording_id="rec-2")
    stage.server.before.append(refusal("PermissionError", status=403))
    assert stage.attempt().state is CommitState.DEAD
    assert len(opened) == 2


def test_what_ftrack_asks_to_wait_is_waited_by_everybody(stage: Stage) -> None:
    for number in range(2):
        stage.enqueue(create("AssetVersion", f"x{number}"), recording_id=f"rec-{number}")
    stage.server.before.append(ServerCallError("Busy", kind="http", status=429, retry_after=77.0, maybe_applied=False))
    assert len(stage.committer.drain()) == 1
    stage.clock.advance(76.0)
    assert stage.committer.drain() == []
    stage.clock.advance(1.0)
    assert len(stage.committer.drain()) == 2


STATUS = ("Task", "t1", "status_id", "ready")


def conflicting(stage: Stage, now: str, choice: str | None = None, **facts: Any) -> Outcome:
    """The task's status was "ready" when "done" was recorded; `now` it is something else."""
    stage.server.rows["Task", "t1"]["status_id"] = now
    facts.setdefault("bases", [STATUS])
    stage.enqueue(create("AssetVersion", "v1"), update("Task", "t1", "status_id", "done"), **facts)
    policy = CommitterPolicy() if choice is None else CommitterPolicy(conflict_policy=ConflictPolicy({"*": choice}))
    outcome = stage.make_committer(stage.server, policy=policy).commit_next()
    assert outcome is not None
    return outcome


def status(stage: Stage) -> Any:
    return stage.server.rows["Task", "t1"]["status_id"]


def test_a_status_that_somebody_changed_since_stays_and_that_is_said(stage: Stage) -> None:
    outcome = conflicting(stage, "approved")
    assert (outcome.state, status(stage)) == (CommitState.COMMITTED, "approved")
    assert outcome.result is not None
    (skipped,) = outcome.result.skipped
    assert skipped.as_dict() == {
        "entity_type": "Task",
        "key": "t1",
        "attribute": "status_id",
        "reason": "conflict",
        "wanted": "done",
        "base": "ready",
        "current": "approved",
    }
    assert outcome.result.created == {"AssetVersion": ["v1"]}
    assert stage.commit().result == outcome.result.as_dict()


def test_a_status_that_is_as_it_was_or_as_it_should_be_is_no_conflict(stage: Stage) -> None:
    outcome = conflicting(stage, "ready")
    assert outcome.result is not None and not outcome.result.skipped
    assert status(stage) == "done"
    stage.enqueue(update("Task", "t1", "status_id", "done"), recording_id="rec-2", bases=[STATUS])
    outcome = stage.attempt()
    assert outcome.result is not None and not outcome.result.skipped


def test_a_conflict_may_be_overwritten_without_asking(stage: Stage) -> None:
    outcome = conflicting(stage, "approved", "overwrite")
    assert (status(stage), stage.server.queries) == ("done", 0)
    assert outcome.result is not None and not outcome.result.skipped


def test_a_conflict_may_be_fatal_and_says_everything_about_it(stage: Stage) -> None:
    outcome = conflicting(stage, "approved", "fail")
    assert (outcome.state, stage.server.writes) == (CommitState.DEAD, [])
    assert "Task t1.status_id was 'ready', is 'approved' and should become 'done'" in outcome.message


def test_without_a_base_the_value_is_written_and_reported_as_unchecked(stage: Stage) -> None:
    outcome = conflicting(stage, "approved", bases=[])
    assert status(stage) == "done"
    assert outcome.result is not None
    assert [skipped.reason for skipped in outcome.result.skipped] == ["unchecked"]


def test_a_recording_of_nothing_but_a_conflict_sends_nothing(stage: Stage) -> None:
    stage.server.rows["Task", "t1"]["status_id"] = "approved"
    stage.enqueue(update("Task", "t1", "status_id", "done"), bases=[STATUS])
    outcome = stage.attempt()
    assert (outcome.state, stage.server.writes) == (CommitState.COMMITTED, [])


@pytest.mark.parametrize("applied", [True, False])
def test_a_lost_reply_of_a_status_change_is_no_conflict_with_itself(stage: Stage, applied: bool) -> None:
    stage.server.rows["Task", "t1"]["status_id"] = "ready"
    stage.enqueue(update("Task", "t1", "status_id", "done"), bases=[STATUS])
    (stage.server.after if applied else stage.server.before).append(LOST_REPLY)
    stage.attempt()
    stage.clock.advance(100.0)
    outcome = stage.attempt()
    assert status(stage) == "done"
    assert outcome.result is not None and not outcome.result.skipped


def listed(*names: str) -> list[dict[str, str]]:
    return [{"__entity_type__": "Component", "id": name} for name in names]


def appending(name: str, *before: str) -> Recording:
    operation = update("Task", "t1", "lists", listed(*before, name))
    delta = Delta(entity=key_text("Task", ["t1"]), attribute="lists", added=(key_text("Component", [name]),))
    return recorded(operation, recording_id=f"rec-{name}", deltas=[delta])


def members(stage: Stage) -> list[str]:
    return [item["id"] for item in stage.server.rows["Task", "t1"]["lists"]]


def test_two_recordings_that_append_to_one_list_do_not_undo_each_other(stage: Stage) -> None:
    stage.server.rows["Task", "t1"]["lists"] = listed("a")
    for name in ("b", "c"):
        stage.accept(appending(name, "a"))
    stage.server.rows["Task", "t1"]["lists"] = listed("a", "person")
    assert len(stage.committer.drain()) == 2
    assert members(stage) == ["a", "person", "b", "c"]


def test_what_is_in_the_list_already_is_not_sent(stage: Stage) -> None:
    stage.server.rows["Task", "t1"]["lists"] = listed("a", "b")
    stage.accept(appending("b", "a"))
    assert stage.attempt().state is CommitState.COMMITTED
    assert stage.server.writes == []


def test_what_a_recording_removed_is_removed_from_who_is_there_now(stage: Stage) -> None:
    stage.server.rows["Task", "t1"]["lists"] = listed("a", "b", "person")
    delta = Delta(entity=key_text("Task", ["t1"]), attribute="lists", removed=(key_text("Component", ["a"]),))
    stage.accept(recorded(update("Task", "t1", "lists", listed("b")), deltas=[delta]))
    stage.attempt()
    assert members(stage) == ["b", "person"]


@pytest.mark.parametrize("applied", [True, False])
def test_a_lost_reply_of_an_append_is_looked_into(stage: Stage, applied: bool) -> None:
    stage.server.rows["Task", "t1"]["lists"] = listed("a")
    stage.accept(appending("b", "a"))
    (stage.server.after if applied else stage.server.before).append(LOST_REPLY)
    stage.attempt()
    stage.clock.advance(100.0)
    assert stage.attempt().state is CommitState.COMMITTED
    assert (members(stage), len(stage.server.writes)) == (["a", "b"], 1 if applied else 2)
