"""The outbox of the ledger in memory."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from threading import RLock
from uuid import uuid4

from trackteroid.commits.commit import Commit, CommitError
from trackteroid.commits.outbox import CHANNELS, MOST_NOTICES, Notice
from trackteroid.commits.state import CommitState

__all__ = ["MemoryNotices", "MemoryOutbox"]


class MemoryNotices:
    """What all outboxes of one ledger share, and the rules of `lua/common/1_telling.lua` and `lua/overdue.lua`."""

    def __init__(self) -> None:
        self.lines: dict[str, dict[bytes, float]] = {channel: {} for channel in CHANNELS}
        self.locks: dict[str, tuple[str, float]] = {}
        self.numbers: dict[str, tuple[dict[str, float], float]] = {}
        self._overdue = -math.inf

    def tell(self, event: str, commit_id: str, now: float, error: CommitError | None = None) -> None:
        """Note for each channel what has happened."""
        failure = None if error is None else json.loads(error.to_json())
        line = json.dumps({"event": event, "id": commit_id, "at": now, "error": failure}).encode()
        for lines in self.lines.values():
            lines[line] = now
            if len(lines) > 2 * MOST_NOTICES:
                del lines[min(lines, key=lambda each: (lines[each], each))]

    def note_overdue(self, rows: Iterable[Commit], held_before: float, now: float, *, limit: int) -> int:
        """Tell of those of `rows` that are held since `held_before` or longer, each once; return of how many."""
        found = sorted(
            (row.created_at, row.id)
            for row in rows
            if row.state is CommitState.HELD and self._overdue < row.created_at <= held_before
        )
        if not found:
            return 0
        # Of the same moment as the last one there may be more.
        last = found[:limit][-1][0]
        ids = [commit_id for created_at, commit_id in found if created_at <= last]
        for commit_id in ids:
            self.tell("overdue", commit_id, now)
        self._overdue = last
        return len(ids)


class MemoryOutbox:
    """See `trackteroid.commits.outbox.Outbox`. Each has a token of its own for its locks.

    Args:
        notices: The ledger's.
        rows: The ledger's rows, by id.
        lock: The ledger's.
        clock: The ledger's.
    """

    def __init__(
        self, notices: MemoryNotices, rows: Mapping[str, Commit], lock: RLock, clock: Callable[[], float]
    ) -> None:
        self._notices = notices
        self._rows = rows
        self._mutex = lock
        self._clock = clock
        self._token = uuid4().hex

    def notices(self, channel: str, *, limit: int = MOST_NOTICES) -> Sequence[Notice]:
        with self._mutex:
            lines = self._notices.lines[channel]
            oldest = sorted(lines, key=lambda line: (lines[line], line))[:limit]
        return [Notice.from_line(line) for line in oldest]

    def dismiss(self, channel: str, notices: Iterable[Notice]) -> None:
        with self._mutex:
            for notice in notices:
                self._notices.lines[channel].pop(notice.line, None)

    def states(self, commit_ids: Sequence[str]) -> dict[str, str]:
        with self._mutex:
            return {each: self._rows[each].state.value for each in commit_ids if each in self._rows}

    def lock(self, channel: str, *, seconds: float) -> bool:
        with self._mutex:
            now = self._clock()
            if self._notices.locks.get(channel, ("", -math.inf))[1] > now:
                return False
            self._notices.locks[channel] = (self._token, now + seconds)
            return True

    def unlock(self, channel: str) -> None:
        with self._mutex:
            if self._notices.locks.get(channel, ("", 0.0))[0] == self._token:
                del self._notices.locks[channel]

    def remembered(self, channel: str) -> dict[str, float]:
        with self._mutex:
            numbers, until = self._notices.numbers.get(channel, ({}, -math.inf))
            return dict(numbers) if until > self._clock() else {}

    def remember(self, channel: str, numbers: Mapping[str, float | None], *, seconds: float) -> None:
        with self._mutex:
            changed = {**self.remembered(channel), **numbers}
            kept = {name: number for name, number in changed.items() if number is not None}
            self._notices.numbers[channel] = (kept, self._clock() + seconds)
