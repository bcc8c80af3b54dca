"""A shared cache of one process, and who asks through it: what the tests of its decisions begin with."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from tests.support.clock import FakeClock
from trackteroid.cache.backends import MemoryBackend
from trackteroid.cache.connection import CacheConnection
from trackteroid.cache.query_cache import Answer, QueryCache
from trackteroid.errors import CacheUnavailableError

__all__ = ["Server", "SilentBackend", "Types", "ask", "make_cache", "make_running_cache", "rows_of", "write"]


class Types:
    """As tags: the types that a query names, and those that a batch writes."""

    def read(self, expression: str) -> frozenset[str] | None:
        return None if "thumbnail_url" in expression else frozenset({expression.split()[3]})

    def written(self, batch: Sequence[Mapping[str, Any]]) -> frozenset[str]:
        return frozenset(item["entity_type"] for item in batch)


class Server:
    """Answers every query and counts."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self) -> Any:
        self.asked += 1
        return [{"__entity_type__": "Task", "id": str(self.asked)}]


class SilentBackend(MemoryBackend):
    """While `away`, nothing can be told to it."""

    away = False

    def open(self, tags: Iterable[str], seconds: float, writer: str) -> None:
        self.check()
        super().open(tags, seconds, writer)

    def raise_(self, tags: Iterable[str], writer: str | None = None, *, patiently: bool = True) -> None:
        self.check()
        super().raise_(tags, writer, patiently=patiently)

    def check(self) -> None:
        if self.away:
            raise CacheUnavailableError("Redis is away.")


def ask(cache: QueryCache, expression: str, server: Callable[[], Any], **options: float) -> Any:
    """Ask as a session does that has JSON for entities."""

    def answer() -> Answer[Any]:
        rows = server()
        return Answer(rows, json.dumps(rows))

    return cache.answer(expression, answer, rows_of, **options)


def rows_of(text: str) -> Any:
    try:
        rows = json.loads(text)
    except ValueError:
        return None
    return rows if isinstance(rows, list) else None


def make_cache(
    backend: MemoryBackend,
    *,
    namespace: str = "n",
    clock: FakeClock | None = None,
    entry_limit: int = 100_000,
    expected: bool = True,
) -> QueryCache:
    """A cache whose time stands still unless `clock` is advanced."""
    clock = clock or FakeClock()
    return QueryCache(
        CacheConnection(backend, longest_wait=20, monotonic=clock),
        server="s",
        namespace=namespace,
        tags=Types(),
        ttl=60,
        entry_limit=entry_limit,
        expected=expected,
        monotonic=clock,
    )


def make_running_cache(backend: MemoryBackend, *, longest_wait: float = 60, in_background: bool = False) -> QueryCache:
    """A cache whose time passes, for threads."""
    connection = CacheConnection(backend, longest_wait=longest_wait, in_background=in_background)
    return QueryCache(connection, server="s", namespace="n", tags=Types(), ttl=60, entry_limit=100_000)


def write(cache: QueryCache, *batch: dict[str, Any]) -> None:
    with cache.writing(batch):
        pass
