"""What committing needs of an ftrack server, and keeping one connection warm."""

from __future__ import annotations

import logging
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, cast, runtime_checkable

from trackteroid.commits.schemas import Schemas

__all__ = ["Caching", "Server", "WarmServer", "caching_of"]

logger = logging.getLogger(__name__)


class Server(Protocol):
    """`trackteroid.session.Session` is one."""

    @property
    def server_url(self) -> str:
        """As it was configured."""

    @property
    def schemas(self) -> Sequence[Mapping[str, Any]]:
        """The live schemas, as `query_schemas` returns them."""

    def exchange(self, batch: Sequence[Any], *, timeout: float | None = None, as_user: str | None = None) -> list[Any]:
        """Send a batch of plain JSON operations; return the results. Raises `ServerCallError`.

        `as_user`: in the name of another user than the connection's own, which takes a global API key.
        """


@runtime_checkable
class Caching(Protocol):
    """A server of whose answers copies are kept somewhere; `trackteroid.session.Session` is one."""

    def invalidate(self, batch: Sequence[Any]) -> None:
        """Make copies unreachable that a batch may have changed which somebody sent before."""

    def announcing(self, batch: Sequence[Any]) -> AbstractContextManager[None]:
        """Copies are being made unreachable while something else is done, until `exchange` sends that very batch in the block.

        If it does not, nothing was sent.
        """

    def writing_as(self, writer: str) -> AbstractContextManager[None]:
        """What is written in the block is of one writer: it ends what an attempt before it announced and did not end."""


def caching_of(server: Server) -> Caching | None:
    """Return a server of whose answers copies are kept, None if it is another one."""
    # Asking whether an object follows a protocol takes as long as reading a small recording.
    kind = type(server)
    known = _CACHING.get(kind)
    if known is None:
        known = _CACHING[kind] = isinstance(server, Caching)
    return cast(Caching, server) if known else None


# By class; a worker has one.
_CACHING: weakref.WeakKeyDictionary[type, bool] = weakref.WeakKeyDictionary()


class WarmServer:
    """One connection, made when it is first needed, kept, and made anew after trouble.

    Scope: one process after its fork; a connection must not be shared with a parent. Connecting when the process starts would
    get a worker's child killed whenever ftrack is slow.

    Args:
        open_server: Makes a connection.
        close_server: Closes one; its failures are logged.
        monotonic: Clock.
    """

    def __init__(
        self,
        open_server: Callable[[], Server],
        close_server: Callable[[Any], object] | None = None,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._open = open_server
        self._close = close_server
        self._monotonic = monotonic
        self._opened_at = 0.0
        self._server: Server | None = None
        self._schemas: tuple[Sequence[Mapping[str, Any]], Schemas] | None = None

    def get(self) -> Server:
        """Return the connection; whatever making it raises is raised."""
        if self._server is None:
            self._server = self._open()
            self._opened_at = self._monotonic()
        return self._server

    def schemas(self) -> Schemas:
        """Return the live schemas of the connection; whatever connecting raises is raised."""
        listed = self.get().schemas
        known = self._schemas
        if known is None or known[0] is not listed:
            # To go through them takes as long as to read a small recording.
            known = self._schemas = (listed, Schemas(listed))
        return known[1]

    def was_opened_before(self, moment: float) -> bool:
        """Whether there is a connection that was made before a moment of the clock."""
        return self._server is not None and self._opened_at < moment

    def discard(self) -> None:
        """Close the connection; the next `get` makes another."""
        server, self._server = self._server, None
        if server is not None and self._close is not None:
            try:
                self._close(server)
            except Exception:
                logger.warning("Closing the connection to ftrack failed.", exc_info=True)
