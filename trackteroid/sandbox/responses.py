"""Answers that an ordinary HTTP framework has no word for: strict JSON, none at all, and one that trickles."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from trackteroid.sandbox.strict_json import encoded

__all__ = ["HangingUp", "NoAnswer", "Trickle", "json_response"]


def json_response(value: Any, status: int = 200) -> Response:
    """An answer with a value as its body."""
    return Response(encoded(value), status, media_type="application/json")


class HangingUp(H11Protocol):
    """The HTTP protocol, with the connection within reach of the application: `scope["state"]["transport"]`."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


class NoAnswer(Response):
    """Closes the connection where an answer is expected."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        transport: asyncio.Transport = scope["state"]["transport"]
        transport.abort()
        # The server would answer 500 for an application that says nothing, until it knows that nobody listens any more.
        while (await receive())["type"] != "http.disconnect":
            continue


class Trickle(Response):
    """Sends its body in drops over some seconds."""

    _DROPS = 20

    def __init__(self, content: bytes, *, seconds: float, **arguments: Any) -> None:
        super().__init__(content, **arguments)
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        body = bytes(self.body)
        size = max(1, -(-len(body) // self._DROPS))
        for start in range(0, len(body), size):
            await asyncio.sleep(self._seconds / self._DROPS)
            await send({"type": "http.response.body", "body": body[start : start + size], "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
