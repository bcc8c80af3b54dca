"""By which addresses one Redis is reached: `redis://redis/0` in a container is `redis://redis.studio.example` on a render node.

A spooled recording notes the address at which its node looked for Redis. Whoever delivers it from a shared folder may spell that
otherwise; so everybody who reaches the ledger leaves his own spelling there, and what was meant for one of them is meant for it.
"""

from __future__ import annotations

import ipaddress
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from trackteroid.redis_urls import sentinel_of

if TYPE_CHECKING:
    import redis

__all__ = ["known_addresses", "normal_address", "note_address"]

_KEY = "trackteroid:ledger:addresses"
#: More are no spellings of one Redis; the oldest go.
_MOST = 1000


def normal_address(url: str) -> str:
    """Return a Redis URL in one spelling, without user, password and options: `redis://host:6379/0`."""
    try:
        watched = sentinel_of(url)
    except ValueError:
        return url
    if watched is not None:
        return watched.public
    parts = urlsplit(url)
    database = (parse_qs(parts.query).get("db") or [""])[0]
    if parts.scheme.lower() == "unix":
        return f"unix://{parts.path}?db={database or 0}"
    try:
        port = parts.port or 6379
    except ValueError:
        return url
    host = (parts.hostname or "localhost").rstrip(".")
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme.lower()}://{host}:{port}/{database or parts.path.strip('/') or 0}"


def note_address(client: redis.Redis, url: str, *, now: float | None = None) -> None:
    """Leave the address by which a Redis was reached there; one that means something else on each machine is left out.

    Args:
        client: The connection.
        url: As it was configured.
        now: Seconds since the epoch, for tests.

    Raises:
        LedgerUnavailableError: Redis does not take it now.
    """
    spelling = normal_address(url)
    if _is_local(spelling):
        return
    from trackteroid.commits.redis_client import ledger_errors

    with ledger_errors(url):
        pipeline = client.pipeline(transaction=False)
        pipeline.zadd(_KEY, {spelling: time.time() if now is None else now})
        pipeline.zremrangebyrank(_KEY, 0, -_MOST - 1)
        pipeline.execute()


def known_addresses(client: redis.Redis, url: str) -> frozenset[str]:
    """Return the addresses by which this Redis has been reached.

    Args:
        client: The connection.
        url: Its URL, for messages.

    Raises:
        LedgerUnavailableError: Redis cannot be reached.
    """
    from trackteroid.commits.redis_client import ledger_errors

    with ledger_errors(url):
        found: Any = client.zrange(_KEY, 0, -1)
    return frozenset(member.decode("utf-8", "replace") for member in found)


def _is_local(spelling: str) -> bool:
    watched = sentinel_of(spelling)
    hosts = [host for host, _ in watched.hosts] if watched is not None else [urlsplit(spelling).hostname]
    return any(map(_is_this_machine, hosts))


def _is_this_machine(host: str | None) -> bool:
    if host is None or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
