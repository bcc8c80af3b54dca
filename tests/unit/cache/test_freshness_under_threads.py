"""Readers and writers at once, for real: no answer is older than what was reported as done before it was asked for."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from typing import Any

import fakeredis
import pytest

from trackteroid.cache.backends import CacheBackend, MemoryBackend
from trackteroid.cache.connection import CacheConnection
from trackteroid.cache.query_cache import Answer, QueryCache
from trackteroid.cache.redis_backend import RedisBackend

WRITES = 150
READERS = 8


class Tags:
    def read(self, expression: str) -> frozenset[str]:
        return frozenset({"T"})

    def written(self, batch: Any) -> frozenset[str]:
        return frozenset({"T", "*"})


@pytest.fixture(params=["memory", "fakeredis"])
def backend(request: pytest.FixtureRequest) -> Iterator[CacheBackend]:
    if request.param == "memory":
        yield MemoryBackend()
        return
    client = fakeredis.FakeRedis(server=fakeredis.FakeServer())
    yield RedisBackend(client)
    client.close()


def session(backend: CacheBackend, *, in_background: bool) -> QueryCache:
    connection = CacheConnection(backend, longest_wait=30, in_background=in_background)
    return QueryCache(connection, server="s", namespace="n", tags=Tags(), ttl=60, entry_limit=1000)


@pytest.mark.parametrize("in_background", [False, True])
def test_no_answer_is_older_than_what_was_done_before_it_was_asked_for(
    backend: CacheBackend, in_background: bool
) -> None:
    state = {"value": 0, "done": 0}
    ended = threading.Event()
    wrong: list[tuple[int, int]] = []
    # Two processes' worth of readers, and a writer.
    readers = [session(backend, in_background=in_background) for _ in range(2)]
    writer = session(backend, in_background=in_background)

    def server(chance: random.Random) -> Callable[[], Answer[int]]:
        def ask() -> Answer[int]:
            value = state["value"]
            # The answer is on its way for a while.
            ended.wait(chance.choice((0, 0, 0.001, 0.003)))
            return Answer(value, str(value))

        return ask

    def read(number: int) -> None:
        cache, chance = readers[number % 2], random.Random(number)
        while not ended.is_set():
            expected = state["done"]
            got = cache.answer("the question", server(chance), int)
            if got < expected:
                wrong.append((expected, got))

    def write() -> None:
        chance = random.Random(99)
        for number in range(1, WRITES + 1):
            with writer.writing([{}]):
                ended.wait(chance.choice((0, 0.001)))
                state["value"] = number
                ended.wait(chance.choice((0, 0.001)))
            state["done"] = number
            ended.wait(chance.choice((0, 0, 0.002, 0.01)))
        ended.set()

    threads = [threading.Thread(target=read, args=(number,)) for number in range(READERS)]
    threads.append(threading.Thread(target=write))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    for cache in readers:
        cache.settle()
    assert wrong == []
    assert sum(cache.statistics.hits for cache in readers) > 0
    assert sum(cache.statistics.waits for cache in readers) > 0
