"""The conformance suite of cache backends against the real server."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import redis as redis_client

from tests.conformance.cache_suite import RedisBackendSuite, keep, look
from trackteroid.cache.backends import CacheBackend, Found
from trackteroid.cache.redis_backend import RedisBackend
from trackteroid.embedded_redis import EmbeddedRedis


@pytest.fixture
def client(redis: EmbeddedRedis) -> Iterator[redis_client.Redis]:
    with redis_client.Redis.from_url(redis.url) as client:
        client.flushdb()
        yield client


class TestRedisBackendOnTheRealServer(RedisBackendSuite):
    @pytest.fixture
    def backend(self, client: redis_client.Redis, clock: Callable[[], float]) -> CacheBackend:
        return RedisBackend(client, clock=clock)


def test_by_the_servers_own_clock_and_after_it_forgot_the_scripts(client: redis_client.Redis) -> None:
    backend = RedisBackend(client)
    assert keep(backend, look())
    client.script_flush()
    found = backend.look(look("another"))
    assert isinstance(found, Found)
    assert 0 <= found.age < 60


def test_whatever_is_written_ends_by_itself(client: redis_client.Redis) -> None:
    """So that a Redis which evicts what ends by itself (`volatile-lfu`) can always make room."""
    backend = RedisBackend(client)
    keep(backend, look())
    backend.look(look(key="another key"))
    backend.look(look("waiting", key="another key"))
    backend.open(["Task", "Show"], 60, "one")
    backend.open(["Task"], 60, "other")
    backend.raise_(["Task", "Show"], "one")
    backend.too_large(look(key="another key"))
    keys = client.keys("*")
    assert len(keys) >= 4  # type: ignore[arg-type]
    assert [key for key in keys if client.ttl(key) < 0] == []  # type: ignore[operator, union-attr]


def test_a_look_up_is_one_round_trip(client: redis_client.Redis) -> None:
    backend = RedisBackend(client)
    keep(backend, look())

    client.config_resetstat()
    backend.look(look())
    calls = client.info("commandstats")
    # What the script itself calls stands beside it.
    assert calls["cmdstat_evalsha"]["calls"] == 1  # type: ignore[index]
    assert not {"cmdstat_eval", "cmdstat_script|load", "cmdstat_multi"} & set(calls)  # type: ignore[arg-type]
