"""One suite that every cache backend passes."""

from __future__ import annotations

import time
from collections.abc import Iterator

import fakeredis
import pytest

from trackteroid.cache.backends import OPEN, CacheBackend, Entry, MemoryBackend
from trackteroid.cache.redis_backend import RedisBackend


@pytest.fixture(params=["memory", "fakeredis"])
def backend(request: pytest.FixtureRequest) -> Iterator[CacheBackend]:
    if request.param == "memory":
        yield MemoryBackend()
        return
    client = fakeredis.FakeRedis()
    yield RedisBackend(client)
    client.close()


def test_an_unknown_entry_is_a_miss(backend: CacheBackend) -> None:
    assert backend.lookup("nothing") is None


def test_a_stored_entry_is_found_with_its_stamps(backend: CacheBackend) -> None:
    stamps = backend.stamps(["Task", "Show"])
    assert backend.store("key", Entry(b"\x00payload", stamps), 60)
    assert Entry(b"\x00payload", stamps) == backend.lookup("key")


def test_stamps_stay_until_they_are_raised(backend: CacheBackend) -> None:
    before = backend.stamps(["Task", "Show"])
    assert before == backend.stamps(["Task", "Show"])
    backend.raise_(["Task"])
    after = backend.stamps(["Task", "Show"])
    assert after["Task"] != before["Task"]
    assert after["Show"] == before["Show"]


def test_raising_a_tag_makes_its_entries_misses_and_leaves_the_others(backend: CacheBackend) -> None:
    backend.store("task", Entry(b"1", backend.stamps(["Task"])), 60)
    backend.store("user", Entry(b"2", backend.stamps(["User"])), 60)
    backend.raise_(["Task"])
    assert backend.lookup("task") is None
    assert backend.lookup("user") is not None


def test_an_answer_whose_stamps_changed_meanwhile_is_not_stored(backend: CacheBackend) -> None:
    stamps = backend.stamps(["Task"])
    backend.raise_(["Task"])
    assert not backend.store("key", Entry(b"old", stamps), 60)
    assert backend.lookup("key") is None


def test_nothing_is_stored_under_an_open_tag_and_its_entries_are_misses(backend: CacheBackend) -> None:
    backend.store("key", Entry(b"1", backend.stamps(["Task"])), 60)
    backend.open(["Task"], 60)
    assert backend.lookup("key") is None
    stamps = backend.stamps(["Task"])
    assert stamps["Task"].startswith(OPEN)
    assert not backend.store("key", Entry(b"2", stamps), 60)


def test_a_tag_left_open_becomes_storable_after_its_time(backend: CacheBackend) -> None:
    backend.open(["Task"], 0)
    deadline = time.monotonic() + 2
    while backend.stamps(["Task"])["Task"].startswith(OPEN) and time.monotonic() < deadline:
        pass
    assert backend.store("key", Entry(b"1", backend.stamps(["Task"])), 60)


def test_holds_says_whether_all_stamps_are_current(backend: CacheBackend) -> None:
    stamps = backend.stamps(["Task", "Show"])
    assert backend.holds(stamps)
    backend.raise_(["Show"])
    assert not backend.holds(stamps)
    assert not backend.holds({"Task": stamps["Task"], "never seen": "x"})


def test_storing_again_replaces(backend: CacheBackend) -> None:
    stamps = backend.stamps(["Task"])
    backend.store("key", Entry(b"1", stamps), 60)
    backend.store("key", Entry(b"2", stamps), 60)
    assert Entry(b"2", stamps) == backend.lookup("key")
