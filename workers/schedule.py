"""What beat sends, and a scheduler that stops sending when nobody takes it."""

from __future__ import annotations

import logging
from typing import Any

from celery.beat import ScheduleEntry, Scheduler

from trackteroid.commits.redis_client import connect, ledger_errors
from trackteroid.commits.wakeups import PURGE_TASK, SWEEP_TASK
from trackteroid.errors import LedgerError
from trackteroid.settings import Settings

__all__ = ["BoundedScheduler", "schedule"]

logger = logging.getLogger(__name__)

#: Scheduled messages that may wait before no more are sent.
WAITING_LIMIT = 4


def schedule(settings: Settings) -> dict[str, dict[str, Any]]:
    """Return beat's entries.

    Args:
        settings: How often to sweep.
    """
    return {
        "sweep": {
            "task": SWEEP_TASK,
            "schedule": settings.sweep_seconds,
            # A sweep that waited longer than a few intervals has been overtaken by others.
            "options": {"expires": max(10 * settings.sweep_seconds, 10.0)},
        },
        "purge": {"task": PURGE_TASK, "schedule": 3600.0, "options": {"expires": 3600.0}},
    }


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
        url = self.app.conf.broker_url
        if self._redis is None:
            self._redis = connect(url)
        queue = self.app.conf.task_routes[entry.task]["queue"]
        with ledger_errors(url):
            return int(self._redis.llen(queue))
