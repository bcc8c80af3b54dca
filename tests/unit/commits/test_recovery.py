"""The ledger is lost; everything is enqueued again; nothing happens a second time."""

from __future__ import annotations

from tests.support.canned_server import SERVER_URL, CannedServer
from tests.support.clock import FakeClock
from tests.support.recordings import create, delete, recorded, update
from tests.unit.commits.test_committer import POLICY
from trackteroid.commits.committer import Committer
from trackteroid.commits.enqueueing import enqueue
from trackteroid.commits.memory_ledger import MemoryLedger
from trackteroid.commits.state import CommitState
from trackteroid.operations.recording import Recording
from trackteroid.settings import Settings


def publish(number: int) -> Recording:
    """A version with a component, an update of a task that existed and was `number`, and every tenth one deletes a row."""
    operations = [
        create("AssetVersion", f"v{number}"),
        create("Component", f"c{number}", name="main"),
        update("Task", f"t{number}", "bid", number + 1000),
    ]
    if number % 10 == 0:
        operations.append(delete("Task", f"old{number}"))  # type: ignore[arg-type]
    return recorded(*operations, recording_id=f"rec-{number}", bases=[("Task", f"t{number}", "bid", number)])


def commit_all(server: CannedServer, recordings: list[Recording], *, recovered: bool) -> MemoryLedger:
    clock = FakeClock()
    ledger = MemoryLedger(SERVER_URL, clock=clock)
    for recording in recordings:
        enqueue(recording, ledger=ledger, settings=Settings(), wake=False, recovered=recovered)
    committer = Committer(server, ledger, owner="w", policy=POLICY, monotonic=clock)
    while committer.commit_next() is not None:
        clock.advance(0.01)
    return ledger


def test_a_lost_ledger_leads_to_no_second_effect() -> None:
    recordings = [publish(number) for number in range(200)]
    rows = {("Task", f"t{number}"): {"bid": number} for number in range(200)}
    rows.update({("Task", f"old{number}"): {"bid": 0} for number in range(0, 200, 10)})
    server = CannedServer(rows)
    # The last ten had not been committed when Redis was lost.
    commit_all(server, recordings[:190], recovered=False)
    before = list(server.effects)
    # Meanwhile people went on working.
    server.rows["Task", "t5"]["bid"] = 7
    ledger = commit_all(server, recordings, recovered=True)
    assert ledger.counts()[CommitState.COMMITTED] == 200
    assert server.rows["Task", "t5"]["bid"] == 7
    again = server.effects[len(before) :]
    assert {key for kind, _, key in again if kind == "create"} == {
        *(f"v{number}" for number in range(190, 200)),
        *(f"c{number}" for number in range(190, 200)),
    }
    assert {key for kind, _, key in again if kind == "update"} == {f"t{number}" for number in range(190, 200)}
    assert [key for kind, _, key in again if kind == "delete"] == ["old190"]


def test_values_whose_recordings_do_not_say_what_was_before_are_not_written_again() -> None:
    """As `entity.comment = ...` is recorded, of an entity whose comment was not loaded."""
    recordings = [recorded(update("Task", "t1", "bid", number), recording_id=f"rec-{number}") for number in (1, 2)]
    other = recorded(update("Task", "t2", "bid", 5), recording_id="rec-other")
    server = CannedServer({("Task", "t1"): {"bid": 0}, ("Task", "t2"): {"bid": 0}})
    commit_all(server, [*recordings, other], recovered=False)
    before = list(server.effects)
    server.rows["Task", "t2"]["bid"] = 7
    ledger = commit_all(server, [*recordings, other], recovered=True)
    assert server.effects == before
    assert (server.rows["Task", "t1"]["bid"], server.rows["Task", "t2"]["bid"]) == (2, 7)
    assert ledger.counts()[CommitState.COMMITTED] == 3
    results = [ledger.get(name).result or {} for name in ("rec-1", "rec-2", "rec-other")]
    assert [bool(each["notes"]) for each in results] == [True, False, True]
    assert "Task t2.bid was not written" in str(results[2]["notes"])
    # Of the others nobody knows.
    assert [each["already_there"] for each in results] == [False, True, False]


def test_what_is_gone_or_has_a_third_value_by_now_is_not_said_to_have_been_there() -> None:
    gone = recorded(update("Task", "gone", "bid", 5), recording_id="gone")
    changed = recorded(update("Task", "t1", "bid", 5), recording_id="changed", bases=[("Task", "t1", "bid", 0)])
    server = CannedServer({("Task", "t1"): {"bid": 7}})
    ledger = commit_all(server, [gone, changed], recovered=True)
    assert server.effects == []
    for name in ("gone", "changed"):
        result = ledger.get(name).result or {}
        assert (result["sent_operations"], result["already_there"], len(result["notes"])) == (0, False, 1)
