"""Recordings that need each other are one batch; each gets its part of the result."""

from __future__ import annotations

import random
import uuid
from dataclasses import replace
from typing import Any

import pytest

from tests.support.canned_server import SERVER_URL, CannedServer, refusal
from tests.support.clock import FakeClock
from tests.support.recordings import create, delete, recorded, update
from trackteroid.commits.batch import build_batch
from trackteroid.commits.committer import Committer, Outcome
from trackteroid.commits.enqueueing import enqueue
from trackteroid.commits.get_or_create import decide_together
from trackteroid.commits.memory_ledger import MemoryLedger
from trackteroid.commits.schemas import Schemas
from trackteroid.commits.state import CommitState
from trackteroid.commits.together import Part, created_once, creates_first, overtaken_in_all
from trackteroid.commits.work import Work
from trackteroid.errors import ServerCallError
from trackteroid.operations.manifest import Delta, Ensure
from trackteroid.operations.operation import NOT_SET, Operation, key_text
from trackteroid.operations.recording import Recording
from trackteroid.settings import Settings


def reference(entity_type: str, key: str) -> dict[str, str]:
    return {"__entity_type__": entity_type, "id": key}


#: Each has a component of the version that the other one makes.
FIRST = (create("AssetVersion", "v1"), create("Component", "c1", name="a", version=reference("AssetVersion", "v2")))
SECOND = (create("AssetVersion", "v2"), create("Component", "c2", name="b", version_id="v1"))


class Stage:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.ledger = MemoryLedger(SERVER_URL, clock=self.clock)
        self.server = CannedServer()
        self.server.checks_references = True
        self.committer = Committer(self.server, self.ledger, monotonic=self.clock, random=lambda: 1.0)

    def enqueue(self, name: str, *operations: Any, **facts: Any) -> Recording:
        recording = recorded(*operations, recording_id=name, **facts)
        enqueue(recording, ledger=self.ledger, settings=Settings(), wake=False)
        return recording

    def attempt(self) -> Outcome:
        outcome = self.committer.commit_next()
        assert outcome is not None
        return outcome

    def results(self) -> dict[str, dict[str, Any]]:
        return {commit.id: dict(commit.result or {}) for commit in self.ledger.list([CommitState.COMMITTED])}


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_recordings_that_need_each_other_are_committed_as_one_batch(stage: Stage) -> None:
    stage.enqueue("rec-1", *FIRST)
    stage.enqueue("rec-2", *SECOND)
    outcome = stage.attempt()
    assert outcome.state is CommitState.COMMITTED
    assert len(stage.server.writes) == 1
    results = stage.results()
    assert results["rec-1"]["created"] == {"AssetVersion": ["v1"], "Component": ["c1"]}
    assert results["rec-2"]["created"] == {"AssetVersion": ["v2"], "Component": ["c2"]}
    assert set(results["rec-1"]["versions"]) == {"v1"}
    assert results["rec-1"]["notes"] == ["Committed in one batch with rec-2, as they need each other."]
    assert stage.committer.commit_next() is None


@pytest.mark.parametrize("applied", [True, False])
def test_a_lost_reply_about_several_recordings_is_looked_into(stage: Stage, applied: bool) -> None:
    stage.enqueue("rec-1", *FIRST)
    stage.enqueue("rec-2", *SECOND)
    lost = ServerCallError("No answer", kind="connection", maybe_applied=True)
    (stage.server.after if applied else stage.server.before).append(lost)
    assert stage.attempt().state is CommitState.RETRYING
    stage.clock.advance(60.0)
    assert stage.attempt().state is CommitState.COMMITTED
    assert len(stage.server.effects) == 4
    assert set(stage.results()) == {"rec-1", "rec-2"}


def test_if_one_cannot_be_read_the_reason_names_it(stage: Stage) -> None:
    stage.enqueue("rec-1", *FIRST)
    stage.enqueue("rec-2", *SECOND)
    for name in stage.ledger._payloads:
        stage.ledger._payloads[name] = b"garbage" if name == "rec-1" else stage.ledger._payloads[name]
    outcome = stage.attempt()
    assert outcome.state is CommitState.DEAD
    assert "damaged" in outcome.message
    assert ("Commit rec-1, which has to be" in outcome.message) is (outcome.commit_id != "rec-1")


def test_a_refusal_is_dead_and_a_retry_commits_both(stage: Stage) -> None:
    stage.enqueue("rec-1", *FIRST)
    stage.enqueue("rec-2", *SECOND)
    stage.server.before += [refusal("ValidationError")] * 2
    outcome = stage.attempt()
    assert outcome.state is CommitState.DEAD
    stage.server.before.clear()
    stage.ledger.retry_dead(outcome.commit_id)
    assert stage.attempt().state is CommitState.COMMITTED
    assert set(stage.results()) == {"rec-1", "rec-2"}


def test_single_entities_that_need_each_other_get_one_reference_later(stage: Stage) -> None:
    stage.enqueue("rec-1", create("AssetVersion", "v1", comment="x", asset_id="c2"))
    stage.enqueue("rec-2", create("Component", "c2", version_id="v1", name="b"))
    assert stage.attempt().state is CommitState.COMMITTED
    assert stage.server.rows["AssetVersion", "v1"]["asset_id"] == "c2"
    assert stage.server.rows["Component", "c2"]["version_id"] == "v1"


def test_of_two_values_of_one_attribute_the_one_recorded_later_counts(stage: Stage) -> None:
    stage.server.rows["Task", "t1"] = {"bid": 0}
    stage.enqueue("rec-1", *FIRST, update("Task", "t1", "bid", 2), created_at="2026-01-01T00:00:02+00:00")
    stage.enqueue("rec-2", *SECOND, update("Task", "t1", "bid", 1), created_at="2026-01-01T00:00:01+00:00")
    assert stage.attempt().state is CommitState.COMMITTED
    assert stage.server.rows["Task", "t1"]["bid"] == 2


def test_a_value_is_late_only_if_it_is_in_every_recording_that_writes_it() -> None:
    late = frozenset({("t1", "bid"), ("t1", "name")})
    parts = [
        Part(recording=recorded(update("Task", "t1", "bid", 1), update("Task", "t1", "name", "a")), overtaken=late),
        Part(recording=recorded(update("Task", "t1", "bid", 2))),
    ]
    assert overtaken_in_all(parts[:1]) == late
    assert overtaken_in_all(parts) == {("t1", "name")}


def members(*keys: str) -> list[dict[str, str]]:
    return [reference("Component", key) for key in keys]


def change(added: str = "", removed: str = "") -> Delta:
    """Return a change of the lists of t1; each letter is a component."""
    return Delta(
        entity=key_text("Task", ["t1"]),
        attribute="lists",
        added=tuple(key_text("Component", [key]) for key in added),
        removed=tuple(key_text("Component", [key]) for key in removed),
    )


@pytest.mark.parametrize(
    ("first", "second", "left"),
    [
        (("ax", change("x")), ("ay", change("y")), "axy"),
        (("ax", change("x")), ("", change(removed="a")), "x"),
        (("", change(removed="a")), ("ay", change("y")), "y"),
        (("ax", change("x")), ("a", change(removed="x")), "a"),
        (("", change(removed="a")), ("a", change("a")), "a"),
        # A file of the original library does not say what it changes: it replaces the collection.
        (("b", None), ("ay", change("y")), "by"),
        (("ax", change("x")), ("b", None), "b"),
    ],
)
def test_what_each_does_to_one_collection_is_done(
    stage: Stage, first: tuple[str, Delta | None], second: tuple[str, Delta | None], left: str
) -> None:
    stage.server.rows["Task", "t1"] = {"lists": members("a")}
    stage.server.rows.update({("Component", key): {} for key in "abxy"})
    for name, needs, (keys, delta) in (("rec-1", FIRST, first), ("rec-2", SECOND, second)):
        stage.enqueue(name, *needs, update("Task", "t1", "lists", members(*keys)), deltas=[delta] if delta else [])
    assert stage.attempt().state is CommitState.COMMITTED
    assert len(stage.server.writes) == 1
    assert stage.server.rows["Task", "t1"]["lists"] == members(*left)


def test_of_one_who_was_added_by_somebody_else_meanwhile_the_last_recording_decides(stage: Stage) -> None:
    stage.server.rows["Task", "t1"] = {"lists": members("x")}
    stage.server.rows["Component", "x"] = {}
    stage.enqueue("rec-1", *FIRST, update("Task", "t1", "lists", members("x")), deltas=[change("x")])
    stage.enqueue("rec-2", *SECOND, update("Task", "t1", "lists", []), deltas=[change(removed="x")])
    assert stage.attempt().state is CommitState.COMMITTED
    assert stage.server.rows["Task", "t1"]["lists"] == []


def test_what_one_changes_of_what_the_other_creates_is_changed_after_it_is_created(stage: Stage) -> None:
    stage.enqueue("rec-1", create("AssetVersion", "v1"), update("AssetVersion", "v2", "comment", "from rec-1"))
    stage.enqueue("rec-2", *SECOND, created_at="2026-01-01T00:00:10+00:00")
    assert stage.attempt().state is CommitState.COMMITTED
    assert stage.server.rows["AssetVersion", "v2"]["comment"] == "from rec-1"


def test_a_change_is_not_undone_by_the_reference_that_is_written_later() -> None:
    batch = build_batch(
        [
            update("AssetVersion", "v2", "asset_id", "a1"),
            create("AssetVersion", "v2", asset_id="c2"),
            create("Component", "c2", version_id="v2"),
        ],
        Schemas(CannedServer.schemas),
    )
    server = CannedServer()
    for payload in creates_first(batch):
        server._apply(payload)
    assert server.rows["AssetVersion", "v2"]["asset_id"] == "a1"
    assert server.rows["Component", "c2"]["version_id"] == "v2"


def ensuring(name: str, *operations: Operation) -> Recording:
    """Return a recording that ensures the task t5 of that name, gives it a status, and makes something else."""
    recording = recorded(
        create("Task", "t5", name="beauty", bid=0),
        update("Task", "t5", "name", "beauty"),
        update("Task", "t5", "status_id", "open"),
        *operations,
        recording_id=name,
    )
    assert recording.manifest is not None
    ensure = Ensure(entity=key_text("Task", ["t5"]), by={"name": "beauty"}, given=("status_id",))
    return replace(recording, manifest=replace(recording.manifest, ensures=(ensure,)))


def test_what_both_ensure_is_created_once_and_with_all_that_it_has() -> None:
    first = ensuring("rec-1", *FIRST, update("Task", "t5", "bid", 3))
    second = ensuring("rec-2", *SECOND, update("Task", "t5", "status_id", "ready"))
    decisions = decide_together([first, second], lambda questions: [[] for _ in questions], lambda _: {})
    server = CannedServer()
    parts = [Part(recording=each.recording) for each in decisions]
    work = Work(server, Schemas(server.schemas), *parts)
    work.send(timeout=None)
    made = [payload for payload in server.writes[0] if payload["entity_key"] == ["t5"]]
    assert [payload["action"] for payload in made] == ["create", "update"]
    # The server wants some of it when it is created; what the second one gives to what it finds takes the first one's place.
    assert made[0]["entity_data"].items() >= {"name": "beauty", "status_id": "ready", "bid": 0}.items()
    assert server.rows["Task", "t5"]["bid"] == 3


def test_a_second_create_of_one_entity_adds_what_the_first_one_has_not_said() -> None:
    first = [create("Task", "t5", name="a", bid=1), update("Task", "t5", "bid", 2)]
    second = [create("Task", "t5", name="b", bid=1, status_id="s"), update("Task", "t5", "name", "c")]
    joined = created_once([*first, *second])
    assert joined == [*first, replace(update("Task", "t5", "status_id", "s"), old_value=NOT_SET), second[1]]


def test_what_is_created_and_deleted_stays_so() -> None:
    operations = [create("Task", "t5"), update("Task", "t5", "bid", 2), delete("Task", "t5")]
    assert created_once(operations) == operations


@pytest.mark.parametrize("overtaken", [True, False])
def test_a_value_that_comes_late_is_recognised_under_the_id_that_was_found(stage: Stage, overtaken: bool) -> None:
    ensured = str(uuid.uuid5(uuid.NAMESPACE_URL, "t5"))
    stage.server.rows["Task", "t1"] = {"bid": 0}
    stage.ledger.remember_stand_ins({ensured: "t1"})
    for name, bid, day in (("rec-2", 2, 3), ("rec-1", 1, 2 if overtaken else 4)):
        stage.enqueue(name, update("Task", ensured, "bid", bid), created_at=f"2026-01-0{day}T00:00:00+00:00")
        assert stage.attempt().state is CommitState.COMMITTED
    skipped = [(each["key"], each["reason"]) for each in stage.results()["rec-1"]["skipped"]]
    assert skipped == ([("t1", "superseded")] if overtaken else [])
    assert stage.server.rows["Task", "t1"]["bid"] == (2 if overtaken else 1)


def test_what_is_overtaken_has_the_names_of_what_was_found() -> None:
    part = Part(recording=recorded(), overtaken=frozenset({("a5", "type"), ("a5/k", "value"), ("t1", "bid")}))
    settled = part.settled(recorded(), {"a5": "x"})
    assert settled.overtaken == {("x", "type"), ("x/k", "value"), ("t1", "bid")}


@pytest.mark.parametrize("seed", range(20))
def test_whatever_refers_to_whatever_creates_go_first_and_nothing_is_lost(seed: int) -> None:
    chance = random.Random(seed)
    server = CannedServer()
    server.checks_references = True
    names = [f"v{number}" for number in range(30)]
    operations = []
    for name in names:
        data = {"asset_id": chance.choice(names)} if chance.random() < 0.7 else {}
        operations.append(create("AssetVersion", name, **data))
        if chance.random() < 0.3:
            operations.append(update("AssetVersion", name, "task", reference("Task", chance.choice(names))))
    batch = build_batch(operations, Schemas(server.schemas))
    ordered = creates_first(batch)
    for payload in ordered:
        server._apply(payload)
    wanted = {payload["entity_key"][0]: payload["entity_data"] for payload in batch if payload["action"] == "create"}
    for name, data in wanted.items():
        assert server.rows["AssetVersion", name].items() >= data.items()


def test_a_chain_of_ten_thousand_creates_is_ordered_without_recursion() -> None:
    operations = [create("AssetVersion", f"v{n}", asset_id=f"v{n + 1}") for n in range(10_000)]
    batch = build_batch(operations, Schemas(CannedServer.schemas))
    assert creates_first(batch) == list(reversed(batch))
