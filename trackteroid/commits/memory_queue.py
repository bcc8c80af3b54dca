"""Who is next, for the ledger in memory: the rules of `lua/common/2_queue.lua`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

__all__ = ["MemoryQueue"]


@dataclass(frozen=True, slots=True)
class _Place:
    priority: int
    flow: str
    due_at: float
    #: When it failed because the server was away or busy; None: it did not, or became due since.
    missed_at: float | None = None


class MemoryQueue:
    """Due commits: the highest priority first, in that one flow after the other, in a flow the longest due one first."""

    def __init__(self) -> None:
        self._later: dict[str, _Place] = {}
        self._ready: dict[str, _Place] = {}
        self._turns: dict[tuple[int, str], int] = {}
        self._turn = 0

    def put(self, commit_id: str, *, priority: int, flow: str, due_at: float, now: float) -> None:
        """Make a commit due at a moment."""
        self.remove(commit_id)
        place = _Place(priority, flow, due_at)
        if due_at <= now:
            self._make_ready(commit_id, place)
        else:
            self._later[commit_id] = place

    def remove(self, commit_id: str) -> None:
        """Make a commit not due."""
        self._later.pop(commit_id, None)
        place = self._ready.pop(commit_id, None)
        if place is not None and not self._in_flow(place.priority, place.flow):
            del self._turns[place.priority, place.flow]

    def mark_missed(self, commit_id: str, now: float) -> None:
        """Note when a commit failed because the server was away or busy; of one that is due that is of no use."""
        place = self._later.get(commit_id)
        if place is not None:
            self._later[commit_id] = replace(place, missed_at=now)

    def missed(self, before: float, *, limit: int) -> Sequence[str]:
        """Return the first of those due later that failed so before a moment."""
        marked = ((place.missed_at, name) for name, place in self._later.items() if place.missed_at is not None)
        return [name for moment, name in sorted(marked) if moment < before][:limit]

    def due(self, now: float) -> int:
        """Return how many are due."""
        return len(self._ready) + sum(1 for place in self._later.values() if place.due_at <= now)

    def take(self, now: float) -> str | None:
        """Remove and return the next one, None if none is due."""
        waiting = sorted((place.due_at, name) for name, place in self._later.items() if place.due_at <= now)
        for _, name in waiting:
            self._make_ready(name, self._later.pop(name))
        if not self._turns:
            return None
        highest = max(priority for priority, _ in self._turns)
        flow = min((turn, flow) for (priority, flow), turn in self._turns.items() if priority == highest)[1]
        name = min(self._in_flow(highest, flow), key=lambda each: (self._ready[each].due_at, each))
        self.remove(name)
        if (highest, flow) in self._turns:
            self._turns[highest, flow] = self._next_turn()
        return name

    def _make_ready(self, commit_id: str, place: _Place) -> None:
        if (place.priority, place.flow) not in self._turns:
            self._turns[place.priority, place.flow] = self._next_turn()
        self._ready[commit_id] = place

    def _in_flow(self, priority: int, flow: str) -> list[str]:
        return [name for name, place in self._ready.items() if (place.priority, place.flow) == (priority, flow)]

    def _next_turn(self) -> int:
        self._turn += 1
        return self._turn
