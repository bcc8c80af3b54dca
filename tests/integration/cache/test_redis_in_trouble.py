"""A Redis that hangs, is gone, is full, or holds garbage: ftrack answers, and little time is lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest
import redis as redis_client

from tests.support.processes import wait_until
from tests.support.redis import embedded_redis
from tests.support.sandbox import SandboxProcess
from trackteroid.cache.availability import Availability
from trackteroid.cache.query_cache import Answer
from trackteroid.embedded_redis import EmbeddedRedis
from trackteroid.session import Session

QUESTION = "select id, asset.name, version from AssetVersion"


@pytest.fixture
def session(redis: EmbeddedRedis, cached_environment: None) -> Iterator[Session]:
    with redis_client.Redis.from_url(redis.url) as client:
        client.flushall()
    with Session() as session:
        # A test before may have found it hung; the process remembers.
        session.query_cache.connection.begin()
        yield session


def ask(session: Session) -> list[str]:
    with session.reusing_query_results(shared=True):
        found = [version["id"] for version in session.fetch_entities(QUESTION)]
    session.query_cache.connection.flush()
    return found


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "trackteroid.cache"]


def test_a_redis_that_hangs_costs_two_time_outs_and_then_nothing_for_a_while(
    default_timeout: None, redis: EmbeddedRedis, session: Session, caplog: pytest.LogCaptureFixture
) -> None:
    expected = ask(session)
    lost: list[float] = []

    def timed(operation: Any, **options: Any) -> Any:
        def tried() -> Any:
            began = time.perf_counter()
            try:
                return operation()
            finally:
                lost.append(time.perf_counter() - began)

        return attempt(tried, **options)

    # Reading its answers was hasty, too.
    caplog.clear()
    session.query_cache.connection.begin()
    availability = session.query_cache.connection.availability
    attempt = availability.attempt
    redis.freeze()
    availability.attempt = timed  # type: ignore[method-assign]
    try:
        for _ in range(10):
            assert ask(session) == expected
    finally:
        redis.thaw()
    # 50 ms for a look-up; the rest is for a machine that has other things to do, and may take longer than the pause.
    assert 2 <= len(lost) <= 3
    for seconds in lost:
        assert 0.04 <= seconds < 5
    assert len(warnings(caplog)) == 1
    assert "does not answer" in warnings(caplog)[0]


def test_those_who_wait_for_an_answer_when_redis_hangs_ask_for_themselves_after_two_seconds(
    default_timeout: None, redis: EmbeddedRedis, session: Session
) -> None:
    cache, question = session.query_cache, "select id from Status"
    released, asked = threading.Event(), threading.Event()
    answered: list[str] = []

    def stuck() -> Answer[str]:
        asked.set()
        released.wait(60)
        return Answer("stuck", "stuck")

    def ask_once(ask: Callable[[], Answer[str]]) -> None:
        answered.append(cache.answer(question, ask, str))

    threads = [threading.Thread(target=ask_once, args=(stuck,))]
    threads[0].start()
    asked.wait(60)
    threads += [threading.Thread(target=ask_once, args=(lambda: Answer("own", "own"),)) for _ in range(5)]
    for thread in threads[1:]:
        thread.start()
    wait_until(lambda: cache.statistics.waits == 5, what="five to wait")
    began = time.perf_counter()
    redis.freeze()
    try:
        wait_until(lambda: answered == ["own"] * 5, what="those who wait to be answered")
        # Two looks that take a second each, less what the first had been under way; the wait alone would last twenty.
        assert 1.2 < time.perf_counter() - began < 12
    finally:
        redis.thaw()
        released.set()
        for thread in threads:
            thread.join(60)


def test_a_redis_that_is_full_takes_nothing_and_forgets_nothing(
    redis: EmbeddedRedis, session: Session, caplog: pytest.LogCaptureFixture
) -> None:
    expected = ask(session)
    with redis_client.Redis.from_url(redis.url) as client:
        client.config_set("maxmemory", 1)
        try:
            # What is there is read, and what changes is still told.
            assert ask(session) == expected
            assert session.query_cache.statistics.hits == 1
            session.query("select id, name from Asset").first()["name"] = "full"
            session.commit()
            assert ask(session) == expected
            assert ask(session) == expected
            assert session.query_cache.statistics.hits == 1
        finally:
            client.config_set("maxmemory", 0)
    assert len(warnings(caplog)) == 1
    assert "takes nothing" in warnings(caplog)[0]


@pytest.mark.parametrize("garbage", ["bytes", "list", "string", "fields"])
def test_garbage_under_our_keys_is_a_miss(redis: EmbeddedRedis, session: Session, garbage: str) -> None:
    expected = ask(session)
    with redis_client.Redis.from_url(redis.url) as client:
        for key in cast("list[bytes]", client.keys("trackteroid:cache:*")):
            if b":entry:" not in key and b":flight:" not in key:
                continue
            if garbage == "bytes":
                client.hset(key, "payload", b"\x00\xff garbage")
            elif garbage == "fields":
                client.hset(key, mapping={"asked_at": "yesterday", "stamps": "x"})
            else:
                client.delete(key)
                client.rpush(key, "x") if garbage == "list" else client.set(key, "x")
    assert ask(session) == expected
    assert session.query_cache.statistics.misses == 2
    # It has been replaced.
    assert ask(session) == expected
    assert session.query_cache.statistics.hits == 1


def test_a_redis_that_is_gone_and_comes_back_is_used_again(
    sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with embedded_redis() as own:
        for name, value in {**sandbox.env, "TRACKTEROID_QUERY_CACHE_URL": own.url}.items():
            monkeypatch.setenv(name, value)
        with Session() as session:
            expected = ask(session)
            own.kill()
            assert ask(session) == expected
            assert ask(session) == expected
            own.start()
            # The pause is over.
            session.query_cache.connection.availability = Availability()
            ask(session)
            assert ask(session) == expected
            assert session.query_cache.statistics.hits >= 1
    assert len(warnings(caplog)) == 1
