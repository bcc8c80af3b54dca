from __future__ import annotations

import threading

import pytest

from tests.support.clock import FakeClock
from trackteroid.commits.commit import CommitFacts
from trackteroid.commits.memory_ledger import MemoryLedger
from trackteroid.commits.sweeping import Sweeper
from trackteroid.errors import LedgerUnavailableError, SpoolError
from workers.housekeeping_timer import HousekeepingTimer


class Sender:
    def __init__(self, works: bool = True) -> None:
        self.works = works
        self.sent = 0

    def send(self, count: int = 1) -> bool:
        self.sent += count if self.works else 0
        return self.works


def filled(count: int, clock: FakeClock) -> MemoryLedger:
    ledger = MemoryLedger("https://x.example", clock=clock)
    for number in range(count):
        ledger.enqueue(str(number), digest="d", payload=b"", facts=CommitFacts(operations=1))
    return ledger


@pytest.mark.parametrize(
    ("due", "waiting", "woken"), [(0, 0, 0), (3, 0, 3), (3, 1, 2), (3, 5, 0), (100, 0, 8), (100, 6, 2), (100, 50, 0)]
)
def test_the_wakeups_are_filled_up_to_what_is_due_or_four_a_slot(due: int, waiting: int, woken: int) -> None:
    sender = Sender()
    report = Sweeper(filled(due, FakeClock()), sender, lambda: waiting, slots=2).sweep()  # type: ignore[arg-type]
    assert (report.due, report.woken, sender.sent) == (due, woken, woken)


def test_a_sweep_puts_back_what_a_dead_worker_held() -> None:
    clock = FakeClock()
    ledger = filled(1, clock)
    ledger.claim("w", lease_seconds=10)
    sweeper = Sweeper(ledger, Sender(), lambda: 0, slots=1)  # type: ignore[arg-type]
    assert sweeper.sweep().due == 0
    clock.advance(10)
    report = sweeper.sweep()
    assert (report.reaped, report.due, report.woken) == (1, 1, 1)


def test_wakeups_that_cannot_be_sent_are_not_counted() -> None:
    report = Sweeper(filled(9, FakeClock()), Sender(works=False), lambda: 1, slots=1).sweep()  # type: ignore[arg-type]
    assert (report.woken, report.stranded) == (0, 3)
    assert Sweeper(filled(9, FakeClock()), Sender(), lambda: 1, slots=1).sweep().stranded == 0  # type: ignore[arg-type]


def test_the_timer_goes_on_after_failures_until_it_is_stopped() -> None:
    calls: list[int] = []
    enough = threading.Event()

    def sweep() -> None:
        calls.append(1)
        if len(calls) == 1:
            raise LedgerUnavailableError("Redis is away.")
        if len(calls) == 2:
            raise ZeroDivisionError
        enough.set()

    timer = HousekeepingTimer(sweep, 0.001, jitter=lambda: 0.5)
    timer.start()
    assert enough.wait(5.0)
    timer.stop()
    count = len(calls)
    assert not timer._thread.is_alive()
    assert len(calls) == count


def test_a_spool_that_is_not_mounted_is_one_line_and_no_traceback_twice_a_minute(
    caplog: pytest.LogCaptureFixture,
) -> None:
    again = threading.Event()
    calls: list[int] = []

    def flush() -> None:
        calls.append(1)
        if len(calls) == 3:
            again.set()
        raise SpoolError("The spool /mnt/shows/spool cannot be read: Permission denied.")

    timer = HousekeepingTimer(flush, 0.001, name="flush_spool", jitter=lambda: 0.5)
    timer.start()
    assert again.wait(30.0)
    timer.stop()
    (record,) = [each for each in caplog.records if each.name == "workers.housekeeping_timer"]
    assert record.exc_info is None
    assert "flush_spool failed: The spool /mnt/shows/spool" in record.getMessage()
