"""Committing what the ledger says is due, exactly once.

Scope: one worker process (or thread); any number of committers may share a ledger. Rules: design sections 3 and 5.

An attempt goes through these steps, each told to the observer before the next begins: `claimed`, `before_sent` (about to mark the
attempt as sent), `sent` (marked; the request leaves next), `answered` (the server has applied it, the ledger does not know yet),
`finished` (the ledger knows the verdict). Whatever ends the process between two steps, the next attempt does the right thing.
"""

from __future__ import annotations

import logging
import os
import random
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from trackteroid.commits.classification import Verdict, VerdictKind, classify, signature
from trackteroid.commits.conflicts import ConflictPolicy
from trackteroid.commits.lease import LeaseKeeper
from trackteroid.commits.ledger import Burial, Claim, Doubt, Ledger
from trackteroid.commits.payload import decompress
from trackteroid.commits.policy import refuse_forbidden
from trackteroid.commits.result import CommitResult
from trackteroid.commits.retrying import Decision, RetryPolicy, decide
from trackteroid.commits.schemas import Schemas
from trackteroid.commits.server import Server, WarmServer
from trackteroid.commits.servers import normalise_server_url
from trackteroid.commits.signing import unseal_checked
from trackteroid.commits.state import CommitState
from trackteroid.commits.work import Work
from trackteroid.errors import (
    LeaseLostError,
    LedgerDataError,
    LedgerError,
    LedgerUnavailableError,
    RecordingRefusedError,
    ServerCallError,
    SessionClosedError,
)
from trackteroid.operations.recording import Recording
from trackteroid.settings import Settings

__all__ = ["CommitResult", "Committer", "CommitterPolicy", "Outcome", "commit_now", "worker_name"]

logger = logging.getLogger(__name__)

#: Nobody else is kept away for longer than this because one answer asked for it, seconds.
LONGEST_PAUSE = 3600.0
#: A connection older than this is made anew before a verdict that is for good, seconds.
STALE_SESSION = 60.0

Observer = Callable[[str, Claim], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class CommitterPolicy:
    """Numbers for a committer; durations in seconds.

    Attributes:
        lease_seconds: How long a commit is held without a sign of life.
        request_timeout: How long a request may take, if the lease allows.
        payload_limit: Largest stored recording, compressed bytes.
        server_aliases: `alias=url` pairs of URLs that mean the same server.
        signing_keys: If there are any, only recordings signed with one of them are committed.
        version_policy: `fail` or `next`: what becomes of a wanted version number that is taken.
        conflict_policy: What becomes of values that somebody changed since they were recorded.
        retry: When to try again.
    """

    lease_seconds: float = 60.0
    request_timeout: float = 60.0
    payload_limit: int = 8 * 1024 * 1024
    server_aliases: tuple[str, ...] = ()
    signing_keys: tuple[str, ...] = field(default=(), repr=False)
    version_policy: str = "fail"
    conflict_policy: ConflictPolicy = field(default_factory=ConflictPolicy)
    retry: RetryPolicy = field(default_factory=RetryPolicy)

    @classmethod
    def from_settings(cls, settings: Settings) -> CommitterPolicy:
        """Return what the environment's settings say."""
        return cls(
            lease_seconds=settings.lease_seconds,
            request_timeout=settings.request_timeout,
            payload_limit=settings.payload_limit,
            server_aliases=settings.server_aliases,
            signing_keys=settings.signing_keys,
            version_policy=settings.version_policy,
            conflict_policy=ConflictPolicy.from_words(settings.conflict_policy),
            retry=RetryPolicy(
                base=settings.retry_base_seconds,
                cap=settings.retry_cap_seconds,
                horizon=settings.horizon_seconds,
                unknown_attempts=settings.unknown_attempts,
                waiting_horizon=settings.waiting_horizon_seconds,
            ),
        )


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


def worker_name() -> str:
    """Return a name for this process that tells a wrangler where to look."""
    return f"{socket.gethostname()}:{os.getpid()}"


class Committer:
    """Takes due commits from a ledger and puts them on the server.

    Args:
        server: Connection to ftrack, or a keeper of one.
        ledger: Where commits are.
        owner: Name of this worker in the ledger.
        policy: Numbers.
        on_step: Observer of the steps of an attempt (see the module); for tests and metrics.
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
        self._server = server if isinstance(server, WarmServer) else WarmServer(lambda: server)
        self._ledger = ledger
        self._owner = owner or worker_name()
        self._policy = policy or CommitterPolicy()
        self._on_step = on_step
        self._monotonic = monotonic
        self._random = random

    def commit_next(self) -> Outcome | None:
        """Take the next due commit and try it once; None if none is due.

        Raises:
            LedgerUnavailableError: The ledger cannot be reached. What was claimed comes back when its lease expires.
        """
        started = self._monotonic()
        claim = self._ledger.claim(self._owner, lease_seconds=self._policy.lease_seconds)
        if claim is None:
            return None
        return _Attempt(
            claim, self._ledger, self._server, self._policy, self._on_step, self._monotonic, self._random, started
        ).run()

    def drain(self, *, limit: int = 20, seconds: float = 5.0) -> list[Outcome]:
        """Take due commits one after the other until none is due, `limit` were tried or `seconds` have passed.

        One wake-up may stand for several commits, since wake-ups get lost; the bounds let a worker that is shutting down go.
        """
        end = self._monotonic() + seconds
        outcomes: list[Outcome] = []
        while len(outcomes) < limit and (not outcomes or self._monotonic() < end):
            outcome = self.commit_next()
            if outcome is None:
                break
            outcomes.append(outcome)
        return outcomes


class _Attempt:
    def __init__(
        self,
        claim: Claim,
        ledger: Ledger,
        server: WarmServer,
        policy: CommitterPolicy,
        on_step: Observer | None,
        monotonic: Callable[[], float],
        random: Callable[[], float],
        started: float,
    ) -> None:
        self._claim = claim
        self._ledger = ledger
        self._server = server
        self._policy = policy
        self._on_step = on_step
        self._monotonic = monotonic
        self._random = random
        self._started = started
        self._work: Work | None = None
        # Whether this attempt's request has left: from then on a failure of ours proves nothing.
        self._sent = False
        # What the last try ended with.
        self._error: Exception | None = None

    def run(self) -> Outcome:
        commit_id = self._claim.commit.id
        try:
            self._step("claimed")
            with LeaseKeeper(
                self._ledger,
                self._claim,
                lease_seconds=self._policy.lease_seconds,
                monotonic=self._monotonic,
            ) as lease:
                found = self._try(lease)
            outcome = self._record(found)
            self._step("finished")
            return outcome
        except LeaseLostError as error:
            logger.warning(
                "Lost the hold on a commit: %s", error, extra={"action": "lease_lost", "commit_id": commit_id}
            )
            return Outcome(commit_id=commit_id, state=CommitState.COMMITTING, message=str(error))
        except LedgerUnavailableError:
            raise
        except BaseException:
            # A shutdown (SystemExit, KeyboardInterrupt), not a verdict: the next worker need not wait for the lease.
            self._hand_back()
            raise

    def _try(self, lease: LeaseKeeper) -> CommitResult | Verdict:
        if self._claim.probe:
            # A rotated key, an address that has moved: an old connection would find the trouble where there is none any more.
            self._server.discard()
        found = self._try_once(lease)
        if (
            isinstance(found, Verdict)
            and found.kind is VerdictKind.PERMANENT
            and found.doubt is Doubt.NONE
            and self._work is not None
            and self._server.is_older_than(STALE_SESSION)
        ):
            # Before a verdict that is for good: rights, schema and login as they are now, not as they were this morning.
            self._server.discard()
            self._sent = False
            found = self._try_once(lease)
        return found

    def _try_once(self, lease: LeaseKeeper) -> CommitResult | Verdict:
        self._error = None
        try:
            return self._commit(lease)
        except LedgerError as error:
            if isinstance(error, LedgerDataError):
                return classify(error)
            raise
        except Exception as error:
            self._error = error
            return self._judge(error)

    def _commit(self, lease: LeaseKeeper) -> CommitResult | Verdict:
        recording = self._read()
        try:
            server = self._server.get()
            # A lazy session connects here.
            schemas = Schemas(server.schemas)
        except Exception as error:
            return self._no_server(error)
        refuse_forbidden(recording, session=server)
        work = self._work = Work(
            server,
            schemas,
            recording,
            timeout=self._request_seconds(),
            overtaken=self._claim.overtaken,
            release=self._claim.commit.release,
        )
        if self._claim.commit.uncertain_until is not None or self._claim.commit.facts.recovered:
            work.reconcile()
        if not work.to_send:
            return work.result([])
        work.validate()
        work.examine(version_policy=self._policy.version_policy, conflict_policy=self._policy.conflict_policy)
        if not work.to_send:
            return work.result([])
        self._step("before_sent")
        deadline = lease.send_within(self._request_seconds())
        self._step("sent")
        # A fencing token cannot protect ftrack, so the request must be over before anybody else may try: what is left is measured
        # on our own clock, right before it leaves.
        left = deadline - self._monotonic()
        if left <= 0:
            raise LeaseLostError(f"This machine stood still while it was about to send {self._claim.commit.id}.")
        self._sent = True
        result = work.send(timeout=left)
        self._step("answered")
        return result

    def _read(self) -> Recording:
        payload = self._claim.payload
        if payload is None:
            raise LedgerDataError("The ledger has lost the recording of this commit (does its Redis evict?).")
        payload = unseal_checked(
            payload,
            keys=self._policy.signing_keys,
            commit_id=self._claim.commit.id,
            server_url=self._ledger.server_url,
        )
        recording = Recording.from_payload(decompress(payload, limit=self._policy.payload_limit))
        if recording.server_url is not None:
            recorded = normalise_server_url(recording.server_url, self._policy.server_aliases)
            if recorded != self._ledger.server_url:
                raise RecordingRefusedError(
                    f"It was recorded for {recorded} and enqueued for {self._ledger.server_url}."
                )
        return recording

    def _no_server(self, error: Exception) -> Verdict:
        # Nothing of this commit has been looked at, so nothing it can be blamed for: whatever is wrong is around us.
        self._server.discard()
        verdict = classify(error)
        kind = VerdictKind.TRANSIENT if verdict.kind is VerdictKind.TRANSIENT else VerdictKind.ENVIRONMENT
        reason = f"The worker cannot connect to ftrack: {verdict.reason}"
        return replace(verdict, kind=kind, reason=reason, doubt=Doubt.NONE)

    def _judge(self, error: Exception) -> CommitResult | Verdict:
        verdict = classify(error)
        if not self._sent:
            verdict = replace(verdict, doubt=Doubt.NONE)
        if _connection_is_bad(error, verdict):
            self._server.discard()
        if not isinstance(error, ServerCallError) or self._work is None:
            return verdict
        try:
            # A clash with what the batch creates may be a clash with itself: an earlier commit of which nobody knows any more.
            if self._work.refused_as_duplicate(error):
                if self._work.all_created():
                    return self._work.result([])
                if self._work.partly_created() and self._claim.commit.uncertain_until is None:
                    # Half of it is there: the next attempt reconciles. (This one's mark in the ledger makes it.)
                    return replace(verdict, kind=VerdictKind.TRANSIENT, doubt=Doubt.SETTLED)
            if verdict.doubt is Doubt.SETTLED and self._final(verdict):
                # Before it is given up, what it did is found out.
                self._work.reconcile()
                if not self._work.to_send:
                    return self._work.result([])
        except Exception as second:
            logger.warning("The server did not say what is there: %s", second)
            return classify(second) if verdict.doubt is Doubt.NONE else verdict
        return verdict

    def _final(self, verdict: Verdict) -> bool:
        return self._decision(verdict).delay is None

    def _decision(self, verdict: Verdict) -> Decision:
        now = self._claim.now + (self._monotonic() - self._started)
        return decide(verdict, self._claim.commit, now=now, policy=self._policy.retry, random=self._random)

    def _record(self, found: CommitResult | Verdict) -> Outcome:
        commit_id = self._claim.commit.id
        if isinstance(found, CommitResult):
            if self._ledger.complete(self._claim, result=found.as_dict()):
                logger.warning(
                    "Commits go on: %s works again.", self._ledger.server_url, extra={"action": "breaker_closed"}
                )
            logger.info(
                "Committed %s.",
                commit_id,
                extra={"action": "committed", "commit_id": commit_id, "operations": found.sent_operations},
            )
            return Outcome(commit_id=commit_id, state=CommitState.COMMITTED, result=found)
        decision = self._decision(found)
        error = decision.error
        details = {"commit_id": commit_id, "verdict": error.kind, "error_class": error.error_class}
        if decision.delay is None:
            burial = self._ledger.bury(self._claim, error=error, doubt=found.doubt, signature=self._signature(found))
            if burial is not Burial.DEAD:
                if burial is Burial.OPENED:
                    self._alert(error.message)
                return Outcome(commit_id=commit_id, state=CommitState.RETRYING, message=error.message)
            logger.error("Gave up %s: %s", commit_id, error.message, extra={"action": "dead", **details})
            return Outcome(commit_id=commit_id, state=CommitState.DEAD, message=error.message)
        if found.kind is VerdictKind.MISSING_REFERENCE:
            self._ledger.wait(self._claim, delay=decision.delay, error=error, doubt=found.doubt)
            logger.warning(
                "Waits for what it refers to: %s: %s", commit_id, error.message, extra={"action": "waiting", **details}
            )
            return Outcome(commit_id=commit_id, state=CommitState.WAITING, message=error.message)
        if self._ledger.retry(
            self._claim,
            delay=decision.delay,
            error=error,
            doubt=found.doubt,
            signature=self._signature(found),
            pause=min(found.retry_after or 0.0, LONGEST_PAUSE),
        ):
            self._alert(error.message)
        logger.warning(
            "Will try %s again in %.1f s: %s",
            commit_id,
            decision.delay,
            error.message,
            extra={"action": "retrying", "delay": decision.delay, **details},
        )
        return Outcome(commit_id=commit_id, state=CommitState.RETRYING, message=error.message)

    def _signature(self, verdict: Verdict) -> str:
        # Only what the server says may be the surroundings' fault; a damaged recording is its own.
        told = isinstance(self._error, ServerCallError) and verdict.kind in (VerdictKind.PERMANENT, VerdictKind.UNKNOWN)
        return signature(verdict) if told else ""

    def _alert(self, reason: str) -> None:
        logger.error(
            "Commits to %s stop until a probe succeeds: %s",
            self._ledger.server_url,
            reason,
            extra={"action": "breaker_opened", "server_url": self._ledger.server_url},
        )

    def _request_seconds(self) -> float:
        # The margin covers the way of our mark to the ledger and the end of the request at its time-out.
        return min(self._policy.request_timeout, self._policy.lease_seconds * 0.8)

    def _hand_back(self) -> None:
        try:
            self._ledger.hand_back(self._claim)
        except LedgerError as error:
            logger.warning("The lease of %s could not be handed back: %s", self._claim.commit.id, error)

    def _step(self, name: str) -> None:
        if self._on_step is not None:
            self._on_step(name, self._claim)


def _connection_is_bad(error: Exception, verdict: Verdict) -> bool:
    # A server that is merely busy is not helped by connecting anew, which costs it two requests more.
    if isinstance(error, ServerCallError):
        return verdict.kind is VerdictKind.ENVIRONMENT or error.kind in ("connection", "timeout")
    return isinstance(error, SessionClosedError)


def commit_now(server: Server, recording: Recording) -> CommitResult:
    """Commit a recording at once, without a ledger.

    Asks first which of the entities it creates exist. All of them: it was committed before and nothing is sent. Some:
    what is left is sent.

    Args:
        server: Connection to ftrack; a `Session` is one.
        recording: What was recorded.

    Raises:
        RecordingRefusedError: The server does not know a recorded type or attribute; nothing was sent.
        ServerCallError: The server refused, or gave no usable answer; `maybe_applied` says whether it may have been
            applied. Calling again is safe for what the recording creates.
    """
    work = Work(server, Schemas(server.schemas), recording)
    if not work.to_send:
        return work.result([])
    work.validate()
    if work.all_created():
        return work.result([])
    if work.partly_created():
        work.reconcile()
    work.examine()
    try:
        return work.send(timeout=None)
    except ServerCallError as error:
        if work.refused_as_duplicate(error) and work.all_created():
            return work.result([])
        raise
