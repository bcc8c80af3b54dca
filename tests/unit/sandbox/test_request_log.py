"""What the request log keeps, and what it forgets."""

from __future__ import annotations

from typing import Any

import pytest

from trackteroid.sandbox import request_log
from trackteroid.sandbox.request_log import RequestLog


def entry(number: int, *expressions: str, actions: int = 1) -> dict[str, Any]:
    return {
        "time": float(number),
        "user": "anna",
        "actions": ["query"] * actions,
        "expressions": list(expressions),
        "milliseconds": 1.0,
        "status": 200,
        "fault": None,
    }


def test_long_requests_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_log, "_KEPT_SIZE", 1_000_000)
    log = RequestLog()
    text = "x" * 10_000
    for number in range(300):
        log.add(entry(number, text))
    assert 50 < len(log) < 101
    assert log[-1]["time"] == 299.0
    # Batches of thousands of operations are long, too.
    for number in range(300, 1000):
        log.add(entry(number, actions=100))
    assert 100 < len(log) < 200
    # What is too long by itself is kept as long as it is the last.
    log.add(entry(1000, text * 200))
    assert [each["time"] for each in log] == [1000.0]
    log.add(entry(1001))
    assert [each["time"] for each in log] == [1001.0]


def test_an_emptied_log_has_room_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_log, "_KEPT_SIZE", 1_000_000)
    log = RequestLog()
    log.add(entry(0, "x" * 990_000))
    log.clear()
    for number in range(5):
        log.add(entry(number, "x" * 10_000))
    assert len(log) == 5
