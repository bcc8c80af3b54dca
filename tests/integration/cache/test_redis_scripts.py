"""Scripts whose answers are fetched later, on a server that is late or goes away meanwhile."""

from __future__ import annotations

import pytest
import redis as redis_client

from tests.support.redis import embedded_redis
from trackteroid.embedded_redis import EmbeddedRedis
from trackteroid.redis_scripts import RedisScript
from trackteroid.redis_urls import client_of

COUNT = "return redis.call('INCR', KEYS[1])"


def test_a_late_answer_is_not_taken_for_the_next_ones(redis: EmbeddedRedis) -> None:
    count = RedisScript(client_of(redis.url, timeout=0.2), COUNT)
    first = count(["late"], [])
    redis.freeze()
    try:
        running = count.start(["late"], [])
        with pytest.raises(redis_client.TimeoutError):
            running.result()
    finally:
        redis.thaw()
    # It ran all the same.
    assert count(["late"], []) == first + 2


def test_a_server_that_dies_before_it_answers_is_told_and_the_next_one_is_asked() -> None:
    with embedded_redis() as redis:
        count = RedisScript(client_of(redis.url, timeout=5.0), COUNT)
        assert count(["n"], []) == 1
        redis.freeze()
        running = count.start(["n"], [])
        redis.kill()
        with pytest.raises(redis_client.ConnectionError):
            running.result()
        with pytest.raises(redis_client.ConnectionError):
            count.start(["n"], [])


def test_each_script_under_way_has_a_connection_and_gives_it_back(redis: EmbeddedRedis) -> None:
    client = client_of(redis.url, timeout=5.0)
    count = RedisScript(client, COUNT)
    count(["many"], [])
    running = [count.start(["many"], []) for _ in range(5)]
    assert sorted(each.result() for each in running) == [2, 3, 4, 5, 6]
    before = client.info("clients")["connected_clients"]  # type: ignore[index]
    for _ in range(20):
        count(["many"], [])
    assert client.info("clients")["connected_clients"] == before  # type: ignore[index]
