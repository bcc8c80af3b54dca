"""One suite that every cache backend passes; against the real server: tests/integration/cache."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import fakeredis
import pytest

from tests.conformance.cache_suite import CacheBackendSuite, RedisBackendSuite
from trackteroid.cache.backends import CacheBackend, MemoryBackend
from trackteroid.cache.redis_backend import RedisBackend


class TestMemoryBackend(CacheBackendSuite):
    @pytest.fixture
    def backend(self, clock: Callable[[], float]) -> CacheBackend:
        return MemoryBackend(clock)


class TestRedisBackendOnFakeredis(RedisBackendSuite):
    @pytest.fixture
    def client(self) -> Iterator[fakeredis.FakeRedis]:
        client = fakeredis.FakeRedis(server=fakeredis.FakeServer())
        yield client
        client.close()

    @pytest.fixture
    def backend(self, client: fakeredis.FakeRedis, clock: Callable[[], float]) -> CacheBackend:
        return RedisBackend(client, clock=clock)
