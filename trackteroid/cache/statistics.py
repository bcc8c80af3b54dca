"""What the shared cache was good for: of one session, of this process, and of the whole farm."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, fields

__all__ = ["CacheStatistics"]


@dataclass
class CacheStatistics:
    """Counts since the beginning.

    Attributes:
        hits: Answers from the shared cache.
        misses: Answers from ftrack.
        waits: How many of both waited for somebody who was asking the same.
        confirmed: Answers of this process that the shared cache confirmed.
        stored: Answers that were put there for others.
        unavailable: Times that the cache was asked for something and did not answer, or was left alone because of that.
        bytes_read: Bytes of the answers from there, as they were sent.
        bytes_stored: Bytes of those put there.
    """

    hits: int = 0
    misses: int = 0
    waits: int = 0
    confirmed: int = 0
    stored: int = 0
    unavailable: int = 0
    bytes_read: int = 0
    bytes_stored: int = 0

    @property
    def hit_rate(self) -> float:
        """The part of all answers that needed no question to ftrack; 0 if there were none."""
        served = self.hits + self.confirmed
        return served / (served + self.misses) if served + self.misses else 0.0

    def add(self, **counts: int) -> None:
        """Count something; safe from any thread."""
        with _state["lock"]:
            for name, number in counts.items():
                setattr(self, name, getattr(self, name) + number)

    def as_dict(self) -> dict[str, int]:
        """Return the counts by name."""
        with _state["lock"]:
            return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def of(cls, counts: Mapping[str, int]) -> CacheStatistics:
        """Return statistics from counts by name; unknown names are left out."""
        known = {field.name for field in fields(cls)}
        return cls(**{name: number for name, number in counts.items() if name in known})


# One for all: it is held for next to no time, and a forked child, where its holder is gone, has to find but one.
_state = {"lock": threading.Lock()}


def _begin() -> None:
    _state["lock"] = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin)
