"""Where shared results and the stamps of their tags are kept: the interface and its in-memory twin.

A tag's version is a random stamp. An entry remembers the stamps that its tags had *before* ftrack was asked; it is valid
as long as they all still hold, and it is stored only if they still do. Losing a stamp is a miss, never a wrong answer.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

__all__ = ["OPEN", "CacheBackend", "Entry", "MemoryBackend", "new_stamp"]

#: A stamp that starts so says that somebody is changing the table right now: nothing is stored under it.
OPEN = "!"


def new_stamp() -> str:
    """Return a stamp that nobody has used before."""
    return secrets.token_hex(8)


@dataclass(frozen=True)
class Entry:
    """A stored result: its payload and the stamps under which it is valid."""

    payload: bytes
    stamps: Mapping[str, str]


class CacheBackend(Protocol):
    """Entries by key and stamps by tag. Every method is one round trip; raises CacheUnavailableError."""

    def lookup(self, key: str) -> Entry | None:
        """Return the entry under `key` if all its stamps still hold."""

    def stamps(self, tags: Iterable[str]) -> dict[str, str]:
        """Return the stamps of `tags`, made now where there are none."""

    def holds(self, stamps: Mapping[str, str]) -> bool:
        """Return whether all of these stamps are the current ones."""

    def store(self, key: str, entry: Entry, ttl: float) -> bool:
        """Store `entry` for `ttl` seconds if its stamps still hold and none is open; returns whether it was stored."""

    def open(self, tags: Iterable[str], seconds: float) -> None:
        """Mark `tags` as being changed, for at most `seconds`: their entries are misses and none is stored."""

    def raise_(self, tags: Iterable[str]) -> None:
        """Give `tags` new stamps: every entry that depends on one is a miss from now on."""


class MemoryBackend:
    """The in-memory twin: one process, any number of threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: dict[str, tuple[Entry, float]] = {}
        self._stamps: dict[str, tuple[str, float]] = {}

    def lookup(self, key: str) -> Entry | None:
        with self._lock:
            entry, expires = self._entries.get(key, (None, 0.0))
            if entry is None or expires <= self._clock():
                self._entries.pop(key, None)
                return None
            return entry if self._hold(entry.stamps) else None

    def stamps(self, tags: Iterable[str]) -> dict[str, str]:
        with self._lock:
            return {tag: self._stamp(tag) or self._set(tag, new_stamp()) for tag in tags}

    def holds(self, stamps: Mapping[str, str]) -> bool:
        with self._lock:
            return self._hold(stamps)

    def store(self, key: str, entry: Entry, ttl: float) -> bool:
        with self._lock:
            if not self._hold(entry.stamps) or any(stamp.startswith(OPEN) for stamp in entry.stamps.values()):
                return False
            self._entries[key] = (entry, self._clock() + ttl)
            return True

    def open(self, tags: Iterable[str], seconds: float) -> None:
        with self._lock:
            for tag in tags:
                self._set(tag, OPEN + new_stamp(), seconds)

    def raise_(self, tags: Iterable[str]) -> None:
        with self._lock:
            for tag in tags:
                self._set(tag, new_stamp())

    def _hold(self, stamps: Mapping[str, str]) -> bool:
        return all(self._stamp(tag) == stamp for tag, stamp in stamps.items())

    def _stamp(self, tag: str) -> str | None:
        stamp, expires = self._stamps.get(tag, (None, 0.0))
        return stamp if stamp is not None and expires > self._clock() else None

    def _set(self, tag: str, stamp: str, seconds: float = float("inf")) -> str:
        self._stamps[tag] = (stamp, self._clock() + seconds)
        return stamp
