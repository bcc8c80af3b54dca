"""What the sessions of a process share of a query cache: its backend, whether that answers, and who waits for what.

One for each Redis: a cache that does not answer one session is not tried by the next one right away, threads of several
sessions wait for one answer, and they use one pool of connections.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

from trackteroid.cache.availability import UNAVAILABLE, Availability
from trackteroid.cache.backends import CacheBackend
from trackteroid.cache.namespaces import tag
from trackteroid.cache.single_flight import Leads, SharedLooks, WaitingRoom
from trackteroid.cache.statistics import CacheStatistics
from trackteroid.errors import CacheUnavailableError

__all__ = ["CacheConnection", "connection_to", "pay_debts"]

# The process's share of the farm-wide statistics is added this often.
REPORT_SECONDS = 5.0

# A lead is at most so long: those who wait for a killed process get no answer for that time. It is renewed while its holder
# lives, which must not fail on a machine that is merely busy.
LONGEST_LEASE = 3.0

# Answers that may wait for being stored: what a process holds in memory while Redis is slower than ftrack.
MOST_UNSTORED = 16


class CacheConnection:
    """One process's way to one cache.

    Args:
        backend: Where entries and stamps are.
        longest_wait: Seconds that somebody waits for another's answer before asking for itself.
        in_background: Whether answers are stored by a thread of their own, so that who asked need not wait for that.
        monotonic: Clock for pauses, waiting and reports.

    Attributes:
        statistics: What this process got out of the cache, all sessions together.
    """

    def __init__(
        self,
        backend: CacheBackend,
        *,
        longest_wait: float,
        in_background: bool = False,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.backend = backend
        self._in_background = in_background
        self.longest_wait = longest_wait
        self.lease = min(LONGEST_LEASE, longest_wait)
        self._monotonic = monotonic
        self.begin()

    def begin(self) -> None:
        """Begin anew: in a forked child the parent's threads are gone, and its locks may be held by them."""
        self.availability = Availability(self._monotonic)
        self.shared_looks: SharedLooks[Any] = SharedLooks()
        self.waiting_room: WaitingRoom[Any] = WaitingRoom(self._monotonic)
        self.leads = Leads(self.lease, self.longest_wait, self._monotonic)
        self.statistics = CacheStatistics()
        self._lock = threading.Lock()
        # One thread: it waits for Redis most of the time. Python waits for it at exit, so that a process that asks once and
        # ends has told the others what it knows.
        self._storing = ThreadPoolExecutor(1, "trackteroid-cache") if self._in_background else None
        self._stored: deque[Future[None]] = deque()
        self._owed: dict[str, int] = {}
        self._unreported: dict[str, dict[str, int]] = {}
        self._reported_at = self._monotonic()

    def owe(self, server: str) -> None:
        """Note that a server has to be raised because something could not be told; the connection is kept until it is."""
        with self._lock:
            self._owed[server] = self._owed.get(server, 0) + 1
            _indebted.add(self)

    def owes(self, server: str) -> bool:
        """Whether something is owed."""
        return server in self._owed

    @contextlib.contextmanager
    def paying(self, server: str) -> Iterator[None]:
        """Surround the raise of a server; what comes to be owed meanwhile stays."""
        owed = self._owed.get(server, 0)
        yield
        with self._lock:
            if self._owed.get(server) == owed:
                del self._owed[server]
            if not self._owed:
                _indebted.discard(self)

    def pay(self) -> None:
        """Raise every server of which something is owed, if the cache answers."""
        for server in list(self._owed):
            with contextlib.suppress(CacheUnavailableError), self.paying(server):
                self.backend.raise_([tag(server, "server")])

    def store(self, work: Callable[[bool], None]) -> None:
        """Do what it takes to store an answer or figures: in the background, or now if too much is waiting there already.

        Args:
            work: Called with whether it may be patient: in the background nobody waits for it.
        """
        stored = self._stored
        while stored and stored[0].done():
            # Two threads may see the same one.
            with contextlib.suppress(IndexError):
                stored.popleft()
        if self._storing is None or len(stored) >= MOST_UNSTORED:
            work(False)
            return
        try:
            stored.append(self._storing.submit(work, True))
        except RuntimeError:
            # Python is on its way out.
            work(False)

    def flush(self) -> None:
        """Wait until everything is stored that is to be."""
        for future in list(self._stored):
            future.exception()

    def count(self, server: str, counts: Mapping[str, int]) -> None:
        """Count something for a server; now and then the farm is told."""
        self.statistics.add(**counts)
        with self._lock:
            unreported = self._unreported.setdefault(server, {})
            for name, number in counts.items():
                unreported[name] = unreported.get(name, 0) + number
            due = self._monotonic() - self._reported_at >= REPORT_SECONDS
        if due:
            # Where there is a thread for it: a look-up is one round trip.
            self.store(partial(self.report, server))

    def report(self, server: str, patiently: bool = False) -> None:
        """Add what has not been reported yet to the farm-wide statistics, if the cache answers."""
        with self._lock:
            counts = {name: number for name, number in self._unreported.pop(server, {}).items() if number}
            self._reported_at = self._monotonic()
        if not counts:
            return

        counting = partial(self.backend.count, server, counts, patiently=patiently)
        if self.availability.attempt(counting, patiently=patiently, quiet=True) is UNAVAILABLE:
            with self._lock:
                unreported = self._unreported.setdefault(server, {})
                for name, number in counts.items():
                    unreported[name] = unreported.get(name, 0) + number


# Held here, because the sessions that got into debt may be gone.
_indebted: set[CacheConnection] = set()
_state = {"lock": threading.Lock()}
# Held by the sessions that use them.
_connections: weakref.WeakValueDictionary[tuple[Any, ...], CacheConnection] = weakref.WeakValueDictionary()


def connection_to(url: str, *, timeout: float, longest_wait: float) -> CacheConnection:
    """Return this process's connection to the cache at `url`; nothing is sent yet.

    Args:
        url: The Redis.
        timeout: Seconds that a look may take.
        longest_wait: See `CacheConnection`.

    Raises:
        SettingsError: `url` is no Redis URL.
    """
    from trackteroid.cache.redis_backend import connect

    key = (url, timeout, longest_wait)
    with _state["lock"]:
        connection = _connections.get(key)
        if connection is None:
            connection = _connections[key] = CacheConnection(
                connect(url, timeout), longest_wait=longest_wait, in_background=True
            )
        return connection


@atexit.register
def pay_debts() -> None:
    """Try once more, as nobody knows of what a process owes after its end."""
    for connection in list(_indebted):
        connection.pay()


def _begin_all() -> None:
    _state["lock"] = threading.Lock()
    # What the parent owes it pays itself.
    _indebted.clear()
    for connection in list(_connections.values()):
        connection.begin()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_all)
