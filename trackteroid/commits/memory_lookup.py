"""Finding commits by state, time and words, for the ledger in memory: `lua/list.lua` and `2_index.lua` as scans."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

from trackteroid.commits.commit import Commit
from trackteroid.commits.indexing import index_words, may_fit
from trackteroid.commits.state import CommitState

__all__ = ["MemoryLookup"]


class MemoryLookup:
    """Looks through all rows.

    Args:
        rows: The ledger's rows, by id.
    """

    def __init__(self, rows: Mapping[str, Commit]) -> None:
        self._rows = rows

    def newest(
        self,
        states: Iterable[CommitState] | None,
        *,
        limit: int,
        before: tuple[float, str] | None,
        words: Sequence[Sequence[str]],
    ) -> Sequence[Commit]:
        """See `Ledger.list`."""
        wanted = set(CommitState if states is None else states)
        rows = [row for row in self._rows.values() if row.state in wanted]
        if before is not None:
            rows = [row for row in rows if (row.created_at, row.id) < before]
        rows = [row for row in rows if _has_words(row, words)]
        rows.sort(key=lambda row: (row.created_at, row.id), reverse=True)
        return rows[:limit]

    def words_like(self, pattern: str, *, limit: int) -> Sequence[str] | None:
        """See `Ledger.words_like`."""
        known = {word for row in self._rows.values() for word in index_words(row.id, row.facts, row.result)[0]}
        found = sorted(word for word in known if may_fit(word, pattern, fnmatchcase(word, pattern)))
        return None if len(found) > limit else found

    def counts(self) -> dict[CommitState, int]:
        """See `Ledger.counts`."""
        numbers = dict.fromkeys(CommitState, 0)
        for row in self._rows.values():
            numbers[row.state] += 1
        return numbers


def _has_words(row: Commit, groups: Sequence[Sequence[str]]) -> bool:
    words, complete = index_words(row.id, row.facts, row.result)
    return not complete or all(not set(group).isdisjoint(words) for group in groups)
