"""Bodies posted to one URL again and again as an HTTP session would, in half of the time.

What `requests` does anew for each request (searching the environment for proxies, putting together what is the same for all,
finding the connection pool, wrapping the answer) takes a tenth of a small commit. Here it is done once in a while, and where
nothing but a plain post is asked for, that goes to the pool of connections directly. Whatever else somebody has set up for the
session, `requests` itself does.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Mapping
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

import requests
import urllib3.exceptions
from requests.adapters import HTTPAdapter
from urllib3.util import Timeout

__all__ = ["Answer", "Letterhead", "letterhead_of"]

_HEADERS = {"content-type": "application/json", "accept": "application/json"}

#: Seconds after which proxies, certificates and the like are looked up anew.
_GOOD_FOR = 5.0


class Answer(NamedTuple):
    """An answer whose head has arrived.

    Attributes:
        status: Of HTTP.
        headers: By name, in any case.
        raw: Of what urllib3 reads the rest.
        close: To be called when it was read, or nobody wants to.
        is_of_post: Whether it answers what was posted; else the server has had that, and has sent us elsewhere for an answer.
    """

    status: int
    headers: Mapping[str, str]
    raw: Any
    close: Callable[[], None]
    is_of_post: bool = True


class Letterhead:
    """What all requests of an HTTP session to one URL have in common.

    Args:
        request: The session.
        url: Where they go.
        until: When to look again (monotonic).
    """

    def __init__(self, request: requests.Session, url: str, until: float) -> None:
        # The session itself is not kept: who has done with it may not have closed it, and it is known by a weak reference.
        self.url = url
        self.until = until
        # Streamed, because we read answers ourselves.
        self._surroundings: dict[str, Any] = {**request.merge_environment_settings(url, {}, True, None, None)}
        blank = requests.Request("POST", url, headers=_HEADERS, auth=_unsigned)
        self._blank: requests.PreparedRequest = request.prepare_request(blank)
        # As it goes over the wire, which decides about proxies and certificates.
        self._plain_url = str(self._blank.url)
        adapter = request.get_adapter(url=self._plain_url)
        # Of a plain post: who wraps answers, and the connections. These are their session's: when it is closed, so are they.
        self._direct: tuple[HTTPAdapter, weakref.ref[Any]] | None = None
        if type(adapter) is HTTPAdapter:
            pool = self._pool_of(adapter)
            self._direct = None if pool is None else (adapter, weakref.ref(pool))

    def post(self, request: requests.Session, body: bytes, auth: Any, *, connect: float, read: float) -> Answer:
        """Post a body.

        Args:
            request: The session.
            body: JSON.
            auth: Credentials, as `requests` takes them.
            connect: Seconds that connecting may take.
            read: Seconds until the answer's head must be there.

        Raises:
            requests.exceptions.RequestException: There is no answer.
        """
        if auth is None or any(True for _ in request.cookies):
            # From a .netrc perhaps; and cookies have ends of their own.
            whole = requests.Request("POST", self.url, data=body, headers=_HEADERS, auth=auth)
            return self._post(request, request.prepare_request(whole), connect, read)
        prepared = self._blank.copy()
        # Some credentials add hooks, for this one request.
        prepared.hooks = {event: list(hooks) for event, hooks in prepared.hooks.items()}
        prepared.prepare_body(body, None)
        prepared.prepare_auth(auth, self.url)
        # Looked at once: threads may share us.
        adapter, connections = self._direct or (None, None)
        pool = None if connections is None else connections()
        if (
            adapter is None
            or pool is None
            or prepared.url != self._plain_url
            or any(prepared.hooks.values())
            or not _is_watched_by_nobody(request, adapter, self._plain_url)
        ):
            return self._post(request, prepared, connect, read)
        try:
            raw = pool.urlopen(
                "POST",
                prepared.path_url,
                body=prepared.body,
                headers=prepared.headers,
                redirect=False,
                assert_same_host=False,
                preload_content=False,
                decode_content=False,
                retries=adapter.max_retries,
                timeout=Timeout(connect=connect, read=read),
            )
        except urllib3.exceptions.ClosedPoolError:
            # Nothing has left. The session was closed and used again, or has talked to many others.
            self._direct = None
            return self._post(request, prepared, connect, read)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise _as_of_requests(error, prepared) from error
        if "set-cookie" in raw.headers:
            requests.cookies.extract_cookies_to_jar(request.cookies, prepared, raw)  # type: ignore[no-untyped-call]
        if "location" in raw.headers:
            return self._followed(request, prepared, adapter.build_response(prepared, raw), (connect, read))
        return Answer(raw.status, raw.headers, raw, functools.partial(_let_go, raw))

    def _post(
        self, request: requests.Session, prepared: requests.PreparedRequest, connect: float, read: float
    ) -> Answer:
        response: requests.Response = request.send(prepared, timeout=(connect, read), **self._surroundings)
        return _answer_of(response)

    def _followed(
        self,
        request: requests.Session,
        prepared: requests.PreparedRequest,
        response: requests.Response,
        timeout: tuple[float, float],
    ) -> Answer:
        """Return the answer to which an answer refers, itself if it does not."""
        for following in request.resolve_redirects(response, prepared, timeout=timeout, **self._surroundings):
            response = following
        return _answer_of(response)

    def _pool_of(self, adapter: HTTPAdapter) -> Any:
        """Return the connections to the server; None where there is a proxy in between."""
        # From requests 2.32 on.
        find = getattr(adapter, "get_connection_with_tls_context", None)
        verify, cert, proxies = (self._surroundings[name] for name in ("verify", "cert", "proxies"))
        if find is None or requests.utils.select_proxy(self._plain_url, proxies):
            return None
        try:
            pool = find(self._blank, verify, proxies=proxies, cert=cert)
            adapter.cert_verify(pool, self._plain_url, verify, cert)  # type: ignore[no-untyped-call]
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, OSError):
            # What is wrong comes again, and in its place.
            return None
        return pool


def _is_watched_by_nobody(request: requests.Session, adapter: HTTPAdapter, url: str) -> bool:
    # Asked for each request, as tests and tracing come and go.
    return (
        _is_of(requests.sessions, vars(request).get("send", type(request).send))
        and _is_of(requests.adapters, vars(adapter).get("send", HTTPAdapter.send))
        and request.get_adapter(url=url) is adapter
    )


def _is_of(module: ModuleType, function: Any) -> bool:
    """Whether a function is a module's own, not one that somebody has put in its place (before we were there, perhaps)."""
    return type(function) is FunctionType and function.__globals__ is vars(module)


def _let_go(raw: Any) -> None:
    raw.close()
    # Closed by now if it was not read to its end; but a pool that blocks waits for it.
    raw.release_conn()


def _answer_of(response: requests.Response) -> Answer:
    is_of_post = response.request.method == "POST"
    return Answer(response.status_code, response.headers, response.raw, response.close, is_of_post)


def letterhead_of(request: requests.Session, url: str, now: float) -> Letterhead:
    """Return the letterhead of a session, one made not long ago perhaps.

    Raises:
        requests.exceptions.RequestException: There is no such URL.
    """
    known = _letterheads.get(request)
    if known is None or known.url != url or now >= known.until:
        known = _letterheads[request] = Letterhead(request, url, now + _GOOD_FOR)
    return known


_letterheads: weakref.WeakKeyDictionary[requests.Session, Letterhead] = weakref.WeakKeyDictionary()


def _unsigned(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _as_of_requests(error: Exception, prepared: requests.PreparedRequest) -> requests.exceptions.RequestException:
    """Return the error that `requests` makes of one of urllib3's (requests/adapters.py, `HTTPAdapter.send`)."""
    reason = getattr(error, "reason", None) if isinstance(error, urllib3.exceptions.MaxRetryError) else error
    kind: type[requests.exceptions.RequestException] = requests.exceptions.ConnectionError
    if isinstance(reason, urllib3.exceptions.ConnectTimeoutError) and not isinstance(
        reason, urllib3.exceptions.NewConnectionError
    ):
        kind = requests.exceptions.ConnectTimeout
    elif isinstance(reason, urllib3.exceptions.ReadTimeoutError):
        kind = requests.exceptions.ReadTimeout
    elif isinstance(reason, urllib3.exceptions.SSLError):
        kind = requests.exceptions.SSLError
    elif isinstance(reason, urllib3.exceptions.ResponseError):
        kind = requests.exceptions.RetryError
    elif isinstance(reason, urllib3.exceptions.InvalidHeader):
        kind = requests.exceptions.InvalidHeader
    return kind(error, request=prepared)
