"""The commit ledger: the truth about which recordings were accepted and what became of them.

Scope: one ftrack server; a ledger never shows another server's commits. Two implementations, `memory_ledger.MemoryLedger` (one
process) and `redis_ledger.RedisLedger` (everybody), pass one suite (`tests/conformance`). Every transition is atomic
and is decided by the ledger's own clock. Rules: design section 5.

Invariants every implementation keeps:

- A commit is claimable only in `queued`, `retrying` or `waiting`, from `due_at` on, and `due_at` is never before
  `uncertain_until`: nobody starts an attempt while an earlier request may still be running.
- Transitions by a worker need its fencing token and raise `LeaseLostError` without it.
- `attempts` grows at the claim, before anything is done, so that a crash cannot hide one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

from trackteroid.commits.breaker import Breaker
from trackteroid.commits.claim import Claim
from trackteroid.commits.commit import Commit, CommitError, CommitFacts
from trackteroid.commits.order import Order
from trackteroid.commits.outbox import Outbox
from trackteroid.commits.release_facts import ReleaseFacts
from trackteroid.commits.state import CommitState
from trackteroid.errors import BadInputError

__all__ = [
    "REAP_LIMIT",
    "Burial",
    "Doubt",
    "Enqueued",
    "Ledger",
    "LedgerPolicy",
    "Sweep",
    "check_priority",
    "obstacle",
    "poison_error",
    "worker_lost_error",
]

#: How many expired leases one claim puts back on its way: bounded, so that a claim stays cheap after a farm-wide crash.
REAP_LIMIT = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class LedgerPolicy:
    """Numbers that decide transitions. Durations in seconds.

    Attributes:
        max_claims: Claims without a verdict that a commit may have; one with more is put aside as poison.
        retention_seconds: How long the row of a committed recording is kept.
        tombstone_seconds: How long it is remembered that a recording was committed.
        concurrency: Commits that are tried at a time, over all workers; 0: as many as there are workers.
        probe_seconds: While the breaker is open one commit is tried in so many seconds.
        streak: So many commits in a row with the same error open the breaker.
    """

    max_claims: int = 5
    retention_seconds: float = 14 * 86400.0
    tombstone_seconds: float = 400 * 86400.0
    concurrency: int = 0
    probe_seconds: float = 15.0
    streak: int = 10


class Burial(str, Enum):
    """What became of a commit that was to be buried."""

    DEAD = "dead"
    #: The breaker is open for this error.
    SPARED = "spared"
    #: The breaker has opened for this error.
    OPENED = "opened"


class Doubt(str, Enum):
    """Whether a failed request may have been applied, and whether the server may still be at it."""

    #: Certainly not applied.
    NONE = "none"
    #: Perhaps applied; the server has answered, so it is over.
    SETTLED = "settled"
    #: Perhaps applied, perhaps still running: nobody may try again before the request's deadline.
    RUNNING = "running"


@dataclass(frozen=True, kw_only=True, slots=True)
class Enqueued:
    """What enqueueing found.

    Attributes:
        state: The commit's state now; for a new one `queued`, `waiting` for another one, or `held`.
        known: Whether it had been accepted before, in which case nothing was changed.
    """

    commit_id: str
    state: CommitState
    known: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Sweep:
    """What a sweep did and found.

    Attributes:
        reaped: Expired leases put back (or put aside as poison).
        due: Commits that workers could claim now: none while the breaker is open, unless it is time for a probe.
    """

    reaped: int
    due: int


class Ledger(Protocol):
    """See the module. Implementations raise `LedgerUnavailableError` where their storage cannot be reached."""

    @property
    def server_url(self) -> str:
        """The normalised URL of the ftrack server whose commits these are."""

    def enqueue(
        self,
        commit_id: str,
        *,
        digest: str,
        payload: bytes,
        facts: CommitFacts,
        hold: bool = False,
        actor: str | None = None,
        order: Order | None = None,
        priority: int = 0,
    ) -> Enqueued:
        """Accept a recording; the second time (row or tombstone) nothing changes.

        Args:
            commit_id: The recording's id.
            digest: Over its operations.
            payload: The compressed recording.
            facts: What people search by.
            hold: Known from now on, but not committed before somebody releases it.
            actor: Who holds it.
            order: What it has to do with others (`order.order_of`); None: nothing.
            priority: Higher ones are committed first, between -100 and 100.

        Raises:
            RecordingChangedError: The id is known with another digest.
        """

    def claim(self, owner: str, *, lease_seconds: float) -> Claim | None:
        """Put back up to `REAP_LIMIT` expired leases, then give a due commit to `owner`.

        One of the highest priority; among those flows (`CommitFacts.flow`) take turns; of a flow the longest due one.

        None if none is due, as many are being tried as may be, the server asked to wait, or the breaker is open. While it is open
        one claim is let through in `LedgerPolicy.probe_seconds`, with `Claim.probe` set.
        """

    def renew(self, claim: Claim, *, lease_seconds: float) -> None:
        """Hold the commit for `lease_seconds` from now."""

    def mark_sent(self, claim: Claim, *, lease_seconds: float, request_seconds: float) -> None:
        """Note that the request leaves now and is given up after `request_seconds`; renews the lease in the same step."""

    def complete(
        self, claim: Claim, *, result: Mapping[str, Any], companions: Mapping[str, Mapping[str, Any]] | None = None
    ) -> bool:
        """It is on the server: keep the result and a tombstone, drop the payload. Whether that has closed the breaker.

        Args:
            claim: The hold.
            result: What it brought.
            companions: The same of each of `Claim.companions`, by id.
        """

    def complete_and_claim(
        self,
        claim: Claim,
        *,
        result: Mapping[str, Any],
        companions: Mapping[str, Mapping[str, Any]] | None = None,
        owner: str,
        lease_seconds: float,
    ) -> tuple[bool, Claim | None]:
        """`complete`, and right after it `claim`: one round trip for who has the next one to do at once.

        If the hold is lost nothing is claimed.

        Returns:
            What both return.
        """

    def retry(
        self,
        claim: Claim,
        *,
        delay: float,
        error: CommitError,
        doubt: Doubt,
        signature: str = "",
        pause: float = 0.0,
    ) -> bool:
        """Due again in `delay` seconds, or when a request that may be running has met its deadline.

        Counts an unknown failure if that is the error's kind. An environment failure opens the breaker; its claim does not count
        and the horizon starts anew.

        Args:
            claim: The hold.
            delay: Seconds.
            error: Why.
            doubt: Whether the request may have been applied.
            signature: What makes this error the same as another commit's; empty: nothing does.
            pause: Seconds for which nobody may claim anything, because the server asked for it.

        Returns:
            Whether that has opened the breaker.
        """

    def wait(self, claim: Claim, *, delay: float, error: CommitError, doubt: Doubt) -> None:
        """The server says that something it refers to is missing.

        Waits for the commit that creates it if one is known, whenever it was accepted; otherwise until such a recording is
        accepted, but tries again after `delay` seconds in case somebody else creates it.
        """

    def bury(self, claim: Claim, *, error: CommitError, doubt: Doubt = Doubt.NONE, signature: str = "") -> Burial:
        """Dead, with its reason; unless the same error (`signature`) has hit many commits in a row, which opens the breaker.

        Then it is due again when the breaker closes, and so are those that died of that error right before it. If another commit
        passes, the next such verdict stands.
        """

    def hand_back(self, claim: Claim) -> None:
        """Hand the commit back without a verdict; this claim does not count."""

    def release(self, commit_id: str, *, actor: str | None = None, facts: ReleaseFacts | None = None) -> Commit:
        """Queue a held commit. One that was released before is returned as it is.

        Args:
            commit_id: Which.
            actor: Who wants it; noted with the time.
            facts: What the worker merges into the recording; those of the first release count.

        Raises:
            UnknownCommitError: There is none of this id.
            LedgerError: It is dead or cancelled.
        """

    def cancel(self, commit_id: str, *, actor: str | None = None) -> Commit:
        """End a commit that is not on the server: it will never be committed. One that is cancelled is returned as it is.

        `uncertain_until` of the one returned says whether an earlier attempt may have got through.

        Args:
            commit_id: Which.
            actor: Who wants it; noted with the time.

        Raises:
            UnknownCommitError: There is none of this id.
            LedgerError: A worker is committing it, or it is committed.
        """

    def retry_dead(self, commit_id: str, *, actor: str | None = None) -> Commit:
        """Queue a dead commit again, with fresh counters.

        Args:
            commit_id: Which.
            actor: Who wants it; noted with the time.

        Raises:
            UnknownCommitError: There is none of this id.
            LedgerError: It is not dead, or its recording is gone.
        """

    def sweep(self, *, limit: int = 100) -> Sweep:
        """Put back up to `limit` expired leases and count what is due."""

    def get(self, commit_id: str) -> Commit:
        """Return a commit; of one whose row has expired, what its tombstone tells.

        Raises:
            UnknownCommitError: There is none of this id.
        """

    def payload(self, commit_id: str) -> bytes | None:
        """Return the compressed recording, None once it is committed or unknown."""

    def list(
        self,
        states: Iterable[CommitState] | None = None,
        *,
        limit: int = 50,
        before: tuple[float, str] | None = None,
        words: Sequence[Sequence[str]] = (),
    ) -> Sequence[Commit]:
        """Return the newest `limit` commits of these states (default: all), newest first.

        Costs time in proportion to what is found: by state, time and words it is looked up.

        Args:
            states: Which.
            limit: How many at most.
            before: Only what comes after this (`created_at`, `id`) in that order; the last commit of a page gives the next page.
            words: Groups of words of the index (`indexing.index_words`): of each group at least one must be a commit's. Commits
                of very many words are returned whatever they are, so whoever asks compares once more.
        """

    def words_like(self, pattern: str, *, limit: int = 200) -> Sequence[str] | None:
        """Return the words of the index that a pattern may mean (`*` and `?` as in file names); None if there are more."""

    def remember_stand_ins(self, stands_for: Mapping[str, str | None]) -> None:
        """Remember, for as long as tombstones are kept, which entity took the place of one that a recording ensures.

        Args:
            stands_for: Id in recordings to the id of the entity that was there; None: it stands for itself.
        """

    def stand_ins(self, entity_ids: Sequence[str]) -> dict[str, str]:
        """Return those of `entity_ids` that stand for another entity, with its id."""

    def counts(self) -> dict[CommitState, int]:
        """Return how many commits are in each state."""

    def breaker(self) -> Breaker:
        """Return why commits are not tried although they are due."""

    @property
    def outbox(self) -> Outbox:
        """What somebody is to be told of this ledger's commits: deaths, what is overdue, the breaker. A new one each time."""

    def note_overdue(self, seconds: float, *, limit: int = 100) -> int:
        """Put what is held for `seconds` or longer into the outbox, each commit once; return how many were.

        Args:
            seconds: Of age.
            limit: How many at most, and those of the same moment as the last one.
        """

    def purge(self, *, limit: int = 1000) -> int:
        """Remove up to `limit` rows whose retention time is over; return how many."""


def check_priority(priority: int) -> int:
    """Return `priority`.

    Raises:
        BadInputError: It is not between -100 and 100.
    """
    if not -100 <= priority <= 100:
        raise BadInputError(f"The priority must be between -100 and 100, not {priority}.")
    return priority


def obstacle(action: str, commit_id: str, state: str) -> str:
    """Why a person's action on a commit is refused that is in `state` (or whose recording is `gone`)."""
    if state == "gone":
        return f"The recording of commit {commit_id} is gone; enqueue the file again."
    reason = {
        "retry": "only a dead one can be retried",
        "release": "only a held one can be released",
        "cancel": "wait for the end of the attempt, then cancel it if it still matters"
        if state == CommitState.COMMITTING.value
        else "what is on the server cannot be cancelled",
    }[action]
    return f"Commit {commit_id} is {state}; {reason}."


def poison_error(claims: int) -> CommitError:
    """Why a commit is dead that was claimed `claims` times without a verdict."""
    return CommitError(
        kind="poison",
        error_class="Poison",
        message=(
            f"{claims} workers took this commit and none came to a verdict: each was killed or lost its connection. Look for "
            "workers killed for their memory or time, then retry it."
        ),
    )


def worker_lost_error(owner: str | None) -> CommitError:
    """Why a commit is retried whose worker gave no sign of life."""
    return CommitError(
        kind="worker_lost",
        error_class="WorkerLost",
        message=f"The worker {owner or '(unknown)'} gave no sign of life while it held this commit; another one takes over.",
    )
