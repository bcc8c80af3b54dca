"""What `requests` would do for a request is done, whichever way that goes."""

from __future__ import annotations

import gc
import runpy
import socket
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
import urllib3.connection
import urllib3.exceptions
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from tests.support.http_answers import answering, answering_each, response
from tests.support.processes import wait_until
from trackteroid.connection import letterhead
from trackteroid.connection.exchange import exchange
from trackteroid.errors import ServerCallError

BATCH = [{"action": "create", "entity_type": "Task"}]


def session() -> requests.Session:
    request = requests.Session()

    def sign(prepared: requests.PreparedRequest) -> requests.PreparedRequest:
        prepared.headers["ftrack-user"] = "anna"
        return prepared

    request.auth = sign
    return request


def send(request: requests.Session, url: str) -> list[Any]:
    return exchange(request, url, BATCH, timeout=5.0)


@contextmanager
def nobody() -> Iterator[str]:
    """A URL where connections are refused, and which nobody else gets."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


def test_a_plain_post_takes_the_short_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HTTPAdapter, "build_response", None)
    with session() as request, answering_each(response([1]), response([2]), heads=[]) as url:
        assert [send(request, url), send(request, url)] == [[1], [2]]


@pytest.mark.parametrize("status", [307, 308])
def test_a_server_that_has_moved_is_followed(status: int) -> None:
    heads: list[bytes] = []
    with session() as request, answering_each(response(["there"]), heads=heads) as there:
        with answering(response(b"moved", status=status, headers=f"Location: {there}/api\r\n")) as here:
            assert send(request, here) == ["there"]
    assert heads[0].startswith(b"POST /api ")


def test_an_answer_that_names_a_place_is_still_an_answer() -> None:
    with session() as request, answering(response(["made"], headers="Location: /elsewhere\r\n")) as url:
        assert send(request, url) == ["made"]


def test_cookies_that_a_server_sets_go_back_to_it() -> None:
    heads: list[bytes] = []
    first = response([1], headers="Set-Cookie: route=7; Path=/\r\n")
    with session() as request, answering_each(first, response([2]), heads=heads) as url:
        assert [send(request, url), send(request, url)] == [[1], [2]]
    assert [b"Cookie: route=7" in head for head in heads] == [False, True]


def test_a_session_that_was_closed_can_be_used_again() -> None:
    with session() as request, answering_each(response([1]), response([2]), heads=[]) as url:
        assert send(request, url) == [1]
        request.close()
        assert send(request, url) == [2]


def test_a_session_that_is_closed_closes_its_connections() -> None:
    received: list[bytes] = []

    def kept(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 X\r\nContent-Length: 3\r\n\r\n[1]")
        connection.settimeout(3)
        received.append(connection.recv(1))

    with session() as request, answering(kept) as url:
        assert send(request, url) == [1]
        assert not received
        request.close()
        # Not only when the session itself is gone.
        wait_until(lambda: received, seconds=2, what="the end of the connection")
    assert received == [b""]


def test_an_answer_that_is_late_gives_its_place_among_few_connections_to_the_next() -> None:
    late = threading.Event()

    def begun(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 X\r\nContent-Length: 3\r\n\r\n")
        late.wait(5)

    with session() as request, answering_each(begun, response([2]), heads=[]) as url:
        request.mount("http://", HTTPAdapter(pool_maxsize=1, pool_block=True))
        moments = iter([0.0, 0.0])
        with pytest.raises(ServerCallError, match="within 5 s"):
            exchange(request, url, BATCH, timeout=5.0, monotonic=lambda: next(moments, 6.0))
        late.set()
        pools = request.get_adapter(url).poolmanager.pools  # type: ignore[attr-defined]
        assert [pools[key].pool.qsize() for key in pools.keys()] == [1]
        assert send(request, url) == [2]


def test_a_session_that_nobody_has_any_more_is_forgotten() -> None:
    request = session()
    with answering(response([1])) as url:
        send(request, url)
    known = weakref.ref(request)
    del request
    gc.collect()
    assert known() is None


def with_adapter(request: requests.Session, seen: Callable[[str], None]) -> None:
    class Adapter(HTTPAdapter):
        def send(self, prepared: requests.PreparedRequest, **options: Any) -> requests.Response:  # type: ignore[override]
            seen(str(prepared.url))
            return super().send(prepared, **options)

    request.mount("http://", Adapter())


def with_hook(request: requests.Session, seen: Callable[[str], None]) -> None:
    request.hooks["response"].append(lambda answer, **_: seen(answer.url))


def with_own_send(request: requests.Session, seen: Callable[[str], None]) -> None:
    original = request.send

    def noting(prepared: requests.PreparedRequest, **options: Any) -> requests.Response:
        seen(str(prepared.url))
        return original(prepared, **options)

    request.send = noting  # type: ignore[method-assign]


@pytest.mark.parametrize("watch", [with_adapter, with_hook, with_own_send])
def test_who_watches_a_session_sees_every_request(
    watch: Callable[[requests.Session, Callable[[str], None]], None],
) -> None:
    seen: list[str] = []
    with session() as request, answering_each(response([1]), response([2]), heads=[]) as url:
        watch(request, seen.append)
        assert [send(request, url), send(request, url)] == [[1], [2]]
    assert seen == [f"{url}/api"] * 2


def test_who_watches_all_sessions_sees_every_request(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    original = HTTPAdapter.send

    def noting(self: HTTPAdapter, prepared: requests.PreparedRequest, **options: Any) -> requests.Response:
        seen.append(str(prepared.url))
        return original(self, prepared, **options)

    monkeypatch.setattr(HTTPAdapter, "send", noting)
    with session() as request, answering(response([1])) as url:
        assert send(request, url) == [1]
    assert seen == [f"{url}/api"]


@pytest.mark.parametrize("watch", [with_adapter, with_own_send])
def test_who_begins_to_watch_later_sees_the_next_request(
    watch: Callable[[requests.Session, Callable[[str], None]], None],
) -> None:
    seen: list[str] = []
    with session() as request, answering_each(response([1]), response([2]), heads=[]) as url:
        assert send(request, url) == [1]
        watch(request, seen.append)
        assert send(request, url) == [2]
    assert seen == [f"{url}/api"]


def test_who_watched_before_we_were_loaded_sees_every_request(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    original = HTTPAdapter.send

    def noting(self: HTTPAdapter, prepared: requests.PreparedRequest, **options: Any) -> requests.Response:
        seen.append(str(prepared.url))
        return original(self, prepared, **options)

    monkeypatch.setattr(HTTPAdapter, "send", noting)
    anew = runpy.run_path(str(letterhead.__file__))
    with session() as request, answering(response([1])) as url:
        answer = anew["letterhead_of"](request, url, 0.0).post(request, b"[]", request.auth, connect=5.0, read=5.0)
        answer.close()
    assert seen == [f"{url}/"]


def test_a_proxy_is_looked_up_for_the_host_as_it_goes_over_the_wire() -> None:
    heads: list[bytes] = []
    with session() as request, answering_each(response([1]), heads=heads) as proxy:
        request.trust_env = False
        request.proxies = {"http://xn--bcher-kva.example": proxy}
        assert send(request, "http://b\u00fccher.example") == [1]
    assert heads[0].startswith(b"POST http://xn--bcher-kva.example/api ")


def test_hooks_of_credentials_are_for_one_request() -> None:
    """As those of digest authentication."""
    called: list[int] = []

    class Credentials(requests.auth.AuthBase):
        def __call__(self, prepared: requests.PreparedRequest) -> requests.PreparedRequest:
            prepared.register_hook("response", lambda answer, **_: called.append(answer.status_code))
            return prepared

    with requests.Session() as request, answering_each(response([1]), response([2]), heads=[]) as url:
        request.auth = Credentials()
        send(request, url)
        send(request, url)
    assert called == [200, 200]


def test_a_server_that_takes_no_connection_in_time_has_got_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def late(*_: object, **__: object) -> None:
        raise TimeoutError("timed out")

    monkeypatch.setattr(urllib3.connection.connection, "create_connection", late)
    with session() as request, pytest.raises(ServerCallError) as caught:
        send(request, "http://ftrack.example")
    assert isinstance(caught.value.__cause__, requests.exceptions.ConnectTimeout)
    assert (caught.value.kind, caught.value.maybe_applied) == ("timeout", False)


@pytest.mark.parametrize(
    ("status", "maybe_applied"), [(301, True), (302, True), (303, True), (307, False), (308, False)]
)
def test_a_server_that_has_the_answer_elsewhere_has_got_the_batch(status: int, maybe_applied: bool) -> None:
    """With 301 to 303 we only ask (GET) at the other place; with 307 and 308 the batch is for that."""
    with nobody() as there, answering(response(b"", status=status, headers=f"Location: {there}/\r\n")) as url:
        with session() as request, pytest.raises(ServerCallError) as caught:
            send(request, url)
    assert (caught.value.kind, caught.value.maybe_applied) == ("connection", maybe_applied)


def test_a_server_that_names_no_usable_place_has_got_the_batch() -> None:
    with session() as request, answering(response(b"", status=303, headers="Location: http://a:b/\r\n")) as url:
        with pytest.raises(ServerCallError) as caught:
            send(request, url)
    assert isinstance(caught.value.__cause__, requests.exceptions.InvalidURL)
    assert caught.value.maybe_applied


def test_a_server_that_was_gone_at_the_second_try_may_have_got_the_first() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, session() as request:

        def taken_once() -> None:
            connection, _ = listener.accept()
            # Nobody there any more when that connection ends.
            listener.close()
            connection.recv(65536)
            connection.close()

        thread = threading.Thread(target=taken_once, daemon=True)
        thread.start()
        request.mount("http://", HTTPAdapter(max_retries=Retry(1, allowed_methods=None)))
        with pytest.raises(ServerCallError, match="refused") as caught:
            send(request, f"http://127.0.0.1:{listener.getsockname()[1]}")
        thread.join(5)
    assert caught.value.maybe_applied


def test_errors_are_told_where_urllib3_is_old(monkeypatch: pytest.MonkeyPatch) -> None:
    # Before 2.0 names that are not known had no error of their own.
    monkeypatch.delattr(urllib3.exceptions, "NameResolutionError", raising=False)
    with nobody() as url, session() as request, pytest.raises(ServerCallError) as caught:
        send(request, url)
    assert not caught.value.maybe_applied


def test_certificates_that_are_not_there_are_an_error_of_the_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    with session() as request, pytest.raises(OSError, match="certificate"):
        request.verify = str(tmp_path / "none.pem")
        send(request, "https://ftrack.example")
