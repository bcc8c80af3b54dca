"""Fixtures for tests of pipeline code: a sandbox that begins every test with the same data.

Installed with the package, so that nothing needs to be imported or declared. Costs nothing where it is not used: what the
extra `trackteroid[sandbox]` brings is imported when the first test asks for a server.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from trackteroid.sandbox.server import SandboxServer

__all__ = ["ftrack_sandbox", "ftrack_sandbox_server", "pytest_addoption"]

_SEED = "ftrack_sandbox_seed"
_SCHEMA = "ftrack_sandbox_schema"
_SNAPSHOT = "pytest"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the settings that the fixtures read from pytest's configuration file."""
    parser.addini(_SEED, "data that the ftrack sandbox starts with (default: demo)", default="demo")
    parser.addini(_SCHEMA, "schema list that the ftrack sandbox serves, relative to the configuration file", default="")


@pytest.fixture(scope="session")
def ftrack_sandbox_server(request: pytest.FixtureRequest) -> Iterator[SandboxServer]:
    """One sandbox for all tests, as it was left by the last one. Most tests want `ftrack_sandbox`."""
    try:
        from trackteroid.sandbox.server import SandboxServer
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("trackteroid"):
            raise
        pytest.fail(f"ftrack_sandbox needs {error.name}: pip install 'trackteroid[sandbox]'", pytrace=False)
    from trackteroid.sandbox.errors import SandboxStartError

    named = request.config.getini(_SCHEMA)
    schema = Path(request.config.inipath or request.config.rootpath / "pytest.ini").parent / named if named else None
    try:
        server = SandboxServer(seed=request.config.getini(_SEED), schema=schema)
    except SandboxStartError as error:
        pytest.fail(f"ftrack_sandbox cannot start. {error}", pytrace=False)
    with server:
        server.api.storage.keep_copy(_SNAPSHOT)
        yield server


@pytest.fixture
def ftrack_sandbox(ftrack_sandbox_server: SandboxServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[SandboxServer]:
    """A local ftrack server with the seed's data, whatever other tests have done to it.

    `FTRACK_SERVER`, `FTRACK_API_USER` and `FTRACK_API_KEY` are set during the test; no faults are active when it begins,
    and `ftrack_sandbox.requests` is empty.
    """
    _tidy(ftrack_sandbox_server)
    for name, value in ftrack_sandbox_server.env.items():
        monkeypatch.setenv(name, value)
    yield ftrack_sandbox_server
    _tidy(ftrack_sandbox_server)


def _tidy(server: SandboxServer) -> None:
    # Faults first: a server that refuses connections would not be found again.
    server.faults.clear()
    server.api.storage.restore_copy(_SNAPSHOT)
    server.requests.clear()
    server.requests.counters(clear=True)
