"""Telling the ledger, and the log, how an attempt ended."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from trackteroid.commits.claim import Claim
from trackteroid.commits.classification import Verdict, VerdictKind, signature
from trackteroid.commits.ledger import Burial, Ledger
from trackteroid.commits.result import CommitResult
from trackteroid.commits.retrying import LONGEST_RETRY_AFTER, Decision, RetryPolicy, decide
from trackteroid.commits.state import CommitState

__all__ = ["Complete", "Outcome", "Verdicts"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """How an attempt ended.

    Attributes:
        commit_id: Of which commit.
        state: Its state now; `committing` if this process lost its hold on it.
        message: Why, where it is not committed.
        result: What committing brought.
    """

    commit_id: str
    state: CommitState
    message: str = ""
    result: CommitResult | None = None


class Complete(Protocol):
    """`Ledger.complete`, or more in the same step."""

    def __call__(
        self, claim: Claim, *, result: Mapping[str, Any], companions: Mapping[str, Mapping[str, Any]]
    ) -> bool: ...


class Verdicts:
    """What becomes of one claimed commit.

    Args:
        ledger: Where it is claimed.
        claim: The hold.
        policy: When to try again.
        monotonic: Clock for durations.
        random: Source of [0, 1) for jitter.
        started: On that clock, right before the claim.
        complete: Tells the ledger of a commit that is done.
    """

    def __init__(
        self,
        ledger: Ledger,
        claim: Claim,
        policy: RetryPolicy,
        *,
        random: Callable[[], float],
        started: float,
        complete: Complete,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ledger = ledger
        self._claim = claim
        self._policy = policy
        self._random = random
        self._started = started
        self._complete = complete
        self._monotonic = monotonic

    def is_final(self, verdict: Verdict) -> bool:
        """Whether a verdict would end the commit."""
        return self._decision(verdict).delay is None

    def record(
        self, found: CommitResult | Verdict, *, told: bool, companions: Mapping[str, CommitResult] | None = None
    ) -> Outcome:
        """Tell the ledger.

        Args:
            found: How the attempt ended.
            told: Whether a verdict is what the server said, or may be the surroundings' fault for another reason.
            companions: Of commits that were committed as one batch, this one among them, what each gets of the result, by id.

        Raises:
            LeaseLostError: Somebody else holds the commit by now.
            LedgerUnavailableError: The ledger cannot be reached.
        """
        if isinstance(found, CommitResult):
            results = dict(companions or {})
            return self._committed(results.pop(self._claim.commit.id, found), results)
        decision = self._decision(found)
        # What we refuse ourselves is the recording's fault. What nobody has listed may be anybody's, a rule of the studio's too.
        suspicious = found.kind is VerdictKind.UNKNOWN or (told and found.kind is VerdictKind.PERMANENT)
        mark = signature(found) if suspicious else ""
        if decision.delay is None:
            return self._dead(found, decision, mark)
        if found.kind is VerdictKind.MISSING_REFERENCE:
            return self._waiting(found, decision, decision.delay)
        return self._retrying(found, decision, decision.delay, mark)

    def _committed(self, result: CommitResult, others: Mapping[str, CommitResult]) -> Outcome:
        commit_id = self._claim.commit.id
        companions = {name: each.as_dict() for name, each in others.items()}
        if self._complete(self._claim, result=result.as_dict(), companions=companions):
            logger.warning(
                "Commits go on: %s works again.", self._ledger.server_url, extra={"action": "breaker_closed"}
            )
        for name in (commit_id, *others):
            logger.info(
                "Committed %s.",
                name,
                extra={"action": "committed", "commit_id": name, "operations": result.sent_operations},
            )
        return Outcome(commit_id=commit_id, state=CommitState.COMMITTED, result=result)

    def _dead(self, verdict: Verdict, decision: Decision, mark: str) -> Outcome:
        error = decision.error
        burial = self._ledger.bury(self._claim, error=error, doubt=verdict.doubt, signature=mark)
        if burial is Burial.DEAD:
            logger.error("Gave up %s: %s", self._claim.commit.id, error.message, extra=self._facts("dead", decision))
            return self._outcome(CommitState.DEAD, decision)
        if burial is Burial.OPENED:
            self._alert(error.message)
        return self._outcome(CommitState.RETRYING, decision)

    def _waiting(self, verdict: Verdict, decision: Decision, delay: float) -> Outcome:
        self._ledger.wait(self._claim, delay=delay, error=decision.error, doubt=verdict.doubt)
        logger.warning(
            "Waits for what it refers to: %s: %s",
            self._claim.commit.id,
            decision.error.message,
            extra=self._facts("waiting", decision),
        )
        return self._outcome(CommitState.WAITING, decision)

    def _retrying(self, verdict: Verdict, decision: Decision, delay: float, mark: str) -> Outcome:
        opened = self._ledger.retry(
            self._claim,
            delay=delay,
            error=decision.error,
            doubt=verdict.doubt,
            signature=mark,
            pause=min(verdict.retry_after or 0.0, LONGEST_RETRY_AFTER),
        )
        if opened:
            self._alert(decision.error.message)
        # While the breaker is open its probes decide when, not this commit's delay.
        around = verdict.kind is VerdictKind.ENVIRONMENT
        logger.warning(
            "Will try %s again %s: %s",
            self._claim.commit.id,
            "when the trouble around it has passed" if around else f"in {delay:.1f} s",
            decision.error.message,
            extra={"delay": delay, **self._facts("retrying", decision)},
        )
        return self._outcome(CommitState.RETRYING, decision)

    def _decision(self, verdict: Verdict) -> Decision:
        now = self._claim.now + (self._monotonic() - self._started)
        return decide(verdict, self._claim.commit, now=now, policy=self._policy, random=self._random)

    def _outcome(self, state: CommitState, decision: Decision) -> Outcome:
        return Outcome(commit_id=self._claim.commit.id, state=state, message=decision.error.message)

    def _facts(self, action: str, decision: Decision) -> dict[str, object]:
        error = decision.error
        return {
            "action": action,
            "commit_id": self._claim.commit.id,
            "verdict": error.kind,
            "error_class": error.error_class,
        }

    def _alert(self, reason: str) -> None:
        logger.error(
            "Commits to %s stop until a probe succeeds: %s",
            self._ledger.server_url,
            reason,
            extra={"action": "breaker_opened", "server_url": self._ledger.server_url},
        )
