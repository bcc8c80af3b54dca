"""The client and ours, each with a server of its own that holds the same."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ftrack_api
import pytest

from tests.support.session_pair import Pair
from trackteroid.sandbox.server import SandboxServer
from trackteroid.session import Session

_MOMENT = 1709285400.0


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[SandboxServer, SandboxServer]]:
    moments = [itertools.count(int(_MOMENT)) for _ in range(2)]
    clocks = [lambda moment=moment: float(next(moment) // 1000 * 1000) for moment in moments]
    with SandboxServer(seed="demo", clock=clocks[0]) as one, SandboxServer(seed="demo", clock=clocks[1]) as other:
        yield one, other


@pytest.fixture(scope="module")
def sessions(servers: tuple[SandboxServer, SandboxServer], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder: Path = tmp_path_factory.mktemp("schemas")
    opened = []
    for server, session_class in zip(servers, (ftrack_api.Session, Session), strict=True):
        opened.append(
            session_class(
                server.url,
                server.env["FTRACK_API_KEY"],
                server.env["FTRACK_API_USER"],
                auto_populate=False,
                plugin_paths=[],
                schema_cache_path=str(folder),
            )
        )
    yield opened
    for session in opened:
        session.recorded_operations.clear()
        session.close()


@pytest.fixture
def pair(sessions: Any, monkeypatch: pytest.MonkeyPatch) -> Pair:
    made = Pair(*sessions, monkeypatch)
    made.forget()
    return made
