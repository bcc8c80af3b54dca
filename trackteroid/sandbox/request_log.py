"""What was asked of the server lately, for tests and for curious people."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

__all__ = ["RequestLog"]

# Enough for any test; a sandbox that runs for days must not grow.
_KEPT = 10_000
# In bytes, roughly: queries with thousands of ids and batches of thousands of operations are long.
_KEPT_SIZE = 100_000_000
_SIZE_OF_TEXT = 60


class _Counters:
    def __init__(self) -> None:
        self.requests = 0
        self.milliseconds = 0.0
        self.kinds: dict[str, Counter[str]] = {name: Counter() for name in ("actions", "statuses", "faults", "users")}

    def count(self, entry: Mapping[str, Any]) -> None:
        self.requests += 1
        self.milliseconds += entry["milliseconds"]
        self.kinds["actions"].update(entry["actions"])
        for kind, name in (("statuses", "status"), ("users", "user")):
            self.kinds[kind][str("none" if entry[name] is None else entry[name])] += 1
        if entry["fault"] is not None:
            self.kinds["faults"][entry["fault"]] += 1

    def as_dict(self) -> dict[str, Any]:
        counted = {kind: dict(sorted(counter.items())) for kind, counter in self.kinds.items()}
        return {"requests": self.requests, "milliseconds": round(self.milliseconds, 3), **counted}


class RequestLog(Sequence[dict[str, Any]]):
    """The last requests to `/api`, oldest first: 10,000 of them, or fewer if they are long.

    An entry is `{"time", "user", "actions", "expressions", "milliseconds", "status", "fault"}`: seconds since 1970, the user
    name that was sent, the batch's actions in order, the texts of its queries, the server's own time, the HTTP status (None
    if no answer was sent) and the kind of fault that struck (None without one).
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: deque[tuple[int, dict[str, Any]]] = deque()
        self._size = 0
        self._counters = _Counters()

    def add(self, entry: dict[str, Any]) -> None:
        size = sum(_SIZE_OF_TEXT + len(text) for kind in ("actions", "expressions") for text in entry[kind])
        with self._lock:
            self._entries.append((size, entry))
            self._size += size
            while len(self._entries) > _KEPT or (self._size > _KEPT_SIZE and len(self._entries) > 1):
                self._size -= self._entries.popleft()[0]
            self._counters.count(entry)

    def counters(self, *, clear: bool = False) -> dict[str, Any]:
        """What was counted since the start, however long the log is.

        Args:
            clear: Begin again at 0.

        Returns:
            `{"requests", "milliseconds", "actions": {name: count}, "statuses": {status or "none": count}, "faults": {kind:
            count}, "users": {name: count}}`: requests to `/api`, and the server's own time for them in total.
        """
        with self._lock:
            counted = self._counters.as_dict()
            if clear:
                self._counters = _Counters()
            return counted

    def take(self, *, clear: bool = False) -> list[dict[str, Any]]:
        """All entries, as a copy; with `clear` the log is empty afterwards."""
        with self._lock:
            entries = [entry for _, entry in self._entries]
            if clear:
                self._entries.clear()
                self._size = 0
            return entries

    def clear(self) -> None:
        self.take(clear=True)

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, index: Any) -> Any:
        return self.take()[index]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.take())
