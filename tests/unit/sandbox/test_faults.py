"""Faults: which request they strike, and how often."""

from __future__ import annotations

from typing import Any

import pytest

from trackteroid.sandbox.faults import FaultError, FaultSet
from trackteroid.sandbox.request_log import RequestLog


def faults(*descriptions: dict[str, Any]) -> FaultSet:
    result = FaultSet()
    result.replace(descriptions)
    return result


def kinds(
    fault_set: FaultSet, count: int, actions: tuple[str, ...] = ("create",), user: str = "anna"
) -> list[str | None]:
    return [fault_set.decide(actions, user).kind for _ in range(count)]


def test_times_counts_down() -> None:
    fault_set = faults({"kind": "error", "times": 2})
    assert fault_set.active() == [{"kind": "error", "times": 2}]
    assert kinds(fault_set, 3) == ["error", "error", None]
    assert fault_set.active() == []


def test_without_times_it_goes_on_until_it_is_ended() -> None:
    fault_set = faults({"kind": "error"})
    assert kinds(fault_set, 3) == ["error"] * 3
    fault_set.clear()
    assert kinds(fault_set, 1) == [None]


def test_a_fault_strikes_batches_that_hold_one_of_its_actions() -> None:
    fault_set = faults({"kind": "drop_reply", "times": 1, "actions": ["create", "delete"]})
    assert kinds(fault_set, 1, ("query",)) == [None]
    assert kinds(fault_set, 1, ("query", "delete")) == ["drop_reply"]


def test_a_fault_strikes_its_users_only() -> None:
    fault_set = faults({"kind": "reject_credentials", "users": ["ben"]})
    assert kinds(fault_set, 1) == [None]
    assert kinds(fault_set, 1, user="ben") == ["reject_credentials"]


def test_probability_repeats_with_its_seed() -> None:
    description = {"kind": "error", "probability": 0.5, "seed": 7}
    first = kinds(faults(description), 40)
    assert kinds(faults(description), 40) == first
    assert {None, "error"} == set(first)


def test_latencies_add_up_before_the_first_other_fault() -> None:
    decision = faults(
        {"kind": "latency", "seconds": 0.2}, {"kind": "latency", "seconds": 0.3}, {"kind": "error", "status": 500}
    ).decide(["query"], None)
    assert (decision.kind, decision.seconds, decision.status) == ("error", 0.5, 500)
    assert decision.names == ("latency", "latency", "error")


def test_jitter_stays_within_its_bounds() -> None:
    fault_set = faults({"kind": "latency", "seconds": 1.0, "jitter": 0.5, "seed": 1})
    delays = [fault_set.decide([], None).seconds for _ in range(50)]
    assert 0.5 <= min(delays) < max(delays) <= 1.5


@pytest.mark.parametrize(
    ("description", "message"),
    [
        ({"kind": "flood"}, "no fault of kind 'flood'"),
        ({}, "no fault of kind None"),
        ({"kind": "error", "tiems": 1}, "no 'tiems'"),
        ({"kind": "error", "times": "1"}, "`times` must be a whole number"),
        ({"kind": "error", "times": -1}, "`times` must be a whole number"),
        ({"kind": "error", "probability": 2}, "between 0 and 1"),
        ({"kind": "error", "status": "503"}, "`status` must be an HTTP status"),
        ({"kind": "latency", "seconds": -1}, "`seconds` must be a number"),
        ({"kind": "error", "actions": "create"}, "`actions` must be a list"),
        ("error", "must be an object"),
    ],
)
def test_a_mistaken_fault_is_refused_and_the_active_ones_stay(description: Any, message: str) -> None:
    fault_set = faults({"kind": "error"})
    with pytest.raises(FaultError, match=message):
        fault_set.replace([description])
    assert fault_set.active() == [{"kind": "error"}]


@pytest.mark.parametrize("given", [{"kind": "error"}, "error", None])
def test_faults_are_a_list(given: Any) -> None:
    with pytest.raises(FaultError, match="list"):
        FaultSet().replace(given)


def test_the_request_log_is_bounded_and_can_be_emptied() -> None:
    log = RequestLog()
    for number in range(10_005):
        log.add({"number": number})
    assert (len(log), log[0]["number"], log[-1]["number"]) == (10_000, 5, 10_004)
    assert len(log.take(clear=True)) == 10_000
    assert list(log) == []
