from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.clock import FakeClock
from tests.support.recordings import create, recorded
from trackteroid.commits.actor import current_actor
from trackteroid.commits.commit import CommitError
from trackteroid.commits.enqueueing import enqueue
from trackteroid.commits.handle import CommitHandle, CommitLink
from trackteroid.commits.ledger import Ledger
from trackteroid.commits.memory_ledger import MemoryLedger
from trackteroid.commits.state import CommitState
from trackteroid.errors import (
    CommitTimeoutError,
    LedgerError,
    LedgerUnavailableError,
    SpoolError,
    UnknownCommitError,
    UsageError,
)
from trackteroid.settings import Settings

REFUSED = CommitError(kind="permanent", error_class="ValidationError", message="No.")


class Stage:
    """A handle on a ledger in memory; `then` is done in each pause of a wait, which makes the clock move on."""

    def __init__(self, *, spooled: bool = False) -> None:
        self.clock = FakeClock()
        self.ledger = MemoryLedger("https://studio.example", clock=self.clock)
        self.recording = recorded(create("AssetVersion", "v1"))
        self.spooled = spooled
        self.deliveries = 0
        self.deliverable = True
        self.then: list[Callable[[], object]] = []
        self.pauses: list[float] = []
        self.away: LedgerUnavailableError | None = None
        if not spooled:
            self.accept()
        link = CommitLink(commit_id="rec-1", open_ledger=self.open, in_spool=lambda: self.spooled, deliver=self.deliver)
        self.handle = CommitHandle(link, monotonic=self.clock, sleep=self.pause)

    def open(self) -> Ledger:
        if self.away is not None:
            raise self.away
        return self.ledger

    def accept(self) -> None:
        enqueue(self.recording, ledger=self.ledger, settings=Settings(), wake=False)

    def deliver(self) -> None:
        self.deliveries += 1
        if self.deliverable:
            self.spooled = False
            self.accept()

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.clock.advance(seconds)
        if self.then:
            self.then.pop(0)()

    def work(self, error: CommitError | None = None) -> None:
        claim = self.ledger.claim("worker", lease_seconds=60)
        assert claim is not None
        if error is None:
            self.ledger.complete(claim, result={"created": {"AssetVersion": ["v1"]}})
        else:
            self.ledger.bury(claim, error=error)


def test_enqueueing_gives_a_handle() -> None:
    ledger = MemoryLedger("https://studio.example")
    result = enqueue(recorded(create("AssetVersion", "v1")), ledger=ledger, settings=Settings(), wake=False)
    assert result.commit.id == result.commit_id == "rec-1"
    assert result.commit.state is CommitState.QUEUED
    assert result.commit.result is None


def test_waiting_ends_with_the_commit_and_its_result() -> None:
    stage = Stage()
    stage.then = [lambda: None, stage.work]
    assert stage.handle.wait(60) is CommitState.COMMITTED
    assert stage.handle.result == {"created": {"AssetVersion": ["v1"]}}
    assert stage.handle.error is None
    assert len(stage.pauses) == 2


def test_waiting_ends_with_a_dead_commit_and_its_reason() -> None:
    stage = Stage()
    stage.work(REFUSED)
    assert stage.handle.wait() is CommitState.DEAD
    assert stage.handle.error == REFUSED
    assert stage.pauses == []


def test_waiting_has_an_end() -> None:
    stage = Stage()
    started = stage.clock.now
    with pytest.raises(CommitTimeoutError, match=r"After 5 s commit rec-1 is still queued\.") as caught:
        stage.handle.wait(5)
    assert isinstance(caught.value, TimeoutError)
    assert stage.clock.now == pytest.approx(started + 5)


def test_waiting_for_a_held_commit_says_who_sets_it_going() -> None:
    stage = Stage(spooled=True)
    enqueue(stage.recording, ledger=stage.ledger, settings=Settings(), wake=False, hold=True)
    stage.spooled = False
    with pytest.raises(CommitTimeoutError, match=r"rec-1 is still held\. It stays so .*`trackteroid release rec-1`"):
        stage.handle.wait(5)


def test_waiting_without_time_looks_once() -> None:
    stage = Stage()
    with pytest.raises(CommitTimeoutError):
        stage.handle.wait(0)
    assert stage.pauses == []


def test_waiting_is_bearable_for_redis() -> None:
    stage = Stage()
    with pytest.raises(CommitTimeoutError):
        stage.handle.wait(600)
    assert max(stage.pauses) <= 1.0
    assert len(stage.pauses) < 620


def test_waiting_outlives_a_redis_that_is_away_for_a_while() -> None:
    stage = Stage()
    stage.away = LedgerUnavailableError("Redis is away.")

    def back() -> None:
        stage.away = None
        stage.work()

    stage.then = [lambda: None, back]
    assert stage.handle.wait(60) is CommitState.COMMITTED
    stage.away = LedgerUnavailableError("Redis is away.")
    with pytest.raises(CommitTimeoutError, match="out of sight: Redis is away"):
        stage.handle.wait(3)


def test_a_spooled_recording_is_queued_and_waiting_delivers_it() -> None:
    stage = Stage(spooled=True)
    assert stage.handle.state is CommitState.QUEUED
    stage.then = [stage.work]
    assert stage.handle.wait(60) is CommitState.COMMITTED
    assert stage.deliveries == 1


def test_a_spool_that_cannot_be_delivered_is_named_when_time_is_up() -> None:
    stage = Stage(spooled=True)
    stage.deliverable = False
    with pytest.raises(CommitTimeoutError, match="still in the spool"):
        stage.handle.wait(3)
    assert stage.deliveries > 1

    def broken() -> None:
        raise SpoolError("The spool cannot be read.")

    link = CommitLink(commit_id="x", open_ledger=stage.open, in_spool=lambda: True, deliver=broken)
    handle = CommitHandle(link, monotonic=stage.clock, sleep=stage.pause)
    with pytest.raises(CommitTimeoutError, match="The spool cannot be read"):
        handle.wait(1)


def test_a_commit_that_redis_has_lost_is_unknown() -> None:
    stage = Stage()
    stage.ledger = MemoryLedger("https://studio.example")
    with pytest.raises(UnknownCommitError, match="rec-1"):
        stage.handle.wait(60)
    with pytest.raises(UnknownCommitError):
        _ = stage.handle.state


def test_a_dead_commit_can_be_retried_and_who_did_it_is_noted() -> None:
    stage = Stage()
    stage.work(REFUSED)
    assert stage.handle.retry() is CommitState.QUEUED
    (action,) = stage.handle.commit.actions
    assert (action.name, action.actor) == ("retry", current_actor())
    assert "@" in current_actor()


def test_only_a_dead_commit_can_be_retried() -> None:
    with pytest.raises(LedgerError, match="queued"):
        Stage().handle.retry()


def test_a_commit_can_be_cancelled_and_who_did_it_is_noted() -> None:
    stage = Stage()
    assert stage.handle.cancel() is CommitState.CANCELLED
    assert stage.handle.wait(0) is CommitState.CANCELLED
    (action,) = stage.handle.commit.actions
    assert (action.name, action.actor) == ("cancel", current_actor())


def test_what_is_in_the_spool_is_delivered_before_it_is_cancelled() -> None:
    stage = Stage(spooled=True)
    assert stage.handle.cancel() is CommitState.CANCELLED
    stuck = Stage(spooled=True)
    stuck.deliverable = False
    with pytest.raises(LedgerUnavailableError, match="spool"):
        stuck.handle.cancel()


def test_before_the_block_has_ended_there_is_nothing_to_ask() -> None:
    handle = CommitHandle()
    for ask in (
        lambda: handle.id,
        lambda: handle.state,
        lambda: handle.result,
        handle.wait,
        handle.retry,
        handle.cancel,
    ):
        with pytest.raises(UsageError, match="leave the block first"):
            ask()
    assert "nothing yet" in repr(handle)
    handle.abandon("The block raised.")
    with pytest.raises(UsageError, match="The block raised"):
        _ = handle.id
