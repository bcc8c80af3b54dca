"""One batch to the server and its results back, as plain JSON values.

The client's own `call` loses the status code, cannot tell "never left" from "no answer" and lets JSON errors escape
(spec: ftrack-server 1.4). Who commits needs exactly these facts, so failures come as `ServerCallError` with all of them.
"""

from __future__ import annotations

import datetime
import email.utils
import functools
import math
import re
import ssl
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any

import requests
import urllib3.exceptions

from trackteroid import fast_json
from trackteroid.connection.letterhead import Answer, letterhead_of
from trackteroid.errors import ServerCallError

__all__ = ["exchange", "no_answer", "retry_after_seconds"]

# How much of an answer that is no JSON goes into an error message.
_EXCERPT = 200

_SMALL_CHUNK = 1024

# What urllib3 begins its texts with, and which says less than the URL does.
_CONNECTION = re.compile(r"^<?(?:[\w.]+\.)?HTTPS?Connection(?:Pool)?\b.*?: ")

# A server that takes longer to accept a connection is as good as away.
_CONNECT_SECONDS = 10.0


def exchange(
    request: requests.Session,
    server_url: str,
    batch: Sequence[Any],
    *,
    timeout: float,
    as_user: str | None = None,
    monotonic: Callable[[], float] = time.monotonic,
) -> list[Any]:
    """Send `batch` to the server's API and return its list of results.

    Args:
        request: The HTTP session, with credentials.
        server_url: URL of the server without a trailing slash.
        batch: JSON-able operations, as ftrack's protocol defines them.
        timeout: Seconds until the whole exchange must be over (an answer that trickles in is cut off too; only of its head
            each part has that time for itself); nothing is sent if there is none.
        as_user: In the name of another user than the HTTP session's, with its key.
        monotonic: Clock for `timeout`.

    Raises:
        ServerCallError: There is no usable result; `maybe_applied` says whether the server may have acted.
    """
    if timeout <= 0:
        raise ServerCallError(f"No time was left to ask {server_url}.", kind="timeout", maybe_applied=False)
    deadline = monotonic() + timeout
    url = f"{server_url}/api"
    body = fast_json.dumps(batch)
    # Connecting and waiting for the answer's head have time-outs of their own; together they must not exceed ours.
    connecting = min(timeout / 4, _CONNECT_SECONDS)
    try:
        auth = request.auth if as_user is None else _OtherUser(request.auth, as_user)
        letterhead = letterhead_of(request, url, monotonic())
        answer = letterhead.post(request, body, auth, connect=connecting, read=timeout - connecting)
        with closing(answer):
            content = _read(answer.raw, deadline, monotonic)
    except requests.exceptions.Timeout as error:
        raise ServerCallError(
            f"No answer from {server_url} within {round(timeout, 2):g} s.",
            kind="timeout",
            maybe_applied=not _never_left(error, request),
        ) from error
    except requests.exceptions.RequestException as error:
        raise ServerCallError(
            f"No answer from {server_url}: {_reason(error)}.",
            kind="connection",
            maybe_applied=not _never_left(error, request),
        ) from error
    except ValueError as error:
        # Credentials that HTTP cannot carry: nothing has left. Or an answer that sends us to what is no URL.
        raise ServerCallError(
            f"No answer from {server_url}: {error}.",
            kind="connection",
            maybe_applied=not isinstance(error, UnicodeEncodeError),
        ) from error
    return _results(answer, content, server_url, len(batch))


class _OtherUser(requests.auth.AuthBase):
    """The credentials of a client's session, but for the user's name."""

    def __init__(self, own: Any, user: str) -> None:
        self._own = own
        self._user = user

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        own: requests.PreparedRequest = self._own(request)
        try:
            self._user.encode("latin-1")
            own.headers["ftrack-user"] = self._user
        except UnicodeEncodeError:
            # What HTTP's own encoding lacks would not leave otherwise.
            own.headers["ftrack-user"] = self._user.encode()  # type: ignore[assignment]
        return own


def _read(raw: Any, deadline: float, monotonic: Callable[[], float]) -> bytes:
    # As much as has arrived, not a whole chunk: bytes that trickle in must not keep us here. (urllib3 has it from 2.1 on;
    # before, a small chunk has to do.)
    read = getattr(raw, "read1", None) or functools.partial(raw.read, _SMALL_CHUNK)
    chunks: list[bytes] = []
    while True:
        left = deadline - monotonic()
        if left <= 0:
            raise requests.exceptions.ReadTimeout("the answer did not arrive in time")
        # The time-out of the request counts for each wait by itself; what is left is less.
        connection = getattr(getattr(raw, "connection", None), "sock", None)
        if connection is not None:
            connection.settimeout(left)
        try:
            chunk = read(decode_content=True)
        except urllib3.exceptions.ReadTimeoutError as error:
            raise requests.exceptions.ReadTimeout(error) from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise requests.exceptions.ConnectionError(error) from error
        if not chunk:
            return b"".join(chunks)
        chunks.append(chunk)


def _results(head: Answer, content: bytes, server_url: str, count: int) -> list[Any]:
    status = head.status
    retry_after = retry_after_seconds(head.headers.get("Retry-After"), time.time())
    try:
        answer = fast_json.loads(content)
    except (ValueError, RecursionError):
        excerpt = content[:_EXCERPT].decode("utf-8", "replace").strip()
        raise ServerCallError(
            f"{server_url} answered with status {status} and no JSON: {excerpt!r}.",
            kind="not_json",
            status=status,
            content=excerpt,
            retry_after=retry_after,
            # A proxy that answers for a server it has lost says 5xx although the server may have acted; with any
            # other page nobody has looked at the batch, but we cannot know that.
            maybe_applied=True,
        ) from None
    if isinstance(answer, dict) and "exception" in answer:
        exception, text = str(answer["exception"]), str(answer.get("content"))
        code = answer.get("error_code")
        raise ServerCallError(
            f"Server reported error: {exception}({text})",
            kind="error_object",
            status=status,
            exception=exception,
            content=text,
            error_code=None if code is None else str(code),
            retry_after=retry_after,
            # An error object means the transaction was rolled back (spec: ftrack-server 2.8), except where a gateway
            # or a half-way server speaks: statuses from 500 on leave it open.
            maybe_applied=status >= 500 or not head.is_of_post,
        )
    # One result per operation (spec: ftrack-server 1.3): with another number of them nobody knows what was done.
    if status >= 400 or not isinstance(answer, list) or len(answer) != count:
        raise ServerCallError(
            f"{server_url} answered with status {status} and an unexpected body: {content[:_EXCERPT]!r}.",
            kind="http",
            status=status,
            content=content[:_EXCERPT].decode("utf-8", "replace"),
            retry_after=retry_after,
            maybe_applied=status >= 500 or status < 400 or not head.is_of_post,
        )
    return answer


def retry_after_seconds(header: str | None, now: float) -> float | None:
    """Return the seconds that a `Retry-After` header asks for (RFC 9110, 10.2.3), None if it asks for nothing."""
    if not header:
        return None
    try:
        seconds = float(header)
        return max(0.0, seconds) if math.isfinite(seconds) else None
    except ValueError:
        pass
    try:
        moment = email.utils.parsedate_to_datetime(header)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=datetime.timezone.utc)
        return max(0.0, moment.timestamp() - now)
    except (ValueError, TypeError, OverflowError):
        # No date, or one beyond all calendars.
        return None


def _never_left(error: requests.exceptions.RequestException, request: requests.Session) -> bool:
    """Whether it is certain that no byte of the batch reached the server."""
    # Somebody's own error may have none.
    sent = getattr(error, "request", None)
    if sent is not None and sent.method != "POST":
        # The server has had the batch, and has sent us elsewhere for the answer.
        return False
    if isinstance(error, requests.exceptions.InvalidURL | requests.exceptions.MissingSchema):
        return True
    return _never_connected(error) and (sent is None or not _repeats(request, str(sent.url)))


def _never_connected(error: requests.exceptions.RequestException) -> bool:
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return True
    cause = error.args[0] if error.args else None
    reason = getattr(cause, "reason", cause)
    if isinstance(reason, urllib3.exceptions.SSLError):
        # A certificate is looked at before anything is sent; any other trouble may be with the answer.
        return any(isinstance(each, ssl.SSLCertVerificationError) for each in reason.args)
    # That a name is not known is one of them.
    return isinstance(reason, urllib3.exceptions.NewConnectionError)


def _repeats(request: requests.Session, url: str) -> bool:
    """Whether an error may be that of another try than the first, which may have arrived (somebody's own adapter)."""
    retries = getattr(request.get_adapter(url=url), "max_retries", None)
    # None is without end. Not the methods alone decide: what fails in TLS is repeated whatever the method is.
    total = getattr(retries, "total", 0)
    return total is None or bool(total)


def no_answer(error: requests.exceptions.RequestException, server_url: str) -> requests.exceptions.RequestException:
    """Return the error of a request that got no answer, with a text that says which server and what to look at.

    It is of the same class: callers of the official client know these.
    """
    if type(error).__module__ != requests.exceptions.__name__:
        # Somebody's own, whose constructor may take anything.
        return error
    return type(error)(
        f"No answer from the ftrack server {server_url}: {_reason(error)}. Is that its address (server_url, or "
        f"FTRACK_SERVER in the environment), and can this machine reach it?",
        request=error.request,
        response=error.response,
    )


def _reason(error: requests.exceptions.RequestException) -> str:
    cause = error.args[0] if error.args else error
    return _CONNECTION.sub("", str(getattr(cause, "reason", cause))).rstrip(".?")
