"""One sandbox in this process for a module, put back after every test; sessions of the official client."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import ftrack_api
import pytest

from trackteroid.sandbox.server import SandboxServer

NewSession = Callable[..., Any]


@pytest.fixture(scope="session")
def seeded() -> Iterator[SandboxServer]:
    with SandboxServer(seed="demo") as server:
        server.api.storage.keep_copy("seeded")
        yield server


@pytest.fixture
def server(seeded: SandboxServer) -> Iterator[SandboxServer]:
    yield seeded
    seeded.faults.clear()
    seeded.requests.clear()
    seeded.api.storage.restore_copy("seeded")


@pytest.fixture
def new_session(server: SandboxServer, tmp_path: Any) -> Iterator[NewSession]:
    """Open sessions; they are closed with the test."""
    sessions = []

    def connect(**overrides: Any) -> Any:
        arguments = {
            "server_url": server.url,
            "api_key": server.env["FTRACK_API_KEY"],
            "api_user": server.env["FTRACK_API_USER"],
            "auto_connect_event_hub": False,
            "schema_cache_path": str(tmp_path),
            **overrides,
        }
        sessions.append(ftrack_api.Session(**arguments))
        return sessions[-1]

    yield connect
    for session in sessions:
        session.close()


@pytest.fixture
def session(new_session: NewSession) -> Any:
    return new_session()
