"""Committing what the ledger says is due, exactly once.

Scope: one worker process (or thread); any number of committers may share a ledger. Rules: design sections 3 and 5.
"""

from __future__ import annotations

import os
import random
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from trackteroid.commits.ancestry import without_ancestors
from trackteroid.commits.attempt import Attempt, Observer
from trackteroid.commits.claim import Claim
from trackteroid.commits.classification import is_refusal
from trackteroid.commits.committer_policy import CommitterPolicy
from trackteroid.commits.get_or_create import decide
from trackteroid.commits.lease import LeaseKeeper, hand_back
from trackteroid.commits.ledger import Ledger
from trackteroid.commits.questions import asker
from trackteroid.commits.result import CommitResult
from trackteroid.commits.schemas import Schemas
from trackteroid.commits.senders import Senders
from trackteroid.commits.server import Server, WarmServer
from trackteroid.commits.together import Part
from trackteroid.commits.verdicts import Outcome
from trackteroid.commits.work import Existing, Work
from trackteroid.errors import ServerCallError
from trackteroid.operations.recording import Recording

__all__ = ["CommitResult", "Committer", "CommitterPolicy", "Outcome", "commit_now", "worker_name"]


def worker_name() -> str:
    """Return a name for this process that tells a wrangler where to look."""
    return f"{socket.gethostname()}:{os.getpid()}"


class _Taken(NamedTuple):
    """A claim, and when it was asked for on the clock for durations."""

    claim: Claim
    started: float


class Committer:
    """Takes due commits from a ledger and puts them on the server.

    Args:
        server: Connection to ftrack, or a keeper of one.
        ledger: Where commits are.
        owner: Name of this worker in the ledger.
        policy: Numbers and rules.
        on_step: Observer of the steps of an attempt (see `attempt`); for tests and metrics.
        monotonic: Clock for durations.
        random: Source of [0, 1) for jitter.
    """

    def __init__(
        self,
        server: Server | WarmServer,
        ledger: Ledger,
        *,
        owner: str | None = None,
        policy: CommitterPolicy | None = None,
        on_step: Observer | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        random: Callable[[], float] = random.random,
    ) -> None:
        self._server = server if isinstance(server, WarmServer) else WarmServer(lambda: server, monotonic=monotonic)
        self._ledger = ledger
        self._owner = owner or worker_name()
        self._policy = policy or CommitterPolicy()
        self._on_step = on_step
        self._monotonic = monotonic
        self._random = random
        self._senders = Senders(monotonic=monotonic)
        self._keeper = LeaseKeeper(ledger, lease_seconds=self._policy.lease_seconds, monotonic=monotonic)

    def commit_next(self) -> Outcome | None:
        """Take the next due commit and try it once; None if none is due.

        Raises:
            LedgerUnavailableError: The ledger cannot be reached. What was claimed comes back when its lease expires.
        """
        return next(iter(self.drain(limit=1)), None)

    def drain(self, *, limit: int = 20, seconds: float = 5.0) -> list[Outcome]:
        """Take due commits one after the other until none is due, `limit` were tried or `seconds` have passed.

        One wake-up may stand for several commits, since wake-ups get lost; the bounds let a worker that is shutting down go.

        Raises:
            LedgerUnavailableError: As of `commit_next`.
        """
        end = self._monotonic() + seconds
        outcomes: list[Outcome] = []

        def goes_on() -> bool:
            return len(outcomes) + 1 < limit and self._monotonic() < end

        taken = self._take() if limit > 0 else None
        while taken is not None:
            outcome, taken = self._try(taken, goes_on)
            outcomes.append(outcome)
        return outcomes

    def _take(self) -> _Taken | None:
        started = self._monotonic()
        claim = self._ledger.claim(self._owner, lease_seconds=self._policy.lease_seconds)
        return None if claim is None else _Taken(claim, started)

    def _try(self, taken: _Taken, goes_on: Callable[[], bool]) -> tuple[Outcome, _Taken | None]:
        """Try a commit; return what came of it and the next one, if there is one and it goes on."""
        following: _Taken | None = None
        asked = False

        def complete(claim: Claim, *, result: Mapping[str, Any], companions: Mapping[str, Mapping[str, Any]]) -> bool:
            nonlocal following, asked
            if not goes_on():
                return self._ledger.complete(claim, result=result, companions=companions)
            started = self._monotonic()
            closed, claimed = self._ledger.complete_and_claim(
                claim,
                result=result,
                companions=companions,
                owner=self._owner,
                lease_seconds=self._policy.lease_seconds,
            )
            asked = True
            following = None if claimed is None else _Taken(claimed, started)
            return closed

        attempt = Attempt(
            taken.claim,
            self._ledger,
            self._server,
            self._policy,
            on_step=self._on_step,
            monotonic=self._monotonic,
            random=self._random,
            started=taken.started,
            senders=self._senders,
            keeper=self._keeper,
            complete=complete,
        )
        try:
            outcome = attempt.run()
        except BaseException:
            # A shutdown right after the verdict: the next one has been claimed already.
            if following is not None:
                hand_back(self._ledger, following.claim)
            raise
        if not asked and goes_on():
            following = self._take()
        return outcome, following


def commit_now(server: Server, recording: Recording) -> CommitResult:
    """Commit a recording at once, without a ledger.

    Asks first which of the entities it creates exist. All of them: it was committed before and nothing is sent. Some:
    what is left is sent.

    Args:
        server: Connection to ftrack; a `Session` is one.
        recording: What was recorded.

    Raises:
        RecordingRefusedError: The server does not know a recorded type or attribute, or what is to be updated has been deleted;
            nothing was sent.
        ServerCallError: The server refused, or gave no usable answer; `maybe_applied` says whether it may have been
            applied. Calling again is safe for what the recording creates.
    """
    ask = asker(server, None)
    decision = decide(without_ancestors(recording, lambda _: None, ask), ask)
    work = Work(server, Schemas(server.schemas), Part(recording=decision.recording))
    result = _send_now(work)
    return replace(result, stands_for=decision.stands_for) if decision.stands_for else result


def _send_now(work: Work) -> CommitResult:
    if not work.to_send:
        return work.result([])
    work.validate()
    existing = work.existing()
    if existing is Existing.ALL:
        return work.result([])
    if existing is Existing.SOME:
        work.reconcile()
    work.examine()
    try:
        return work.send(timeout=None)
    except ServerCallError as error:
        if work.refused_as_duplicate(error) and work.existing() is Existing.ALL:
            return work.result([])
        if work.refused_as_duplicate(error) and work.update_rows_there():
            return work.send(timeout=None)
        if is_refusal(error) and work.leave_out_deleted():
            return work.send(timeout=None)
        raise
