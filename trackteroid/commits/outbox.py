"""What somebody is to be told, kept in the ledger's Redis until a channel has passed it on.

The ledger's scripts write it in the very step in which a commit dies or the breaker moves (`lua/common/1_telling.lua`), so
that no crash loses it; a channel takes a line away after it was delivered, so that it is delivered at least once. Each channel
has lines of its own: a receiver that is down does not repeat what the other one has heard.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from trackteroid.commits.commit import CommitError
from trackteroid.commits.redis_client import ledger_errors
from trackteroid.commits.redis_ledger import RedisLedger

__all__ = ["CHANNELS", "Notice", "Outbox"]

#: The names in `lua/common/1_telling.lua`.
CHANNELS = ("hook", "webhook")

# Looked at in one step; the scripts keep twice as many at most.
_MOST = 5000

# Frees a lock that is still ours.
_UNLOCK = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"


@dataclass(frozen=True, kw_only=True, slots=True)
class Notice:
    """One thing that happened.

    Attributes:
        event: `dead`, `overdue`, `breaker_open` or `breaker_closed`.
        commit_id: Which commit; empty for the breaker.
        at: When, seconds since the epoch on the ledger's clock.
        error: Why; None for an overdue one.
        line: As it is stored.
    """

    event: str
    commit_id: str
    at: float
    error: CommitError | None
    line: bytes


class Outbox:
    """Scope: one server's ledger, all workers. Raises `LedgerUnavailableError` where Redis cannot be reached.

    Args:
        ledger: Whose.
        address: The Redis URL, for messages.
    """

    def __init__(self, ledger: RedisLedger, *, address: str) -> None:
        self._client: Any = ledger.client
        self._prefix = f"{ledger.prefix}tell:"
        self._row = f"{ledger.prefix}c:"
        self._address = address
        self._token = uuid4().hex

    def notices(self, channel: str, *, limit: int = _MOST) -> Sequence[Notice]:
        """Return what waits for a channel, oldest first."""
        with ledger_errors(self._address):
            lines = self._client.zrange(f"{self._prefix}{channel}", 0, limit - 1)
        found = []
        for line in lines:
            data = json.loads(line)
            error = data.get("error")
            found.append(
                Notice(
                    event=data["event"],
                    commit_id=data["id"],
                    at=float(data["at"]),
                    error=None if error is None else CommitError.from_json(json.dumps(error)),
                    line=line,
                )
            )
        return found

    def dismiss(self, channel: str, notices: Iterable[Notice]) -> None:
        """Take away what was delivered."""
        lines = [notice.line for notice in notices]
        with ledger_errors(self._address):
            for start in range(0, len(lines), 500):
                self._client.zrem(f"{self._prefix}{channel}", *lines[start : start + 500])

    def states(self, commit_ids: Sequence[str]) -> dict[str, str]:
        """Return the state of each of these commits that the ledger still knows; one round trip."""
        with ledger_errors(self._address):
            pipeline = self._client.pipeline(transaction=False)
            for commit_id in commit_ids:
                pipeline.hget(f"{self._row}{commit_id}", "state")
            states = pipeline.execute()
        return {key: state.decode() for key, state in zip(commit_ids, states, strict=True) if state is not None}

    def lock(self, channel: str, *, seconds: float) -> bool:
        """Take a channel for this process, for `seconds` at most; whether nobody else has it."""
        with ledger_errors(self._address):
            return bool(self._client.set(self._lock(channel), self._token, nx=True, px=int(seconds * 1000)))

    def unlock(self, channel: str) -> None:
        """Give it back if it is still ours."""
        with ledger_errors(self._address):
            self._client.eval(_UNLOCK, 1, self._lock(channel), self._token)

    def remembered(self, channel: str) -> dict[str, float]:
        """Return the numbers that the channel's teller has remembered."""
        with ledger_errors(self._address):
            stored = self._client.hgetall(f"{self._prefix}{channel}:state")
        return {name.decode("utf-8", "replace"): float(number) for name, number in stored.items()}

    def remember(self, channel: str, numbers: dict[str, float | None], *, seconds: float) -> None:
        """Change some of these numbers (None: forget it); all are forgotten if none is changed for `seconds`."""
        key = f"{self._prefix}{channel}:state"
        kept = {name: repr(number) for name, number in numbers.items() if number is not None}
        gone = [name for name, number in numbers.items() if number is None]
        with ledger_errors(self._address):
            pipeline = self._client.pipeline(transaction=True)
            if kept:
                pipeline.hset(key, mapping=kept)
            if gone:
                pipeline.hdel(key, *gone)
            pipeline.pexpire(key, int(seconds * 1000))
            pipeline.execute()

    def _lock(self, channel: str) -> str:
        return f"{self._prefix}{channel}:lock"
