from __future__ import annotations

from typing import Any

import pytest
import redis

from tests.support.redis import fake_redis
from trackteroid.commits.health import check_client, check_redis
from workers.signals import check_at_start


class Server:
    """Answers what a test says; the rest is refused as managed services refuse it."""

    def __init__(self, **facts: Any) -> None:
        self.facts = facts

    def ping(self) -> bool:
        return True

    def eval(self, *_: Any) -> Any:
        if self.facts.get("lua") is False:
            raise redis.exceptions.NoPermissionError("NOPERM this user has no permissions to run the 'eval' command")
        return b"1"

    def info(self, section: str) -> dict[str, Any]:
        found = self.facts.get(section)
        if found is None:
            raise redis.exceptions.ResponseError("unknown command 'INFO'")
        return dict(found)

    def config_get(self, name: str) -> dict[Any, Any]:
        if name not in self.facts.get("config", {}):
            raise redis.exceptions.ResponseError("unknown command 'CONFIG'")
        return {name.encode(): self.facts["config"][name].encode()}


def severities(server: Any) -> dict[str, str]:
    return {finding.subject: finding.severity for finding in check_client(server, "redis://h/0")}


GOOD = {
    "server": {"redis_version": "7.2.4"},
    "replication": {"role": "master"},
    "config": {"maxmemory-policy": "noeviction", "appendonly": "yes"},
}


def test_a_good_redis_has_nothing_to_be_said_about() -> None:
    assert set(severities(Server(**GOOD)).values()) == {"ok"}


@pytest.mark.parametrize(
    ("change", "subject", "severity"),
    [
        ({"config": {"maxmemory-policy": "allkeys-lru", "appendonly": "yes"}}, "eviction", "problem"),
        ({"config": {"maxmemory-policy": "noeviction", "appendonly": "no"}}, "append-only file", "warning"),
        ({"server": {"redis_version": "5.0.14"}}, "version", "problem"),
        ({"server": {"redis_version": "7.2.4", "valkey_version": "8.0.1"}}, "version", "ok"),
        ({"replication": {"role": "slave"}}, "role", "problem"),
        ({"lua": False}, "Lua", "problem"),
        ({"config": {}}, "eviction", "note"),
        ({"config": {}, "memory": {"maxmemory_policy": "volatile-lru"}}, "eviction", "problem"),
        ({"config": {}, "persistence": {"aof_enabled": 0}}, "append-only file", "warning"),
        ({"memory": {"used_memory": 100, "maxmemory": 0}}, "memory", "ok"),
        ({"memory": {"used_memory": 100, "maxmemory": 1000}}, "memory", "ok"),
        ({"memory": {"used_memory": 810, "maxmemory": 1000}}, "memory", "warning"),
        ({"memory": {"used_memory": 1001, "maxmemory": 1000}}, "memory", "problem"),
        ({"persistence": {"aof_last_write_status": "err"}}, "disk", "problem"),
        ({"persistence": {"rdb_last_bgsave_status": "err"}}, "disk", "problem"),
    ],
)
def test_each_danger_is_found(change: dict[str, Any], subject: str, severity: str) -> None:
    assert severities(Server(**{**GOOD, **change}))[subject] == severity


def test_every_danger_has_a_remedy() -> None:
    bad = Server(
        server={"redis_version": "5.0"},
        config={"maxmemory-policy": "allkeys-lru", "appendonly": "no"},
        lua=False,
        memory={"used_memory": 2, "maxmemory": 1},
        persistence={"aof_last_write_status": "err"},
    )
    assert all(
        finding.remedy for finding in check_client(bad, "redis://h/0") if finding.severity in ("problem", "warning")
    )


def test_a_server_that_withholds_its_configuration_is_only_noted() -> None:
    found = severities(fake_redis())
    assert found["reachable"] == found["Lua"] == "ok"
    assert "problem" not in found.values()


def test_an_unreachable_redis_and_a_bad_url_are_problems_with_remedies() -> None:
    (finding,) = check_redis("redis://:secret@127.0.0.1:1/0")
    assert (finding.severity, finding.subject) == ("problem", "reachable")
    assert "secret" not in finding.text
    (finding,) = check_redis("nonsense")
    assert (finding.severity, finding.subject) == ("problem", "URL")


def test_a_worker_waits_for_an_absent_redis_and_refuses_a_dangerous_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_at_start("redis://127.0.0.1:1/0") is False
    dangerous = Server(**{**GOOD, "config": {"maxmemory-policy": "allkeys-lru", "appendonly": "yes"}})
    monkeypatch.setattr("workers.signals.check_redis", lambda url: check_client(dangerous, url))  # type: ignore[arg-type]
    with pytest.raises(SystemExit, match="CONFIG SET maxmemory-policy noeviction"):
        check_at_start("redis://h/0")


def test_a_worker_waits_for_a_redis_that_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    full = Server(**GOOD, memory={"used_memory": 2, "maxmemory": 1})
    monkeypatch.setattr("workers.signals.check_redis", lambda url: check_client(full, url))  # type: ignore[arg-type]
    assert check_at_start("redis://h/0") is True
