"""Invalidations of the query cache that could not be told, kept in the ledger until some worker can.

Scope: everybody who shares the ledger. A debt is a raise of the whole server: whoever pays it need not know what was committed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from trackteroid.commits.redis_client import ledger_errors
from trackteroid.commits.redis_ledger import RedisLedger

__all__ = ["CacheDebts"]

# Only if nobody has got into debt since it was looked at.
_SETTLE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"


# Begins with a write that takes nothing, as those do that Redis carries out when it is full (see `lua/common`).
_OWE = "redis.call('HDEL', KEYS[1] .. ':', ''); return redis.call('INCR', KEYS[1])"


class CacheDebts:
    """The debts of one ledger's server.

    Args:
        ledger: Where they are kept.
        address: The Redis URL for messages.
    """

    def __init__(self, ledger: RedisLedger, address: str = "(unknown)") -> None:
        self._client = ledger.client
        self._address = address
        self._key = f"{ledger.prefix}cache_debt"
        self._settle = self._client.register_script(_SETTLE)
        self._owe = self._client.register_script(_OWE)

    def owe(self) -> None:
        """Note that the cache has to be told.

        Raises:
            LedgerUnavailableError: It could not be noted: what owes it must not be reported as done.
        """
        with ledger_errors(self._address):
            self._owe(keys=[self._key])

    def pay(self, raise_server: Callable[[], object]) -> bool:
        """Call `raise_server` if something is owed; return whether it was.

        A debt that is made meanwhile stays; two who pay at once do no harm.

        Args:
            raise_server: Makes every cached answer of the server unreachable. What it raises is raised, and the debt stays.

        Raises:
            LedgerUnavailableError: The ledger cannot be reached.
        """
        with ledger_errors(self._address):
            owed = cast("bytes | None", self._client.get(self._key))
        if owed is None:
            return False
        raise_server()
        with ledger_errors(self._address):
            self._settle(keys=[self._key], args=[owed])
        return True
