"""Threads that wait for the same thing, and leads that are kept alive. Real threads, no waiting for a time to pass."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from trackteroid.cache.single_flight import Leads, WaitingRoom

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
