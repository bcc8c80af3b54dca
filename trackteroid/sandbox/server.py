"""A sandbox that listens: in this process (`SandboxServer`) or as a process of its own (`serve`)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import uvicorn

from trackteroid.sandbox.api import Api
from trackteroid.sandbox.errors import SandboxStartError
from trackteroid.sandbox.events.endpoints import EventEndpoints
from trackteroid.sandbox.faults import FaultSet
from trackteroid.sandbox.http_app import make_app
from trackteroid.sandbox.listening import Listener, listening_socket
from trackteroid.sandbox.pace import Pace
from trackteroid.sandbox.parser import parse
from trackteroid.sandbox.request_log import RequestLog
from trackteroid.sandbox.responses import HangingUp
from trackteroid.sandbox.schema import Schema
from trackteroid.sandbox.schema_import import import_schema, read_schema
from trackteroid.sandbox.schema_text import load_schema
from trackteroid.sandbox.seeds import API_KEY, SeedCache, plant, seed_called
from trackteroid.sandbox.storage import Storage
from trackteroid.sandbox.values import stored_time

__all__ = ["SandboxServer"]

# Clients keep connections open between requests; closing one just as it is used again looks like a failure of ours.
_KEEP_ALIVE_SECONDS = 3600


class SandboxServer:
    """A local ftrack server.

    As a context manager it serves from a thread of this process:

        with SandboxServer(seed="demo") as server:
            session = ftrack_api.Session(server.url, server.env["FTRACK_API_KEY"], server.env["FTRACK_API_USER"])

    Args:
        seed: Name of the data to start with: `demo`, `empty`, `client-test` or `farm`, whose size can be chosen as
            in `farm:shots=100`.
        host: Address to listen on.
        port: Port to listen on, 0 for any free one.
        data: File to keep the data in; what it holds already wins over the seed. In memory if not given.
        schema: Schema list that was exported from a real server, to be served instead of ours: the file, or what is in it.
        cache: Where seeds are kept that take long to make; the user's cache folder if not given.
        clock: Seconds since 1970.

    Attributes:
        url: Address for `FTRACK_SERVER`.
        env: The three environment variables of the official clients.
        faults: What goes wrong on purpose; see `FaultSet.replace`.
        requests: The last requests, oldest first.
        api: The core, for tests that need no HTTP.
        events: The event hub.

    Raises:
        SandboxStartError: Unknown seed, port in use, or a file that can't be used.
    """

    def __init__(
        self,
        *,
        seed: str = "demo",
        host: str = "127.0.0.1",
        port: int = 0,
        data: Path | None = None,
        schema: Path | list[dict[str, Any]] | None = None,
        cache: SeedCache | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.faults = FaultSet()
        self.requests = RequestLog()
        listener = listening_socket(host, port)
        storage: Storage | None = None
        try:
            storage = Storage(_schema(schema), data, now=lambda: stored_time(clock()))
            if storage.is_new or storage.recall("seed") is None:
                plant(storage, seed, cache=SeedCache.of_user() if cache is None else cache)
            # A data file keeps its seed, whatever is asked for now.
            planted = seed_called(storage.recall("seed") or seed)
        except BaseException:
            listener.close()
            if storage is not None:
                storage.close()
            raise
        shown = f"[{host}]" if ":" in host else host
        self.url = f"http://{shown}:{listener.getsockname()[1]}"
        self.env = {"FTRACK_SERVER": self.url, "FTRACK_API_USER": planted.api_user, "FTRACK_API_KEY": API_KEY}
        self.api = Api(storage, clock=clock, url=self.url)
        self.events = EventEndpoints(self.api)
        self.api.on_commit = self.events.announce
        # The first query would pay for reading the grammar.
        parse("Task")
        self._server = Listener(
            uvicorn.Config(
                Pace(
                    make_app(self.api, self.faults, self.requests, self.events),
                    api_seconds=planted.api_seconds,
                    file_seconds=planted.file_seconds,
                ),
                http=HangingUp,
                ws="auto",
                # The event hub has heartbeats of its own.
                ws_ping_interval=None,
                ws_per_message_deflate=False,
                lifespan="off",
                loop="asyncio",
                log_config=None,
                log_level="warning",
                access_log=False,
                timeout_keep_alive=_KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=1,
            ),
            listener,
        )
        self._server.stopping = storage.hurry
        self.faults.on_refuse = self._server.refuse
        self._thread: threading.Thread | None = None

    def serve(self, ready: Callable[[], None]) -> None:
        """Serve in this thread, the main one, until SIGTERM or SIGINT; `ready` is called once it listens."""
        self._server.ready = ready
        try:
            self._server.serve_until_told()
        finally:
            self.api.storage.close()

    def __enter__(self) -> SandboxServer:
        started = threading.Event()
        self._server.ready = started.set
        self._thread = threading.Thread(target=self._server.serve_until_told, name="trackteroid-sandbox", daemon=True)
        self._thread.start()
        if not started.wait(10):
            raise SandboxStartError("The sandbox did not start within 10 seconds.")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.stop()
        if self._thread is not None:
            self._thread.join(10)
        self.api.storage.close()


def _schema(given: Path | list[dict[str, Any]] | None) -> Schema:
    if given is None:
        return load_schema()
    return read_schema(given) if isinstance(given, Path) else import_schema(given)
