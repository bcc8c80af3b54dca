from __future__ import annotations

from typing import Any

import pytest

from tests.support.clock import FakeClock
from trackteroid.commits.commit import CommitError, CommitFacts
from trackteroid.commits.filtering import CommitFilter, select
from trackteroid.commits.memory_ledger import MemoryLedger
from trackteroid.commits.state import CommitState

CLOCK = FakeClock()
START = CLOCK.now


def ledger() -> MemoryLedger:
    """Ten commits, one a minute, the first one dead."""
    clock = FakeClock(START)
    made = MemoryLedger("https://studio.example", clock=clock)
    for number in range(10):
        facts = CommitFacts(
            operations=1,
            user="anna@studio.example" if number % 2 else "Bob",
            context={"project": "show_a, show_b" if number % 3 == 0 else "other", "asset": "hero"},
            labels={"farm_job": str(number // 5), "kind": "render"},
        )
        made.enqueue(f"c{number}", digest="d", payload=b"p", facts=facts)
        clock.advance(60)
    claim = made.claim("worker", lease_seconds=60)
    assert claim is not None
    made.bury(claim, error=CommitError(kind="permanent", error_class="E", message="m"))
    return made


def chosen(limit: int | None = None, **wanted: Any) -> str:
    """The numbers of the commits that a filter means, at the moment after the last was accepted."""
    found = select(ledger(), CommitFilter(**wanted), now=START + 600, limit=limit)
    return "".join(commit.id[1:] for commit in found)


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        ({}, "9876543210"),
        ({"states": (CommitState.DEAD,)}, "0"),
        ({"states": (CommitState.QUEUED, CommitState.DEAD)}, "9876543210"),
        ({"states": (CommitState.HELD,)}, ""),
        ({"user": "bob"}, "86420"),
        ({"user": "ANNA"}, "97531"),
        ({"user": "anna@*"}, "97531"),
        ({"user": "ann"}, ""),
        ({"project": "show_b"}, "9630"),
        ({"project": "show_*"}, "9630"),
        ({"project": "show"}, ""),
        ({"labels": {"farm_job": "1"}}, "98765"),
        ({"labels": {"farm_job": "1", "kind": "comp"}}, ""),
        ({"labels": {"missing": "*"}}, ""),
        ({"older_than": 500.0}, "10"),
        ({"newer_than": 130.0}, "98"),
        ({"older_than": 120.0, "newer_than": 250.0}, "76"),
        ({"user": "bob", "project": "show_a", "older_than": 60.0}, "60"),
    ],
)
def test_all_that_is_given_must_fit(wanted: dict[str, Any], numbers: str) -> None:
    assert chosen(**wanted) == numbers


def test_the_limit_counts_what_fits() -> None:
    assert chosen(limit=2, user="bob") == "86"


def test_commits_are_found_on_every_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trackteroid.commits.filtering._PAGE", 3)
    assert chosen() == "9876543210"
    assert chosen(user="bob") == "86420"
    assert chosen(older_than=500.0) == "10"


def test_a_filter_by_state_alone_does_not_narrow() -> None:
    assert not CommitFilter(states=(CommitState.DEAD,)).narrows
    assert CommitFilter(older_than=0.0).narrows
    assert CommitFilter(labels={"a": "b"}).narrows
