"""Versions that count as being made at the same time (fault `racy_versions`).

Requests are served one after the other here. On a real server two of them may look for an asset's highest version before
either has added its own; then both get the same number.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

from trackteroid.sandbox.changes import Change

__all__ = ["RecentVersions"]


class RecentVersions:
    """Remembers which versions were committed when.

    Args:
        clock: Seconds of any beginning.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._made: deque[tuple[float, str]] = deque(maxlen=10_000)

    def within(self, seconds: float) -> frozenset[str]:
        """Ids of the versions that were committed not longer ago."""
        if not seconds:
            return frozenset()
        earliest = self._clock() - seconds
        return frozenset(identifier for moment, identifier in self._made if moment >= earliest)

    def note(self, changes: Iterable[Change]) -> None:
        """Remember what a request committed."""
        now = self._clock()
        self._made += [
            (now, str(change.key[0]))
            for change in changes
            if change.action == "add" and change.entity_type.name == "AssetVersion"
        ]
