"""Holding on to a claimed commit while something slow happens."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from trackteroid.commits.claim import Claim
from trackteroid.commits.ledger import Ledger
from trackteroid.errors import LeaseLostError, LedgerError

__all__ = ["Lease", "LeaseKeeper", "hand_back"]

logger = logging.getLogger(__name__)

#: Seconds after which the end of a hold no longer waits for a renewal; the ledger's own time-outs are shorter.
_LONGEST_RENEWAL = 5.0


def hand_back(ledger: Ledger, claim: Claim) -> None:
    """Give a commit back without a verdict, if the ledger takes it; otherwise it comes back when its lease expires."""
    try:
        ledger.hand_back(claim)
    except LedgerError as error:
        logger.warning("The lease of %s could not be handed back: %s", claim.commit.id, error)


class Lease:
    """One hold.

    Args:
        ledger: Where the commit is held.
        claim: The hold.
        lease_seconds: Length of the lease.
        monotonic: Clock.
    """

    def __init__(
        self, ledger: Ledger, claim: Claim, *, lease_seconds: float, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._ledger = ledger
        self._claim = claim
        self._seconds = lease_seconds
        self._monotonic = monotonic
        self._lost = False

    def send_within(self, request_seconds: float) -> float:
        """Mark the attempt as sent; return the monotonic moment at which its request must be over.

        Raises:
            LeaseLostError: Somebody else holds the commit, or the machine stood still for so long that it may.
        """
        if self._lost:
            raise LeaseLostError(f"Commit {self._claim.commit.id} is no longer held by {self._claim.commit.owner}.")
        before = self._monotonic()
        self._ledger.mark_sent(self._claim, lease_seconds=self._seconds, request_seconds=request_seconds)
        return before + request_seconds

    def renew(self) -> bool:
        """Hold on for another length of the lease; return whether that makes sense any more."""
        try:
            self._ledger.renew(self._claim, lease_seconds=self._seconds)
        except LeaseLostError:
            self._lost = True
        except LedgerError as error:
            # The next try is a third of the lease away; two may fail before it is lost.
            logger.warning("The lease of %s could not be renewed: %s", self._claim.commit.id, error)
        return not self._lost


class _Renewal:
    """A lease, when it is due to be renewed (monotonic), and whether that is going on."""

    def __init__(self, lease: Lease, due: float) -> None:
        self.lease = lease
        self.due = due
        self.busy = threading.Lock()


class LeaseKeeper:
    """Renews leases at a third of their length. One thread for all of them, which ends when there was none for that time.

    A thread for each would take a tenth of the time of a small commit. Scope: one process after its fork.

    Args:
        ledger: Where the commits are held.
        lease_seconds: Length of the leases.
        monotonic: Clock of `Lease.send_within`.
    """

    def __init__(
        self, ledger: Ledger, *, lease_seconds: float, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._ledger = ledger
        self._seconds = lease_seconds
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._renewals: set[_Renewal] = set()
        self._thread: threading.Thread | None = None

    @contextmanager
    def holding(self, claim: Claim) -> Iterator[Lease]:
        """Renew a claim's lease until the context ends; no renewal follows that."""
        lease = Lease(self._ledger, claim, lease_seconds=self._seconds, monotonic=self._monotonic)
        renewal = _Renewal(lease, time.monotonic() + self._seconds / 3)
        with self._lock:
            self._renewals.add(renewal)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._keep, name="leases", daemon=True)
                self._thread.start()
        try:
            yield lease
        finally:
            with self._lock:
                self._renewals.discard(renewal)
            if renewal.busy.acquire(timeout=_LONGEST_RENEWAL):
                renewal.busy.release()

    def _keep(self) -> None:
        # All are of one length, so none that comes while this sleeps is due earlier than what it sleeps for.
        pause = self._seconds / 3
        while True:
            time.sleep(pause)
            with self._lock:
                if not self._renewals:
                    self._thread = None
                    return
                renewal = min(self._renewals, key=lambda each: each.due)
                pause = max(0.0, renewal.due - time.monotonic())
                if pause:
                    continue
                # Taken here: who ends the hold meanwhile waits for it.
                renewal.busy.acquire()
            try:
                wanted = renewal.lease.renew()
            finally:
                renewal.busy.release()
            renewal.due = time.monotonic() + self._seconds / 3
            if not wanted:
                with self._lock:
                    self._renewals.discard(renewal)
