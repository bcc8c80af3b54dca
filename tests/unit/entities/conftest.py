from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.local_session import LocalSession


@pytest.fixture(scope="module")
def shared_session() -> Iterator[LocalSession]:
    """One session for a module's tests that do not commit."""
    session = LocalSession()
    yield session
    session.recorded_operations.clear()
    session.close()


@pytest.fixture
def session(shared_session: LocalSession) -> Iterator[LocalSession]:
    """A session without pending operations and cached entities."""
    shared_session.recorded_operations.clear()
    shared_session.reset()
    shared_session.requests.clear()
    yield shared_session
    shared_session.recorded_operations.clear()


@pytest.fixture
def fresh_session() -> Iterator[LocalSession]:
    """A session on a server of its own, for tests that commit or reconnect."""
    session = LocalSession()
    session.requests.clear()
    yield session
    session.recorded_operations.clear()
    session.close()
