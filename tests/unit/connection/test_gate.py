"""Connecting on first use."""

from __future__ import annotations

import threading
from typing import Any, ClassVar

import pytest

from trackteroid.connection.gate import Gate, LazyConnection, connect


class Real:
    """A session class as the gate expects it: state of its own from `__new__`, the rest from the constructor."""

    made = 0

    def __new__(cls, *args: Any, **kwargs: Any) -> Real:
        instance = super().__new__(cls)
        instance.__dict__["_gate"] = Gate()
        return instance

    def __init__(self, url: str = "default", fail: bool = False) -> None:
        type(self).made += 1
        Real.made += 1
        self.url = url
        if fail or Real.refuse:
            raise OSError("refused")
        self.ready = True

    refuse: ClassVar[bool] = False

    def close(self) -> str:
        return "closed"

    @property
    def doubled(self) -> str:
        return self.url * 2


class Unconnected(LazyConnection, Real):
    connected_class = Real
    offline: ClassVar[frozenset[str]] = frozenset({"close", "_gate"})


@pytest.fixture(autouse=True)
def fresh() -> None:
    Real.made = 0
    Real.refuse = False


def make() -> Any:
    return Unconnected.__new__(Unconnected)


def test_dunders_and_offline_names_do_not_connect() -> None:
    session = make()
    repr(session), hash(session), session.__class__, session.__doc__, session.close()
    assert Real.made == 0
    assert isinstance(session, Real)


def test_the_first_other_access_connects_once() -> None:
    session = make()
    assert session.doubled == "defaultdefault"
    assert session.ready
    assert Real.made == 1
    assert type(session) is Real


def test_what_was_set_before_is_kept_and_can_be_read_without_connecting() -> None:
    session = make()
    session.colour = "red"
    session.url = "mine"
    assert session.colour == "red"
    assert Real.made == 0
    assert session.doubled == "minemine"
    assert session.colour == "red"


def test_what_was_set_before_can_be_deleted_before() -> None:
    session = make()
    session.colour = "red"
    del session.colour
    with pytest.raises(AttributeError):
        _ = session.colour


def test_a_failed_connection_leaves_it_unconnected_and_the_next_use_tries_again() -> None:
    session = make()
    session.colour = "red"
    Real.refuse = True
    with pytest.raises(OSError, match="refused"):
        _ = session.ready
    assert session.__dict__.keys() == {"_gate"}
    Real.refuse = False
    assert session.ready
    assert session.colour == "red"


def test_connecting_with_arguments() -> None:
    session = make()
    connect(session, url="there")
    assert session.doubled == "therethere"


def test_many_threads_connect_once_and_never_see_half_a_session() -> None:
    for _ in range(50):
        Real.made = 0
        session = make()
        start = threading.Barrier(8)
        seen: list[object] = []

        def use(session: Any = session, start: threading.Barrier = start, seen: list[object] = seen) -> None:
            start.wait()
            seen.append((session.ready, session.doubled))

        threads = [threading.Thread(target=use) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert seen == [(True, "defaultdefault")] * 8
        assert Real.made == 1
