from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.sandbox import SandboxProcess
from trackteroid.session import Session


@pytest.fixture(scope="module")
def demo() -> Iterator[SandboxProcess]:
    """A server for the tests of one module."""
    with SandboxProcess() as server:
        yield server


@pytest.fixture
def session(demo: SandboxProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """A session on it."""
    with Session(
        server_url=demo.url,
        api_key=demo.env["FTRACK_API_KEY"],
        api_user=demo.env["FTRACK_API_USER"],
        schema_cache_path=str(tmp_path_factory.getbasetemp()),
    ) as connected:
        yield connected
        if not connected.closed:
            connected.recorded_operations.clear()
