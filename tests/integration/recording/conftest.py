from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.local_session import LocalSession


@pytest.fixture
def session() -> LocalSession:
    return LocalSession()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "recorded_operations.dbm"
