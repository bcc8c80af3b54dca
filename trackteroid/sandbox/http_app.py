"""Which path leads where. Only moves bytes: everything is decided elsewhere."""

from __future__ import annotations

from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute

from trackteroid.sandbox.admin_endpoints import AdminEndpoints
from trackteroid.sandbox.api import Api
from trackteroid.sandbox.api_endpoint import ApiEndpoint
from trackteroid.sandbox.events.endpoints import EventEndpoints
from trackteroid.sandbox.faults import FaultSet
from trackteroid.sandbox.file_endpoints import FileEndpoints
from trackteroid.sandbox.request_log import RequestLog

__all__ = ["make_app"]


def make_app(api: Api, faults: FaultSet, requests: RequestLog, events: EventEndpoints) -> Starlette:
    """The ASGI application of a sandbox."""
    files, admin = FileEndpoints(api), AdminEndpoints(api, faults, requests)
    return Starlette(
        routes=[
            Route("/api", ApiEndpoint(api, faults, requests).__call__, methods=["POST"]),
            Route("/component/get", files.download),
            Route("/component/thumbnail", files.thumbnail),
            Route("/component/remove", files.remove),
            Route("/upload/{token}", files.upload, methods=["PUT"]),
            Route("/download/{token}", files.signed_download),
            Route("/img/thumbnail2.png", files.placeholder),
            Route("/widget/{name}", files.widget),
            Route("/socket.io/1/", events.handshake),
            WebSocketRoute("/socket.io/1/websocket/{session_id}", events.websocket),
            *admin.routes(),
        ],
        exception_handlers={404: _not_found, 405: _not_allowed, 500: _failed, ClientDisconnect: _hung_up},
        middleware=[
            # Browsers: the JavaScript client sends credentials, which forbids a plain "*" (specification 1.8).
            Middleware(
                CORSMiddleware,
                allow_origin_regex=".*",
                allow_credentials=True,
                allow_methods=["GET", "POST", "PUT", "OPTIONS"],
                allow_headers=["*"],
                expose_headers=["ETag"],
            )
        ],
    )


def _object(exception: str, content: str) -> dict[str, Any]:
    return {"exception": exception, "content": content, "error_code": None}


def _for_api(request: Request, status: int, text: str) -> Response:
    # Nothing but JSON on /api, whatever happens (trap 1).
    if request.url.path.rstrip("/") == "/api":
        return JSONResponse(_object("MalformedRequestError", text), status)
    return PlainTextResponse(text, status)


async def _not_found(request: Request, error: Exception) -> Response:
    return _for_api(request, 404, f"There is nothing at {request.url.path}.")


async def _not_allowed(request: Request, error: Exception) -> Response:
    return _for_api(request, 405, f"{request.method} is not possible at {request.url.path}.")


async def _hung_up(request: Request, error: Exception) -> Response:
    # In the middle of its own request: nobody reads this, and it is no failure of ours that should be logged.
    return _for_api(request, 400, "The request was not sent to its end.")


async def _failed(request: Request, error: Exception) -> Response:
    return _for_api(request, 500, "The sandbox failed.")
