"""Reaching the Redis of the ledger: never for longer than is bearable, and only one that may hold a ledger.

Scope: one process, which remembers which Redis was fit to use, and which hung, for a few seconds.
"""

from __future__ import annotations

import contextlib
import functools
import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from trackteroid.commits.bounded import within
from trackteroid.commits.ledger import LedgerPolicy
from trackteroid.commits.servers import normalise_server_url
from trackteroid.errors import LedgerUnavailableError
from trackteroid.settings import Settings

if TYPE_CHECKING:
    from trackteroid.commits.redis_ledger import RedisLedger

__all__ = [
    "LEDGER_SECONDS",
    "address",
    "fit_ledger",
    "kept_ledger",
    "ledger_policy",
    "open_ledger",
    "other_addresses",
    "server_of",
    "soon",
]

T = TypeVar("T")

#: How long everything that is asked of the ledger at once may take. The wake-up has half a second more: two seconds in all.
LEDGER_SECONDS = 1.5
#: For how long a Redis that was seen not to evict is trusted not to.
_FIT_SECONDS = 30.0
#: A Redis that took this long to fail hangs, and for that long after nobody waits for it again: five hundred files in a row must
#: not take a second and a half each.
_HANGING_SECONDS = 0.5
_PAUSE_SECONDS = 5.0


def ledger_policy(settings: Settings) -> LedgerPolicy:
    """Return what the settings say about the ledger."""
    return LedgerPolicy(
        max_claims=settings.max_claims,
        retention_seconds=settings.retention_seconds,
        tombstone_seconds=settings.tombstone_seconds,
        concurrency=settings.concurrency,
        probe_seconds=settings.probe_seconds,
        streak=settings.breaker_streak,
    )


def open_ledger(settings: Settings, server_url: str) -> RedisLedger:
    """Return the ledger of an ftrack server; connects on first use.

    Args:
        settings: Which Redis, and the ledger's numbers.
        server_url: The server's URL in any spelling.

    Raises:
        BadInputError: `server_url` is no URL.
        SettingsError: The Redis URL or an alias cannot be used.
    """
    from trackteroid.commits.redis_client import connect
    from trackteroid.commits.redis_ledger import RedisLedger

    return RedisLedger(
        connect(settings.redis_url),
        normalise_server_url(server_url, settings.server_aliases),
        policy=ledger_policy(settings),
        address=settings.redis_url,
    )


def server_of(settings: Settings, *urls: str | None) -> str:
    """Return the normalised form of the first URL that is given; the last resort is `FTRACK_SERVER`.

    Raises:
        BadInputError: There is none, or it is no URL.
    """
    url = next((url for url in urls if url), None) or os.environ.get("FTRACK_SERVER", "")
    return normalise_server_url(url, settings.server_aliases)


def soon(settings: Settings, call: Callable[[], T]) -> T:
    """Return what `call`, which talks to the ledger, returns, after `LEDGER_SECONDS` at most.

    Raises:
        LedgerUnavailableError: The ledger cannot be reached, time is up, or this Redis hung a moment ago.
    """
    # Before the clock starts: on a node that is busy rendering the import alone may take longer than Redis may.
    import trackteroid.commits.redis_ledger  # noqa: F401

    started = time.monotonic()
    until, why = _hung.get(settings.redis_url, (started, ""))
    if started < until:
        raise LedgerUnavailableError(why)
    try:
        return within(LEDGER_SECONDS, call)
    except LedgerUnavailableError as error:
        if time.monotonic() - started > _HANGING_SECONDS:
            _hung[settings.redis_url] = (time.monotonic() + _PAUSE_SECONDS, str(error))
        raise


# Redis URL to the moment (monotonic) until which it is not waited for, and why.
_hung: dict[str, tuple[float, str]] = {}


def address(settings: Settings) -> str:
    """Return the address of the Redis, in one spelling, by which spooled recordings know where they belong."""
    from trackteroid.commits.addresses import normal_address

    return normal_address(settings.redis_url)


def other_addresses(settings: Settings, server_url: str) -> frozenset[str]:
    """Return the addresses by which others have reached the same Redis.

    Raises:
        LedgerUnavailableError: It cannot be reached.
    """
    from trackteroid.commits.addresses import known_addresses

    return known_addresses(kept_ledger(settings, server_url).client, settings.redis_url)


def fit_ledger(settings: Settings, server_url: str) -> RedisLedger:
    """Return the ledger of a (normalised) server if its Redis may hold one.

    Raises:
        LedgerUnavailableError: It evicts, or cannot be reached.
    """
    from trackteroid.commits.addresses import note_address
    from trackteroid.commits.redis_client import refuse_eviction

    ledger = kept_ledger(settings, server_url)
    now = time.monotonic()
    if now >= _fit_until.get(settings.redis_url, now):
        refuse_eviction(ledger.client, settings.redis_url)
        with contextlib.suppress(LedgerUnavailableError):
            # A full Redis lacks it for a while; whoever comes next leaves it.
            note_address(ledger.client, settings.redis_url)
        _fit_until[settings.redis_url] = now + _FIT_SECONDS
    return ledger


# Redis URL to the moment (monotonic) until which it is not asked again whether it evicts.
_fit_until: dict[str, float] = {}


# Kept, so that the second recording of a process does not pay for connecting again. redis-py notices a fork and a
# closed connection.
@functools.lru_cache(maxsize=8)
def kept_ledger(settings: Settings, server_url: str) -> RedisLedger:
    """Return this process's ledger of a (normalised) server."""
    return open_ledger(settings, server_url)
