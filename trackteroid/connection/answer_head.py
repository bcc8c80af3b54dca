"""The head of an answer, which has to be there as a whole within the time that its connection waits for a part of it.

Without this each part has that time for itself: a head that comes byte by byte takes as long as it likes.
"""

from __future__ import annotations

import functools
import http.client
import socket
import time
import weakref
from typing import Any

__all__ = ["limit_heads"]


def limit_heads(pool: Any) -> None:
    """See to it that heads of answers on a pool's connections, those that it has already too, are there in time.

    Args:
        pool: Of urllib3. Where it gives connections in a way that we do not know, it is left alone.
    """
    if hasattr(pool, "_get_conn") and "_get_conn" not in vars(pool):
        # By a weak reference: a session's pools are gone when the session is.
        pool._get_conn = functools.partial(_connection, weakref.ref(pool))


def _connection(known: weakref.ref[Any], *arguments: Any, **options: Any) -> Any:
    pool: Any = known()
    connection = type(pool)._get_conn(pool, *arguments, **options)
    # What somebody has put in its place stays there.
    if getattr(connection, "response_class", None) is http.client.HTTPResponse:
        connection.response_class = _Answer
    return connection


class _Answer(http.client.HTTPResponse):
    def begin(self) -> None:
        raw: Any = getattr(self.fp, "raw", None)
        sock: Any = getattr(raw, "_sock", None)
        seconds = getattr(sock, "gettimeout", lambda: None)()
        kind = type(raw)
        if kind is not socket.SocketIO or seconds is None:
            super().begin()
            return
        # Of another class for a while: to read by way of another object takes a twentieth of a small exchange.
        raw.__class__ = _Limited
        raw.deadline, raw.parts = time.monotonic() + seconds, 0
        super().begin()
        raw.__class__ = kind
        if raw.parts > 1:
            # From now on each part has its own time again.
            sock.settimeout(seconds)


class _Limited(socket.SocketIO):
    """What arrives on a socket before `deadline` (monotonic)."""

    deadline: float
    parts: int

    def readinto(self, buffer: Any) -> int | None:
        self.parts += 1
        # The first part has all of the time anyway, and mostly is the whole head.
        if self.parts > 1:
            left = self.deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("timed out")
            self._sock.settimeout(left)  # type: ignore[attr-defined]
        return super().readinto(buffer)
