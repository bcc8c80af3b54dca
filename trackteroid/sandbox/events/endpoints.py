"""The event hub on the network: the handshake over HTTP, then one websocket per client (specification 7.1, 7.2).

Everything here runs on the server's event loop, except `EventEndpoints.announce`, which any thread may call.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.websockets import WebSocket, WebSocketDisconnect

from trackteroid.sandbox.api import Api
from trackteroid.sandbox.committed import Committed
from trackteroid.sandbox.credentials import authenticate
from trackteroid.sandbox.errors import ApiError
from trackteroid.sandbox.events import packets
from trackteroid.sandbox.events.hub import Hub, Routed
from trackteroid.sandbox.events.packets import PacketCode, PacketError
from trackteroid.sandbox.events.sessions import Sessions
from trackteroid.sandbox.events.updates import update_events

__all__ = ["EventEndpoints", "EventLimits"]

_LOG = logging.getLogger("trackteroid.sandbox")


@dataclass(frozen=True, slots=True, kw_only=True)
class EventLimits:
    """How patient the hub is.

    Attributes:
        heartbeat_seconds: Between two heartbeats. The JavaScript client gives up after 15 s without one (trap 15).
        silence_seconds: After which a client that says nothing, not even to a heartbeat, is taken for dead.
        queued_packets: Packets that wait for one slow client; one more closes its connection.
    """

    heartbeat_seconds: float = 5.0
    silence_seconds: float = 60.0
    queued_packets: int = 1000


class EventEndpoints:
    """The two routes of the event hub.

    Args:
        api: The core, for credentials and data. Its `on_commit` should be `announce`.
        limits: How patient the hub is; may be replaced while nobody is connected.
    """

    def __init__(self, api: Api, limits: EventLimits | None = None) -> None:
        self.limits = limits or EventLimits()
        self._api = api
        self._id = str(uuid.uuid4())
        self._hub = Hub(new_id=_new_id)
        self._sessions = Sessions(clock=time.monotonic, new_id=_new_id)
        self._connections: dict[str, _Connection] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    async def handshake(self, request: Request) -> Response:
        """`GET /socket.io/1/`: credentials, by header (Python) or query (JavaScript), for a session id."""
        username = request.headers.get("ftrack-user") or request.query_params.get("api_user")
        api_key = request.headers.get("ftrack-api-key") or request.query_params.get("api_key")
        try:
            with self._api.storage.lock:
                caller = authenticate(self._api.storage, username, api_key)
        except ApiError as error:
            return PlainTextResponse(error.content, 401)
        silence = max(1, round(self.limits.silence_seconds))
        return PlainTextResponse(f"{self._sessions.open(caller)}:{silence}:{silence}:websocket")

    async def websocket(self, socket: WebSocket) -> None:
        """`/socket.io/1/websocket/{session_id}`: the connection, until it ends."""
        name: str = socket.path_params["session_id"]
        caller = self._sessions.take(name)
        if caller is None:
            # Refused before it is open: the client learns at once that it has to shake hands again.
            await socket.close()
            return
        await socket.accept()
        self._loop = asyncio.get_running_loop()
        connection = _Connection(socket, self.limits)
        self._connections[name] = connection
        self._hub.connect(name, caller)
        connection.send(packets.CONNECTED)
        tasks = [asyncio.create_task(connection.write()), asyncio.create_task(connection.keep_alive())]
        try:
            await self._listen(name, connection)
        finally:
            self._drop(name)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _listen(self, name: str, connection: _Connection) -> None:
        while (text := await connection.receive()) is not None:
            try:
                packet = packets.decode(text)
            except PacketError as error:
                _LOG.debug("Ignored a packet: %s", error)
                continue
            if packet.code is PacketCode.DISCONNECT:
                return
            if packet.code is PacketCode.EVENT:
                try:
                    routed = self._hub.publish(name, packets.event_of(packet))
                except PacketError as error:
                    routed = Routed(str(error))
                if packet.identifier:
                    connection.send(packets.acknowledgement(packet.identifier, routed.problem))
                self._deliver(routed)
            # A burst is read without a pause: the others must be able to send what they have got meanwhile.
            await asyncio.sleep(0)

    def announce(self, committed: Committed) -> None:
        """Tell whom it concerns what a request changed. Costs nothing while nobody listens. Called by any thread.

        Must be called under the storage's lock: it reads what the request left behind, and events keep the order of the
        commits.
        """
        watchers = self._hub.watchers
        if not watchers or self._loop is None:
            return
        try:
            events = list(update_events(self._api.storage, committed, watchers, event_id=_new_id(), server_id=self._id))
        except Exception:
            # The request has been committed: its answer must not become an error by what we do afterwards.
            _LOG.exception("An update event could not be made")
            return
        for event, users in events:
            # The loop may end at any time, and whoever listened with it.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._publish, event, users)

    def _publish(self, event: Mapping[str, object], users: frozenset[str]) -> None:
        self._deliver(self._hub.route(event, users))

    def _deliver(self, routed: Routed) -> None:
        if not routed.recipients:
            return
        # One text for all: what waits in many queues is in memory once.
        text = packets.event_packet(routed.event)
        for name in routed.recipients:
            if not self._connections[name].send(text):
                self._drop(name)

    def _drop(self, name: str) -> None:
        self._hub.disconnect(name)
        self._connections.pop(name, None)


class _Connection:
    """One websocket with the packets that wait for it."""

    def __init__(self, socket: WebSocket, limits: EventLimits) -> None:
        self._socket = socket
        self._limits = limits
        self._waiting: asyncio.Queue[str] = asyncio.Queue(limits.queued_packets)
        self._heard = time.monotonic()

    def send(self, text: str) -> bool:
        """Queue a packet. Returns False if the client was too slow to take the earlier ones: it is cut off."""
        try:
            self._waiting.put_nowait(text)
        except asyncio.QueueFull:
            _LOG.warning("An event client does not read its %d events: closed", self._limits.queued_packets)
            self._abort()
            return False
        return True

    async def receive(self) -> str | None:
        """The next packet's text; None at the end of the connection."""
        while True:
            message = await self._socket.receive()
            self._heard = time.monotonic()
            if message["type"] == "websocket.disconnect":
                return None
            if message.get("text") is not None:
                return str(message["text"])

    async def write(self) -> None:
        """Send what is queued, for as long as there is a connection."""
        with contextlib.suppress(WebSocketDisconnect, OSError):
            while True:
                await self._socket.send_text(await self._waiting.get())

    async def keep_alive(self) -> None:
        """Send heartbeats; cut the client off when it answers none."""
        while True:
            await asyncio.sleep(self._limits.heartbeat_seconds)
            if time.monotonic() - self._heard > self._limits.silence_seconds:
                self._abort()
                return
            if not self.send(packets.HEARTBEAT):
                return

    def _abort(self) -> None:
        # A polite close would wait behind what the client does not read.
        transport: asyncio.Transport = self._socket.scope["state"]["transport"]
        transport.abort()


def _new_id() -> str:
    return uuid.uuid4().hex
