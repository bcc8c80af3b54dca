from __future__ import annotations

import threading

import pytest

from trackteroid.commits.bounded import within
from trackteroid.errors import LedgerUnavailableError, RecordingChangedError


def test_what_the_call_returns_is_returned() -> None:
    assert within(5, lambda: 7) == 7
    assert within(5, lambda: None) is None


def test_what_the_call_raises_is_raised() -> None:
    def fail() -> None:
        raise RecordingChangedError("changed")

    with pytest.raises(RecordingChangedError, match="changed"):
        within(5, fail)


def test_a_call_that_hangs_is_given_up_and_goes_on_alone() -> None:
    go, done = threading.Event(), threading.Event()

    def hang() -> None:
        go.wait(10)
        done.set()

    with pytest.raises(LedgerUnavailableError, match=r"0\.01 s"):
        within(0.01, hang)
    go.set()
    assert done.wait(10)


def test_a_process_that_ends_calls_without_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert within(5, lambda: 7) == 7
