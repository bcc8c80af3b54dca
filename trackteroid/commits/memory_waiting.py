"""Commits that wait for others, or for their time, in the ledger in memory: the rules of `lua/common/4_waiting.lua`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from trackteroid.commits.commit import Commit, Waiting
from trackteroid.commits.memory_order import MemoryOrder
from trackteroid.commits.memory_queue import MemoryQueue
from trackteroid.commits.state import CommitState

__all__ = ["MemoryWaiting"]

ACTIVE = (CommitState.QUEUED, CommitState.COMMITTING, CommitState.RETRYING, CommitState.WAITING)


class MemoryWaiting:
    """Moves commits between waiting and being due.

    Args:
        rows: The ledger's rows, by id; changed here.
        queue: Those that are due, or will be.
        order: What stands in the way of what.
    """

    def __init__(self, rows: dict[str, Commit], queue: MemoryQueue, order: MemoryOrder) -> None:
        self._rows = rows
        self._queue = queue
        self._order = order

    def store(self, row: Commit, now: float, **changes: Any) -> Commit:
        """Keep a changed row."""
        changed = self._rows[row.id] = replace(row, updated_at=now, **changes)
        return changed

    def schedule(self, row: Commit, now: float, state: CommitState, at: float, changes: Mapping[str, Any]) -> Commit:
        """Make a commit due at a moment, but not before the deadline of a request that may still be running."""
        free = without_lease(row)
        due = max(at, free.uncertain_until or 0.0)
        self._queue.put(row.id, priority=row.priority, flow=row.facts.flow, due_at=due, now=now)
        return self.store(free, now, state=state, due_at=due, **changes)

    def line_up(self, row: Commit, now: float) -> None:
        """Give a commit the last place in every line it has to stand in."""
        # An active state first: a commit in line is one, whatever it waits for.
        row = self.store(row, now, state=CommitState.QUEUED)
        self._order.line_up(row.id)
        self.settle(row, now)

    def settle(self, row: Commit, now: float) -> None:
        """Let a commit wait for what is in its way, or be due."""
        row = self._rows[row.id] = replace(row, waiting=None, together=())
        found = self._order.blocker(row)
        if found is not None:
            self.park(row, now, found)
            return
        self.schedule(row, now, CommitState.QUEUED, now, {})

    def park(self, row: Commit, now: float, found: Waiting, *, outside: bool = False) -> None:
        """Let a commit wait for another one.

        Args:
            row: The commit.
            now: The ledger's clock.
            found: What is in its way.
            outside: That is an obstacle of a circle, and not in it.
        """
        free = without_lease(row)
        self._queue.remove(row.id)
        self.store(free, now, state=CommitState.WAITING, due_at=None, waiting=found, waiting_since=None)
        if not self._order.waits_for(found.commit_id, {row.id}):
            return
        # A circle: whoever in it merely stands in line goes first.
        other = self._rows[found.commit_id or ""]
        while other.id != row.id and other.waiting is not None:
            if other.waiting.kind in ("order", "version"):
                self.settle(other, now)
                return
            other = self._rows[other.waiting.commit_id or ""]
        members = [] if outside else self._order.circle(row.id)
        if len(members) < 2:
            return
        # They need each other: as soon as nothing else is in the way of any of them, they are committed together.
        for member in members:
            obstacle = self._order.blocker(self._rows[member], frozenset(members))
            if obstacle is not None:
                self.park(self._rows[row.id], now, obstacle, outside=True)
                return
        self._join(row.id, [member for member in members if member != row.id], now)

    def find_circle(self, commit_id: str, now: float) -> None:
        """Whoever a commit, just accepted, waits for may need what it creates: then the server need not say so."""
        created = set(self._order.keys(commit_id).created)
        waiting = self._rows[commit_id].waiting
        while created and waiting is not None and waiting.commit_id in self._rows:
            other = self._rows[waiting.commit_id or ""]
            leader = other
            if other.waiting is not None and other.waiting.kind == "together":
                leader = self._rows[other.waiting.commit_id or ""]
            if other.state not in ACTIVE or CommitState.COMMITTING in (other.state, leader.state):
                return
            if created.intersection(self._order.keys(other.id).needed):
                self._order.missing.add(other.id)
                self.settle(leader, now)
                return
            waiting = other.waiting
            if waiting is not None and waiting.kind in ("order", "version"):
                return

    def wake(self, commit_id: str, now: float) -> None:
        """Something has changed about a commit: who waits for it looks again."""
        for other in sorted(self._rows):
            waiting = self._rows[other].waiting
            if waiting is not None and waiting.commit_id == commit_id:
                self.settle(self._rows[other], now)

    def wake_those_who_miss(self, entities: Iterable[str], now: float) -> None:
        """Let those look again whom the server told that one of these entities is missing."""
        created = set(entities)
        for other in sorted(self._rows):
            row = self._rows[other]
            if row.waiting is None or not created.intersection(self._order.keys(other).needed):
                continue
            if row.waiting.kind == "together":
                row = self._rows[row.waiting.commit_id or ""]
            if row.waiting is not None and row.waiting.kind == "missing":
                self.settle(row, now)

    def _join(self, leader: str, others: list[str], now: float) -> None:
        for other in others:
            waiting = Waiting(kind="together", commit_id=leader, subject=leader)
            self.store(self._rows[other], now, state=CommitState.WAITING, waiting=waiting, together=())
        changes = {"waiting": None, "together": tuple(others)}
        self.schedule(self._rows[leader], now, CommitState.QUEUED, now, changes)


def without_lease(row: Commit) -> Commit:
    """Return a commit that nobody holds; an attempt that ends without a verdict leaves its request's deadline behind."""
    uncertain = max((moment for moment in (row.sent_until, row.uncertain_until) if moment is not None), default=None)
    return replace(row, owner=None, lease_expires_at=None, sent_until=None, uncertain_until=uncertain)
