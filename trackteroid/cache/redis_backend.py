"""The shared cache in Redis: each operation is one script, hence one round trip and atomic.

For one Redis (or Sentinel), not for Redis Cluster: the scripts derive the keys of tags from a prefix.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Iterable, Mapping
from importlib import resources
from typing import Any, TypeVar, cast

import redis

from trackteroid.cache.backends import (
    HANDOVER_SECONDS,
    LARGE_SECONDS,
    OPEN,
    Alone,
    Busy,
    Entry,
    Found,
    Lead,
    Look,
    Opening,
    Outcome,
    new_stamp,
)
from trackteroid.errors import CacheTimeoutError, CacheUnavailableError
from trackteroid.redis_scripts import RedisScript, RunningScript
from trackteroid.redis_urls import client_of, reason_of, without_password

__all__ = ["RedisBackend", "connect"]

# An invalidation is worth waiting for longer than an answer: without it, others read what was before. So is what nobody waits
# for (storing), and what somebody waits for anyhow (another's answer).
_PATIENCE_SECONDS = 1.0

# Stamps outlive every entry: losing one only costs a miss.
_STAMP_SECONDS = 30 * 86400

_MICROSECONDS = 1_000_000

_Result = TypeVar("_Result")


def connect(url: str, timeout: float) -> RedisBackend:
    """Return a backend on the Redis at `url`; nothing is sent yet.

    One try and a short timeout: a cache that does not answer costs less than waiting for it (redis-py's default retries
    for up to ten seconds).
    """
    client = client_of(url, timeout=timeout)
    patient = client_of(url, timeout=max(timeout, _PATIENCE_SECONDS))
    backend = RedisBackend(client, url, patient=patient)
    # Sessions hold it and end as parts of cycles, where a socket may be collected before the client that would have closed it.
    weakref.finalize(backend, _close, client, patient).atexit = False
    return backend


def _close(*clients: redis.Redis) -> None:
    for client in clients:
        client.close()


def _available(method: Callable[..., _Result]) -> Callable[..., _Result]:
    @functools.wraps(method)
    def guarded(self: Any, *args: Any, **options: Any) -> _Result:
        try:
            return method(self, *args, **options)
        except (redis.RedisError, OSError) as error:
            late = isinstance(error, redis.TimeoutError | TimeoutError)
            raise (CacheTimeoutError if late else CacheUnavailableError)(
                f"The query cache at {without_password(self.url)} does not answer: {reason_of(error).rstrip('.')}."
            ) from error

    return guarded


class _Opening:
    """Marks that Redis was asked to set."""

    def __init__(self, script: RunningScript, url: str) -> None:
        self._script = script
        self.url = url

    @_available
    def wait(self) -> None:
        self._script.result()

    def give_up(self) -> None:
        self._script.give_up()


class RedisBackend:
    """Entries and stamps below `prefix` in one Redis database.

    Args:
        client: Of the Redis; its time-outs are how long a look may take.
        url: For messages.
        prefix: Of every key; it carries the version of the format.
        patient: A client that waits longer.
        clock: Seconds, in tests; else the server's own clock decides.
    """

    def __init__(
        self,
        client: redis.Redis,
        url: str = "redis://",
        prefix: str = "trackteroid:cache:2:",
        *,
        patient: redis.Redis | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self.url = url
        self._client = client
        self._patient = patient or client
        self._prefix = prefix
        self._clock = clock
        common = _script("common")
        self._look = RedisScript(client, common + _script("look"))
        self._store = RedisScript(client, common + _script("store"))
        self._holds = RedisScript(client, common + _script("holds"))
        self._renew = RedisScript(client, _script("renew"))
        self._open = RedisScript(client, common + _script("writers") + _script("open"))
        self._raise = RedisScript(client, common + _script("writers") + _script("raise"))

    @_available
    def look(self, look: Look, *, patiently: bool = False) -> Outcome:
        tags = look.all_tags
        arguments: list[str | int] = [
            self._now(),
            look.token,
            max(1, int(look.lease * 1000)),
            new_stamp(),
            _STAMP_SECONDS,
            int(look.max_stale * _MICROSECONDS),
            "" if look.waiting_since is None else _microseconds(look.waiting_since),
            len(look.hard),
            *tags,
        ]
        answer = cast("list[Any]", self._look(self._keys(look.key), arguments, self._waiting(patiently)))
        kind, facts = answer[0], answer[1:]
        if kind == b"found":
            payload, stamps, age, valid = facts
            return Found(payload, _paired(tags, stamps), int(age) / _MICROSECONDS, bool(valid))
        if kind == b"lead":
            return Lead(_paired(tags, facts[1]), int(facts[0]) / _MICROSECONDS)
        if kind == b"busy":
            return Busy(int(facts[0]) / _MICROSECONDS)
        return Alone(facts[0].decode("utf-8", "replace"))

    @_available
    def store(self, look: Look, entry: Entry, ttl: float, *, patiently: bool = True) -> bool:
        return self._end(look, entry, ttl, patiently)

    @_available
    def too_large(self, look: Look, *, patiently: bool = True) -> None:
        self._end(look, Entry(b"", {}, 0.0), 0.0, patiently)

    def _end(self, look: Look, entry: Entry, ttl: float, patiently: bool) -> bool:
        tags = look.all_tags
        arguments: list[str | int | bytes] = [
            self._now(),
            look.token,
            _joined(entry.stamps, tags),
            entry.payload,
            max(1, int(ttl * 1000)),
            _microseconds(entry.asked_at),
            int(HANDOVER_SECONDS * 1000),
            int(LARGE_SECONDS * 1000),
            *tags,
        ]
        return bool(self._store(self._keys(look.key), arguments, self._waiting(patiently)))

    @_available
    def renew(self, look: Look) -> bool:
        arguments: list[str | int] = [look.token, max(1, int(look.lease * 1000))]
        return bool(self._renew(self._keys(look.key)[1:2], arguments, self._patient))

    @_available
    def give_up(self, look: Look) -> None:
        self._renew(self._keys(look.key)[1:2], [look.token, 0])

    @_available
    def discard(self, key: str) -> None:
        self._client.delete(self._keys(key)[0])

    @_available
    def holds(self, stamps: Mapping[str, str]) -> bool:
        tags = tuple(stamps)
        return bool(self._holds([self._tags()], [self._now(), _joined(stamps, tags), *tags]))

    @_available
    def stamps(self, tags: Iterable[str]) -> dict[str, str]:
        names = list(tags)
        values = cast("list[bytes | None]", self._client.mget([self._tags() + name for name in names]))
        return {name: value.decode() for name, value in zip(names, values, strict=True) if value is not None}

    @_available
    def count(self, server: str, counts: Mapping[str, int], *, patiently: bool = False) -> None:
        with self._waiting(patiently).pipeline(transaction=False) as pipeline:
            for name, number in counts.items():
                pipeline.hincrby(f"{self._prefix}counts:{server}", name, number)
            pipeline.execute()

    @_available
    def counts(self, server: str) -> dict[str, int]:
        found = cast("dict[bytes, bytes]", self._client.hgetall(f"{self._prefix}counts:{server}"))
        return {name.decode(): int(number) for name, number in found.items()}

    def open(self, tags: Iterable[str], seconds: float, writer: str) -> None:
        self.start_open(tags, seconds, writer).wait()

    @_available
    def start_open(self, tags: Iterable[str], seconds: float, writer: str) -> Opening:
        arguments: list[str | int] = [self._now(), OPEN + new_stamp(), writer, max(1, int(seconds * 1000)), *tags]
        return _Opening(self._open.start([self._tags(), self._writers()], arguments), self.url)

    @_available
    def raise_(self, tags: Iterable[str], writer: str | None = None, *, patiently: bool = True) -> None:
        arguments: list[str | int] = [self._now(), new_stamp(), writer or "", _STAMP_SECONDS * 1000, *tags]
        self._raise([self._tags(), self._writers()], arguments, self._waiting(patiently))

    def _waiting(self, patiently: bool) -> redis.Redis:
        return self._patient if patiently else self._client

    def _keys(self, key: str) -> list[str]:
        return [f"{self._prefix}entry:{key}", f"{self._prefix}flight:{key}", self._tags()]

    def _tags(self) -> str:
        return f"{self._prefix}tag:"

    def _writers(self) -> str:
        return f"{self._prefix}writers:"

    def _now(self) -> str:
        return "" if self._clock is None else _microseconds(self._clock())


@functools.cache
def _script(name: str) -> str:
    return resources.files("trackteroid.cache").joinpath("lua").joinpath(f"{name}.lua").read_text(encoding="utf-8")


def _microseconds(seconds: float) -> str:
    return str(round(seconds * _MICROSECONDS))


def _joined(stamps: Mapping[str, str], tags: Iterable[str]) -> str:
    """Return stamps as the scripts compare them."""
    return "".join(f"{stamps.get(tag, '')} " for tag in tags)


def _paired(tags: tuple[str, ...], stamps: bytes) -> dict[str, str]:
    return dict(zip(tags, stamps.decode().split(), strict=True))
