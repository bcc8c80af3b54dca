"""The shared cache's decisions, on the in-memory backend."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

import pytest

from trackteroid.cache.backends import MemoryBackend
from trackteroid.cache.query_cache import QueryCache
from trackteroid.cache.tables import TableIndex
from trackteroid.errors import CacheUnavailableError

SCHEMAS = [
    {"id": "Context", "properties": {"name": {"type": "string"}, "parent": {"$ref": "Context"}}},
    {"id": "Task", "alias_for": {"id": "Task", "classifiers": {}}, "properties": {"status": {"$ref": "Status"}}},
    {"id": "Shot", "alias_for": {"id": "Task", "classifiers": {}}, "properties": {"status": {"$ref": "Status"}}},
    {"id": "Project", "alias_for": "Show", "properties": {}},
    {"id": "Status", "alias_for": "TaskStatus", "properties": {}},
    {"id": "User", "properties": {}},
    {"id": "Asset", "properties": {"versions": {"type": "array", "items": {"$ref": "AssetVersion"}}}},
    {"id": "AssetVersion", "properties": {"asset": {"$ref": "Asset"}, "thumbnail_url": {"type": "object"}}},
]


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Server:
    """Answers every query and counts."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self) -> list[Any]:
        self.asked += 1
        return [{"__entity_type__": "Task", "id": str(self.asked)}]


class BrokenBackend(MemoryBackend):
    broken = True

    def _check(self) -> None:
        if self.broken:
            raise CacheUnavailableError("Redis is away.")

    def lookup(self, key: str) -> Any:
        self._check()
        return super().lookup(key)

    def stamps(self, tags: Iterable[str]) -> dict[str, str]:
        self._check()
        return super().stamps(tags)

    def open(self, tags: Iterable[str], seconds: float) -> None:
        self._check()
        super().open(tags, seconds)

    def raise_(self, tags: Iterable[str]) -> None:
        self._check()
        super().raise_(tags)


def make_cache(backend: MemoryBackend, *, namespace: str = "n", clock: Clock | None = None) -> QueryCache:
    return QueryCache(
        backend,
        server="s",
        namespace=namespace,
        tables=TableIndex(SCHEMAS),
        ttl=60,
        entry_limit=100_000,
        monotonic=clock or Clock(),
    )


def write(cache: QueryCache, *batch: dict[str, Any]) -> None:
    with cache.writing(batch):
        pass


def test_a_second_asker_gets_the_rows_without_asking_the_server() -> None:
    backend, server = MemoryBackend(), Server()
    first = make_cache(backend).rows("select id from Task", None, 0, server)
    assert first == make_cache(backend).rows("select id from Task", None, 0, server)
    assert server.asked == 1


def test_other_limits_are_other_questions() -> None:
    cache, server = make_cache(MemoryBackend()), Server()
    cache.rows("select id from Task", None, 0, server)
    cache.rows("select id from Task", 1, 0, server)
    cache.rows("select id from Task", None, 1, server)
    assert server.asked == 3


def test_an_empty_answer_is_an_answer() -> None:
    cache = make_cache(MemoryBackend())
    assert cache.rows("select id from Task", None, 0, lambda: []) == []
    assert cache.rows("select id from Task", None, 0, lambda: pytest.fail("asked again")) == []


def test_sessions_of_other_namespaces_share_nothing() -> None:
    backend, server = MemoryBackend(), Server()
    make_cache(backend, namespace="a").rows("select id from Task", None, 0, server)
    make_cache(backend, namespace="b").rows("select id from Task", None, 0, server)
    assert server.asked == 2


def test_clearing_a_namespace_leaves_the_others() -> None:
    backend, server = MemoryBackend(), Server()
    mine, other = make_cache(backend, namespace="a"), make_cache(backend, namespace="b")
    mine.rows("select id from Task", None, 0, server)
    other.rows("select id from Task", None, 0, server)
    mine.clear()
    mine.rows("select id from Task", None, 0, server)
    other.rows("select id from Task", None, 0, server)
    assert server.asked == 3


@pytest.mark.parametrize(
    ("expression", "change", "asked_again"),
    [
        ("select id from Task", {"action": "create", "entity_type": "Task"}, True),
        ("select id from Task", {"action": "update", "entity_type": "Shot", "entity_data": {"name": "x"}}, True),
        ("select id from Shot", {"action": "update", "entity_type": "Context", "entity_data": {"name": "x"}}, True),
        ("select id, status.name from Task", {"action": "update", "entity_type": "Status"}, True),
        ('select id from Task where status.name is "x"', {"action": "update", "entity_type": "Status"}, True),
        ("select id from Task", {"action": "update", "entity_type": "Status"}, False),
        ('select id from Task where name is "Status"', {"action": "update", "entity_type": "Status"}, False),
        ("select id from Task", {"action": "create", "entity_type": "AssetVersion"}, False),
        ("select versions.id from Asset", {"action": "create", "entity_type": "AssetVersion"}, True),
        ("select id, link from Task", {"action": "create", "entity_type": "AssetVersion"}, True),
        ("select id from Task", {"action": "delete", "entity_type": "AssetVersion"}, True),
        ("select id from Task", {"action": "update", "entity_type": "User"}, True),
        ("select id from Task", {"action": "update", "entity_type": "Unheard"}, True),
        (
            "select asset.id from AssetVersion",
            {"action": "update", "entity_type": "Asset", "entity_data": {"versions": [{"id": "1"}]}},
            True,
        ),
        (
            "select id from AssetVersion",
            {"action": "update", "entity_type": "Asset", "entity_data": {"versions": [{"id": "1"}]}},
            True,
        ),
        (
            "select id from AssetVersion",
            {"action": "update", "entity_type": "Asset", "entity_data": {"name": "x"}},
            False,
        ),
    ],
)
def test_a_commit_invalidates_what_it_touches(expression: str, change: dict[str, Any], asked_again: bool) -> None:
    cache, server = make_cache(MemoryBackend()), Server()
    cache.rows(expression, None, 0, server)
    write(cache, change)
    cache.rows(expression, None, 0, server)
    assert server.asked == (2 if asked_again else 1)


def test_an_answer_that_a_commit_overtook_is_returned_but_not_kept() -> None:
    cache, server = make_cache(MemoryBackend()), Server()

    def overtaken() -> list[Any]:
        rows = server()
        write(cache, {"action": "create", "entity_type": "Task"})
        return rows

    assert len(cache.rows("select id from Task", None, 0, overtaken)) == 1
    assert cache.last_stamps is None
    cache.rows("select id from Task", None, 0, server)
    assert server.asked == 2


def test_a_failed_write_invalidates_too() -> None:
    cache, server = make_cache(MemoryBackend()), Server()
    cache.rows("select id from Task", None, 0, server)
    with pytest.raises(OSError), cache.writing([{"action": "create", "entity_type": "Task"}]):
        raise OSError("reply lost")
    cache.rows("select id from Task", None, 0, server)
    assert server.asked == 2


def test_expiring_values_are_never_stored() -> None:
    cache, server = make_cache(MemoryBackend()), Server()
    cache.rows("select thumbnail_url from AssetVersion", None, 0, server)
    cache.rows("select thumbnail_url from AssetVersion", None, 0, server)
    assert server.asked == 2


def test_a_result_beyond_the_limit_is_not_stored() -> None:
    import random

    noise = "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=300_000))
    cache = make_cache(MemoryBackend())
    asked = []

    def ask() -> list[Any]:
        asked.append(1)
        return [noise]

    cache.rows("select id from Task", None, 0, ask)
    cache.rows("select id from Task", None, 0, ask)
    assert len(asked) == 2


def test_garbage_under_our_key_is_a_miss() -> None:
    backend, server = MemoryBackend(), Server()
    cache = make_cache(backend)
    cache.rows("select id from Task", None, 0, server)
    for key, (entry, expires) in list(backend._entries.items()):
        for garbage in (b"", b"j{", b"znot zlib", b"xwhat", b'j{"no": "list"}'):
            backend._entries[key] = (type(entry)(garbage, entry.stamps), expires)
            asked = server.asked
            cache.rows("select id from Task", None, 0, server)
            assert server.asked == asked + 1


def test_without_redis_queries_are_answered_by_the_server_with_one_warning_a_minute(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock, server = Clock(), Server()
    cache = make_cache(BrokenBackend(), clock=clock)
    with caplog.at_level(logging.WARNING, "trackteroid.cache"):
        for _ in range(30):
            cache.rows("select id from Task", None, 0, server)
            clock.now += 1
    assert server.asked == 30
    assert len(caplog.records) == 1
    clock.now += 60
    cache.rows("select id from Task", None, 0, server)
    assert len(caplog.records) == 2


def test_what_could_not_be_invalidated_is_made_up_for_before_the_next_answer() -> None:
    clock, server = Clock(), Server()
    backend = BrokenBackend()
    backend.broken = False
    cache = make_cache(backend, clock=clock)
    cache.rows("select id from Task", None, 0, server)
    backend.broken = True
    write(cache, {"action": "create", "entity_type": "Task"})
    backend.broken = False
    clock.now += 60
    cache.rows("select id from Task", None, 0, server)
    assert server.asked == 2


def test_where_nobody_spoke_of_redis_a_commit_does_not_warn_that_there_is_none(
    caplog: pytest.LogCaptureFixture,
) -> None:
    cache = QueryCache(
        BrokenBackend(), server="s", namespace="n", tables=TableIndex(SCHEMAS), ttl=60, entry_limit=1000, expected=False
    )
    with caplog.at_level(logging.WARNING, "trackteroid.cache"):
        write(cache, {"action": "create", "entity_type": "Task"})
    assert caplog.records == []
    caplog.clear()
    cache = QueryCache(
        BrokenBackend(), server="s", namespace="n", tables=TableIndex(SCHEMAS), ttl=60, entry_limit=1000, expected=False
    )
    with caplog.at_level(logging.WARNING, "trackteroid.cache"):
        cache.rows("select id from Task", None, 0, list)
    assert len(caplog.records) == 1


def test_an_invalidation_is_tried_even_if_redis_did_not_answer_a_moment_ago() -> None:
    backend, server, clock = BrokenBackend(), Server(), Clock()
    backend.broken = False
    reader, writer = make_cache(backend, clock=clock), make_cache(backend, clock=clock)
    reader.rows("select id from Task", None, 0, server)
    backend.broken = True
    writer.rows("select id from Status", None, 0, server)
    backend.broken = False
    write(writer, {"action": "create", "entity_type": "Task"})
    asked = server.asked
    reader.rows("select id from Task", None, 0, server)
    assert server.asked == asked + 1


def test_what_could_not_be_invalidated_is_made_up_for_when_the_session_is_closed() -> None:
    backend, server, clock = BrokenBackend(), Server(), Clock()
    backend.broken = False
    reader, writer = make_cache(backend, clock=clock), make_cache(backend, clock=clock)
    reader.rows("select id from Task", None, 0, server)
    backend.broken = True
    write(writer, {"action": "create", "entity_type": "Task"})
    writer.settle()
    backend.broken = False
    writer.settle()
    asked = server.asked
    reader.rows("select id from Task", None, 0, server)
    assert server.asked == asked + 1
