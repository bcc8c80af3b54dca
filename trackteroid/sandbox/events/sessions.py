"""Handshakes that wait for their websocket (specification 7.1)."""

from __future__ import annotations

from collections.abc import Callable

from trackteroid.sandbox.credentials import Caller

__all__ = ["Sessions"]


class Sessions:
    """Session ids and who they were given to. An id is good for one connection, for a while.

    Args:
        clock: Seconds, from anywhere.
        new_id: Makes session ids; nobody must be able to guess them.
        lifetime: Seconds for which an id can be used.
    """

    def __init__(self, *, clock: Callable[[], float], new_id: Callable[[], str], lifetime: float = 60.0) -> None:
        self._clock = clock
        self._new_id = new_id
        self._lifetime = lifetime
        self._waiting: dict[str, tuple[float, Caller]] = {}

    def open(self, caller: Caller) -> str:
        """A new session id for an authenticated user."""
        now = self._clock()
        # Oldest first: what is out of date is at the front.
        for identifier, (deadline, _) in list(self._waiting.items()):
            if deadline > now:
                break
            del self._waiting[identifier]
        identifier = self._new_id()
        self._waiting[identifier] = (now + self._lifetime, caller)
        return identifier

    def take(self, identifier: str) -> Caller | None:
        """Who the id was given to; None if it is unknown, used or out of date."""
        deadline, caller = self._waiting.pop(identifier, (0.0, None))
        return caller if caller is not None and deadline > self._clock() else None
