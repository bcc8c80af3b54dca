"""What a program holds of a commit that it has enqueued: where is it, wait for it, retry or cancel it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from trackteroid.commits.actor import current_actor
from trackteroid.commits.commit import Commit, CommitError
from trackteroid.commits.ledger import Ledger
from trackteroid.commits.state import CommitState
from trackteroid.errors import CommitTimeoutError, LedgerUnavailableError, SpoolError, UsageError

__all__ = ["FINAL_STATES", "CommitHandle", "CommitLink"]


#: States that no worker leaves by itself.
FINAL_STATES = frozenset({CommitState.COMMITTED, CommitState.DEAD, CommitState.CANCELLED})

# Between two looks: short at first, since a small publish takes a fraction of a second, then bearable for Redis with thousands
# of waiters.
_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 1.0


def _queued() -> CommitState:
    return CommitState.QUEUED


@dataclass(frozen=True, kw_only=True, slots=True)
class CommitLink:
    """How to reach a commit.

    Attributes:
        commit_id: Which.
        open_ledger: Returns its ledger.
        in_spool: Whether it still waits in this node's spool.
        deliver: Tries to hand over what waits in that spool.
        release: Looks for the files that its recording expects and releases it; told whether some may be missing.
        spooled_state: Its state while it waits in that spool.
    """

    commit_id: str
    open_ledger: Callable[[], Ledger]
    in_spool: Callable[[], bool]
    deliver: Callable[[], object]
    release: Callable[[bool], Commit] | None = None
    spooled_state: Callable[[], CommitState] = _queued


class CommitHandle:
    """A commit, as the process sees it that enqueued it. Every question asks the ledger anew.

    `with SESSION.enqueued_operations() as commit:` gives one before there is anything to ask: until the block has ended, and for
    ever if it raised, everything but `repr` raises `UsageError`.

    Args:
        link: How to reach the commit; None if it is not enqueued yet.
        monotonic, sleep: For tests.
    """

    def __init__(
        self,
        link: CommitLink | None = None,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._link = link
        self._missing = "Nothing has been enqueued yet: leave the block first."
        self._monotonic = monotonic
        self._sleep = sleep

    def __repr__(self) -> str:
        return f"<CommitHandle {self._link.commit_id if self._link is not None else 'of nothing yet'}>"

    @property
    def id(self) -> str:
        """The commit's id, which is the recording's."""
        return self._reach().commit_id

    @property
    def commit(self) -> Commit:
        """Everything that the ledger knows of it.

        Raises:
            UnknownCommitError: The ledger does not know it (yet: it waits in the spool).
            LedgerUnavailableError: The ledger cannot be reached.
        """
        link = self._reach()
        return link.open_ledger().get(link.commit_id)

    @property
    def state(self) -> CommitState:
        """Where it stands; `queued` (or `held`) while it waits in this node's spool.

        Raises:
            UnknownCommitError: Neither the ledger nor the spool know it: Redis has lost it. Enqueue the file again.
            LedgerUnavailableError: The ledger cannot be reached.
        """
        link = self._reach()
        if link.in_spool():
            return link.spooled_state()
        return self.commit.state

    @property
    def error(self) -> CommitError | None:
        """Why the last attempt failed."""
        return self.commit.error

    @property
    def result(self) -> Mapping[str, Any] | None:
        """What committing brought (created ids, version numbers, what was skipped); None if it is not committed."""
        return self.commit.result

    def wait(self, timeout: float | None = None) -> CommitState:
        """Wait until the commit is `committed`, `dead` or `cancelled`, and return which.

        Goes on while Redis is away, and delivers what waits in this node's spool.

        Args:
            timeout: Seconds; None: as long as it takes.

        Raises:
            CommitTimeoutError: It has not ended in time; it goes on without us (or stays held: others may release it meanwhile).
            UnknownCommitError: Neither the ledger nor the spool know it.
        """
        link = self._reach()
        end = None if timeout is None else self._monotonic() + timeout
        pause, where = _FIRST_PAUSE, "is still in the spool"
        state: CommitState | None = None
        while True:
            try:
                if link.in_spool():
                    link.deliver()
                if not link.in_spool():
                    state = self.commit.state
                    if state in FINAL_STATES:
                        return state
                    where = f"is still {state}"
            except (LedgerUnavailableError, SpoolError) as error:
                where = f"is out of sight: {error}"
            left = None if end is None else end - self._monotonic()
            if left is not None and left <= 0:
                then = "It goes on without us."
                if state is CommitState.HELD:
                    then = f"It stays so until somebody releases it: `trackteroid release {link.commit_id}`."
                raise CommitTimeoutError(f"After {timeout:g} s commit {link.commit_id} {where}. {then}")
            self._sleep(pause if left is None else min(pause, left))
            pause = min(pause * 1.5, _LONGEST_PAUSE)

    def retry(self) -> CommitState:
        """Queue it again after it died, with fresh counters; returns its state.

        Raises:
            LedgerError: It is not dead, or its recording is gone.
            LedgerUnavailableError: The ledger cannot be reached.
        """
        link = self._delivered()
        return link.open_ledger().retry_dead(link.commit_id, actor=current_actor()).state

    def release(self, *, partial: bool = False) -> CommitState:
        """Set it going after it was held, once the files that its recording expects are there; returns its state.

        Args:
            partial: Publish although files are missing or empty, and note which.

        Raises:
            OutputsMissingError: Files are missing or empty; it is still held.
            LedgerError: It is dead or cancelled.
            LedgerUnavailableError: The ledger cannot be reached. `trackteroid.release(path)` leaves an order in the spool then.
        """
        link = self._delivered()
        if link.release is None:
            return link.open_ledger().release(link.commit_id, actor=current_actor()).state
        return link.release(partial).state

    def cancel(self) -> CommitState:
        """End it: it will never be committed; returns its state.

        Raises:
            LedgerError: A worker is committing it, or it is committed.
            LedgerUnavailableError: The ledger cannot be reached.
        """
        link = self._delivered()
        return link.open_ledger().cancel(link.commit_id, actor=current_actor()).state

    def follow(self, other: CommitHandle) -> None:
        """Stand for the same commit as another handle from now on."""
        self._link = other._link

    def abandon(self, reason: str) -> None:
        """Say why there will never be a commit."""
        self._missing = reason

    def _reach(self) -> CommitLink:
        if self._link is None:
            raise UsageError(self._missing)
        return self._link

    def _delivered(self) -> CommitLink:
        link = self._reach()
        if link.in_spool():
            link.deliver()
            if link.in_spool():
                raise LedgerUnavailableError(
                    f"Commit {link.commit_id} waits in this node's spool, as Redis takes nothing now; try again when it does."
                )
        return link
