"""Listening to ftrack's events from a worker's main process, so that cached results follow what anybody changes.

Switched on by `TRACKTEROID_CACHE_LISTENER`; one of a farm's workers is enough, more do no harm.
"""

from __future__ import annotations

import logging
import threading

__all__ = ["CacheListener"]

logger = logging.getLogger(__name__)

#: Pauses between attempts to open a session: the first, the longest, seconds.
PAUSES = (2.0, 60.0)


class CacheListener:
    """A thread with a session of its own, until stopped."""

    def __init__(self) -> None:
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="cache-listener", daemon=True)

    def start(self) -> None:
        """Start listening; an ftrack that is away is tried again and again."""
        self._thread.start()

    def stop(self) -> None:
        """End it."""
        self._end.set()
        self._thread.join(5.0)

    def _run(self) -> None:
        # Here, in the thread: the client takes a while to import, and a worker without this component never needs it in its
        # main process.
        from trackteroid.cache.listening import Listener
        from trackteroid.cache.tags import Tags
        from trackteroid.session import Session

        pause, longest = PAUSES
        while not self._end.is_set():
            try:
                with Session(auto_connect_event_hub=False) as session:
                    Listener(session.event_hub, session.query_cache, Tags(session.schemas)).run(self._end)
            except Exception as error:
                logger.warning("The cache's listener cannot work: %s", error)
                self._end.wait(pause)
                pause = min(2 * pause, longest)
