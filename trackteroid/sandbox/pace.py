"""A server that takes its time: what the client's own tests need is slower than the loopback interface."""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["Pace"]


class Pace:
    """Waits before requests are handled.

    Args:
        app: Handles them.
        api_seconds: Least time that `POST /api` takes.
        file_seconds: Least time that the file endpoints take.
    """

    def __init__(self, app: ASGIApp, *, api_seconds: float, file_seconds: float) -> None:
        self._app = app
        self._api_seconds = api_seconds
        self._file_seconds = file_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        seconds = self._seconds(scope["path"]) if scope["type"] == "http" else 0.0
        if seconds:
            await asyncio.sleep(seconds)
        await self._app(scope, receive, send)

    def _seconds(self, path: str) -> float:
        if path == "/api":
            return self._api_seconds
        return self._file_seconds if path.startswith(("/component/", "/upload/")) else 0.0
