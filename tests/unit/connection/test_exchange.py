"""What a failed request tells, provoked by a real server on a socket that misbehaves as told."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import requests
import urllib3.connectionpool

from tests.support.http_answers import answering, answering_each, response
from trackteroid.connection.exchange import exchange, retry_after_seconds
from trackteroid.errors import ServerCallError

BATCH = [{"action": "create", "entity_type": "Task"}]


@pytest.fixture(params=["directly", "by requests"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways to the server: where somebody watches the requests, they are left to `requests`."""
    if request.param == "by requests":
        send = requests.Session.send
        monkeypatch.setattr(requests.Session, "send", lambda *arguments, **options: send(*arguments, **options))


def somebody(request: requests.PreparedRequest) -> requests.PreparedRequest:
    request.headers["ftrack-user"] = "somebody"
    return request


def call(url: str, timeout: float = 5.0) -> list[Any]:
    with requests.Session() as request:
        request.auth = somebody
        return exchange(request, url, BATCH, timeout=timeout)


def test_a_proxy_of_the_environment_is_asked_and_one_that_comes_later_soon_too(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "no_proxy", "NO_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    now = 1000.0

    def ask(url: str) -> list[Any]:
        return exchange(request, url, BATCH, timeout=5.0, monotonic=lambda: now)

    with requests.Session() as request:
        request.auth = somebody
        with answering(response(["direct"])) as server:
            assert ask(server) == ["direct"]
        with answering(response(["by the proxy"])) as proxy:
            monkeypatch.setenv("http_proxy", proxy)
            now += 5.0
            # Nobody listens there any more but the proxy.
            assert ask(server) == ["by the proxy"]


def test_each_request_has_its_own_body_and_credentials_and_the_cookies_of_the_moment() -> None:
    seen: list[tuple[str, str | None, str | None]] = []

    def note(request: Any) -> Any:
        seen.append((request.body.decode(), request.headers.get("Content-Length"), request.headers.get("Cookie")))
        request.headers["ftrack-user"] = f"user {len(seen)}"
        return request

    heads: list[bytes] = []
    with requests.Session() as request:
        request.auth = note
        with answering_each(response(["first"]), response(["second", 2]), response(["third"]), heads=heads) as server:
            assert exchange(request, server, BATCH, timeout=5.0) == ["first"]
            assert exchange(request, server, [*BATCH, *BATCH], timeout=5.0) == ["second", 2]
            request.cookies.set("route", "7")
            assert exchange(request, server, BATCH, timeout=5.0, as_user="somebody") == ["third"]
    short, long = json.dumps(BATCH, separators=(",", ":")), json.dumps([*BATCH, *BATCH], separators=(",", ":"))
    assert [(body.replace(" ", ""), int(length or 0)) for body, length, _ in seen[:2]] == [
        (short, len(seen[0][0])),
        (long, len(seen[1][0])),
    ]
    assert seen[2][0] == seen[0][0]
    users = [line for head in heads for line in head.split(b"\r\n") if line.lower().startswith(b"ftrack-user")]
    assert users == [b"ftrack-user: user 1", b"ftrack-user: user 2", b"ftrack-user: somebody"]
    assert [b"Cookie: route=7" in head for head in heads] == [False, False, True]


def test_proxies_belong_to_their_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_PROXY", raising=False)
    with requests.Session() as request, answering(response(["direct"])) as server:
        request.auth = somebody
        with answering(response(["by the proxy"])) as proxy:
            monkeypatch.setenv("http_proxy", proxy)
            monkeypatch.setenv("no_proxy", "127.0.0.1")
            assert exchange(request, "http://ftrack.example", BATCH, timeout=5.0) == ["by the proxy"]
            assert exchange(request, server, BATCH, timeout=5.0) == ["direct"]


def failure(answer: Callable[[socket.socket], None], timeout: float = 5.0) -> ServerCallError:
    with answering(answer) as url, pytest.raises(ServerCallError) as caught:
        call(url, timeout)
    return caught.value


def test_a_list_is_the_result() -> None:
    with answering(response([{"action": "create", "data": {}}])) as url:
        assert call(url) == [{"action": "create", "data": {}}]


def test_an_error_object_was_rolled_back() -> None:
    error = failure(response({"exception": "ValidationError", "content": "no", "error_code": "x"}))
    assert (error.kind, error.exception, error.content, error.error_code) == (
        "error_object",
        "ValidationError",
        "no",
        "x",
    )
    assert not error.maybe_applied


def test_an_error_object_from_500_on_leaves_it_open() -> None:
    error = failure(response({"exception": "Whatever", "content": "no"}, status=503, headers="Retry-After: 7\r\n"))
    assert (error.status, error.retry_after, error.maybe_applied) == (503, 7.0, True)


def test_a_page_is_no_json() -> None:
    error = failure(response(b"<html>maintenance</html>"))
    assert (error.kind, error.maybe_applied) == ("not_json", True)
    assert "maintenance" in str(error)


@pytest.mark.parametrize("text", [b"[" * 200_000 + b"]" * 200_000, b"[" * 200_000], ids=["whole", "cut off"])
def test_json_that_nests_too_deeply_is_none(text: bytes) -> None:
    error = failure(response(text))
    assert (error.kind, error.maybe_applied) == ("not_json", True)


@pytest.mark.parametrize("results", [[], [{}, {}]])
def test_an_answer_of_another_length_than_the_batch_says_nothing_of_it(results: list[Any]) -> None:
    error = failure(response(results))
    assert (error.kind, error.status, error.maybe_applied) == ("http", 200, True)


def test_json_of_another_shape_is_an_unexpected_body() -> None:
    assert failure(response({"surprise": 1})).kind == "http"


@pytest.mark.parametrize(("moved", "maybe_applied"), [(303, True), (307, False)])
@pytest.mark.parametrize("kind", ["error_object", "http"])
def test_an_error_from_where_we_were_sent_says_nothing_of_the_batch_if_we_only_asked(
    moved: int, maybe_applied: bool, kind: str
) -> None:
    body = {"exception": "NotFound", "content": "no"} if kind == "error_object" else {"surprise": 1}
    there = response(body, status=404)
    with answering_each(response(b"", status=moved, headers="Location: /there\r\n"), there, heads=[]) as url:
        with pytest.raises(ServerCallError) as caught:
            call(url)
    assert (caught.value.kind, caught.value.status, caught.value.maybe_applied) == (kind, 404, maybe_applied)


def test_a_place_that_is_no_url_is_no_answer() -> None:
    error = failure(response(b"", status=303, headers="Location: http://[::1\r\n"))
    assert (error.kind, error.maybe_applied) == ("connection", True)


def test_credentials_that_http_cannot_carry_never_leave() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, requests.Session() as request:
        request.headers["ftrack-api-key"] = "\u9375"
        with pytest.raises(ServerCallError, match="latin-1") as caught:
            exchange(request, f"http://127.0.0.1:{listener.getsockname()[1]}", BATCH, timeout=5.0)
    assert (caught.value.kind, caught.value.maybe_applied) == ("connection", False)


def test_a_dropped_reply_may_have_been_applied() -> None:
    error = failure(lambda connection: connection.close())
    assert (error.kind, error.maybe_applied) == ("connection", True)


def test_a_reply_cut_off_may_have_been_applied() -> None:
    cut = b"HTTP/1.1 200 X\r\nContent-Length: 1000\r\n\r\n[{"
    error = failure(lambda connection: connection.sendall(cut))
    assert error.maybe_applied


@pytest.mark.parametrize(
    ("trouble", "maybe_applied"),
    [
        (ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] certificate has expired"), False),
        (ssl.SSLError(1, "[SSL: DECRYPTION_FAILED_OR_BAD_RECORD_MAC] bad record mac"), True),
    ],
)
def test_only_a_certificate_is_looked_at_before_anything_is_sent(
    monkeypatch: pytest.MonkeyPatch, trouble: ssl.SSLError, maybe_applied: bool
) -> None:
    def troubled(*_: object, **__: object) -> None:
        raise trouble

    monkeypatch.setattr(urllib3.connectionpool.HTTPSConnectionPool, "_make_request", troubled)
    with pytest.raises(ServerCallError) as caught:
        call("https://ftrack.example")
    assert isinstance(caught.value.__cause__, requests.exceptions.SSLError)
    assert (caught.value.kind, caught.value.maybe_applied) == ("connection", maybe_applied)


@pytest.mark.parametrize("timeout", [0.0, -1.0])
def test_where_no_time_is_left_nothing_is_sent(timeout: float) -> None:
    with pytest.raises(ServerCallError) as caught, requests.Session() as request:
        exchange(request, "http://nowhere.invalid", BATCH, timeout=timeout)
    assert (caught.value.kind, caught.value.maybe_applied) == ("timeout", False)


def test_nobody_listening_means_nothing_was_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with pytest.raises(ServerCallError) as caught:
        call(url)
    assert (caught.value.kind, caught.value.maybe_applied) == ("connection", False)
    assert "refused" in str(caught.value)


def test_no_answer_in_time_may_have_been_applied() -> None:
    release = threading.Event()
    error = failure(lambda connection: release.wait(1) and None, timeout=0.2)
    assert (error.kind, error.maybe_applied) == ("timeout", True)


def test_an_answer_that_trickles_is_cut_off() -> None:
    def trickle(connection: socket.socket) -> None:
        gate = threading.Event()
        connection.sendall(b"HTTP/1.1 200 X\r\nContent-Length: 100000000\r\n\r\n")
        for _ in range(200):
            try:
                connection.sendall(b" " * 70_000)
            except OSError:
                return
            gate.wait(0.02)

    assert failure(trickle, timeout=0.3).kind == "timeout"


def test_an_answer_that_comes_byte_by_byte_is_cut_off_in_time() -> None:
    def drip(connection: socket.socket) -> None:
        gate = threading.Event()
        connection.sendall(b"HTTP/1.1 200 X\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(200):
            try:
                connection.sendall(b" ")
            except OSError:
                return
            gate.wait(0.02)

    started = time.monotonic()
    assert failure(drip, timeout=0.3).kind == "timeout"
    assert time.monotonic() - started < 4


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("12", 12.0),
        ("-1", 0.0),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 90.0),
        ("soon", None),
        ("nan", None),
        ("inf", None),
        ("-inf", None),
        ("Mon, 01 Jan 999999999999999999999999 00:00:00 GMT", None),
        ("Fri, 31 Dec 9999 23:59:59 -2300", 253402383599.0 - 10),
        ("Mon, 01 Jan 2024 00:00:00 +99999999999999", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(header, now=10.0) == seconds
