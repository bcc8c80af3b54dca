"""What a cache that does not answer may cost: one time-out is no outage, a second one in succession is."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.clock import FakeClock
from trackteroid.cache.availability import PAUSE_SECONDS, UNAVAILABLE, Availability
from trackteroid.errors import CacheTimeoutError, CacheUnavailableError


class Cache:
    """Answers, is late, or refuses, as `mood` says; `tried` counts."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.availability = Availability(self.clock)
        self.mood: type[Exception] | None = None
        self.takes = 0.0
        self.tried = 0

    def attempt(self, **options: Any) -> Any:
        return self.availability.attempt(self._operation, **options)

    def _operation(self) -> str:
        self.tried += 1
        self.clock.advance(self.takes)
        if self.mood is not None:
            raise self.mood("It does not answer.")
        return "answer"

    def is_tried(self, **options: Any) -> bool:
        before = self.tried
        self.attempt(**options)
        return self.tried > before


@pytest.fixture
def cache() -> Cache:
    return Cache()


def test_a_second_time_out_in_succession_begins_a_pause(cache: Cache) -> None:
    cache.mood = CacheTimeoutError
    assert [cache.is_tried() for _ in range(5)] == [True, True, False, False, False]


def test_an_answer_between_two_time_outs_makes_them_two_first_ones(cache: Cache) -> None:
    for _ in range(5):
        cache.mood = CacheTimeoutError
        assert cache.attempt() is UNAVAILABLE
        cache.mood = None
        assert cache.attempt() == "answer"


def test_time_outs_at_the_same_time_are_one(cache: Cache) -> None:
    """Ten threads were looking when Redis stalled; the next look tells more."""

    def stalled(others: int) -> str:
        if others:
            assert cache.availability.attempt(lambda: stalled(others - 1)) is UNAVAILABLE
        cache.clock.advance(0.05)
        raise CacheTimeoutError

    assert cache.availability.attempt(lambda: stalled(9)) is UNAVAILABLE
    assert cache.attempt() == "answer"


def test_a_refused_connection_begins_a_pause_for_everybody_at_once(cache: Cache) -> None:
    cache.mood = CacheUnavailableError
    assert [cache.is_tried(), cache.is_tried(), cache.is_tried(patiently=True)] == [True, False, False]
    assert cache.is_tried(insisting=True)


def test_after_a_pause_one_tries_and_a_time_out_of_that_one_begins_the_next(cache: Cache) -> None:
    cache.mood = CacheTimeoutError
    cache.attempt()
    cache.attempt()
    for _ in range(3):
        cache.clock.advance(PAUSE_SECONDS)
        assert [cache.is_tried(), cache.is_tried()] == [True, False]
    cache.clock.advance(PAUSE_SECONDS)
    cache.mood = None
    assert [cache.attempt(), cache.attempt()] == ["answer", "answer"]


def test_what_took_longer_than_a_time_out_begins_a_longer_pause(cache: Cache) -> None:
    """Resolving a name did."""
    cache.mood, cache.takes = CacheUnavailableError, 1.0
    cache.attempt()
    cache.clock.advance(49.0)
    assert not cache.is_tried()
    cache.clock.advance(1.0)
    assert cache.is_tried()


def test_who_has_patience_tries_while_look_ups_pause_and_does_not_end_their_pause(cache: Cache) -> None:
    cache.mood = CacheTimeoutError
    cache.attempt()
    cache.attempt()
    cache.mood = None
    assert cache.attempt(patiently=True) == "answer"
    assert cache.attempt() is UNAVAILABLE


def test_who_has_patience_pauses_after_two_time_outs_of_its_own_and_so_do_look_ups(cache: Cache) -> None:
    cache.mood = CacheTimeoutError
    assert [cache.is_tried(patiently=True) for _ in range(3)] == [True, True, False]
    assert not cache.is_tried()


def test_an_answer_to_a_look_up_ends_everybodys_pause(cache: Cache) -> None:
    cache.mood = CacheTimeoutError
    for _ in range(2):
        cache.attempt(patiently=True)
    cache.mood = None
    assert cache.attempt(insisting=True) == "answer"
    assert cache.attempt(patiently=True) == "answer"


def test_who_wants_to_tries_once_more_after_a_time_out(cache: Cache) -> None:
    cache.mood = CacheTimeoutError
    assert cache.attempt(again=lambda: True) is UNAVAILABLE
    assert cache.tried == 2
    cache.clock.advance(PAUSE_SECONDS)
    # It pauses by now: one try is enough.
    assert cache.attempt(again=lambda: True) is UNAVAILABLE
    assert cache.tried == 3


def test_who_tries_once_more_gets_the_answer(cache: Cache) -> None:
    cache.mood = CacheTimeoutError

    def again() -> bool:
        cache.mood = None
        return True

    assert cache.attempt(again=again) == "answer"


def test_nobody_tries_more_than_twice_though_others_get_answers_meanwhile(cache: Cache) -> None:
    def late() -> str:
        assert cache.attempt() == "answer"
        raise CacheTimeoutError

    assert cache.availability.attempt(late, again=lambda: True) is UNAVAILABLE
    assert cache.tried == 2


def test_after_a_refused_connection_nobody_tries_once_more(cache: Cache) -> None:
    cache.mood = CacheUnavailableError
    cache.attempt(again=lambda: pytest.fail("asked"))
    assert cache.tried == 1


@pytest.mark.parametrize(
    ("options", "warned"),
    [({}, 1), ({"quiet": True}, 0), ({"again": lambda: True}, 1)],
    ids=["usual", "quiet", "again"],
)
def test_there_is_one_warning_a_minute(
    options: dict[str, Callable[[], bool]], warned: int, cache: Cache, caplog: pytest.LogCaptureFixture
) -> None:
    cache.mood = CacheTimeoutError
    with caplog.at_level(logging.WARNING, "trackteroid.cache"):
        for _ in range(5):
            cache.attempt(**options)
        assert len(caplog.records) == warned
        cache.clock.advance(60)
        cache.attempt(**options)
        assert len(caplog.records) == 2 * warned
