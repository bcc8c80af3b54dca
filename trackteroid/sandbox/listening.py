"""Listening on a port, and not listening for a while."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from types import FrameType

import uvicorn

from trackteroid.sandbox.errors import SandboxStartError

__all__ = ["Listener", "listening_socket"]

_BACKLOG = 128
# How long another thread waits for the server's own to do what it is told.
_PATIENCE = 10


def listening_socket(host: str, port: int) -> socket.socket:
    """A socket that takes connections, which wait until a server handles them; port 0 is any free one.

    Raises:
        SandboxStartError: The address can't be had.
    """
    bound = _bound(host, port)
    try:
        bound.listen(_BACKLOG)
    except OSError as error:
        bound.close()
        raise SandboxStartError(f"Cannot listen on {host}:{port}: {error}.") from error
    return bound


def _bound(host: str, port: int) -> socket.socket:
    """A socket with an address; connections to it are refused as long as nobody listens."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named protocol: asyncio turns Nagle's algorithm off only for sockets that say they are TCP, and with it every
    # answer on a kept connection waits 40 ms for an acknowledgement.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        # Unix only: Windows would let two servers share the port.
        if hasattr(socket, "AF_UNIX"):
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except (OSError, OverflowError) as error:
        bound.close()
        raise SandboxStartError(f"Cannot listen on {host}:{port}: {error}.") from error
    return bound


class Listener(uvicorn.Server):
    """A server that ends quietly on a signal, says when it listens, and can stay away for a while.

    Args:
        config: uvicorn's.
        listener: From `listening_socket`; closed in the end.

    Attributes:
        ready: Called once it serves.
        stopping: Called when it is told to stop, by the thread that tells it.
    """

    def __init__(self, config: uvicorn.Config, listener: socket.socket) -> None:
        super().__init__(config)
        self.ready: Callable[[], None] | None = None
        self.stopping: Callable[[], None] | None = None
        self._socket = listener
        self._address: tuple[str, int] = listener.getsockname()[:2]
        self._loop: asyncio.AbstractEventLoop | None = None
        self._coming_back: asyncio.Task[None] | None = None

    def serve_until_told(self) -> None:
        """Serve in this thread until told to stop."""
        try:
            self.run(sockets=[self._socket])
        finally:
            self._socket.close()

    def stop(self) -> None:
        """Stop soon. May be called by any thread."""
        self.should_exit = True
        if self.stopping is not None:
            self.stopping()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._loop is None and self.started:
            self._loop = asyncio.get_running_loop()
            if self.ready is not None:
                self.ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._coming_back is not None:
            self._coming_back.cancel()
        await super().shutdown(sockets)

    # Staying away

    def refuse(self, seconds: float) -> None:
        """Refuse connections from now on, for so many seconds; with 0, accept them again at once.

        Requests under way are answered, then their connections are closed. May be called by any thread but the server's
        own; it has taken effect when this returns.
        """
        if self._loop is not None and self._loop.is_running():
            asyncio.run_coroutine_threadsafe(self._refuse(seconds), self._loop).result(_PATIENCE)

    async def _refuse(self, seconds: float) -> None:
        if self._coming_back is not None:
            self._coming_back.cancel()
            self._coming_back = None
            if not seconds:
                await self._accept()
        if seconds:
            self._stop_accepting()
            self._coming_back = asyncio.get_running_loop().create_task(self._come_back(seconds))

    def _stop_accepting(self) -> None:
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        if self._socket.fileno() == -1:
            # Nobody else shall get the port meanwhile.
            self._socket = _bound(*self._address)

    async def _come_back(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self._coming_back = None
        await self._accept()

    async def _accept(self) -> None:
        self._socket.listen(_BACKLOG)
        await super().startup(sockets=[self._socket])

    # Signals

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # The base class raises the signal again afterwards, which would kill the process instead of ending it.
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        previous = {number: signal.signal(number, self._stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.stop()
