"""The query-result cache that sessions share (level 2): raw rows of the server, valid while their tags' stamps hold.

Scope: all processes that use the same Redis. Redis being away, slow or full of something else never breaks a query: the
server is asked, and one warning a minute says so.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trackteroid import fast_json
from trackteroid.cache.backends import CacheBackend, Entry
from trackteroid.cache.namespaces import namespace_of, server_key
from trackteroid.cache.tables import ALL, TableIndex, tables_read, tables_written
from trackteroid.errors import CacheUnavailableError
from trackteroid.settings import Settings

__all__ = ["CacheStatistics", "QueryCache", "clear_server", "open_query_cache"]

_logger = logging.getLogger("trackteroid.cache")

# A table marked open by somebody who died is storable again after this long; longer than any request may take.
_OPEN_SECONDS = 120.0

# After a failure Redis is left alone for so long.
_PAUSE_SECONDS = 5.0

_WARNING_SECONDS = 60.0

# Compressing less is not worth the time (measured: spec queue-and-cache C.2, item 9).
_COMPRESS_FROM = 2048


@dataclass
class CacheStatistics:
    """What this process got out of the shared cache so far."""

    hits: int = 0
    misses: int = 0
    stored: int = 0
    unavailable: int = 0


class QueryCache:
    """One session's view of the shared cache.

    Args:
        backend: Where entries and stamps are; may not even be reachable.
        server: Key of the ftrack server (see `server_key`).
        namespace: Who shares with whom.
        tables: The server's tables.
        ttl: Seconds an entry is kept by default.
        entry_limit: Bytes of the largest result that is stored, as JSON before compression.
        expected: Whether somebody said that there is a Redis; if not, its absence is worth no warning until results are
            to be shared.
        monotonic: Clock for pauses and warnings.
    """

    def __init__(
        self,
        backend: CacheBackend,
        *,
        server: str,
        namespace: str,
        tables: TableIndex,
        ttl: float,
        entry_limit: int,
        expected: bool = True,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.statistics = CacheStatistics()
        self.namespace = namespace
        self._backend = backend
        self._server = server
        self._tables = tables
        self._ttl = ttl
        self._entry_limit = entry_limit
        self._expected = expected
        self._monotonic = monotonic
        self._local = threading.local()
        self._paused_until = float("-inf")
        self._warned_at = float("-inf")
        self._owes_raise = False

    @property
    def last_stamps(self) -> Mapping[str, str] | None:
        """Stamps of the last result that this thread got through `rows`; None if it can't be confirmed later."""
        stamps: Mapping[str, str] | None = getattr(self._local, "stamps", None)
        return stamps

    def rows(
        self,
        expression: str,
        limit: int | None,
        offset: int,
        ask: Callable[[], list[Any]],
        *,
        ttl: float | None = None,
    ) -> list[Any]:
        """Return the rows of a query from the cache, or from `ask()`, storing what that returns.

        Args:
            expression, limit, offset: The query.
            ask: Asks the server; its errors pass through and nothing is stored.
            ttl: Seconds to keep the result.
        """
        self._local.stamps = None
        self._expected = True
        tables = tables_read(expression, self._tables)
        if tables is None:
            return ask()
        key = self._key(expression, limit, offset)
        tags = self._tags(tables)
        found = self._try(lambda: self._backend.lookup(key))
        if found is not None:
            rows = _decode(found.payload, self._entry_limit)
            if rows is not None:
                self.statistics.hits += 1
                self._local.stamps = found.stamps
                return rows
        self.statistics.misses += 1
        # Before the server is asked: a commit that lands between the two changes a stamp, and the answer is not kept.
        stamps = self._try(lambda: self._backend.stamps(tags))
        rows = ask()
        if stamps is not None:
            payload = _encode(rows, self._entry_limit)
            if payload is not None and self._try(
                lambda: self._backend.store(key, Entry(payload, stamps), ttl or self._ttl)
            ):
                self.statistics.stored += 1
                self._local.stamps = stamps
        return rows

    def confirm(self, stamps: Mapping[str, str]) -> bool:
        """Return whether a result with these stamps is still valid; False when that can't be known."""
        return bool(self._try(lambda: self._backend.holds(stamps)))

    @contextlib.contextmanager
    def writing(self, batch: Sequence[Mapping[str, Any]]) -> Iterator[None]:
        """Surround sending `batch`: its tables are marked open before, and raised after whatever the outcome.

        Also after an error: the server may have applied what it did not answer.
        """
        tables = tables_written(batch, self._tables)
        tags = [self._tag("server")] if tables == {ALL} else [self._tag(table) for table in sorted({*tables, ALL})]
        self._try(lambda: self._backend.open(tags, _OPEN_SECONDS))
        try:
            yield
        finally:
            # Tried even if Redis did not answer a moment ago: who reads from it now must not be told what was before.
            if self._try(lambda: self._raise(tags), pausing=False) is None:
                # What could not be told is owed: the whole server is raised before this object reads or stores
                # anything, with its next write, or when its session is closed.
                self._owes_raise = True

    def settle(self) -> None:
        """Make up for an invalidation that could not be told, if there is one; quietly, as nobody can act on it."""
        if self._owes_raise:
            self._try(lambda: True, pausing=False)

    def clear(self) -> None:
        """Make everything in this session's namespace unreachable, at once and for all processes."""
        self._backend.raise_([self._tag(f"namespace:{self.namespace}")])

    def _raise(self, tags: Iterable[str]) -> bool:
        self._backend.raise_(tags)
        return True

    def _tags(self, tables: Iterable[str]) -> list[str]:
        return [self._tag(name) for name in ("server", f"namespace:{self.namespace}", *sorted(tables))]

    def _tag(self, name: str) -> str:
        return f"{self._server}:{name}"

    def _key(self, expression: str, limit: int | None, offset: int) -> str:
        text = json.dumps([expression, limit, offset])
        return f"{self._server}:{self.namespace}:{hashlib.sha256(text.encode()).hexdigest()}"

    def _try(self, operation: Callable[[], Any], *, pausing: bool = True) -> Any:
        """Return what `operation` returns; None while the cache is away (after a failure it is left alone for a while)."""
        if pausing and self._monotonic() < self._paused_until:
            self.statistics.unavailable += 1
            return None
        try:
            if self._owes_raise:
                self._backend.raise_([self._tag("server")])
                self._owes_raise = False
            return operation()
        except CacheUnavailableError as error:
            self.statistics.unavailable += 1
            now = self._monotonic()
            self._paused_until = now + _PAUSE_SECONDS
            if self._expected and now - self._warned_at >= _WARNING_SECONDS:
                self._warned_at = now
                _logger.warning("%s Queries are answered by ftrack meanwhile.", error)
            return None


def open_query_cache(
    settings: Settings,
    *,
    server_url: str,
    api_user: str,
    schemas: Sequence[Mapping[str, Any]],
    namespace: str | None,
    schema_hash: str,
) -> QueryCache:
    """Return the cache that the settings name; nothing is connected yet."""
    from trackteroid.cache.redis_backend import connect

    return QueryCache(
        connect(settings.effective_query_cache_url, settings.cache_timeout),
        server=server_key(server_url),
        namespace=namespace_of(api_user=api_user, schema_hash=schema_hash, name=namespace),
        tables=TableIndex(schemas),
        ttl=settings.cache_ttl_seconds,
        entry_limit=settings.cache_entry_limit,
        expected=settings.effective_query_cache_url != Settings().redis_url,
    )


def clear_server(settings: Settings, server_url: str) -> None:
    """Make every cached result of a server unreachable, in all namespaces.

    Raises:
        CacheUnavailableError: Redis does not answer.
    """
    from trackteroid.cache.redis_backend import connect

    backend = connect(settings.effective_query_cache_url, max(1.0, settings.cache_timeout))
    backend.raise_([f"{server_key(server_url)}:server"])


def _encode(rows: list[Any], limit: int) -> bytes | None:
    """Return the payload of rows, None if they are more than `limit` bytes of JSON."""
    text = fast_json.dumps(rows)
    if len(text) > limit:
        return None
    return b"z" + zlib.compress(text, 1) if len(text) >= _COMPRESS_FROM else b"j" + text


def _decode(payload: bytes, limit: int) -> list[Any] | None:
    """Return the rows in a payload, None if it is no payload of ours or grows beyond `limit`."""
    try:
        if payload[:1] == b"z":
            inflater = zlib.decompressobj()
            text = inflater.decompress(payload[1:], limit)
            if inflater.unconsumed_tail or not inflater.eof:
                return None
        elif payload[:1] == b"j":
            text = payload[1:]
        else:
            return None
        rows = fast_json.loads(text)
    except (ValueError, zlib.error):
        return None
    return rows if isinstance(rows, list) else None
