"""The breaker of the ledger in memory: the rules of `lua/common/6_breaker.lua`."""

from __future__ import annotations

import math
from collections.abc import Callable

from trackteroid.commits.breaker import Breaker
from trackteroid.commits.commit import CommitError
from trackteroid.commits.ledger import LedgerPolicy
from trackteroid.commits.memory_outbox import MemoryNotices

__all__ = ["MemoryBreaker"]


class MemoryBreaker:
    """Whether commits may be tried, and why not.

    Args:
        policy: The ledger's numbers.
        notices: Hear of it when it opens and closes.
        answered: Called with the time whenever the server has said something about a commit.
    """

    def __init__(
        self, policy: LedgerPolicy, notices: MemoryNotices, answered: Callable[[float], None] = lambda now: None
    ) -> None:
        self._policy = policy
        self._notices = notices
        self._answered = answered
        self._state = Breaker()
        self._total = 0.0
        self._pause = float("-inf")
        self._signature = ""
        self._hit: dict[str, None] = {}
        self._suspected: dict[str, str] = {}

    @property
    def is_open(self) -> bool:
        """Whether it is open."""
        return self._state.open_since is not None

    def state(self, now: float) -> Breaker:
        """Return what people are shown."""
        shown = self._state
        return Breaker(
            open_since=shown.open_since,
            kind=shown.kind,
            error=shown.error,
            probe_at=shown.probe_at,
            paused_until=self._pause if self._pause > now else None,
        )

    def open_seconds(self, now: float) -> float:
        """Return how long it has been open, all times together."""
        since = self._state.open_since
        return self._total + (now - since if since is not None else 0.0)

    def open(self, kind: str, error: CommitError, now: float) -> bool:
        """Open it, or put the next probe off; whether it was closed."""
        since = self._state.open_since
        self._state = Breaker(
            open_since=now if since is None else since,
            kind=kind,
            error=error,
            probe_at=now + self._policy.probe_seconds,
        )
        if since is not None:
            return False
        self._notices.tell("breaker_open", "", now, error)
        return True

    def close(self, now: float) -> bool:
        """Close it, as the server has said something about a commit; whether it was open."""
        self._answered(now)
        self._signature, self._hit = "", {}
        if not self.is_open:
            return False
        self._total = self.open_seconds(now)
        self._notices.tell("breaker_closed", "", now, self._state.error)
        self._state = Breaker()
        return True

    def pause(self, seconds: float, now: float) -> None:
        """Let nobody claim anything for so many seconds."""
        if seconds > 0:
            self._pause = max(self._pause, now + seconds)

    def room(self, active: int, now: float) -> tuple[float, bool]:
        """Return how many commits may be claimed now besides `active` ones, and whether it would be a probe."""
        if self._pause > now:
            return 0, False
        most = self._policy.concurrency
        free = max(most - active, 0) if most > 0 else math.inf
        if self._state.probe_at is None:
            return free, False
        return (0, False) if self._state.probe_at > now else (min(free, 1), True)

    def probing(self, now: float) -> None:
        """A probe has been claimed: the next one is due later."""
        state = self._state
        self._state = Breaker(
            open_since=state.open_since,
            kind=state.kind,
            error=state.error,
            probe_at=now + self._policy.probe_seconds,
        )

    def forget(self, commit_id: str) -> None:
        """A commit has ended, or a person wants it retried: nothing is suspected of it any more."""
        self._suspected.pop(commit_id, None)

    def same_error(
        self, commit_id: str, signature: str, error: CommitError, now: float
    ) -> tuple[bool, list[str], bool]:
        """Note an error of a commit.

        Returns:
            Whether the commit is to be spared, which others that may have died of it are to be taken back, whether it has opened.
        """
        if not signature:
            return False, [], False
        if self.is_open and self._state.kind == "streak" and self._signature == signature:
            self._suspected[commit_id] = signature
            self.open("streak", error, now)
            return True, [], False
        before = (self._signature, self._hit)
        if self.is_open:
            self.close(now)
        if self._suspected.get(commit_id) == signature:
            return False, [], False
        hit = dict(before[1]) if before[0] == signature else {}
        hit[commit_id] = None
        self._signature, self._hit = signature, hit
        if len(hit) < self._policy.streak:
            return False, [], False
        self._suspected.update(dict.fromkeys(hit, signature))
        others = [other for other in hit if other != commit_id]
        return True, others, self.open("streak", error, now)
