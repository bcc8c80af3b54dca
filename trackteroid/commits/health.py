"""Is this Redis fit to hold the ledger? Looks, decides nothing; who asks refuses a problem."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import redis

from trackteroid.commits.redis_client import connect
from trackteroid.errors import TrackteroidError
from trackteroid.redis_urls import reason_of, without_password

__all__ = ["MINIMUM_VERSION", "PASSING", "Finding", "check_client", "check_redis"]

#: kombu's Redis transport uses ZADD GT and ZRANGE BYSCORE, which came with 6.2.
MINIMUM_VERSION = (6, 2)

#: Subjects whose problems pass, or are mended while it runs: a worker waits for that.
PASSING = frozenset({"reachable", "memory", "disk"})

_NEARLY_FULL = 0.8


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        severity: `"ok"`, `"note"`, `"warning"` (works, but may lose something) or `"problem"` (must not be used).
        subject: What was looked at.
        text: What was found.
        remedy: What to do about it; empty if nothing is to be done.
    """

    severity: str
    subject: str
    text: str
    remedy: str = ""


def check_redis(url: str) -> list[Finding]:
    """Return what is to be said about the Redis at `url`; never raises.

    Args:
        url: The ledger's Redis.
    """
    try:
        client = connect(url)
    except TrackteroidError as error:
        return [Finding(severity="problem", subject="URL", text=str(error), remedy="Correct TRACKTEROID_REDIS_URL.")]
    try:
        return check_client(client, url)
    finally:
        client.close()


def check_client(client: redis.Redis, url: str) -> list[Finding]:
    """The same over an existing connection."""
    where = without_password(url)
    try:
        client.ping()
    except redis.exceptions.AuthenticationError as error:
        remedy = "Put user and password in TRACKTEROID_REDIS_URL."
        return [Finding(severity="problem", subject="login", text=f"{where} refuses us: {error}", remedy=remedy)]
    except (redis.exceptions.RedisError, OSError) as error:
        remedy = "Start it, or set TRACKTEROID_REDIS_URL to where it runs."
        return [Finding(severity="problem", subject="reachable", text=f"{where}: {reason_of(error)}", remedy=remedy)]
    found = [Finding(severity="ok", subject="reachable", text=f"{where} answers")]
    found.extend(_version(client))
    found.extend(_scripts(client))
    found.extend(_eviction(client))
    found.extend(_persistence(client))
    found.extend(_memory(client))
    found.extend(_disk(client))
    return found


def _version(client: redis.Redis) -> Iterator[Finding]:
    information = _information(client, "server")
    name = "Valkey" if "valkey_version" in information else "Redis"
    # Valkey reports the Redis release it is compatible with besides its own.
    text = str(information.get("valkey_version") or information.get("redis_version") or "")
    parts = tuple(int(part) for part in text.split(".")[:2] if part.isdigit())
    if not parts:
        yield Finding(severity="note", subject="version", text="The server does not tell its version.")
    elif parts < MINIMUM_VERSION:
        minimum = ".".join(map(str, MINIMUM_VERSION))
        yield Finding(
            severity="problem", subject="version", text=f"{name} {text} is too old.", remedy=f"Use {minimum} or newer."
        )
    else:
        yield Finding(severity="ok", subject="version", text=f"{name} {text}")
    if str(_information(client, "replication").get("role", "master")) not in ("master", "primary"):
        yield Finding(
            severity="problem", subject="role", text="It is a replica.", remedy="Give the URL of the primary instance."
        )


def _scripts(client: redis.Redis) -> Iterator[Finding]:
    try:
        client.eval("return redis.call('TIME')[1]", 0)
    except redis.exceptions.RedisError as error:
        yield Finding(
            severity="problem",
            subject="Lua",
            text=f"It runs no scripts: {error}",
            remedy="Allow EVAL and EVALSHA to the user, or use a server that has them.",
        )
    else:
        yield Finding(severity="ok", subject="Lua", text="runs scripts")


def _eviction(client: redis.Redis) -> Iterator[Finding]:
    policy = _configured(client, "maxmemory-policy") or _information(client, "memory").get("maxmemory_policy")
    if policy is None:
        yield Finding(
            severity="note",
            subject="eviction",
            text="It does not tell its maxmemory-policy.",
            remedy="Make sure that it is noeviction.",
        )
    elif policy == "noeviction":
        yield Finding(severity="ok", subject="eviction", text="maxmemory-policy is noeviction")
    else:
        yield Finding(
            severity="problem",
            subject="eviction",
            text=f"maxmemory-policy is {policy}: when memory runs out it throws accepted commits away.",
            remedy="CONFIG SET maxmemory-policy noeviction, and the same in its configuration; put the query cache elsewhere.",
        )


def _persistence(client: redis.Redis) -> Iterator[Finding]:
    enabled = _configured(client, "appendonly")
    if enabled is None:
        told = _information(client, "persistence").get("aof_enabled")
        enabled = None if told is None else "yes" if int(told) else "no"
    if enabled is None:
        yield Finding(
            severity="note",
            subject="append-only file",
            text="It does not tell whether it keeps an append-only file.",
            remedy="Make sure that it does.",
        )
    elif enabled == "yes":
        yield Finding(severity="ok", subject="append-only file", text="appendonly is yes")
    else:
        yield Finding(
            severity="warning",
            subject="append-only file",
            text="appendonly is no: a restart loses accepted commits.",
            remedy="CONFIG SET appendonly yes, and the same in its configuration.",
        )


def _memory(client: redis.Redis) -> Iterator[Finding]:
    information = _information(client, "memory")
    used, most = int(information.get("used_memory", 0)), int(information.get("maxmemory", 0))
    if not used:
        return
    if not most:
        yield Finding(severity="ok", subject="memory", text=f"{_megabytes(used)} used, no maxmemory")
        return
    text = f"{_megabytes(used)} of {_megabytes(most)} (maxmemory) used"
    remedy = (
        "Raise maxmemory; dead and held commits are kept until somebody ends them; the query cache belongs elsewhere."
    )
    if used >= most:
        yield Finding(
            severity="problem", subject="memory", text=f"It is full: {text}. It accepts no more commits.", remedy=remedy
        )
    elif used >= _NEARLY_FULL * most:
        yield Finding(severity="warning", subject="memory", text=f"It is nearly full: {text}.", remedy=remedy)
    else:
        yield Finding(severity="ok", subject="memory", text=text)


def _disk(client: redis.Redis) -> Iterator[Finding]:
    information = _information(client, "persistence")
    failed = [
        name
        for name, field in (("append-only file", "aof_last_write_status"), ("snapshot", "rdb_last_bgsave_status"))
        if information.get(field, "ok") != "ok"
    ]
    if failed:
        yield Finding(
            severity="problem",
            subject="disk",
            text=f"It could not write its {' and its '.join(failed)}: it may accept nothing, and a restart loses what it has.",
            remedy="Look into its log, and whether its disk is full.",
        )


def _megabytes(size: int) -> str:
    return f"{size / 2**20:,.1f} MB"


def _information(client: redis.Redis, section: str) -> dict[str, Any]:
    try:
        told: Any = client.info(section)
    except redis.exceptions.RedisError:
        # Managed services and fakeredis withhold it.
        return {}
    return dict(told)


def _configured(client: redis.Redis, name: str) -> str | None:
    try:
        told: Any = client.config_get(name)
    except redis.exceptions.RedisError:
        return None
    # Without decode_responses redis-py answers in text or bytes depending on its release.
    for key, value in dict(told).items():
        if (key.decode() if isinstance(key, bytes) else key) == name:
            return value.decode() if isinstance(value, bytes) else str(value)
    return None
