"""`POST /api`: bytes in, bytes out, and always JSON (trap 1), unless a fault was ordered."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from trackteroid.sandbox.api import Api
from trackteroid.sandbox.errors import ApiError, InvalidCredentialsError, MalformedRequestError
from trackteroid.sandbox.faults import Decision, FaultSet
from trackteroid.sandbox.request_log import RequestLog
from trackteroid.sandbox.responses import NoAnswer, Trickle, json_response
from trackteroid.sandbox.strict_json import NotJsonError, decoded, encoded

__all__ = ["ApiEndpoint"]

_LOG = logging.getLogger("trackteroid.sandbox")
_HOST = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_MAINTENANCE = b"<!DOCTYPE html><html><head><title>Maintenance</title></head><body>We will be back soon.</body></html>"


class ApiEndpoint:
    """Answers batches over HTTP and keeps the request log.

    Args:
        api: The protocol's core.
        faults: What goes wrong on purpose.
        requests: Where requests are noted.
    """

    def __init__(self, api: Api, faults: FaultSet, requests: RequestLog) -> None:
        self._api = api
        self._faults = faults
        self._requests = requests

    async def __call__(self, request: Request) -> Response:
        body = await request.body()
        started, moment = time.perf_counter(), time.time()
        user = request.headers.get("ftrack-user")
        try:
            payload: Any = decoded(body)
            mistake: ApiError | None = None
        except NotJsonError as error:
            payload, mistake = None, MalformedRequestError(f"The body is no JSON: {error}")
        actions, expressions = _summary(payload)
        decision = self._faults.decide(actions, user)
        if decision.seconds:
            await asyncio.sleep(decision.seconds)
        response = self._answer(request, payload, mistake, decision)
        self._requests.add(
            {
                "time": moment,
                "user": user,
                "actions": actions,
                "expressions": expressions,
                "milliseconds": round((time.perf_counter() - started) * 1000, 3),
                "status": None if isinstance(response, NoAnswer) else response.status_code,
                "fault": decision.names[-1] if decision.names else None,
            }
        )
        return response

    def _answer(self, request: Request, payload: Any, mistake: ApiError | None, decision: Decision) -> Response:
        if decision.kind == "reset":
            return NoAnswer()
        if decision.kind == "maintenance":
            return Response(_MAINTENANCE, decision.status, media_type="text/html")
        if decision.kind == "error":
            if decision.body is not None:
                return json_response(decision.body, decision.status)
            ordered = ApiError(f"Fault on order: status {decision.status}.")
            return json_response(ordered.as_object(), decision.status)
        if decision.kind == "reject_credentials":
            mistake = InvalidCredentialsError("The supplied API key or user name is not valid.")
        status, result = self._result(request, payload, mistake, decision)
        if decision.kind == "drop_reply":
            return NoAnswer()
        if decision.kind == "trickle":
            return Trickle(
                encoded(result), seconds=decision.trickle_seconds, status_code=status, media_type="application/json"
            )
        return json_response(result, status)

    def _result(self, request: Request, payload: Any, mistake: ApiError | None, decision: Decision) -> tuple[int, Any]:
        """HTTP status and body; errors become error objects, whatever they are."""
        headers = request.headers
        strict = headers.get("ftrack-strict-api", "").strip().lower() == "true"
        try:
            if mistake is not None:
                raise mistake
            sent: dict[str, Any] = {
                "username": headers.get("ftrack-user"),
                "api_key": headers.get("ftrack-api-key"),
                "client_token": _token(headers.get("ftrack-clienttoken")),
                "push_token": _token(headers.get("ftrack-pushtoken")),
                "denormalized": "denormalize" in _options(headers.get("ftrack-api-options", "")),
                "racy_seconds": decision.racy_seconds,
                "url": _address(request),
            }
            if decision.kind == "half_batch" and isinstance(payload, (dict, list)):
                operations = [payload] if isinstance(payload, dict) else payload
                self._api.handle(operations[: len(operations) // 2], **sent)
                raise ApiError("Fault on order: the batch was applied only in part.", status=500)
            return 200, self._api.handle(payload, **sent)
        except ApiError as error:
            return (error.status if strict else 200), error.as_object()
        except Exception as error:
            # A mistake of ours: it must not reach the client as anything but JSON, and must not go unseen either.
            _LOG.exception("A request failed unexpectedly")
            fallback = ApiError(f"{type(error).__name__}: {error}", exception="InternalError", status=500)
            return (fallback.status if strict else 200), fallback.as_object()


def _address(request: Request) -> str | None:
    """How the client reached this server: who listens on all interfaces, or behind a forwarded port, can't know it."""
    host = request.headers.get("host", "")
    return f"{request.url.scheme}://{host}" if _HOST.fullmatch(host) else None


def _token(text: str | None) -> str | None:
    # The JavaScript client sends the word where it has no token (specification 1.2).
    return None if text in (None, "", "undefined") else text


def _options(text: str) -> set[str]:
    """The flags of `ftrack-api-options` that are set; both `k=v` and `k:v` occur (specification 1.2)."""
    pairs = (part.replace(":", "=").partition("=") for part in text.split(";"))
    return {name.strip() for name, _, value in pairs if value.strip().lower() in ("1", "true")}


def _summary(payload: Any) -> tuple[list[str], list[str]]:
    """The actions of a batch in order, and the texts of its queries."""
    operations = payload if isinstance(payload, list) else [payload]
    known = [operation for operation in operations if isinstance(operation, dict)]
    actions = [str(operation["action"]) for operation in known if "action" in operation]
    return actions, [str(operation["expression"]) for operation in known if "expression" in operation]
