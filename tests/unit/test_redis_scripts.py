"""Running scripts without waiting for each."""

from __future__ import annotations

import fakeredis
import pytest
import redis

from trackteroid.redis_scripts import RedisScript

ECHO = "return {KEYS[1], ARGV[1], tonumber(ARGV[2])}"
COUNT = "return redis.call('INCR', KEYS[1])"


@pytest.fixture
def client() -> redis.Redis:
    return fakeredis.FakeRedis()


def test_keys_and_arguments_arrive_and_texts_come_back_as_bytes(client: redis.Redis) -> None:
    assert RedisScript(client, ECHO)(["key"], [b"\xff", 7]) == [b"key", b"\xff", 7]


def test_redis_is_given_a_script_that_it_does_not_know(client: redis.Redis) -> None:
    count = RedisScript(client, COUNT)
    assert count(["n"], []) == 1
    client.script_flush()
    assert count(["n"], []) == 2


def test_the_digest_is_the_one_that_redis_computes(client: redis.Redis) -> None:
    script = RedisScript(client, COUNT)
    assert client.script_load(COUNT) == script.sha


def test_scripts_run_while_nobody_waits_for_them(client: redis.Redis) -> None:
    count = RedisScript(client, COUNT)
    count(["n"], [])
    first, second = count.start(["n"], []), count.start(["n"], [])
    assert client.get("n") == b"3"
    assert (second.result(), first.result()) == (3, 2)


def test_an_error_of_the_script_is_told_and_the_next_one_runs(client: redis.Redis) -> None:
    wrong, count = RedisScript(client, "return redis.call('LPUSH', KEYS[1], 1)"), RedisScript(client, COUNT)
    count(["n"], [])
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        wrong(["n"], [])
    assert count(["n"], []) == 2


def test_an_answer_that_is_given_up_is_nobody_elses(client: redis.Redis) -> None:
    count = RedisScript(client, COUNT)
    count(["n"], [])
    count.start(["other"], []).give_up()
    assert count(["n"], []) == 2


def test_giving_up_what_has_been_answered_does_nothing(client: redis.Redis) -> None:
    running = RedisScript(client, COUNT).start(["n"], [])
    assert running.result() == 1
    running.give_up()
    assert RedisScript(client, COUNT)(["n"], []) == 2


def test_another_client_may_be_used(client: redis.Redis) -> None:
    other = fakeredis.FakeRedis()
    assert RedisScript(client, COUNT)(["n"], [], other) == 1
    assert (client.get("n"), other.get("n")) == (None, b"1")
