"""Where shared results and the stamps of their tags are kept: the interface and its in-memory twin.

A tag's version is a random stamp. An entry remembers the stamps that its tags had *before* ftrack was asked; it is valid
as long as they all still hold, and it is kept only if they still do. Losing a stamp is a miss, never a wrong answer.

Of all who miss the same entry one gets the lead, for as long as it renews it: it asks ftrack while the others wait. Time is
the backend's own (in Redis: the server's), so that askers on different machines can compare theirs.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

__all__ = [
    "OPEN",
    "Alone",
    "Busy",
    "CacheBackend",
    "Entry",
    "Found",
    "Lead",
    "Look",
    "MemoryBackend",
    "Opened",
    "Opening",
    "Outcome",
    "new_stamp",
]

#: A stamp that starts so says that somebody is changing the table right now: nothing is kept under it.
OPEN = "!"

#: Seconds that an answer which may not be kept stays for those who were waiting for it.
HANDOVER_SECONDS = 5.0

#: Seconds for which nobody waits for an answer that was too large to be kept.
LARGE_SECONDS = 60.0


def new_stamp() -> str:
    """Return a stamp that nobody has used before."""
    return secrets.token_hex(8)


@dataclass(frozen=True, kw_only=True)
class Look:
    """What an asker wants to know.

    Attributes:
        key: The entry's.
        tags: What the answer depends on.
        hard: What it depends on even where staleness is welcome; stands before `tags`.
        token: The asker's own, under which it may get the lead.
        lease: Seconds that the lead lasts unless it is renewed.
        max_stale: Seconds since an answer was asked of ftrack for which it will do, whatever its `tags` say.
        waiting_since: The backend's time (see `Busy`) at which the asker, or the last of those it looks for, began to wait. An
            answer that was asked of ftrack after that will do, even one that may not be kept.
    """

    key: str
    tags: tuple[str, ...]
    hard: tuple[str, ...] = ()
    token: str
    lease: float
    max_stale: float = 0.0
    waiting_since: float | None = None

    @property
    def all_tags(self) -> tuple[str, ...]:
        """The hard tags, then the others."""
        return (*self.hard, *self.tags)


@dataclass(frozen=True)
class Entry:
    """An answer: its payload, the stamps that its tags had before it was asked for, and when that was."""

    payload: bytes
    stamps: Mapping[str, str]
    asked_at: float


@dataclass(frozen=True)
class Found:
    """There is an answer, `age` seconds old; `valid` if its stamps hold."""

    payload: bytes
    stamps: Mapping[str, str]
    age: float
    valid: bool


@dataclass(frozen=True)
class Lead:
    """The asker is to ask ftrack, and to `store` the answer or to give up the lead."""

    stamps: Mapping[str, str]
    asked_at: float


@dataclass(frozen=True)
class Busy:
    """Somebody else is asking ftrack; `at` is the backend's time of this look."""

    at: float


@dataclass(frozen=True)
class Alone:
    """The asker is to ask ftrack for itself and to keep nothing, for this reason."""

    reason: str


Outcome = Found | Lead | Busy | Alone


class Opening(Protocol):
    """Marks that are being set."""

    def wait(self) -> None:
        """Return when they are there; to be called once."""

    def give_up(self) -> None:
        """Do without knowing: they may or may not come to be there. Does nothing after `wait`."""


class Opened:
    """Marks that have been set."""

    def wait(self) -> None:
        pass

    def give_up(self) -> None:
        pass


class CacheBackend(Protocol):
    """Entries by key and stamps by tag. Every method is one round trip.

    Raises CacheUnavailableError; CacheTimeoutError where there may still be an answer some time. `patiently` says that it may
    take longer than a look-up: nobody waits for it, or it is worth that.
    """

    def look(self, look: Look, *, patiently: bool = False) -> Outcome:
        """Return a valid answer, the lead, or what else there is to do."""

    def store(self, look: Look, entry: Entry, ttl: float, *, patiently: bool = True) -> bool:
        """Keep an answer for `ttl` seconds if its stamps still hold and none is open, and end the lead.

        If it can't be kept, those who have waited since before it was asked for get it all the same.

        Returns:
            Whether it was kept.
        """

    def too_large(self, look: Look, *, patiently: bool = True) -> None:
        """End the lead: the answer is too large for anybody to wait for."""

    def renew(self, look: Look) -> bool:
        """Go on leading for another lease, patiently; returns whether the asker still leads."""

    def give_up(self, look: Look) -> None:
        """End the lead without an answer: the next asker gets it."""

    def discard(self, key: str) -> None:
        """Remove the entry under `key`: it turned out to be garbage."""

    def holds(self, stamps: Mapping[str, str]) -> bool:
        """Return whether all of these stamps are the present ones and none is open."""

    def stamps(self, tags: Iterable[str]) -> dict[str, str]:
        """Return the present stamps of `tags`; those that have none are left out."""

    def open(self, tags: Iterable[str], seconds: float, writer: str) -> None:
        """Mark `tags` as being changed by `writer`, for at most `seconds`: their entries are misses and none is kept."""

    def start_open(self, tags: Iterable[str], seconds: float, writer: str) -> Opening:
        """As `open`, without waiting: something else can be done until then."""

    def raise_(self, tags: Iterable[str], writer: str | None = None, *, patiently: bool = True) -> None:
        """Give `tags` new stamps: every entry that depends on one is a miss from now on.

        Args:
            tags: Which.
            writer: Whose marks end by that. Those of others stay: their changes have not been told yet.
            patiently: See above.
        """

    def count(self, server: str, counts: Mapping[str, int], *, patiently: bool = False) -> None:
        """Add to the farm-wide statistics of a server."""

    def counts(self, server: str) -> dict[str, int]:
        """Return the farm-wide statistics of a server."""


@dataclass
class _Flight:
    expires: float
    token: str | None = None
    waited: bool = False
    entry: Entry | None = None
    large: bool = False


class MemoryBackend:
    """The in-memory twin: one process, any number of threads.

    Args:
        clock: Seconds; entries, stamps and leads expire by it.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: dict[str, tuple[Entry, float]] = {}
        self._flights: dict[str, _Flight] = {}
        self._stamps: dict[str, tuple[str, float]] = {}
        # Tag -> who is changing it, and until when that is believed.
        self._writers: dict[str, dict[str, float]] = {}
        self._counts: dict[str, dict[str, int]] = {}

    def look(self, look: Look, *, patiently: bool = False) -> Outcome:
        with self._lock:
            now = self._clock()
            entry, expires = self._entries.get(look.key, (None, 0.0))
            if entry is not None and expires > now:
                if self._hold(entry.stamps, look.all_tags):
                    return self._found(entry, now, valid=True)
                if self._welcome(entry, look, now):
                    return self._found(entry, now, valid=False)
            flight = self._flights.get(look.key)
            handed = None
            if flight is not None and flight.expires > now:
                if flight.large:
                    return Alone("large")
                handed = flight.entry
                if handed is not None and self._welcome(handed, look, now):
                    return self._found(handed, now, valid=False)
                if flight.token not in (None, look.token):
                    flight.waited = True
                    return Busy(now)
            # Where one has waited others may still be waiting, also for an answer that may not be kept.
            self._flights[look.key] = _Flight(
                now + look.lease, look.token, waited=look.waiting_since is not None, entry=handed
            )
            return Lead({tag: self._stamp(tag) or self._set(tag, new_stamp()) for tag in look.all_tags}, now)

    def store(self, look: Look, entry: Entry, ttl: float, *, patiently: bool = True) -> bool:
        with self._lock:
            now = self._clock()
            kept = self._hold(entry.stamps, look.all_tags)
            if kept:
                self._entries[look.key] = (entry, now + ttl)
            flight = self._mine(look)
            if flight is not None:
                del self._flights[look.key]
                if not kept and flight.waited:
                    self._flights[look.key] = _Flight(now + HANDOVER_SECONDS, entry=entry)
            return kept

    def too_large(self, look: Look, *, patiently: bool = True) -> None:
        with self._lock:
            if self._mine(look) is not None:
                self._flights[look.key] = _Flight(self._clock() + LARGE_SECONDS, large=True)

    def renew(self, look: Look) -> bool:
        with self._lock:
            flight = self._mine(look)
            if flight is None:
                return False
            self._flights[look.key] = replace(flight, expires=self._clock() + look.lease)
            return True

    def give_up(self, look: Look) -> None:
        with self._lock:
            if self._mine(look) is not None:
                del self._flights[look.key]

    def discard(self, key: str) -> None:
        with self._lock:
            self._entries.pop(key, None)

    def holds(self, stamps: Mapping[str, str]) -> bool:
        with self._lock:
            return self._hold(stamps, tuple(stamps))

    def stamps(self, tags: Iterable[str]) -> dict[str, str]:
        with self._lock:
            return {tag: stamp for tag in tags if (stamp := self._stamp(tag)) is not None}

    def start_open(self, tags: Iterable[str], seconds: float, writer: str) -> Opening:
        self.open(tags, seconds, writer)
        return Opened()

    def open(self, tags: Iterable[str], seconds: float, writer: str) -> None:
        with self._lock:
            for tag in tags:
                self._restamp(tag, {**self._changing(tag), writer: self._clock() + seconds})

    def raise_(self, tags: Iterable[str], writer: str | None = None, *, patiently: bool = True) -> None:
        with self._lock:
            for tag in tags:
                self._restamp(tag, {name: until for name, until in self._changing(tag).items() if name != writer})

    def count(self, server: str, counts: Mapping[str, int], *, patiently: bool = False) -> None:
        with self._lock:
            totals = self._counts.setdefault(server, {})
            for name, number in counts.items():
                totals[name] = totals.get(name, 0) + number

    def counts(self, server: str) -> dict[str, int]:
        with self._lock:
            return dict(self._counts.get(server, {}))

    @staticmethod
    def _found(entry: Entry, now: float, *, valid: bool) -> Found:
        return Found(entry.payload, entry.stamps, now - entry.asked_at, valid)

    def _welcome(self, entry: Entry, look: Look, now: float) -> bool:
        """Whether an old answer will do: as much staleness is welcome, or it was asked for after the asker had begun to wait.

        One from a time to come was given before the clock was put back: nobody knows how old it is.
        """
        since = look.waiting_since
        awaited = since is not None and entry.asked_at > since
        is_new = entry.asked_at <= now and (awaited or now - entry.asked_at < look.max_stale)
        return is_new and self._hold(entry.stamps, look.hard)

    def _mine(self, look: Look) -> _Flight | None:
        flight = self._flights.get(look.key)
        return flight if flight is not None and flight.token == look.token and flight.expires > self._clock() else None

    def _hold(self, stamps: Mapping[str, str], tags: Iterable[str]) -> bool:
        for tag in tags:
            stamp = self._stamp(tag)
            if stamp is None or stamp.startswith(OPEN) or stamps.get(tag) != stamp:
                return False
        return True

    def _changing(self, tag: str) -> dict[str, float]:
        now = self._clock()
        return {writer: until for writer, until in self._writers.get(tag, {}).items() if until > now}

    def _restamp(self, tag: str, writers: dict[str, float]) -> None:
        if writers:
            self._writers[tag] = writers
            self._set(tag, OPEN + new_stamp(), max(writers.values()) - self._clock())
        else:
            self._writers.pop(tag, None)
            self._set(tag, new_stamp())

    def _stamp(self, tag: str) -> str | None:
        stamp, expires = self._stamps.get(tag, (None, 0.0))
        return stamp if stamp is not None and expires > self._clock() else None

    def _set(self, tag: str, stamp: str, seconds: float = float("inf")) -> str:
        self._stamps[tag] = (stamp, self._clock() + seconds)
        return stamp
