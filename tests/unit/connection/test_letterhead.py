"""What `requests` would do for a request is done, whichever way that goes."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
import urllib3.connection
import urllib3.exceptions
from requests.adapters import HTTPAdapter

from tests.support.http_answers import answering, answering_each, response
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


def test_a_plain_post_takes_the_short_way(monkeypatch: pytest.MonkeyPatch) -> None:
    # Noticed at once: who comes later is seen with the next letterhead.
    with session() as request, answering_each(response([1]), response([2]), heads=[]) as url:
        assert send(request, url) == [1]
        monkeypatch.setattr(HTTPAdapter, "send", None)
        assert send(request, url) == [2]


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


def test_certificates_that_are_not_there_are_an_error_of_the_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    with session() as request, pytest.raises(OSError, match="certificate"):
        request.verify = str(tmp_path / "none.pem")
        send(request, "https://ftrack.example")
