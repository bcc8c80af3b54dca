"""What happens when a worker or beat starts and ends."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from typing import Any

from celery import signals

from trackteroid.commits.health import PASSING, check_redis
from trackteroid.errors import LedgerError
from trackteroid.settings import Settings
from workers.cache_listener import CacheListener
from workers.housekeeping_timer import COMPLAIN_SECONDS, HousekeepingTimer
from workers.preloading import preload
from workers.schedule import FLUSH_SECONDS, PURGE_SECONDS

__all__ = ["check_at_start", "connect_signals", "own_timers", "wait_for_room"]

logger = logging.getLogger(__name__)

#: Without them no session can be made.
CREDENTIALS = ("FTRACK_API_USER", "FTRACK_API_KEY")
#: Time between two looks for what somebody is to be told.
TELL_SECONDS = 5.0
#: Time between two reports of what is dead or has not ended for long.
REPORT_SECONDS = 3600.0


def connect_signals(settings: Settings, server_url: str) -> None:
    """Connect the start-up check and the sweep to Celery's signals.

    Args:
        settings: The environment's.
        server_url: Normalised URL of the ftrack server; for the log.
    """
    lifetime = _Lifetime(settings, server_url)
    # Celery keeps weak references to receivers otherwise, and nobody else holds this object.
    signals.worker_init.connect(lifetime.check_worker, weak=False)
    signals.beat_init.connect(lifetime.check, weak=False)
    signals.worker_ready.connect(lifetime.ready, weak=False)
    signals.worker_shutdown.connect(lifetime.shutdown, weak=False)


def check_at_start(redis_url: str) -> bool:
    """Check the Redis a worker was given; log warnings.

    Returns:
        Whether it could be looked at. One that is not there yet is no reason to give up: Celery keeps trying.

    Raises:
        SystemExit: It would lose accepted commits; says why and what to do.
    """
    reached = True
    for finding in check_redis(redis_url):
        text = f"Redis, {finding.subject}: {finding.text} {finding.remedy}".strip()
        if finding.severity == "problem" and finding.subject in PASSING:
            reached = reached and finding.subject != "reachable"
            logger.warning("%s Waiting for it.", text)
        elif finding.severity == "problem":
            raise SystemExit(f"The worker refuses this Redis. {text}")
        elif finding.severity == "warning":
            logger.warning("%s", text)
    return reached


def own_timers(settings: Settings) -> list[HousekeepingTimer]:
    """Return what a worker's main process does from time to time: all that beat does, so that nothing stands still without it.

    Args:
        settings: The environment's.
    """
    # Imported here because it makes the main process's own ledger connection, after the pool was forked.
    from workers.runtime import runtime

    # Telling somebody is no task: a receiver that hangs would take a slot from commits.
    timers = [
        HousekeepingTimer(lambda: runtime().tell(), min(TELL_SECONDS, settings.digest_seconds), name="telling"),
        HousekeepingTimer(lambda: runtime().report(), REPORT_SECONDS, name="report"),
    ]
    if settings.worker_sweep:
        timers.append(HousekeepingTimer(lambda: runtime().sweep(), settings.sweep_seconds))
        timers.append(HousekeepingTimer(lambda: runtime().purge(), PURGE_SECONDS, name="purge"))
        if settings.spool_folder is not None:
            timers.append(HousekeepingTimer(lambda: runtime().flush_spool(), FLUSH_SECONDS, name="flush_spool"))
    return timers


def wait_for_room(
    redis_url: str, make_room: Callable[[], object] | None = None, *, sleep: Callable[[float], object] = time.sleep
) -> None:
    """Return when Redis is not full. Celery cannot start on one that is: it ends with an error of its broker's.

    Args:
        redis_url: Where.
        make_room: Called each second meanwhile, so that a queue which has filled Redis is not its own end. Default: commit what
            is due, from this process, and remove what has expired.
        sleep: For tests.
    """
    complained = float("-inf")
    while any(finding.subject == "memory" and finding.severity == "problem" for finding in check_redis(redis_url)):
        if time.monotonic() - complained > COMPLAIN_SECONDS:
            complained = time.monotonic()
            logger.warning("Redis is full: committing from the main process until there is room for messages.")
        try:
            (make_room or _make_room)()
        except LedgerError as error:
            logger.warning("No room could be made: %s", error)
        sleep(1.0)


def _make_room() -> None:
    from workers.runtime import runtime

    # A fork makes a runtime of its own.
    runtime().purge()
    runtime().sweep()


class _Lifetime:
    def __init__(self, settings: Settings, server_url: str) -> None:
        self._settings = settings
        self._server_url = server_url
        self._checked = False
        self._timers: list[HousekeepingTimer | CacheListener] = []

    def check_worker(self, **_: Any) -> None:
        missing = [name for name in CREDENTIALS if not os.environ.get(name)]
        if missing:
            raise SystemExit(
                f"The worker cannot start: set {' and '.join(missing)} to the workers' credentials for ftrack."
            )
        self.check()
        preload()
        wait_for_room(self._settings.redis_url)

    def check(self, **_: Any) -> None:
        # Before the pool forks; the connection is closed again, for a fork must not inherit one.
        self._checked = check_at_start(self._settings.redis_url)

    def ready(self, **_: Any) -> None:
        if not self._checked:
            self._checked = check_at_start(self._settings.redis_url)
        logger.info("Working for %s.", self._server_url)
        self._timers = [*own_timers(self._settings)]
        if self._settings.cache_listener:
            self._timers.append(CacheListener())
        for timer in self._timers:
            timer.start()

    def shutdown(self, **_: Any) -> None:
        for timer in self._timers:
            timer.stop()
        self._timers.clear()
