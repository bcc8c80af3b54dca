"""Finding what nobody was woken for: lost wake-ups, due retries, leases of dead workers."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from trackteroid.commits.ledger import Ledger
from trackteroid.commits.wakeups import WakeupSender

__all__ = ["SweepReport", "Sweeper"]

logger = logging.getLogger(__name__)

#: Wake-ups in the broker for each worker slot: enough that no slot runs dry between two sweeps, few enough that the
#: order of commits is decided in the ledger and not by messages sent long ago.
WAKEUPS_PER_SLOT = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class SweepReport:
    """What a sweep found and did.

    Attributes:
        reaped: Leases put back.
        due: Commits that are due.
        woken: Wake-ups sent.
        stranded: Wake-ups that the broker did not take, although the ledger answers: its Redis is full.
    """

    reaped: int
    due: int
    woken: int
    stranded: int = 0


class Sweeper:
    """Any number of them may sweep one ledger; what they do twice does no harm.

    Args:
        ledger: To sweep.
        sender: Wakes workers.
        waiting: Returns how many wake-ups lie in the broker.
        slots: Worker processes over all machines.
    """

    def __init__(self, ledger: Ledger, sender: WakeupSender, waiting: Callable[[], int], *, slots: int) -> None:
        self._ledger = ledger
        self._sender = sender
        self._waiting = waiting
        self._slots = slots

    def sweep(self) -> SweepReport:
        """Put expired leases back and fill the wake-up list up to min(due, 4 x slots).

        Raises:
            LedgerUnavailableError: The ledger cannot be reached.
        """
        swept = self._ledger.sweep()
        wanted = min(swept.due, WAKEUPS_PER_SLOT * self._slots)
        missing = wanted - self._waiting() if wanted else 0
        woken = missing if missing > 0 and self._sender.send(missing) else 0
        if swept.reaped or woken:
            logger.info(
                "Swept: %d leases put back, %d commits due, %d workers woken.",
                swept.reaped,
                swept.due,
                woken,
                extra={"action": "swept", "reaped": swept.reaped, "due": swept.due, "woken": woken},
            )
        return SweepReport(reaped=swept.reaped, due=swept.due, woken=woken, stranded=max(missing, 0) - woken)
