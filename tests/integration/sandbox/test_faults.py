"""Every kind of fault, seen from the other end of the connection; and what the admin endpoints tell."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from tests.support.processes import REPOSITORY, wait_until
from trackteroid.sandbox.faults import KINDS
from trackteroid.sandbox.server import SandboxServer

STRICT = {"ftrack-strict-api": "true"}


def post(server: SandboxServer, *operations: dict[str, Any], **headers: str) -> requests.Response:
    credentials = {"ftrack-user": server.env["FTRACK_API_USER"], "ftrack-api-key": server.env["FTRACK_API_KEY"]}
    return requests.post(server.url + "/api", json=list(operations), headers={**credentials, **headers}, timeout=10)


def create(name: str) -> dict[str, Any]:
    return {"action": "create", "entity_type": "Scope", "entity_data": {"name": name}}


def scopes(server: SandboxServer) -> list[str]:
    (answer,) = post(server, {"action": "query", "expression": "select name from Scope"}).json()
    return [row["name"] for row in answer["data"]]


def order(server: SandboxServer, *faults: dict[str, Any]) -> None:
    response = requests.post(server.url + "/sandbox/faults", json=list(faults), timeout=10)
    assert response.status_code == 200, response.text


def test_each_kind_has_a_test_here() -> None:
    source = Path(__file__).read_text(encoding="utf-8")
    assert [kind for kind in KINDS if f'"{kind}"' not in source] == []


def test_each_kind_is_documented() -> None:
    page = (REPOSITORY / "docs" / "sandbox.md").read_text(encoding="utf-8")
    assert [kind for kind in KINDS if f"| `{kind}` |" not in page] == []


def test_latency_delays_what_is_asked_for(server: SandboxServer) -> None:
    order(server, {"kind": "latency", "seconds": 0.2, "jitter": 0.1, "seed": 3, "actions": ["create"]})
    before = time.perf_counter()
    assert scopes(server) == []
    assert time.perf_counter() - before < 0.1
    before = time.perf_counter()
    assert post(server, create("a")).json()[0]["data"]["name"] == "a"
    assert 0.1 <= time.perf_counter() - before < 0.6


def test_an_error_has_the_status_and_the_body_that_were_ordered(server: SandboxServer) -> None:
    body = {"exception": "RateLimitError", "content": "Slow down.", "error_code": "rate"}
    order(server, {"kind": "error", "status": 429, "body": body, "times": 1})
    response = post(server, create("a"))
    assert (response.status_code, response.json()) == (429, body)
    assert scopes(server) == []


@pytest.mark.parametrize("body", [{}, [], "", 0, False])
def test_a_body_that_is_empty_is_answered_as_well(server: SandboxServer, body: Any) -> None:
    order(server, {"kind": "error", "status": 500, "body": body, "times": 1})
    response = post(server, create("a"))
    assert (response.status_code, response.json()) == (500, body)
    order(server, {"kind": "error", "status": 500, "times": 1})
    assert set(post(server, create("a")).json()) == {"exception", "content", "error_code"}


@pytest.mark.parametrize(("kind", "applied"), [("reset", []), ("drop_reply", ["a"])])
def test_a_lost_connection_before_or_after_the_batch(server: SandboxServer, kind: str, applied: list[str]) -> None:
    order(server, {"kind": kind, "times": 1})
    with pytest.raises(requests.ConnectionError):
        post(server, create("a"))
    assert scopes(server) == applied


def test_half_a_batch_is_applied_and_an_error_answered(server: SandboxServer) -> None:
    order(server, {"kind": "half_batch", "times": 1})
    response = post(server, create("a"), create("b"), **STRICT)
    assert (response.status_code, response.json()["exception"]) == (500, "ServerError")
    assert scopes(server) == ["a"]


def test_half_of_an_operation_that_stands_alone_is_nothing(server: SandboxServer) -> None:
    order(server, {"kind": "half_batch", "times": 1})
    headers = {"ftrack-user": server.env["FTRACK_API_USER"], "ftrack-api-key": server.env["FTRACK_API_KEY"]}
    response = requests.post(server.url + "/api", json=create("a"), headers={**headers, **STRICT}, timeout=10)
    assert (response.status_code, response.json()["exception"]) == (500, "ServerError")
    assert scopes(server) == []


def test_a_trickling_answer_is_complete_in_the_end(server: SandboxServer) -> None:
    order(server, {"kind": "trickle", "seconds": 0.3, "times": 1})
    before = time.perf_counter()
    answer = post(server, {"action": "query", "expression": "select name from Shot"}).json()[0]
    assert 0.25 <= time.perf_counter() - before < 2
    assert len(answer["data"]) == 7


@pytest.mark.parametrize(("headers", "status"), [({}, 200), (STRICT, 401)], ids=["lenient", "strict"])
def test_good_credentials_are_rejected(server: SandboxServer, headers: dict[str, str], status: int) -> None:
    order(server, {"kind": "reject_credentials", "users": ["sandbox"], "times": 1})
    response = post(server, create("a"), **headers)
    assert (response.status_code, response.json()["error_code"]) == (status, "api_credentials_invalid")
    assert scopes(server) == []


@pytest.mark.parametrize("status", [200, 503])
def test_a_maintenance_page_is_html(server: SandboxServer, status: int) -> None:
    order(server, {"kind": "maintenance", "status": status, "times": 1})
    response = post(server, create("a"))
    assert (response.status_code, response.headers["Content-Type"]) == (status, "text/html; charset=utf-8")
    assert scopes(server) == []


def test_concurrent_versions_of_one_asset_collide(server: SandboxServer) -> None:
    (answer,) = post(server, {"action": "query", "expression": "Asset where name is bc0040_comp"}).json()
    version = {
        "action": "create",
        "entity_type": "AssetVersion",
        "entity_data": {"asset_id": answer["data"][0]["id"]},
    }
    order(server, {"kind": "racy_versions", "seconds": 60})
    assert [post(server, version).json()[0]["data"]["version"] for _ in range(3)] == [4, 4, 4]
    server.faults.clear()
    assert post(server, version).json()[0]["data"]["version"] == 5


# Refusing connections


@pytest.fixture
def lonely() -> Iterator[SandboxServer]:
    """A server whose connections may be cut."""
    with SandboxServer(seed="empty") as server:
        yield server


def connects(server: SandboxServer) -> bool:
    address = urlsplit(server.url)
    try:
        socket.create_connection((address.hostname or "", address.port or 0), timeout=5).close()
    except ConnectionRefusedError:
        return False
    return True


def test_a_refusing_server_comes_back_by_itself_on_the_same_port_with_its_data(lonely: SandboxServer) -> None:
    with requests.Session() as client:
        post(lonely, create("a"))
        assert client.get(lonely.url + "/sandbox/faults", timeout=10).json() == []
        response = client.post(lonely.url + "/sandbox/faults", json=[{"kind": "refuse", "seconds": 0.4}], timeout=10)
        assert response.json() == [{"kind": "refuse", "seconds": 0.4}]
        assert not connects(lonely)
        # Nor does a connection that was kept open get through.
        with pytest.raises(requests.ConnectionError):
            client.get(lonely.url + "/sandbox/faults", timeout=10)
    wait_until(lambda: connects(lonely), what="the server to come back")
    assert scopes(lonely) == ["a"]
    assert lonely.faults.active() == []


def test_ending_the_faults_ends_a_refusal_at_once(lonely: SandboxServer) -> None:
    lonely.faults.replace([{"kind": "refuse", "seconds": 3600}])
    assert not connects(lonely)
    lonely.faults.replace([{"kind": "refuse", "seconds": 1800}])
    assert not connects(lonely)
    lonely.faults.clear()
    assert scopes(lonely) == []


def test_a_request_under_way_is_answered_before_connections_are_refused(lonely: SandboxServer) -> None:
    lonely.faults.replace([{"kind": "latency", "seconds": 0.3, "times": 1}])
    answers: list[Any] = []
    asking = threading.Thread(target=lambda: answers.append(post(lonely, create("slow")).json()))
    asking.start()
    wait_until(lambda: lonely.faults.active() == [], what="the request to arrive")
    lonely.faults.replace([{"kind": "refuse", "seconds": 3600}])
    asking.join(10)
    assert answers[0][0]["data"]["name"] == "slow"
    lonely.faults.clear()
    assert scopes(lonely) == ["slow"]


def test_a_refusing_server_can_be_stopped() -> None:
    with SandboxServer(seed="empty") as server:
        server.faults.replace([{"kind": "refuse", "seconds": 3600}])
    assert not connects(server)


# Insight


def test_counters_tell_what_was_asked_since_they_were_cleared(server: SandboxServer) -> None:
    requests.get(server.url + "/sandbox/counters?clear=1", timeout=10)
    order(server, {"kind": "error", "times": 1})
    post(server, create("a"), create("b"))
    post(server, create("a"), create("b"))
    counted = requests.get(server.url + "/sandbox/counters", timeout=10).json()
    assert counted.pop("milliseconds") > 0
    assert counted == {
        "requests": 2,
        "actions": {"create": 4},
        "statuses": {"200": 1, "503": 1},
        "faults": {"error": 1},
        "users": {"sandbox": 2},
    }
    assert server.requests.counters()["requests"] == 2


def test_snapshots_have_names_and_hold_everything(server: SandboxServer) -> None:
    def at(path: str) -> int:
        return requests.post(f"{server.url}/sandbox/{path}", timeout=10).status_code

    post(server, create("first"))
    assert at("snapshot?name=one") == 200
    post(server, create("second"))
    assert at("snapshot?name=two") == 200
    assert at("restore?name=one") == 200
    assert scopes(server) == ["first"]
    assert at("restore?name=two") == 200
    assert scopes(server) == ["first", "second"]
    assert at("restore?name=three") == 404


# Keys


def keys(server: SandboxServer, *descriptions: Any) -> requests.Response:
    return requests.post(server.url + "/sandbox/keys", json=list(descriptions), timeout=10)


def test_a_key_can_be_added_disabled_and_let_expire(server: SandboxServer) -> None:
    def is_good(user: str, key: str) -> bool:
        answer = post(server, **{"ftrack-user": user, "ftrack-api-key": key}).json()
        return bool(answer == [])

    assert keys(server, {"key": "new", "user": "anna"}, {"key": "for all"}).status_code == 200
    assert is_good("anna", "new") and is_good("ben", "for all") and not is_good("ben", "new")
    keys(server, {"key": "new", "user": "anna", "is_enabled": False}, {"key": "for all", "expires_at": "2001-01-01"})
    assert not is_good("anna", "new") and not is_good("ben", "for all")
    listed = requests.get(server.url + "/sandbox/keys", timeout=10).json()
    assert {"key": "for all", "user": None, "expires_at": "2001-01-01 00:00:00", "is_enabled": True} in listed
    assert {"key": "new", "user": "anna", "expires_at": None, "is_enabled": False} in listed


@pytest.mark.parametrize(
    ("description", "message"),
    [
        ({"user": "anna"}, 'text "key"'),
        ("anna-key", 'text "key"'),
        ({"key": "\ud800"}, "HTTP headers"),
        ({"key": "x", "user": "nobody"}, "no user 'nobody'"),
        ({"key": "x", "user": "\ud800"}, "the name of a user"),
        ({"key": "x", "expires_at": "soon"}, '"soon" is no date'),
        ({"key": "x", "is_enabled": "no"}, "true or false"),
        ({"key": "x", "is_enabled": 0}, "true or false"),
        ({"key": "x", "expires": "2030-01-01"}, "no 'expires'"),
    ],
)
def test_mistaken_keys_are_refused_all_together(server: SandboxServer, description: Any, message: str) -> None:
    response = keys(server, {"key": "good"}, description)
    assert (response.status_code, message in response.json()["error"]) == (400, True)
    assert "good" not in [each["key"] for each in requests.get(server.url + "/sandbox/keys", timeout=10).json()]
