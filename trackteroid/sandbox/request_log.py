"""What was asked of the server lately, for tests and for curious people."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

__all__ = ["RequestLog"]

# Enough for any test; a sandbox that runs for days must not grow.
_KEPT = 10_000


class RequestLog(Sequence[dict[str, Any]]):
    """The last requests to `/api`, oldest first.

    An entry is `{"time", "user", "actions", "expressions", "milliseconds", "status", "fault"}`: seconds since 1970, the user
    name that was sent, the batch's actions in order, the texts of its queries, the server's own time, the HTTP status (None
    if no answer was sent) and the kind of fault that struck (None without one).
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: deque[dict[str, Any]] = deque(maxlen=_KEPT)

    def add(self, entry: dict[str, Any]) -> None:
        with self._lock:
            self._entries.append(entry)

    def take(self, *, clear: bool = False) -> list[dict[str, Any]]:
        """All entries, as a copy; with `clear` the log is empty afterwards."""
        with self._lock:
            entries = list(self._entries)
            if clear:
                self._entries.clear()
            return entries

    def clear(self) -> None:
        self.take(clear=True)

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, index: Any) -> Any:
        return self.take()[index]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.take())
