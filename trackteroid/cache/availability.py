"""What a cache that is away may cost: now and then one time-out, and one warning a minute.

Scope: everything in this process that uses the same Redis.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from trackteroid.errors import CacheUnavailableError

__all__ = ["UNAVAILABLE", "Availability", "Unavailable"]

_logger = logging.getLogger("trackteroid.cache")

# After a failure Redis is left alone for so long: of the time that passes at most a hundredth is lost with the default
# time-out.
PAUSE_SECONDS = 5.0

# Where a failure took longer than time-outs allow (resolving a name does), it is left alone for this many times as long.
_PAUSE_FACTOR = 50.0

WARNING_SECONDS = 60.0

_Result = TypeVar("_Result")


class Unavailable:
    """The type of `UNAVAILABLE`, which stands for the answer of a cache that is away."""

    def __repr__(self) -> str:
        return "UNAVAILABLE"

    def __bool__(self) -> bool:
        return False


UNAVAILABLE = Unavailable()


class Availability:
    """Whether the cache answers; closed again by one try at a time after a pause.

    Args:
        monotonic: Clock for pauses and warnings.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._away = False
        self._paused_until = float("-inf")
        self._warned_at = float("-inf")

    def attempt(
        self, operation: Callable[[], _Result], *, insisting: bool = False, quiet: bool = False
    ) -> _Result | Unavailable:
        """Return what `operation` returns, or `UNAVAILABLE`.

        Args:
            operation: May raise CacheUnavailableError.
            insisting: Try even in a pause.
            quiet: Warn of nothing.
        """
        if not insisting and not self._may_try():
            return UNAVAILABLE
        started = self._monotonic()
        try:
            result = operation()
        except CacheUnavailableError as error:
            self._failed(error, started, quiet=quiet)
            return UNAVAILABLE
        if self._away:
            with self._lock:
                self._away = False
                self._paused_until = float("-inf")
        return result

    def warn(self, text: str) -> None:
        """Log a warning unless there was one within the last minute."""
        now = self._monotonic()
        with self._lock:
            if now - self._warned_at < WARNING_SECONDS:
                return
            self._warned_at = now
        _logger.warning("%s Queries are answered by ftrack meanwhile.", text)

    def _may_try(self) -> bool:
        if not self._away:
            return True
        with self._lock:
            now = self._monotonic()
            if now < self._paused_until:
                return False
            # This one tries; the others go on pausing until it knows.
            self._paused_until = now + PAUSE_SECONDS
            return True

    def _failed(self, error: CacheUnavailableError, started: float, *, quiet: bool) -> None:
        with self._lock:
            now = self._monotonic()
            self._away = True
            self._paused_until = now + max(PAUSE_SECONDS, _PAUSE_FACTOR * (now - started))
        if not quiet:
            self.warn(str(error))
