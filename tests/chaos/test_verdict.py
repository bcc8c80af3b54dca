"""The verdict of a chaos run finds what it is there to find."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from tests.chaos.plan import Publish
from tests.chaos.verdict import Enqueued, check_order, enqueued


def publish(name: str, *, asset: int = 0) -> Publish:
    ids = {key: f"{key}-{name}" for key in ("recording_id", "version", "component", "location")}
    return Publish(number=0, asset=asset, victim="", listed=False, pause=0.0, again=False, wake=True, **ids)


def one(
    name: str, began: float, accepted: float, *, client: int = 0, where: str = "ledger", asset: int = 0
) -> Enqueued:
    return Enqueued(publish=publish(name, asset=asset), client=client, began=began, accepted=accepted, where=where)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (one("a", 0, 1), one("b", 2, 3)),
        (one("a", 0, 1), one("b", 2, 3, client=1)),
        (one("a", 0, 1), one("b", 2, 3, client=1, where="spool")),
        (one("a", 0, 1, where="spool"), one("b", 2, 3, where="spool")),
    ],
)
def test_a_later_publish_with_an_earlier_number_is_found(first: Enqueued, second: Enqueued) -> None:
    assert check_order([second, first], {"version-a": 1, "version-b": 2}) == 1
    with pytest.raises(AssertionError):
        check_order([first, second], {"version-a": 2, "version-b": 1})


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (one("a", 0, 2), one("b", 1, 3, client=1)),
        (one("a", 0, 1, where="spool"), one("b", 2, 3, client=1)),
        (one("a", 0, 1), one("b", 2, 3, asset=1)),
    ],
    ids=["at the same time", "waiting in a spool", "of two assets"],
)
def test_what_has_no_order_is_not_judged(first: Enqueued, second: Enqueued) -> None:
    assert check_order([first, second], {"version-a": 2, "version-b": 1}) == 0


def test_a_publish_begun_twice_began_the_first_time_and_what_was_not_accepted_is_not_counted() -> None:
    lines = [
        {"at": 1.0, "step": "begins", "id": "r", "publish": asdict(publish("a"))},
        {"at": 5.0, "step": "begins", "id": "r", "publish": asdict(publish("a"))},
        {"at": 6.0, "step": "accepted", "id": "r", "where": "spool"},
        {"at": 7.0, "step": "begins", "id": "s", "publish": asdict(publish("b"))},
    ]
    assert enqueued([[], lines]) == [one("a", 1.0, 6.0, client=1, where="spool")]
