"""Garbage over HTTP, at every endpoint: answered at once, never by a failure of the server, on `/api` always in JSON."""

from __future__ import annotations

import contextlib
import errno
import json
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.sandbox.test_fuzz import operations, scalars
from trackteroid.sandbox.faults import KINDS
from trackteroid.sandbox.server import SandboxServer

PATHS = [
    "/api", "/api/", "/api%2f", "/component/get", "/component/thumbnail", "/component/remove", "/upload/x", "/upload/",
    "/download/x", "/img/thumbnail2.png", "/widget/x", "/socket.io/1/", "/socket.io/1/websocket/x", "/sandbox/faults",
    "/sandbox/keys", "/sandbox/requests", "/sandbox/counters", "/sandbox/snapshot", "/sandbox/restore", "/", "/%ff%00",
]  # fmt: skip
METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW"]
CREDENTIALS = {"ftrack-user": "sandbox", "ftrack-api-key": "sandbox-key"}
# What may take long or go wrong on order is not tried here: it would be no garbage.
FAULTS = st.fixed_dictionaries(
    {"kind": st.one_of(scalars, st.sampled_from([kind for kind in KINDS if kind != "refuse"]))},
    optional={
        name: st.one_of(scalars, st.lists(scalars, max_size=2))
        for name in ("times", "probability", "status", "body", "actions", "users", "seed", "nonsense")
    },
)
KEYS = st.dictionaries(st.sampled_from(["key", "user", "expires_at", "is_enabled", "nonsense"]), scalars)
TEXTS = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=20), st.sampled_from(["sandbox", "sandbox-key", "-1", "1e9", "1"])
)
HEADERS = ["ftrack-user", "ftrack-api-key", "ftrack-strict-api", "ftrack-api-options", "Content-MD5", "Origin", "Range"]


def spelled(value: Any) -> bytes:
    return json.dumps(value).encode("ascii")


bodies = st.one_of(
    st.binary(max_size=100),
    st.lists(operations(), max_size=3).map(spelled),
    st.lists(FAULTS, min_size=1, max_size=2).map(spelled),
    st.lists(KEYS, min_size=1, max_size=2).map(spelled),
    scalars.map(spelled),
    st.sampled_from([b"[NaN]", b"[1e999]", b'["\\ud800"]', b'[{"action":"\\ud800","expression":"\\ud800"}]']),
)


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    with SandboxServer(seed="demo") as made, requests.Session() as client:
        made.api.storage.keep_copy("seeded")
        yield made
        # Nothing of it stays in what tells about requests, nor in the data.
        for path in ("requests", "counters", "keys", "faults"):
            assert client.get(f"{made.url}/sandbox/{path}", timeout=10).status_code == 200
        made.faults.clear()
        made.api.storage.restore_copy("seeded")
        asked = spelled([{"action": "query", "expression": "select link from Context"}])
        answer = client.post(f"{made.url}/api", data=asked, headers=CREDENTIALS, timeout=10).json()
        assert len(answer[0]["data"]) > 10


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    method=st.sampled_from(METHODS),
    path=st.sampled_from(PATHS),
    parameters=st.dictionaries(st.sampled_from(["id", "size", "username", "apiKey", "name", "clear"]), TEXTS),
    headers=st.dictionaries(st.sampled_from(HEADERS), st.text(st.characters(min_codepoint=33, max_codepoint=126))),
    known=st.booleans(),
    body=bodies,
)
def test_whatever_is_sent_to_whatever_address_is_answered(
    server: SandboxServer,
    method: str,
    path: str,
    parameters: dict[str, str],
    headers: dict[str, str],
    known: bool,
    body: bytes,
) -> None:
    if known:
        headers = {**headers, **CREDENTIALS}
        parameters = {**parameters, "username": "sandbox", "apiKey": "sandbox-key"}
    # Each example by itself: a fault of the last one would be a fault, not a failure.
    server.faults.clear()
    response = requests.request(
        method, server.url + path, params=parameters, headers=headers, data=body, timeout=10, allow_redirects=False
    )
    assert response.status_code < 500, response.text
    if path == "/api" and method not in ("HEAD", "OPTIONS"):
        assert isinstance(response.json(), (dict, list))


@pytest.mark.parametrize(
    "sent",
    [
        b"\x00" * 1000,
        b"GET\r\n\r\n",
        b"POST /api HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n",
        b"POST /api HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /api HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /api HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n[]",
    ],
    ids=["no text", "half a line", "length", "negative", "chunk", "long", "cut off"],
)
def test_what_is_no_http_ends_its_connection_only(server: SandboxServer, sent: bytes) -> None:
    address = urlsplit(server.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        # It may hang up before it has heard everything.
        with contextlib.suppress(ConnectionError):
            connection.sendall(sent)
            try:
                connection.shutdown(socket.SHUT_WR)
            except OSError as error:
                if error.errno != errno.ENOTCONN:
                    raise
            while connection.recv(65536):
                continue
    assert requests.post(server.url + "/api", data=b"[]", headers=CREDENTIALS, timeout=10).json() == []


@pytest.mark.parametrize("start", ["POST /api", "PUT {upload}", "POST /sandbox/faults", "POST /sandbox/keys"])
def test_who_hangs_up_in_the_middle_of_a_request_leaves_no_trace(
    server: SandboxServer, caplog: pytest.LogCaptureFixture, start: str
) -> None:
    address = urlsplit(server.url)
    upload = urlsplit(server.api.links.upload("somebody's")).path
    head = start.format(upload=upload) + " HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n["
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.sendall(head.encode("ascii"))
        # Nothing is left to read: it has hung up as well.
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            continue
    assert requests.post(server.url + "/api", data=b"[]", headers=CREDENTIALS, timeout=10).json() == []
    assert [record for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")] == []
