"""A Redis that answers too late now and then: who is alone does not wait for it, and many do not ask ftrack all at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.processes import wait_until
from tests.unit.cache.questions import Server, ask, make_cache, make_running_cache
from trackteroid.cache.backends import Busy, Entry, Lead, Look, MemoryBackend, Outcome
from trackteroid.errors import CacheTimeoutError

QUESTION = "select id from Task"


class LateBackend(MemoryBackend):
    """Does what it is told, and does not say so in time as often as `late` says: by method, or `wait` for a look of who waits.

    Attributes:
        looks: Those that were made, as (token, patiently).
        before_look: Called with every look before it is made.
    """

    def __init__(self) -> None:
        super().__init__()
        self.late = {"look": 0, "wait": 0, "store": 0, "renew": 0}
        self.looks: list[tuple[str, bool]] = []
        self.stored: list[bool] = []
        self.before_look: Callable[[Look], object] = lambda look: None

    def look(self, look: Look, *, patiently: bool = False) -> Outcome:
        self.looks.append((look.token, patiently))
        self.before_look(look)
        outcome = super().look(look)
        self._answer("look" if look.waiting_since is None else "wait")
        return outcome

    def store(self, look: Look, entry: Entry, ttl: float, *, patiently: bool = True) -> bool:
        self.stored.append(patiently)
        kept = super().store(look, entry, ttl)
        self._answer("store")
        return kept

    def renew(self, look: Look) -> bool:
        renewed = super().renew(look)
        self._answer("renew")
        return renewed

    def _answer(self, kind: str) -> None:
        if self.late[kind] > 0:
            self.late[kind] -= 1
            raise CacheTimeoutError("Redis is late.")


@pytest.fixture
def backend() -> LateBackend:
    return LateBackend()


def test_who_is_alone_does_not_wait_for_a_second_try(backend: LateBackend) -> None:
    cache, server = make_cache(backend), Server()
    backend.late["look"] = 1
    ask(cache, QUESTION, server)
    assert (server.asked, len(backend.looks)) == (1, 1)
    # Once is no outage: the next question is looked up.
    ask(cache, "select id from Status", server)
    assert len(backend.looks) == 2


class Threads:
    """Threads that ask the same of a process's cache; the server answers when told to."""

    def __init__(self, backend: LateBackend) -> None:
        self.cache = make_running_cache(backend)
        self.server = Server()
        self.answering = threading.Event()
        self.results: list[Any] = []
        self._threads: list[threading.Thread] = []

    def begin(self, count: int) -> None:
        def ask_once() -> None:
            self.results.append(ask(self.cache, QUESTION, self._answer))

        for _ in range(count):
            self._threads.append(threading.Thread(target=ask_once))
            self._threads[-1].start()

    def end(self) -> list[Any]:
        self.answering.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive()
        return self.results

    def _answer(self) -> Any:
        self.answering.wait(60)
        return self.server()


def looking(backend: LateBackend, *, late: int) -> Threads:
    """Eight threads that ask while one of them looks for the first time; Redis is late so often."""
    threads = Threads(backend)
    lines = threads.cache.connection.shared_looks._lines
    backend.before_look = lambda look: (
        len(backend.looks) > 1
        or wait_until(lambda: sum(len(line.next) for line in lines.values()) == 7, what="the others to come")
    )
    backend.late["look"] = late
    threads.begin(8)
    return threads


def test_of_many_who_look_together_none_asks_ftrack_because_redis_was_late_once(backend: LateBackend) -> None:
    threads = looking(backend, late=1)
    wait_until(lambda: threads.cache.statistics.waits == 7, what="the others to wait")
    assert len(threads.end()) == 8
    assert threads.server.asked == 1
    # Whoever looked first got the lead without hearing of it; the second try was made by its name.
    assert backend.looks[0] == backend.looks[1]


def test_of_many_who_look_together_each_asks_ftrack_when_redis_is_late_twice(backend: LateBackend) -> None:
    threads = looking(backend, late=2)
    assert len(threads.end()) == 8
    assert threads.server.asked == 8
    # The others came after the first look had begun: they were told by the pause.
    assert len(backend.looks) == 2
    assert threads.cache.statistics.waits == 0


def elsewhere(threads: Threads) -> Look:
    """A look of another process for the same."""
    return Look(key=threads.cache._key(QUESTION, {"Task"}), tags=(), token="elsewhere", lease=600)


def waiting(backend: LateBackend) -> Threads:
    """Eight threads that wait for the answer that another process asks for."""
    threads = Threads(backend)
    assert isinstance(backend.look(elsewhere(threads)), Lead)
    threads.begin(8)
    wait_until(lambda: threads.cache.statistics.waits == 8, what="everybody to wait")
    return threads


def test_those_who_wait_go_on_waiting_when_redis_is_late_once(backend: LateBackend) -> None:
    threads = waiting(backend)
    backend.late["wait"] = 1
    wait_until(lambda: backend.late["wait"] == 0, what="a look that came late")
    backend.give_up(elsewhere(threads))
    threads.end()
    assert (len(threads.results), threads.server.asked) == (8, 1)
    assert {patiently for _, patiently in backend.looks} == {False, True}


def test_those_who_wait_ask_ftrack_when_redis_is_late_twice_in_succession(backend: LateBackend) -> None:
    threads = waiting(backend)
    # Looks are made for all, so two are enough.
    backend.late["wait"] = 2
    threads.end()
    assert (len(threads.results), threads.server.asked) == (8, 8)


def test_an_answer_is_stored_though_redis_was_late_once_and_though_look_ups_pause(backend: LateBackend) -> None:
    cache = make_running_cache(backend, in_background=True)

    def slow() -> Any:
        # Meanwhile others in this process have found that look-ups take too long.
        backend.late = dict.fromkeys(backend.late, 2)
        for type_name in ("Status", "Type"):
            ask(cache, f"select id from {type_name}", Server())
        backend.late = {**backend.late, "store": 1}
        return Server()()

    ask(cache, QUESTION, slow)
    cache.connection.flush()
    assert backend.stored == [True, True]
    server = Server()
    ask(make_cache(backend), QUESTION, server)
    assert server.asked == 0


def test_who_has_to_store_in_its_own_time_does_not_wait_for_a_second_try(backend: LateBackend) -> None:
    """Nothing is stored in the background here, as when too much waits for that already."""
    backend.late["store"] = 1
    ask(make_cache(backend), QUESTION, Server())
    assert backend.stored == [False]


def test_a_lead_is_renewed_though_redis_was_late_and_not_when_it_is_lost(backend: LateBackend) -> None:
    cache = make_cache(backend)
    look = Look(key="key", tags=("Task",), token="mine", lease=600)
    backend.look(look)
    renew = cache._renewing(look)
    backend.late["renew"] = 2
    assert [renew() for _ in range(5)] == [True] * 5
    backend.give_up(look)
    backend.look(Look(key="key", tags=("Task",), token="another's", lease=600))
    assert isinstance(backend.look(look), Busy)
    # The pause that the time-outs began is over.
    cache.connection.begin()
    assert renew() is False
