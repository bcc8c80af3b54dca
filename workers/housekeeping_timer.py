"""What a worker's main process does now and then (sweeping, telling somebody), so that nothing stands still when beat does."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable

from trackteroid.errors import TrackteroidError

__all__ = ["COMPLAIN_SECONDS", "HousekeepingTimer"]

logger = logging.getLogger(__name__)

#: A Redis that is away or full, a spool that cannot be read, is said once in so many seconds.
COMPLAIN_SECONDS = 60.0


class HousekeepingTimer:
    """Calls a function about every `seconds` from a thread, until stopped.

    The interval is jittered by a quarter either way, so that the workers of a farm that started together do not do it together.

    Args:
        work: What to call; an error of ours is logged in a line once in a while, anything else with its traceback, and neither
            ends the timer.
        seconds: Mean time between two calls.
        name: What it does, for logs.
        jitter: Source of [0, 1).
    """

    def __init__(
        self,
        work: Callable[[], object],
        seconds: float,
        *,
        name: str = "sweep",
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._work = work
        self._seconds = seconds
        self._name = name
        self._jitter = jitter
        self._end = threading.Event()
        self._complained = float("-inf")
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @property
    def name(self) -> str:
        """What it does."""
        return self._name

    def start(self) -> None:
        """Start calling it."""
        self._thread.start()

    def stop(self) -> None:
        """End it; waits for a running call, up to five seconds."""
        self._end.set()
        self._thread.join(5.0)

    def _run(self) -> None:
        while not self._end.wait(self._seconds * (0.75 + 0.5 * self._jitter())):
            try:
                self._work()
            except TrackteroidError as error:
                # Says what to do: a Redis that is away, a shared spool that is not mounted.
                if time.monotonic() - self._complained > COMPLAIN_SECONDS:
                    self._complained = time.monotonic()
                    logger.warning("The %s failed: %s", self._name, " ".join(str(error).split()))
            except Exception:
                logger.exception("The %s failed.", self._name)
