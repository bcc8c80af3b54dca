"""Waking workers: bare Celery messages that say nothing but "look into the ledger".

A wake-up that is lost, late or repeated changes nothing, so sending one is tried once, for half a second, and its
failure ignored: the sweep finds what nobody was woken for. Without Celery installed the sweep is all there is.
"""

from __future__ import annotations

import logging
import os
from typing import Any

from trackteroid.redis_urls import broker_of

__all__ = [
    "COMMIT_TASK",
    "FLUSH_TASK",
    "PURGE_TASK",
    "SWEEP_TASK",
    "WakeupSender",
    "housekeeping_queue",
    "wakeup_queue",
]

logger = logging.getLogger(__name__)

#: Task names are part of the protocol between releases: clients send them and never import `tasks`.
COMMIT_TASK = "trackteroid.commits.commit_due"
SWEEP_TASK = "trackteroid.housekeeping.sweep"
PURGE_TASK = "trackteroid.housekeeping.purge"
FLUSH_TASK = "trackteroid.housekeeping.flush_spool"

SEND_SECONDS = 0.5


def wakeup_queue(server_url: str) -> str:
    """Return the name of the queue on which workers of this (normalised) server are woken: a worker never takes another's."""
    return f"trackteroid.commits.{server_url}"


def housekeeping_queue(server_url: str) -> str:
    """Return the name of the queue of scheduled tasks of this (normalised) server."""
    return f"trackteroid.housekeeping.{server_url}"


class WakeupSender:
    """Sends wake-ups for one server through one broker.

    Scope: one process; made anew after a fork, because connections cannot be shared.

    Args:
        broker_url: The broker; the ledger's Redis.
        server_url: Normalised URL of the ftrack server.
    """

    def __init__(self, broker_url: str, server_url: str) -> None:
        self._broker_url = broker_url
        self._queue = wakeup_queue(server_url)
        self._app: Any = None
        self._pid = 0

    @property
    def queue(self) -> str:
        """The queue's name, which on Redis is the key of its list."""
        return self._queue

    def send(self, count: int = 1) -> bool:
        """Send `count` wake-ups; whether that worked."""
        try:
            app = self._connected()
        except ImportError:
            logger.debug("Celery is not installed; the workers' sweep finds the commit.")
            return False
        try:
            for _ in range(count):
                app.send_task(COMMIT_TASK, queue=self._queue, retry=False, ignore_result=True)
        except Exception as error:
            # kombu's, redis-py's and the socket's errors have nothing in common but that none of them matters here.
            logger.debug("No wake-up was sent (%s); the workers' sweep finds the commit.", error)
            return False
        return True

    def _connected(self) -> Any:
        if self._app is None or self._pid != os.getpid():
            from celery import Celery

            broker, options = broker_of(self._broker_url)
            app = Celery("trackteroid-client", broker=broker, set_as_current=False)
            app.conf.update(
                task_serializer="json",
                accept_content=["json"],
                task_ignore_result=True,
                broker_connection_timeout=SEND_SECONDS,
                broker_transport_options={
                    **options,
                    "socket_timeout": SEND_SECONDS,
                    "socket_connect_timeout": SEND_SECONDS,
                    # Connecting is tried once; kombu's default is a hundred times.
                    "max_retries": 0,
                    "interval_start": 0,
                    "interval_step": 0,
                },
            )
            self._app, self._pid = app, os.getpid()
        return self._app
