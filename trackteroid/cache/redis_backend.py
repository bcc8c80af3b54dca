"""The shared cache in Redis: each operation is one script, hence one round trip and atomic.

For one Redis (or Sentinel), not for Redis Cluster: the scripts derive the keys of tags from a prefix.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable, Mapping
from importlib import resources
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit, urlunsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from trackteroid.cache.backends import OPEN, Entry, new_stamp
from trackteroid.errors import CacheUnavailableError, SettingsError

__all__ = ["RedisBackend", "connect"]

# An invalidation is worth waiting for longer than an answer: without it, others read what was before.
_PATIENCE_SECONDS = 1.0

# Stamps outlive every entry: losing one only costs a miss.
_STAMP_SECONDS = 30 * 86400

_Result = TypeVar("_Result")


def connect(url: str, timeout: float) -> RedisBackend:
    """Return a backend on the Redis at `url`; nothing is sent yet.

    One try and a short timeout: a cache that does not answer costs less than waiting for it (redis-py's default retries
    for up to ten seconds).
    """
    return RedisBackend(_client(url, timeout), url, patient=_client(url, max(timeout, _PATIENCE_SECONDS)))


def _client(url: str, timeout: float) -> redis.Redis:
    try:
        return redis.Redis.from_url(
            url, socket_timeout=timeout, socket_connect_timeout=timeout, retry=Retry(NoBackoff(), 0)
        )
    except ValueError as error:
        raise SettingsError(f"The query cache's URL {_public(url)!r} cannot be used: {error}") from error


def _available(method: Callable[..., _Result]) -> Callable[..., _Result]:
    @functools.wraps(method)
    def guarded(self: RedisBackend, *args: Any) -> _Result:
        try:
            return method(self, *args)
        except (redis.RedisError, OSError) as error:
            raise CacheUnavailableError(
                f"The query cache at {_public(self.url)} does not answer: {str(error).rstrip('.')}."
            ) from error

    return guarded


class RedisBackend:
    """Entries and stamps below `prefix` in one Redis database."""

    def __init__(
        self,
        client: redis.Redis,
        url: str = "redis://",
        prefix: str = "trackteroid:cache:1:",
        *,
        patient: redis.Redis | None = None,
    ) -> None:
        self.url = url
        self._patient = patient or client
        self._prefix = prefix
        scripts = resources.files("trackteroid.cache").joinpath("lua")
        self._lookup = client.register_script(scripts.joinpath("lookup.lua").read_text(encoding="utf-8"))
        self._stamps = client.register_script(scripts.joinpath("stamps.lua").read_text(encoding="utf-8"))
        self._holds = client.register_script(scripts.joinpath("holds.lua").read_text(encoding="utf-8"))
        self._store = client.register_script(scripts.joinpath("store.lua").read_text(encoding="utf-8"))
        self._raise = client.register_script(scripts.joinpath("raise.lua").read_text(encoding="utf-8"))

    @_available
    def lookup(self, key: str) -> Entry | None:
        found = cast("list[bytes] | None", self._lookup(keys=[self._entry(key), self._tags()]))
        if not found:
            return None
        payload, stamps = found
        return Entry(payload, json.loads(stamps))

    @_available
    def stamps(self, tags: Iterable[str]) -> dict[str, str]:
        names = list(tags)
        values = cast("list[bytes]", self._stamps(keys=[self._tags()], args=[new_stamp(), _STAMP_SECONDS, *names]))
        return dict(zip(names, (value.decode() for value in values), strict=True))

    @_available
    def holds(self, stamps: Mapping[str, str]) -> bool:
        return bool(self._holds(keys=[self._tags()], args=[json.dumps(dict(stamps))]))

    @_available
    def store(self, key: str, entry: Entry, ttl: float) -> bool:
        arguments: list[str | bytes | int] = [
            json.dumps(dict(entry.stamps)),
            entry.payload,
            max(1, int(ttl * 1000)),
            OPEN,
        ]
        return bool(self._store(keys=[self._entry(key), self._tags()], args=arguments))

    @_available
    def open(self, tags: Iterable[str], seconds: float) -> None:
        self._raise(keys=[self._tags()], args=[OPEN + new_stamp(), max(1, int(seconds * 1000)), *tags])

    @_available
    def raise_(self, tags: Iterable[str]) -> None:
        self._raise(keys=[self._tags()], args=[new_stamp(), _STAMP_SECONDS * 1000, *tags], client=self._patient)

    def _entry(self, key: str) -> str:
        return f"{self._prefix}entry:{key}"

    def _tags(self) -> str:
        return f"{self._prefix}tag:"


def _public(url: str) -> str:
    """The URL without a password."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=host))
