"""What waits for what, for the ledger in memory: `lua/common/3_order.lua` and `4_waiting.lua` as scans; each checks the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Set
from functools import partial

from trackteroid.commits.commit import Commit, Waiting
from trackteroid.commits.order import Order
from trackteroid.commits.state import CommitState

__all__ = ["MemoryOrder"]

_ACTIVE = (CommitState.QUEUED, CommitState.COMMITTING, CommitState.RETRYING, CommitState.WAITING)


class MemoryOrder:
    """The keys of all commits that are not done, and their places in line.

    Args:
        rows: The ledger's rows, by id.
        ended: Returns how a commit ended whose row is gone, None if it is unknown.
    """

    def __init__(self, rows: Mapping[str, Commit], ended: Callable[[str], CommitState | None]) -> None:
        self._rows = rows
        self._ended = ended
        self._keys: dict[str, Order] = {}
        self._accepted: dict[str, int] = {}
        self._places: dict[str, int] = {}
        self._counter = 0
        self.missing: set[str] = set()
        #: (entity, attribute) to the moment when its last committed value was recorded.
        self.written: dict[tuple[str, str], float] = {}

    def keys(self, commit_id: str) -> Order:
        """Return a commit's keys."""
        return self._keys.get(commit_id, _NOTHING)

    def announce(self, commit_id: str, keys: Order) -> None:
        """Remember what an accepted commit has to do with others."""
        self._keys[commit_id] = keys
        self._accepted[commit_id] = self._next()

    def line_up(self, commit_id: str) -> None:
        """Give a commit the last place in every line."""
        self._places[commit_id] = self._next()

    def forget(self, commit_id: str) -> None:
        """Forget a commit that is done or cancelled."""
        for known in (self._keys, self._accepted, self._places):
            known.pop(commit_id, None)
        self.missing.discard(commit_id)

    def recorded_at(self, row: Commit) -> float:
        """Return when a commit was recorded, or accepted if it does not say or says that it was after that."""
        moment = self.keys(row.id).recorded_at
        return row.created_at if moment is None else min(moment, row.created_at)

    def overtaken(self, row: Commit) -> frozenset[tuple[str, str]]:
        """Return what must not be written any more: a later value is there."""
        recorded = self.recorded_at(row)
        return frozenset(pair for pair in self.keys(row.id).written if self.written.get(pair, recorded) > recorded)

    def note_written(self, row: Commit) -> None:
        """Remember when what is committed now was recorded."""
        for pair in self.keys(row.id).written:
            self.written[pair] = max(self.written.get(pair, float("-inf")), self.recorded_at(row))

    def needs(self, row: Commit) -> Iterator[Waiting]:
        """Yield a commit's unmet needs: what it depends on, then who creates what it refers to."""
        keys = self.keys(row.id)
        for other in keys.depends_on:
            state = self._rows[other].state if other in self._rows else self._ended(other)
            if state is not CommitState.COMMITTED:
                named = "" if state in _ACTIVE else "unknown" if state is None else state.value
                yield Waiting(kind="depends", commit_id=other, subject=other, state=named)
        for entity in keys.needed:
            found = list(self._creators(entity, row.id))
            found.sort(key=lambda other: other.state is CommitState.DEAD)
            if found:
                state = found[0].state
                named = state.value if state in (CommitState.DEAD, CommitState.HELD) else ""
                yield Waiting(kind="needs", commit_id=found[0].id, subject=entity, state=named)

    def blocker(self, row: Commit, but: Set[str] = frozenset()) -> Waiting | None:
        """Return the first thing in a commit's way.

        Args:
            row: The commit.
            but: Commits, `row` being one, that are committed together and so are in nobody's way among them.
        """
        for need in self.needs(row):
            if need.commit_id not in but:
                return need
        keys, those = self.keys(row.id), but or {row.id}
        for entity, attribute in (*keys.written, *keys.changed):
            last = self._last_before(row.id, those, partial(_writes_or_deletes, entity, attribute))
            if last:
                return Waiting(kind="order", commit_id=last, subject=f"{entity}.{attribute}")
        for entity in keys.deleted:
            last = self._last_before(row.id, those, partial(_touches, entity))
            if last:
                return Waiting(kind="order", commit_id=last, subject=entity)
        for asset in keys.assets:
            last = self._last_before(row.id, those, partial(_makes_versions, asset))
            if last:
                return Waiting(kind="version", commit_id=last, subject=asset)
        return None

    def circle(self, commit_id: str) -> list[str]:
        """Return those who need each other, over any number of others, `commit_id` being one; in the order of acceptance."""
        reached = {commit_id: self._waiting_needs(commit_id)}
        new = list(reached[commit_id])
        while new:
            other = new.pop()
            if other not in reached:
                reached[other] = self._waiting_needs(other)
                new.extend(reached[other])
        members = {commit_id}
        while True:
            more = {other for other, needs in reached.items() if needs & members} - members
            if not more:
                return sorted(members, key=self._accepted.__getitem__)
            members |= more

    def waits_for(self, other: str | None, those: Set[str]) -> bool:
        """Whether `other` waits, over any number of others, for one of those."""
        seen = set()
        while other is not None and other not in seen:
            seen.add(other)
            waiting = self._rows[other].waiting if other in self._rows else None
            other = waiting.commit_id if waiting else None
            if other in those:
                return True
        return False

    def _waiting_needs(self, commit_id: str) -> set[str]:
        named = {need.commit_id or "" for need in self.needs(self._rows[commit_id])}
        return {other for other in named if other in self._rows and self._rows[other].state is CommitState.WAITING}

    def _creators(self, entity: str, commit_id: str) -> Iterator[Commit]:
        accepted = self._accepted
        for other in sorted(accepted, key=accepted.__getitem__):
            known = commit_id in self.missing or accepted[other] < accepted.get(commit_id, 0)
            if other != commit_id and known and entity in self._keys[other].created:
                yield self._rows[other]

    def _last_before(self, commit_id: str, those: Set[str], concerns: Callable[[Order], bool]) -> str | None:
        place = self._places.get(commit_id, 0)
        found = [
            other
            for other, at in self._places.items()
            if at < place
            and other not in those
            and self._rows[other].state in _ACTIVE
            and concerns(self.keys(other))
            and not self.waits_for(other, those)
        ]
        return max(found, key=self._places.__getitem__, default=None)

    def _next(self) -> int:
        self._counter += 1
        return self._counter


_NOTHING = Order()


def _writes_or_deletes(entity: str, attribute: str, keys: Order) -> bool:
    pair = (entity, attribute)
    return pair in keys.written or pair in keys.changed or entity in keys.deleted


def _touches(entity: str, keys: Order) -> bool:
    return entity in keys.deleted or any(pair[0] == entity for pair in (*keys.written, *keys.changed))


def _makes_versions(asset: str, keys: Order) -> bool:
    return asset in keys.assets
