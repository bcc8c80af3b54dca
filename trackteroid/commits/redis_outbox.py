"""The outbox in Redis: the ledger's scripts write it (`lua/common/1_telling.lua`), in the step in which something happens."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from trackteroid.commits.outbox import MOST_NOTICES, Notice
from trackteroid.commits.redis_client import ledger_errors

if TYPE_CHECKING:
    import redis

__all__ = ["RedisOutbox"]

# Frees a lock that is still ours.
_UNLOCK = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"


class RedisOutbox:
    """See `trackteroid.commits.outbox.Outbox`. Each has a token of its own for its locks.

    Args:
        client: Of the ledger's Redis.
        prefix: What the ledger's keys begin with.
        address: The Redis URL, for messages.
    """

    def __init__(self, client: redis.Redis, prefix: str, *, address: str) -> None:
        self._client: Any = client
        self._prefix = f"{prefix}tell:"
        self._row = f"{prefix}c:"
        self._address = address
        self._token = uuid4().hex

    def notices(self, channel: str, *, limit: int = MOST_NOTICES) -> Sequence[Notice]:
        with ledger_errors(self._address):
            lines = self._client.zrange(f"{self._prefix}{channel}", 0, limit - 1)
        return [Notice.from_line(line) for line in lines]

    def dismiss(self, channel: str, notices: Iterable[Notice]) -> None:
        lines = [notice.line for notice in notices]
        with ledger_errors(self._address):
            for start in range(0, len(lines), 500):
                self._client.zrem(f"{self._prefix}{channel}", *lines[start : start + 500])

    def states(self, commit_ids: Sequence[str]) -> dict[str, str]:
        with ledger_errors(self._address):
            pipeline = self._client.pipeline(transaction=False)
            for commit_id in commit_ids:
                pipeline.hget(f"{self._row}{commit_id}", "state")
            states = pipeline.execute()
        return {key: state.decode() for key, state in zip(commit_ids, states, strict=True) if state is not None}

    def lock(self, channel: str, *, seconds: float) -> bool:
        with ledger_errors(self._address):
            return bool(self._client.set(self._lock(channel), self._token, nx=True, px=int(seconds * 1000)))

    def unlock(self, channel: str) -> None:
        with ledger_errors(self._address):
            self._client.eval(_UNLOCK, 1, self._lock(channel), self._token)

    def remembered(self, channel: str) -> dict[str, float]:
        with ledger_errors(self._address):
            stored = self._client.hgetall(f"{self._prefix}{channel}:state")
        return {name.decode("utf-8", "replace"): float(number) for name, number in stored.items()}

    def remember(self, channel: str, numbers: Mapping[str, float | None], *, seconds: float) -> None:
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
