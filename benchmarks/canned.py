"""A server whose time does not count: it answers prepared bytes, and says how long that took."""

from __future__ import annotations

import contextlib
import datetime
import io
import time
from collections.abc import Callable, Iterator
from typing import Any

import requests
import urllib3

__all__ = ["CannedServer", "canned_server"]


class CannedServer:
    """Answers what the real server said the first time.

    Attributes:
        spent: Seconds of the processor that answering took so far, also those of a real server in this process; to be
            subtracted from what is measured.
    """

    def __init__(self, forward: Callable[..., requests.Response]) -> None:
        self._forward = forward
        self._answers: dict[Any, bytes] = {}
        self.spent = 0.0

    def send(
        self, connection: requests.Session, request: requests.PreparedRequest, **options: Any
    ) -> requests.Response:
        started = time.process_time()
        try:
            asked = request.method, request.url, request.body
            if asked not in self._answers:
                real = self._forward(connection, request, **{**options, "stream": False})
                self._answers[asked] = real.content
            response = requests.Response()
            response.status_code = 200
            response.encoding = "utf-8"
            response.elapsed = datetime.timedelta(0)
            response.request = request
            response.raw = urllib3.HTTPResponse(io.BytesIO(self._answers[asked]), preload_content=False)
            return response
        finally:
            self.spent += time.process_time() - started


@contextlib.contextmanager
def canned_server() -> Iterator[CannedServer]:
    """Let every session of this process speak to a `CannedServer` inside a `with` block.

    Whoever sends: the client's `Session.call`, and ours, which does not take its way for what it exchanges.
    """
    original = requests.Session.send
    server = CannedServer(original)
    requests.Session.send = lambda connection, request, **rest: server.send(connection, request, **rest)  # type: ignore[method-assign]
    try:
        yield server
    finally:
        requests.Session.send = original  # type: ignore[method-assign]
