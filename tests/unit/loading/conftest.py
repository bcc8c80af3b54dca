"""The client and ours over servers without sockets, which can be told what to answer next."""

from __future__ import annotations

import datetime
import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import ftrack_api
import pytest
import requests
import urllib3

from tests.support.session_pair import Pair
from trackteroid.sandbox.api import Api
from trackteroid.sandbox.schema_text import load_schema
from trackteroid.sandbox.seeds import API_KEY, API_USER, plant
from trackteroid.sandbox.storage import Storage
from trackteroid.session import Session


class Wire:
    """What stands in for `requests.Session.post`: a sandbox core for each address, or a prepared answer.

    Attributes:
        answers: What the next requests get instead, first in first out, for each address.
        sent: What all requests said, by address; as text in one form, whoever encoded it.
    """

    def __init__(self) -> None:
        self.answers: dict[str, list[str]] = {}
        self.sent: dict[str, list[str]] = {}
        self._cores: dict[str, Api] = {}

    def __call__(self, connection: Any, url: str, *, data: str | bytes, **_: Any) -> requests.Response:
        address = url.removesuffix("/api")
        self.sent.setdefault(address, []).append(json.dumps(json.loads(data), sort_keys=True))
        prepared = self.answers.get(address)
        if prepared:
            text = prepared.pop(0)
        else:
            text = json.dumps(self._core(address).handle(json.loads(data), username=API_USER, api_key=API_KEY))
        response = requests.Response()
        response.status_code = 200
        response.encoding = "utf-8"
        response.elapsed = datetime.timedelta(0)
        response.raw = urllib3.HTTPResponse(io.BytesIO(text.encode()), preload_content=False)
        return response

    def close(self) -> None:
        for core in self._cores.values():
            core.storage.close()

    def _core(self, address: str) -> Api:
        if address not in self._cores:
            storage = Storage(load_schema(), now=lambda: "2024-03-01T09:30:00")
            plant(storage, "demo")
            self._cores[address] = Api(storage, clock=lambda: 1709285400.0)
        return self._cores[address]


@pytest.fixture(scope="module")
def wire() -> Iterator[Wire]:
    with pytest.MonkeyPatch.context() as patch:
        made = Wire()
        patch.setattr(requests.Session, "post", lambda connection, url, **rest: made(connection, url, **rest))
        yield made
    made.close()


Open = Callable[..., Any]


@pytest.fixture(scope="module")
def connect(wire: Wire) -> Iterator[Open]:
    """Opens a session of a class, with further arguments for it."""
    opened = []

    def connect(session_class: Any, **arguments: Any) -> Any:
        address = f"http://{'ours' if issubclass(session_class, Session) else 'theirs'}.invalid"
        session = session_class(
            address,
            API_KEY,
            API_USER,
            **{"auto_populate": False, "plugin_paths": [], "schema_cache_path": False, **arguments},
        )
        opened.append(session)
        return session

    yield connect
    for session in opened:
        session.recorded_operations.clear()
        session.close()


@pytest.fixture(scope="module")
def sessions(connect: Open) -> tuple[Any, Session]:
    return connect(ftrack_api.Session), connect(Session)


@pytest.fixture
def pair(sessions: tuple[Any, Session], monkeypatch: pytest.MonkeyPatch) -> Pair:
    made = Pair(*sessions, monkeypatch)
    made.forget()
    return made


class Server:
    """Tells both servers what to answer to the next queries."""

    def __init__(self, wire: Wire, pair: Pair) -> None:
        self._wire = wire
        self._pair = pair

    def says(self, *pages: Any) -> None:
        """Answer with these rows, page after page."""
        for session in self._pair:
            self._wire.answers[session.server_url] = [
                json.dumps(
                    [
                        {
                            "action": "query",
                            "data": rows,
                            "metadata": {"next": {"offset": number if number < len(pages) else None}},
                        }
                    ]
                )
                for number, rows in enumerate(pages, 1)
            ]


@pytest.fixture
def server(wire: Wire, pair: Pair) -> Iterator[Server]:
    yield Server(wire, pair)
    wire.answers.clear()


Fallbacks = Callable[[], list[str]]


@pytest.fixture
def fallbacks(caplog: pytest.LogCaptureFixture) -> Fallbacks:
    """Returns what was said about answers that the client's own code loaded."""
    caplog.set_level(logging.DEBUG, logger="trackteroid.loading")
    return lambda: [
        record.getMessage()
        for record in caplog.records
        if record.name == "trackteroid.loading" and record.levelno == logging.DEBUG
    ]
