"""The server was away and is back, for the ledger in memory: the rules of `lua/common/5_outage.lua`."""

from __future__ import annotations

from collections.abc import Sequence

from trackteroid.commits.memory_queue import MemoryQueue

__all__ = ["MemoryOutage"]

#: A shorter time without an answer leaves no long back-offs behind.
OUTAGE_SECONDS = 60.0
#: How many are due again with each answer: nothing after it may pass, and each that passes brings as many more.
BACK_AT_ONCE = 10


class MemoryOutage:
    """Since when the server does not answer, and whose back-offs are void.

    A failure between answers is no outage, so nothing that fails for itself is tried more often because others pass.

    Args:
        queue: Where those wait who failed.
    """

    def __init__(self, queue: MemoryQueue) -> None:
        self._queue = queue
        self._since: float | None = None
        self._over = float("-inf")

    def missed(self, commit_id: str, now: float) -> None:
        """Note of a commit, which is due again, that it failed because the server was away or busy."""
        if self._since is None:
            self._since = now
        self._queue.mark_missed(commit_id, now)

    def answered(self, now: float) -> Sequence[str]:
        """The server has answered: return who is to be due at once."""
        if self._since is not None and now - self._since >= OUTAGE_SECONDS:
            self._over = now
        self._since = None
        return self._queue.missed(self._over, limit=BACK_AT_ONCE)
