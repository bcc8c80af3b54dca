"""What a cache that is away may cost: now and then one time-out, and one warning a minute.

Scope: everything in this process that uses the same Redis.

One time-out is no outage: a machine that is busy, or a Redis that writes its file, is late once. A second one in succession is,
and so is a connection that is refused; then the cache is left alone for a while. What has patience (who waits for another's
answer, who stores one in the background) is judged by its own time-outs: Redis may be too slow for a look-up and still be there.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from trackteroid.errors import CacheTimeoutError, CacheUnavailableError

__all__ = ["UNAVAILABLE", "Availability", "Unavailable"]

_logger = logging.getLogger("trackteroid.cache")

# So long Redis is left alone: of the time that passes a hundredth is lost with the default time-out.
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


def _never() -> bool:
    return False


class _Gate:
    """Whether those of one degree of patience may try. Not safe for threads by itself."""

    def __init__(self) -> None:
        self.closed = False
        self._paused_until = float("-inf")
        self._doubted_at: float | None = None

    @property
    def doubtful(self) -> bool:
        return self.closed or self._doubted_at is not None

    def passes(self, now: float) -> bool:
        if not self.closed:
            return True
        if now < self._paused_until:
            return False
        # This one tries; the others go on pausing until it knows.
        self._paused_until = now + PAUSE_SECONDS
        return True

    def doubt(self, began: float, now: float) -> None:
        """There was a time-out; those that began before it ended are the same one."""
        if self._doubted_at is None:
            self._doubted_at = now
        elif began >= self._doubted_at:
            self.close(now)

    def close(self, now: float, seconds: float = PAUSE_SECONDS) -> None:
        self.closed = True
        self._paused_until = now + seconds

    def open(self) -> None:
        self.closed = False
        self._paused_until = float("-inf")
        self._doubted_at = None


class Availability:
    """Whether the cache answers; found out again by one try at a time after a pause.

    Args:
        monotonic: Clock for pauses and warnings.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._hasty = _Gate()
        self._patient = _Gate()
        self._warned_at = float("-inf")

    def attempt(
        self,
        operation: Callable[[], _Result],
        *,
        insisting: bool = False,
        patiently: bool = False,
        again: Callable[[], bool] = _never,
        quiet: bool = False,
    ) -> _Result | Unavailable:
        """Return what `operation` returns, or `UNAVAILABLE`.

        Args:
            operation: May raise CacheUnavailableError.
            insisting: Try even in a pause.
            patiently: `operation` waits longer for Redis than a look-up may.
            again: Asked after a time-out, unless that was one too many: whether to try once more.
            quiet: Warn of nothing.
        """
        gate = self._patient if patiently else self._hasty
        if not insisting and not self._may_try(gate):
            return UNAVAILABLE
        began = self._monotonic()
        try:
            result = operation()
        except CacheUnavailableError as error:
            self._failed(gate, error, began)
            if isinstance(error, CacheTimeoutError) and not gate.closed and again():
                return self.attempt(operation, insisting=insisting, patiently=patiently, quiet=quiet)
            if not quiet:
                self.warn(str(error))
            return UNAVAILABLE
        if self._hasty.doubtful or self._patient.doubtful:
            self._answered(gate)
        return result

    def warn(self, text: str) -> None:
        """Log a warning unless there was one within the last minute."""
        now = self._monotonic()
        with self._lock:
            if now - self._warned_at < WARNING_SECONDS:
                return
            self._warned_at = now
        _logger.warning("%s Queries are answered by ftrack meanwhile.", text)

    def _may_try(self, gate: _Gate) -> bool:
        if not gate.closed:
            return True
        with self._lock:
            return gate.passes(self._monotonic())

    def _failed(self, gate: _Gate, error: CacheUnavailableError, began: float) -> None:
        with self._lock:
            now = self._monotonic()
            if not isinstance(error, CacheTimeoutError):
                for each in (self._hasty, self._patient):
                    each.close(now, max(PAUSE_SECONDS, _PAUSE_FACTOR * (now - began)))
                return
            # Who has no patience would not have heard anything either.
            for each in {gate, self._hasty}:
                each.doubt(began, now)

    def _answered(self, gate: _Gate) -> None:
        with self._lock:
            self._patient.open()
            if gate is self._hasty:
                self._hasty.open()
