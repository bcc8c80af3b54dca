"""Faults: which request they strike, and how often."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.clock import FakeClock
from trackteroid.sandbox.api import Api
from trackteroid.sandbox.faults import FaultError, FaultSet
from trackteroid.sandbox.request_log import RequestLog
from trackteroid.sandbox.schema_text import load_schema
from trackteroid.sandbox.seeds import API_KEY, API_USER
from trackteroid.sandbox.seeds.rows import Rows
from trackteroid.sandbox.storage import Storage


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
        ({"kind": "latency", "seconds": float("inf")}, "`seconds` must be a number"),
        ({"kind": "error", "status": 204}, "an answer with a body"),
        ({"kind": "error", "body": {"number": float("nan")}}, "`body` must be something that JSON can say"),
        ({"kind": "error", "body": {1, 2}}, "`body` must be something that JSON can say"),
        ({"kind": "error", "seed": [1]}, "`seed` must be a number or a text"),
        ({"kind": ["error"]}, "no fault of kind"),
        ({"kind": "error", "actions": "create"}, "`actions` must be a list"),
        ({"kind": "refuse"}, "needs `seconds`"),
        ({"kind": "refuse", "seconds": 1, "users": ["anna"]}, "can't have `users`"),
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


# Refusing connections


class Server:
    """Notes what it is told."""

    def __init__(self, fault_set: FaultSet) -> None:
        self.told: list[float] = []
        fault_set.on_refuse = self.told.append


def test_a_refusal_begins_at_once_and_is_over_after_its_seconds() -> None:
    clock = FakeClock()
    fault_set = FaultSet(clock)
    server = Server(fault_set)
    fault_set.replace([{"kind": "refuse", "seconds": 5}, {"kind": "error"}])
    assert server.told == [5.0]
    clock.advance(4.9)
    assert fault_set.active() == [{"kind": "refuse", "seconds": 5}, {"kind": "error"}]
    clock.advance(0.1)
    assert fault_set.active() == [{"kind": "error"}]
    # Requests that came before it began are none of its business.
    assert kinds(fault_set, 1) == ["error"]


def test_other_faults_and_none_end_a_refusal() -> None:
    for following in ([], [{"kind": "error"}]):
        fault_set = FaultSet(FakeClock())
        server = Server(fault_set)
        fault_set.replace([{"kind": "refuse", "seconds": 5}])
        fault_set.replace(following)
        fault_set.clear()
        assert server.told == [5.0, 0.0]


def test_without_a_refusal_the_server_is_told_nothing() -> None:
    fault_set = FaultSet(FakeClock())
    server = Server(fault_set)
    fault_set.replace([{"kind": "error"}])
    fault_set.clear()
    assert server.told == []


# Versions that collide


def test_racing_concerns_only_what_is_created_and_goes_with_other_faults() -> None:
    fault_set = faults({"kind": "racy_versions", "seconds": 0.5, "times": 1}, {"kind": "drop_reply", "times": 1})
    assert fault_set.decide(["query"], "anna").names == ("drop_reply",)
    decision = fault_set.decide(["update", "create"], "anna")
    assert (decision.kind, decision.racy_seconds, decision.names) == (None, 0.5, ("racy_versions",))
    assert fault_set.decide(["create"], "anna").racy_seconds == 0


def numbers(api: Api, count: int, racy_seconds: float = 1.0) -> list[int]:
    """Numbers of versions of one asset, each created by a request of its own."""
    create = {
        "action": "create",
        "entity_type": "AssetVersion",
        "entity_data": {"asset_id": Rows("demo", load_schema()).identifier("Asset", "bc0040_comp")},
    }
    made = []
    for _ in range(count):
        (answer,) = api.handle([create], username=API_USER, api_key=API_KEY, racy_seconds=racy_seconds)
        made.append(answer["data"]["version"])
    return made


def test_versions_that_are_made_at_the_same_time_get_the_same_number(
    api: Api, demo_storage: tuple[Storage, FakeClock]
) -> None:
    _, clock = demo_storage
    assert numbers(api, 3) == [4, 4, 4]
    clock.advance(1.5)
    assert numbers(api, 2) == [5, 5]
    assert numbers(api, 2, racy_seconds=0) == [6, 7]


def test_one_batch_never_collides_with_itself(api: Api) -> None:
    asset = Rows("demo", load_schema()).identifier("Asset", "bc0040_comp")
    create = {"action": "create", "entity_type": "AssetVersion", "entity_data": {"asset_id": asset}}
    answers = api.handle([create, create], username=API_USER, api_key=API_KEY, racy_seconds=60)
    assert [answer["data"]["version"] for answer in answers] == [4, 5]


# Insight


def entry(**different: Any) -> dict[str, Any]:
    return {
        "user": "anna",
        "actions": ["query"],
        "expressions": [],
        "milliseconds": 1.5,
        "status": 200,
        "fault": None,
        **different,
    }


def test_the_request_log_is_bounded_and_can_be_emptied() -> None:
    log = RequestLog()
    for number in range(10_005):
        log.add(entry(number=number))
    assert (len(log), log[0]["number"], log[-1]["number"]) == (10_000, 5, 10_004)
    assert len(log.take(clear=True)) == 10_000
    assert list(log) == []
    assert log.counters()["requests"] == 10_005


def test_counters_count_everything_once() -> None:
    log = RequestLog()
    log.add(entry(actions=["create", "create", "update"], fault="drop_reply", status=None))
    log.add(entry(user=None, status=503, fault="error"))
    log.add(entry())
    assert log.counters(clear=True) == {
        "requests": 3,
        "milliseconds": 4.5,
        "actions": {"create": 2, "query": 2, "update": 1},
        "statuses": {"200": 1, "503": 1, "none": 1},
        "faults": {"drop_reply": 1, "error": 1},
        "users": {"anna": 2, "none": 1},
    }
    assert log.counters() == {
        "requests": 0,
        "milliseconds": 0.0,
        "actions": {},
        "statuses": {},
        "faults": {},
        "users": {},
    }
