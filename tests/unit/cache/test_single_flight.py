"""Threads that wait for the same thing, and leads that are kept alive. Real threads, no waiting for a time to pass."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.processes import wait_until
from trackteroid.cache.single_flight import Leads, SharedLooks, WaitingRoom

# Longer than any test takes: who waits that long waits in vain.
FOREVER = 60.0


class Waiters:
    """Threads in a waiting room; what each got is in `outcomes`."""

    def __init__(self, room: WaitingRoom[Any], look: Callable[[float], tuple[Any, bool]]) -> None:
        self.room = room
        self.look = look
        self.outcomes: list[Any] = []
        self.threads: list[threading.Thread] = []

    def add(self, since: float, seconds: float = FOREVER) -> None:
        def wait() -> None:
            self.outcomes.append(self.room.wait("key", since, self.look, seconds))

        thread = threading.Thread(target=wait)
        thread.start()
        self.threads.append(thread)

    def join(self) -> list[Any]:
        for thread in self.threads:
            thread.join(FOREVER)
            assert not thread.is_alive()
        return self.outcomes


class Askers:
    """Threads that share looks; what each got is in `outcomes`. The first look lasts until `end_first_look`."""

    def __init__(self, look: Callable[[int, Callable[[], bool]], tuple[Any, bool]]) -> None:
        self.shared: SharedLooks[Any] = SharedLooks()
        self.outcomes: list[Any] = []
        self.looks: list[bool] = []
        self._look = look
        self._threads: list[threading.Thread] = []
        self._looking, self._released = threading.Event(), threading.Event()

    def add(self, count: int = 1) -> None:
        """Come while somebody looks, unless nobody does."""
        for _ in range(count):
            self._threads.append(threading.Thread(target=self._ask))
            self._threads[-1].start()
        self._looking.wait(FOREVER)
        wait_until(lambda: self._lined_up() == len(self._threads) - 1, what="the others to line up")

    def end_first_look(self) -> None:
        self._released.set()
        for thread in self._threads:
            thread.join(FOREVER)
            assert not thread.is_alive()
        assert self.shared._lines == {}

    def _lined_up(self) -> int:
        return sum(len(line.next) for line in self.shared._lines.values())

    def _ask(self) -> None:
        try:
            self.outcomes.append(self.shared.look("key", self._count))
        except OSError:
            self.outcomes.append("broken")

    def _count(self, others: Callable[[], bool]) -> tuple[Any, bool]:
        number = len(self.looks)
        self.looks.append(others())
        if number == 0:
            self._looking.set()
            self._released.wait(FOREVER)
        return self._look(number, others)


def test_who_comes_while_somebody_looks_is_looked_for_together_with_the_others_who_do() -> None:
    askers = Askers(lambda number, others: (f"look {number}", True))
    askers.add()
    askers.add(24)
    askers.end_first_look()
    # What the first look found may be older than what was done before the others came.
    assert sorted(askers.outcomes) == ["look 0", *["look 1"] * 24]


def test_who_looks_is_told_whether_others_want_to_know_too() -> None:
    seen: list[bool] = []
    askers = Askers(lambda number, others: (seen.append(others()), True))
    askers.add()
    askers.add(2)
    askers.end_first_look()
    # When the first look began, nobody else was there; when it ended, two had come.
    assert askers.looks == [False, True]
    assert seen == [True, True]


def test_the_lead_is_the_lookers_own_and_the_others_look_again() -> None:
    askers = Askers(lambda number, others: ("lead", False) if number < 2 else ("busy", True))
    askers.add()
    askers.add(5)
    askers.end_first_look()
    assert sorted(askers.outcomes) == [*["busy"] * 4, "lead", "lead"]
    assert len(askers.looks) == 3


def test_an_error_of_a_look_is_the_lookers_own_and_the_others_look_again() -> None:
    def look(number: int, others: Callable[[], bool]) -> tuple[Any, bool]:
        if number == 1:
            raise OSError("broken")
        return "answer", True

    askers = Askers(look)
    askers.add()
    askers.add(3)
    askers.end_first_look()
    assert sorted(askers.outcomes) == ["answer", "answer", "answer", "broken"]


def test_nobody_looks_for_one_who_has_been_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    shared: SharedLooks[Any] = SharedLooks()

    def interrupted(condition: threading.Condition, timeout: float | None = None) -> bool:
        raise KeyboardInterrupt

    def look(others: Callable[[], bool]) -> tuple[Any, bool]:
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(threading.Condition, "wait", interrupted)
            shared.look("key", lambda others: pytest.fail("looked"))
        return others(), True

    assert shared.look("key", look) is False
    assert shared._lines == {}


def test_looks_for_other_keys_are_not_waited_for() -> None:
    shared: SharedLooks[Any] = SharedLooks()
    assert shared.look("one", lambda others: (shared.look("other", lambda others: ("inner", True)), True)) == "inner"


def test_an_outcome_that_is_nothing_is_an_outcome() -> None:
    askers = Askers(lambda number, others: (None, True))
    askers.add()
    askers.add(3)
    askers.end_first_look()
    assert askers.outcomes == [None] * 4
    assert len(askers.looks) == 2


def test_one_thread_looks_and_all_who_were_waiting_get_what_it_finds() -> None:
    room: WaitingRoom[Any] = WaitingRoom()
    looks: list[float] = []
    looking, released = threading.Event(), threading.Event()

    def look(since: float) -> tuple[Any, bool]:
        looks.append(since)
        if len(looks) == 1:
            looking.set()
            released.wait(FOREVER)
            return None, True
        return ("answer", True) if len(room._groups["key"].waiters) == 3 else (None, True)

    waiters = Waiters(room, look)
    waiters.add(1.0)
    looking.wait(FOREVER)
    waiters.add(3.0)
    waiters.add(2.0)
    released.set()
    assert waiters.join() == ["answer"] * 3
    # The look that found it was made for the one who came last.
    assert looks[-1] == 3.0
    assert room._groups == {}


def test_who_comes_while_somebody_looks_is_not_given_what_that_look_finds() -> None:
    """It may be older than what was done before it came."""
    room: WaitingRoom[Any] = WaitingRoom()
    looking, released = threading.Event(), threading.Event()
    answers = iter(["early", "late"])

    def look(since: float) -> tuple[Any, bool]:
        answer = next(answers)
        if answer == "early":
            looking.set()
            released.wait(FOREVER)
        return answer, True

    waiters = Waiters(room, look)
    waiters.add(1.0)
    looking.wait(FOREVER)
    waiters.add(2.0)
    while len(room._groups["key"].waiters) < 2:
        pass
    released.set()
    assert sorted(waiters.join()) == ["early", "late"]


def test_the_lead_is_given_to_one_and_the_others_go_on_waiting() -> None:
    room: WaitingRoom[Any] = WaitingRoom()
    led = threading.Event()

    def look(since: float) -> tuple[Any, bool]:
        if not led.is_set():
            led.set()
            return "lead", False
        return "answer", True

    waiters = Waiters(room, look)
    for since in (1.0, 2.0, 3.0):
        waiters.add(since)
    assert sorted(waiters.join()) == ["answer", "answer", "lead"]


def test_who_has_waited_long_enough_leaves() -> None:
    room: WaitingRoom[Any] = WaitingRoom()
    assert room.wait("key", 1.0, lambda since: (None, True), 0.02) is None
    assert room._groups == {}


def test_an_error_of_the_one_who_looks_is_its_own_and_another_one_looks() -> None:
    room: WaitingRoom[Any] = WaitingRoom()
    failed = threading.Event()
    both = threading.Event()

    def look(since: float) -> tuple[Any, bool]:
        both.wait(FOREVER)
        if not failed.is_set():
            failed.set()
            raise OSError("broken")
        return "answer", True

    waiters = Waiters(room, look)

    def wait() -> None:
        try:
            waiters.outcomes.append(room.wait("key", 1.0, look, FOREVER))
        except OSError:
            waiters.outcomes.append("broken")

    for _ in range(2):
        thread = threading.Thread(target=wait)
        thread.start()
        waiters.threads.append(thread)
    while "key" not in room._groups or len(room._groups["key"].waiters) < 2:
        pass
    both.set()
    assert sorted(waiters.join()) == ["answer", "broken"]


def test_a_nudge_ends_the_pause_before_the_next_look() -> None:
    now = [0.0]
    room: WaitingRoom[Any] = WaitingRoom(lambda: now[0])
    group = room._enter("key", None)  # type: ignore[arg-type]
    room.nudge("key")
    assert group.nudged
    room.nudge("what nobody waits for")


def test_a_lead_is_renewed_until_the_block_ends() -> None:
    leads = Leads(0.003, FOREVER)
    renewed = threading.Event()
    with leads.held(lambda: renewed.set() or True):  # type: ignore[func-returns-value]
        assert renewed.wait(FOREVER)
    assert leads._held == {}


def test_a_lead_that_cannot_be_renewed_is_let_go_and_so_is_one_that_lasts_too_long() -> None:
    for renew, longest in ((lambda: False, FOREVER), (lambda: True, 0.0)):
        leads = Leads(0.003, longest)
        with leads.held(renew):
            while leads._held:
                pass


def test_the_thread_that_renews_ends_when_there_is_nothing_to_renew() -> None:
    leads = Leads(0.003, FOREVER)
    with leads.held(lambda: True):
        (thread,) = [each for each in threading.enumerate() if each.name == "trackteroid-cache-leads"][-1:]
    thread.join(FOREVER)
    assert not thread.is_alive()
    with pytest.raises(KeyError), leads.held(lambda: True):
        raise KeyError
