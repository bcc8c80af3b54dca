"""What one worker process keeps: its ledger, its warm session, its committer. Made after the fork, on first use."""

from __future__ import annotations

import functools
import logging
import os
import time
from typing import TYPE_CHECKING, Any

from trackteroid.cache.opening import clear
from trackteroid.commits.cache_debts import CacheDebts
from trackteroid.commits.channels import channels_of
from trackteroid.commits.committer import Committer, CommitterPolicy, Outcome
from trackteroid.commits.enqueueing import flush_spool, open_ledger
from trackteroid.commits.redis_client import ledger_errors
from trackteroid.commits.server import WarmServer
from trackteroid.commits.state import CommitState
from trackteroid.commits.stuck import REMEDY, find_stuck, stuck_text
from trackteroid.commits.sweeping import Sweeper, SweepReport
from trackteroid.commits.telling import Teller
from trackteroid.commits.wakeups import WakeupSender
from trackteroid.errors import CacheUnavailableError, SettingsError, TrackteroidError
from trackteroid.settings import Settings

if TYPE_CHECKING:
    from trackteroid.session import Session

__all__ = ["Runtime", "runtime"]

logger = logging.getLogger(__name__)

#: Rows that are removed in one script.
PURGE_STEP = 500
#: For so long a flush of the spool begins new deliveries: the next one goes on.
SPOOL_SECONDS = 20.0


def runtime() -> Runtime:
    """Return this process's runtime; a fork gets its own, because connections cannot be shared."""
    return _of_process(os.getpid())


# Never evicted: dropping a parent's runtime in its fork would close connections that the parent uses.
@functools.cache
def _of_process(pid: int) -> Runtime:
    return Runtime(Settings.from_environment(), os.environ["FTRACK_SERVER"])


class Runtime:
    """Scope: one process.

    Args:
        settings: The environment's.
        server_url: The ftrack server, in any spelling.
    """

    def __init__(self, settings: Settings, server_url: str) -> None:
        ledger = self._ledger = open_ledger(settings, server_url)
        debts = self._debts = CacheDebts(ledger, settings.redis_url)
        self._committer = Committer(
            WarmServer(functools.partial(_open_session, debts), _close_session),
            ledger,
            policy=CommitterPolicy.from_settings(settings),
        )
        sender = WakeupSender(settings.redis_url, ledger.server_url)

        def waiting() -> int:
            with ledger_errors(settings.redis_url):
                length: Any = ledger.client.llen(sender.queue)
                return int(length)

        self._sweeper = Sweeper(ledger, sender, waiting, slots=settings.worker_slots)
        self._settings = settings
        self._teller: Teller | None = None

    def commit_due(self) -> list[Outcome]:
        """Commit what is due, within bounds."""
        return self._committer.drain()

    def sweep(self) -> SweepReport:
        """Put expired leases back and wake workers for what is due; make up for what the query cache could not be told.

        When nobody can be woken, because Redis is full, what is due is committed here: each commit that ends makes room.
        """
        self._pay_cache_debts()
        report = self._sweeper.sweep()
        if report.stranded:
            logger.warning(
                "Redis takes no wake-ups although %d commits are due (see `trackteroid doctor`): committing from here.",
                report.due,
                extra={"action": "stranded", "due": report.due},
            )
            self.commit_due()
        return report

    def _pay_cache_debts(self) -> None:
        try:
            paid = self._debts.pay(lambda: clear(self._settings, self._ledger.server_url))
        except (CacheUnavailableError, SettingsError) as error:
            logger.debug("The query cache is still away: %s", error)
            return
        if paid:
            logger.warning(
                "The query cache was away while something was committed. It answers again, and forgets what it has of %s.",
                self._ledger.server_url,
                extra={"action": "cache_debt_paid", "server_url": self._ledger.server_url},
            )

    def tell(self) -> int:
        """Note what is overdue, and tell whoever is configured of what has happened; return how many messages were delivered."""
        if self._teller is None:
            settings = self._settings
            self._teller = Teller(
                self._ledger,
                self._ledger.outbox,
                channels_of(settings),
                digest_seconds=settings.digest_seconds,
            )
        self._ledger.note_overdue(self._settings.overdue_seconds)
        return self._teller.tell()

    def report(self) -> str:
        """Log what is dead, and what has not ended for long; return what was said."""
        dead = self._ledger.counts()[CommitState.DEAD]
        stuck = stuck_text(find_stuck(self._ledger, now=time.time()))
        told = [f"{dead} dead, see `trackteroid commits list --state dead`"] if dead else []
        told += [f"{stuck}; see `{REMEDY}`"] if stuck else []
        text = ". ".join(told)
        if text:
            logger.warning("Commits that need somebody: %s.", text, extra={"action": "report", "dead": dead})
        return text

    def purge(self) -> int:
        """Remove rows whose retention time is over; return how many."""
        removed = 0
        # In steps: each is one script, which Redis lets nobody interrupt.
        while step := self._ledger.purge(limit=PURGE_STEP):
            removed += step
        if removed:
            logger.info("Removed %d rows of commits that ended long ago.", removed, extra={"action": "purged"})
        return removed

    def flush_spool(self) -> int:
        """Deliver what waits in the spool folder; return how many recordings were.

        Raises:
            SpoolError: The folder cannot be read.
        """
        report = flush_spool(self._settings, seconds=SPOOL_SECONDS)
        if report.error is not None:
            logger.warning("What waits in the spool was not delivered: %s", report.error)
        return report.delivered


def _open_session(debts: CacheDebts) -> Session:
    from trackteroid.session import Session

    session = Session(auto_connect_event_hub=False)
    try:
        session.query_cache.on_debt = debts.owe
    except TrackteroidError as error:
        # Each commit says so too.
        logger.warning("The query cache cannot be used: %s", error)
    return session


def _close_session(session: Any) -> None:
    session.close()
