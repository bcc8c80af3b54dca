from __future__ import annotations

from dataclasses import replace

import pytest

from trackteroid.commits.classification import Verdict, VerdictKind
from trackteroid.commits.commit import Commit, CommitFacts
from trackteroid.commits.ledger import Doubt
from trackteroid.commits.retrying import LONGEST_RETRY_AFTER, Decision, RetryPolicy, decide
from trackteroid.commits.state import CommitState

NOW = 1_000_000.0
POLICY = RetryPolicy(base=5.0, cap=100.0, horizon=1000.0, unknown_attempts=3)
COMMIT = Commit(
    id="a",
    state=CommitState.COMMITTING,
    digest="d",
    server_url="https://x.example",
    facts=CommitFacts(operations=1),
    created_at=NOW,
    updated_at=NOW,
    trying_since=NOW,
    attempts=1,
)


def verdict(kind: VerdictKind, **facts: object) -> Verdict:
    return Verdict(kind=kind, error_class="X", reason="Why.", **facts)  # type: ignore[arg-type]


def delay(
    kind: VerdictKind, commit: Commit = COMMIT, *, now: float = NOW, jitter: float = 1.0, **facts: object
) -> float | None:
    return decide(verdict(kind, **facts), commit, now=now, policy=POLICY, random=lambda: jitter).delay


@pytest.mark.parametrize(
    ("attempts", "longest"), [(1, 5.0), (2, 10.0), (3, 20.0), (5, 80.0), (6, 100.0), (5000, 100.0)]
)
def test_transient_failures_back_off_exponentially_up_to_the_cap(attempts: int, longest: float) -> None:
    commit = replace(COMMIT, attempts=attempts)
    assert delay(VerdictKind.TRANSIENT, commit) == longest
    assert delay(VerdictKind.TRANSIENT, commit, jitter=0.25) == longest / 4


def test_what_the_server_asked_for_overrides_the_backoff_up_to_an_hour() -> None:
    assert delay(VerdictKind.TRANSIENT, retry_after=33.0) == 33.0
    assert delay(VerdictKind.TRANSIENT, retry_after=1e9) == LONGEST_RETRY_AFTER


def test_a_missing_reference_has_a_horizon_of_its_own() -> None:
    policy = replace(POLICY, waiting_horizon=500.0)
    missing = verdict(VerdictKind.MISSING_REFERENCE)

    def decided(commit: Commit) -> Decision:
        return decide(missing, commit, now=NOW, policy=policy, random=lambda: 1.0)

    assert decided(replace(COMMIT, trying_since=NOW - 1e6)).delay is not None
    assert decided(replace(COMMIT, waiting_since=NOW - 500.0)).delay is not None
    late = decided(replace(COMMIT, waiting_since=NOW - 501.0))
    assert late.delay is None
    assert late.error.message.endswith("Given up after waiting for 0.138889 hours.")


@pytest.mark.parametrize("kind", [VerdictKind.TRANSIENT, VerdictKind.UNKNOWN])
def test_beyond_the_horizon_it_is_dead_with_that_reason(kind: VerdictKind) -> None:
    assert delay(kind, now=NOW + 1000) is not None
    decision = decide(verdict(kind), COMMIT, now=NOW + 1001, policy=POLICY, random=lambda: 1.0)
    assert decision.delay is None
    assert decision.error.message == "Why. Given up after 0.277778 hours of trying."


def test_unknown_failures_are_tried_a_few_times() -> None:
    assert delay(VerdictKind.UNKNOWN, replace(COMMIT, unknown_failures=1)) is not None
    decision = decide(
        verdict(VerdictKind.UNKNOWN), replace(COMMIT, unknown_failures=2), now=NOW, policy=POLICY, random=lambda: 1.0
    )
    assert decision.delay is None
    assert decision.error.message == "Why. Given up after 3 such attempts."


def test_permanent_failures_are_dead_at_once_unless_the_request_may_be_running() -> None:
    assert delay(VerdictKind.PERMANENT) is None
    assert delay(VerdictKind.PERMANENT, doubt=Doubt.RUNNING) is not None


def test_the_environment_never_kills_a_commit() -> None:
    commit = replace(COMMIT, attempts=500, unknown_failures=99)
    assert delay(VerdictKind.ENVIRONMENT, commit, now=NOW + 1e9) == 60.0
