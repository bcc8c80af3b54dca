"""How this library talks to the ledger's Redis: short time-outs, no retries, one kind of error.

redis-py's own defaults (five seconds, ten retries with backoff) would hold up a farm job for a minute when Redis is
away, and repeat commands that are not idempotent.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis

from trackteroid.errors import LedgerError, LedgerUnavailableError
from trackteroid.redis_urls import client_of, reason_of, without_password

__all__ = ["connect", "eviction_policy", "ledger_errors", "refuse_eviction", "without_password"]

#: Errors with which Redis says "not now" rather than "you are wrong". What is still starting is a connection error to redis-py.
_NOT_NOW = ("BUSY", "MISCONF", "MASTERDOWN", "CLUSTERDOWN", "NOREPLICAS")


def connect(url: str, *, timeout: float = 0.9) -> redis.Redis:
    """Return a client for `url`; connects on first use.

    Args:
        url: Where (see `trackteroid.redis_urls`).
        timeout: Seconds that connecting may take, and again each command. The default keeps both below two seconds together.

    Raises:
        SettingsError: `url` is no Redis URL.
    """
    return client_of(url, timeout=timeout)


def eviction_policy(client: redis.Redis) -> str | None:
    """Return the server's `maxmemory-policy`, None where it does not tell."""
    try:
        told: Any = client.info("memory")
    except redis.exceptions.ResponseError:
        # Managed services and fakeredis withhold it.
        return None
    policy = dict(told).get("maxmemory_policy")
    return None if policy is None else str(policy)


def refuse_eviction(client: redis.Redis, url: str) -> None:
    """Do nothing if the server keeps what it accepts.

    Raises:
        LedgerUnavailableError: It throws rows away when memory runs out, or cannot be reached.
    """
    with ledger_errors(url):
        policy = eviction_policy(client)
    if policy not in (None, "noeviction"):
        raise LedgerUnavailableError(
            f"The Redis at {without_password(url)} would throw accepted commits away (maxmemory-policy is {policy}). "
            "CONFIG SET maxmemory-policy noeviction, and the same in its configuration."
        )


@contextmanager
def ledger_errors(url: str) -> Iterator[None]:
    """Turn redis-py's errors into ours. `url` is the address for the message."""
    where = without_password(url)
    try:
        yield
    except (redis.exceptions.AuthenticationError, redis.exceptions.NoPermissionError) as error:
        raise LedgerUnavailableError(
            f"The Redis at {where} refuses us: {error}. Put user and password in TRACKTEROID_REDIS_URL."
        ) from error
    except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError, OSError) as error:
        raise LedgerUnavailableError(
            f"The Redis at {where} cannot be reached ({reason_of(error)}). Start it, or set TRACKTEROID_REDIS_URL to where "
            "it runs; `trackteroid doctor` checks it."
        ) from error
    except redis.exceptions.ResponseError as error:
        text = str(error)
        if isinstance(error, redis.exceptions.OutOfMemoryError):
            raise LedgerUnavailableError(
                f"The Redis at {where} takes nothing now: it is full. Raise its maxmemory; `trackteroid doctor` says more."
            ) from error
        if isinstance(error, redis.exceptions.ReadOnlyError) or text.startswith(_NOT_NOW):
            raise LedgerUnavailableError(
                f"The Redis at {where} takes nothing now ({text}). `trackteroid doctor` says what to do."
            ) from error
        raise LedgerError(f"The Redis at {where} cannot do what the ledger needs ({text}).") from error
