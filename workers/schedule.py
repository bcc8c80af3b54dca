"""What beat sends, and a scheduler that stops sending when nobody takes it."""

from __future__ import annotations

import logging
from typing import Any

from celery.beat import ScheduleEntry, Scheduler

from trackteroid.commits.redis_client import connect, ledger_errors
from trackteroid.commits.wakeups import FLUSH_TASK, PURGE_TASK, SWEEP_TASK
from trackteroid.errors import LedgerError
from trackteroid.settings import Settings

__all__ = ["FLUSH_SECONDS", "PURGE_SECONDS", "BoundedScheduler", "schedule"]

logger = logging.getLogger(__name__)

#: Time between two looks for rows whose retention time is over.
PURGE_SECONDS = 600.0
#: Time between two looks into a shared spool.
FLUSH_SECONDS = 30.0
#: Scheduled messages that may wait before no more are sent.
WAITING_LIMIT = 4


def schedule(settings: Settings) -> dict[str, dict[str, Any]]:
    """Return beat's entries. Each worker's main process does the same by itself: without beat nothing is left undone.

    Args:
        settings: How often to sweep, and whether there is a spool folder.
    """
    entries: dict[str, dict[str, Any]] = {
        "sweep": {
            "task": SWEEP_TASK,
            "schedule": settings.sweep_seconds,
            # A sweep that waited longer than a few intervals has been overtaken by others.
            "options": {"expires": max(10 * settings.sweep_seconds, 10.0)},
        },
        "purge": {"task": PURGE_TASK, "schedule": PURGE_SECONDS, "options": {"expires": PURGE_SECONDS}},
    }
    if settings.spool_folder is not None:
        # One that is named may be shared: others' recordings wait in it.
        entries["flush_spool"] = {"task": FLUSH_TASK, "schedule": FLUSH_SECONDS, "options": {"expires": FLUSH_SECONDS}}
    return entries


class BoundedScheduler(Scheduler):
    """Celery's in-memory scheduler, which leaves a message out when enough wait already.

    With a sweep a second and no worker running a night would leave 30,000 messages in Redis.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._redis: Any = None

    def apply_entry(self, entry: ScheduleEntry, producer: Any = None) -> None:
        """Send an entry's message unless its queue is full or Redis is away."""
        try:
            waiting = self._waiting(entry)
        except LedgerError as error:
            logger.warning("Not sending %s: %s", entry.name, error)
            return
        if waiting >= WAITING_LIMIT:
            logger.debug("Not sending %s: %d messages wait already.", entry.name, waiting)
            return
        super().apply_entry(entry, producer=producer)

    def _waiting(self, entry: ScheduleEntry) -> int:
        # Ours, not the broker's, which Celery writes in another way where there is Sentinel.
        url = Settings.from_environment().redis_url
        if self._redis is None:
            self._redis = connect(url)
        queue = self.app.conf.task_routes[entry.task]["queue"]
        with ledger_errors(url):
            return int(self._redis.llen(queue))
