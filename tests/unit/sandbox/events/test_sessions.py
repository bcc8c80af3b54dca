from __future__ import annotations

from itertools import count

from tests.support.clock import FakeClock
from trackteroid.sandbox.credentials import Caller
from trackteroid.sandbox.events.sessions import Sessions

ME = Caller(user_id="1", username="me", api_key="key")


def sessions(clock: FakeClock) -> Sessions:
    numbers = count()
    return Sessions(clock=clock, new_id=lambda: f"s{next(numbers)}", lifetime=60)


def test_a_session_is_good_for_one_connection() -> None:
    opened = sessions(FakeClock())
    identifier = opened.open(ME)

    assert opened.take(identifier) == ME
    assert opened.take(identifier) is None


def test_an_unknown_session_is_nobodys() -> None:
    assert sessions(FakeClock()).take("s0") is None


def test_a_session_ends_if_nobody_comes() -> None:
    clock = FakeClock()
    opened = sessions(clock)
    early = opened.open(ME)
    clock.advance(59)
    late = opened.open(ME)
    clock.advance(1)

    assert opened.take(early) is None
    assert opened.take(late) == ME


def test_forgotten_sessions_take_no_room() -> None:
    clock = FakeClock()
    opened = sessions(clock)
    for _ in range(100):
        opened.open(ME)
        clock.advance(30)

    assert len(opened._waiting) <= 2
