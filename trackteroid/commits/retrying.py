"""Whether a failed commit is tried again, and when. Pure: the verdict, what happened before and the time decide."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from trackteroid.commits.classification import Verdict, VerdictKind
from trackteroid.commits.commit import Commit, CommitError
from trackteroid.commits.ledger import Doubt

__all__ = ["LONGEST_RETRY_AFTER", "Decision", "RetryPolicy", "decide"]

#: Longest wait after an environment failure: when the key is valid again nobody wants to wait an hour for the queue to notice.
ENVIRONMENT_CAP = 60.0
#: What a server may ask for with Retry-After, seconds: one that says a week, by mistake, must not stop a studio for a week.
LONGEST_RETRY_AFTER = 3600.0


@dataclass(frozen=True, kw_only=True, slots=True)
class RetryPolicy:
    """Numbers for `decide`; durations in seconds.

    Attributes:
        base, cap: First and longest delay of the exponential backoff.
        horizon: How long after its first attempt a commit is still tried.
        unknown_attempts: Attempts at unknown failures.
        waiting_horizon: How long a commit waits for something that is missing and that no known recording creates.
    """

    base: float = 5.0
    cap: float = 3600.0
    horizon: float = 72 * 3600.0
    unknown_attempts: int = 5
    waiting_horizon: float = 24 * 3600.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """What becomes of the commit.

    Attributes:
        delay: Seconds until the next attempt; None: it is dead.
        error: For the ledger.
    """

    delay: float | None
    error: CommitError


def decide(
    verdict: Verdict, commit: Commit, *, now: float, policy: RetryPolicy, random: Callable[[], float]
) -> Decision:
    """Return what becomes of `commit` after a failure.

    Args:
        verdict: What the failure means.
        commit: As it was claimed for this attempt.
        now: The ledger's time.
        policy: Numbers.
        random: Source of [0, 1); full jitter, so that a thousand commits that failed together do not come back together.
    """
    error = verdict.to_error()
    if verdict.kind is VerdictKind.ENVIRONMENT:
        return Decision(delay=_delay(verdict, commit, policy, random, min(policy.cap, ENVIRONMENT_CAP)), error=error)
    # A request that may be running says nothing for good: somebody has to look first.
    certain = verdict.doubt is not Doubt.RUNNING
    if verdict.kind is VerdictKind.PERMANENT and certain:
        return Decision(delay=None, error=error)
    if verdict.kind is VerdictKind.UNKNOWN and certain and commit.unknown_failures + 1 >= policy.unknown_attempts:
        return Decision(delay=None, error=_because(error, f"Given up after {policy.unknown_attempts} such attempts."))
    if verdict.kind is VerdictKind.MISSING_REFERENCE:
        waited = 0.0 if commit.waiting_since is None else now - commit.waiting_since
        if certain and waited > policy.waiting_horizon:
            hours = policy.waiting_horizon / 3600
            return Decision(delay=None, error=_because(error, f"Given up after waiting for {hours:g} hours."))
        return Decision(delay=_delay(verdict, commit, policy, random, policy.cap), error=error)
    since = commit.trying_since
    if since is not None and now - since > policy.horizon:
        hours = policy.horizon / 3600
        return Decision(delay=None, error=_because(error, f"Given up after {hours:g} hours of trying."))
    return Decision(delay=_delay(verdict, commit, policy, random, policy.cap), error=error)


def _delay(verdict: Verdict, commit: Commit, policy: RetryPolicy, random: Callable[[], float], cap: float) -> float:
    if verdict.retry_after is not None:
        return min(verdict.retry_after, LONGEST_RETRY_AFTER)
    # The exponent is bounded because 2.0 ** 1024 is an error.
    return random() * min(cap, policy.base * 2.0 ** min(max(commit.attempts - 1, 0), 60))


def _because(error: CommitError, reason: str) -> CommitError:
    return CommitError(
        kind=error.kind,
        error_class=error.error_class,
        message=f"{error.message} {reason}",
        server_text=error.server_text,
    )
