"""The client and ours, each with a server of its own that holds the same."""

from __future__ import annotations

import itertools
import types
import uuid
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import ftrack_api
import ftrack_api.entity.factory
import pytest

from tests.integration.loading.snapshots import operations, snapshot
from trackteroid.sandbox.server import SandboxServer
from trackteroid.session import Session

_MOMENT = 1709285400.0


class Pair:
    """Two sessions that are told the same things: the official client's and ours."""

    def __init__(self, theirs: Any, ours: Session, monkeypatch: pytest.MonkeyPatch) -> None:
        self.theirs = theirs
        self.ours = ours
        self._monkeypatch = monkeypatch

    def __iter__(self) -> Iterator[Any]:
        return iter((self.theirs, self.ours))

    @property
    def schemas(self) -> dict[str, Any]:
        return {schema["id"]: schema for schema in self.theirs.schemas}

    def both(self, work: Any) -> list[Any]:
        """Let both do the same, with the same ids for what they create; return what came out, errors included."""
        outcomes = []
        for session in self:
            random = Random(7)
            ids = types.SimpleNamespace(uuid4=lambda random=random: uuid.UUID(int=random.getrandbits(128), version=4))
            self._monkeypatch.setattr(ftrack_api.entity.factory, "uuid", ids)
            try:
                outcomes.append(work(session))
            except Exception as error:
                outcomes.append(f"{type(error).__name__}: {error}")
        return outcomes

    def check(self, what: str) -> None:
        """Assert that both have the same in memory and the same pending."""
        theirs, ours = snapshot(self.theirs), snapshot(self.ours)
        assert [key for key, _ in ours] == [key for key, _ in theirs], what
        for (key, mine), (_, client) in zip(ours, theirs, strict=True):
            assert mine == client, f"{what}: {key}"
        assert operations(self.ours) == operations(self.theirs), what

    def forget(self) -> None:
        for session in self:
            session.recorded_operations.clear()
            session._local_cache.clear()
            session._configure_locations()


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
