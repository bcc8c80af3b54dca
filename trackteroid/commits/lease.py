"""Holding on to a claimed commit while something slow happens."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from types import TracebackType

from trackteroid.commits.ledger import Claim, Ledger
from trackteroid.errors import LeaseLostError, LedgerError

__all__ = ["LeaseKeeper"]

logger = logging.getLogger(__name__)


class LeaseKeeper:
    """Renews a lease at a third of its length, from a thread, until the context ends.

    Args:
        ledger: Where the commit is held.
        claim: The hold.
        lease_seconds: Length of the lease.
        monotonic: Clock.
    """

    def __init__(
        self,
        ledger: Ledger,
        claim: Claim,
        *,
        lease_seconds: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ledger = ledger
        self._claim = claim
        self._seconds = lease_seconds
        self._monotonic = monotonic
        self._lost = False
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._keep, name=f"lease-{claim.commit.id}", daemon=True)

    def __enter__(self) -> LeaseKeeper:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end.set()
        # Bounded by the ledger's own time-outs; a renewal must not follow the verdict.
        self._thread.join(5.0)

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

    def _keep(self) -> None:
        while not self._end.wait(self._seconds / 3):
            try:
                self._ledger.renew(self._claim, lease_seconds=self._seconds)
            except LeaseLostError:
                self._lost = True
                return
            except LedgerError as error:
                # The next try is a third of the lease away; two may fail before it is lost.
                logger.warning("The lease of %s could not be renewed: %s", self._claim.commit.id, error)
