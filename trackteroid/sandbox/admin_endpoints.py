"""What only a sandbox has: faults, insight, snapshots and keys, under `/sandbox/`."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from trackteroid.sandbox.api import Api
from trackteroid.sandbox.credentials import KeyDescriptionError, list_keys, put_keys
from trackteroid.sandbox.faults import FaultError, FaultSet
from trackteroid.sandbox.request_log import RequestLog
from trackteroid.sandbox.responses import json_response
from trackteroid.sandbox.strict_json import NotJsonError, decoded

__all__ = ["AdminEndpoints"]


class AdminEndpoints:
    """Whoever reaches the server may use them: they are meant for the machine that runs it."""

    def __init__(self, api: Api, faults: FaultSet, requests: RequestLog) -> None:
        self._api = api
        self._faults = faults
        self._requests = requests

    def routes(self) -> list[Route]:
        return [
            Route("/sandbox/counters", self.counters),
            Route("/sandbox/faults", self.faults, methods=["GET", "POST", "DELETE"]),
            Route("/sandbox/keys", self.keys, methods=["GET", "POST"]),
            Route("/sandbox/requests", self.requests),
            Route("/sandbox/snapshot", self.snapshot, methods=["POST"]),
            Route("/sandbox/restore", self.restore, methods=["POST"]),
        ]

    async def faults(self, request: Request) -> Response:
        """`GET` lists the active faults, `POST` replaces them, `DELETE` ends them."""
        if request.method == "DELETE":
            await run_in_threadpool(self._faults.clear)
        elif request.method == "POST":
            try:
                # In another thread: a refusal has to be carried out by this one.
                await run_in_threadpool(self._faults.replace, decoded(await request.body()))
            except (FaultError, NotJsonError) as error:
                return _refused(error)
        return json_response(self._faults.active())

    async def keys(self, request: Request) -> Response:
        """`GET` lists the API keys, `POST` adds some or replaces what is known of them; see `credentials.put_keys`."""
        if request.method == "POST":
            try:
                put_keys(self._api.storage, decoded(await request.body()))
            except (KeyDescriptionError, NotJsonError) as error:
                return _refused(error)
        return json_response(list_keys(self._api.storage))

    async def requests(self, request: Request) -> Response:
        """The request log; `?clear=1` empties it."""
        return json_response(self._requests.take(clear=_is_set(request.query_params, "clear")))

    async def counters(self, request: Request) -> Response:
        """What was counted so far, see `RequestLog.counters`; `?clear=1` begins again at 0."""
        return json_response(self._requests.counters(clear=_is_set(request.query_params, "clear")))

    async def snapshot(self, request: Request) -> Response:
        """Keep the present state, under `?name=` if several are wanted."""
        self._api.storage.keep_copy(request.query_params.get("name", ""))
        return json_response({})

    async def restore(self, request: Request) -> Response:
        """Go back to a kept state."""
        if not self._api.storage.restore_copy(request.query_params.get("name", "")):
            return json_response({"error": "There is no snapshot of this name."}, 404)
        return json_response({})


def _refused(error: Exception) -> Response:
    problem = f"The body is no JSON: {error}" if isinstance(error, NotJsonError) else str(error)
    return json_response({"error": problem}, 400)


def _is_set(parameters: Mapping[str, str], name: str) -> bool:
    return parameters.get(name, "").lower() in ("1", "true", "yes")
