"""Scripts whose answers are fetched later, on a server that is late or goes away meanwhile."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis as redis_client
from redis.sentinel import Sentinel

from tests.support.redis import embedded_redis
from trackteroid.embedded_redis import EmbeddedRedis
from trackteroid.redis_scripts import RedisScript
from trackteroid.redis_urls import client_of

COUNT = "return redis.call('INCR', KEYS[1])"
ECHO = "return KEYS[1]"


class Interrupted(Exception):
    """What comes out of nowhere, as Celery's time limits do."""


@pytest.fixture(params=["redis", "sentinel"])
def connect(
    request: pytest.FixtureRequest, redis: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[float], redis_client.Redis]]:
    """Makes clients with a time-out, straight and as Sentinel says."""
    parts = urlsplit(redis.url)
    monkeypatch.setattr(Sentinel, "discover_master", lambda *_: (parts.hostname, parts.port))
    login = parts.netloc.rpartition("@")[0]
    url = redis.url if request.param == "redis" else f"sentinel://{login}@127.0.0.1:1/0?master=m"
    clients: list[redis_client.Redis] = []

    def connect(timeout: float) -> redis_client.Redis:
        clients.append(client_of(url, timeout=timeout))
        return clients[-1]

    yield connect
    redis.thaw()
    for client in clients:
        client.close()


@contextmanager
def thawed_soon(redis: EmbeddedRedis) -> Iterator[None]:
    """Let a frozen server go on while the block waits for it."""
    timer = threading.Timer(0.1, redis.thaw)
    timer.start()
    try:
        yield
    finally:
        timer.join()


def by_script(client: redis_client.Redis) -> Callable[[str], Any]:
    echo = RedisScript(client, ECHO)
    return lambda text: echo([text], [])


def by_command(client: redis_client.Redis) -> Callable[[str], Any]:
    return lambda text: client.echo(text)


ways = pytest.mark.parametrize("way", [by_script, by_command])


@ways
def test_who_asks_after_a_time_out_is_not_told_what_the_one_before_asked_for(
    redis: EmbeddedRedis,
    connect: Callable[[float], redis_client.Redis],
    way: Callable[[redis_client.Redis], Callable[[str], Any]],
) -> None:
    ask = way(connect(0.3))
    assert ask("first") == b"first"
    redis.freeze()
    with pytest.raises(redis_client.TimeoutError):
        ask("late")

    def patiently(text: str) -> Any:
        while True:
            try:
                return ask(text)
            except redis_client.TimeoutError:
                continue

    with thawed_soon(redis):
        assert [patiently("mine"), patiently("mine too")] == [b"mine", b"mine too"]


@ways
def test_who_asks_after_an_interruption_is_not_told_what_the_one_before_asked_for(
    redis: EmbeddedRedis,
    connect: Callable[[float], redis_client.Redis],
    way: Callable[[redis_client.Redis], Callable[[str], Any]],
) -> None:
    ask = way(connect(30.0))
    assert ask("first") == b"first"

    def interrupt(*_: object) -> None:
        raise Interrupted

    former = signal.signal(signal.SIGUSR1, interrupt)
    redis.freeze()
    try:
        threading.Timer(0.1, os.kill, [os.getpid(), signal.SIGUSR1]).start()
        with pytest.raises(Interrupted):
            ask("late")
    finally:
        signal.signal(signal.SIGUSR1, former)
    with thawed_soon(redis):
        assert [ask("mine"), ask("mine too")] == [b"mine", b"mine too"]


def test_a_connection_that_closes_nothing_by_itself_is_closed(
    redis: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = client_of(redis.url, timeout=30.0)
    echo = RedisScript(client, ECHO)
    assert echo(["first"], []) == b"first"

    def interrupted(*_: object, **__: object) -> None:
        raise Interrupted

    redis.freeze()
    with thawed_soon(redis):
        with monkeypatch.context() as patch:
            patch.setattr(redis_client.Connection, "read_response", interrupted)
            with pytest.raises(Interrupted):
                echo(["late"], [])
        assert echo(["mine"], []) == b"mine"


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
