"""For all tests: nothing is left in the home folder of whoever runs them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(autouse=True, scope="session")
def state_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a user's local state, where the spool is by default; for child processes too."""
    folder = tmp_path_factory.mktemp("state")
    with pytest.MonkeyPatch.context() as patch:
        for variable in ("XDG_STATE_HOME", "LOCALAPPDATA"):
            patch.setenv(variable, str(folder))
        yield folder


@pytest.fixture(autouse=True, scope="session")
def patient_cache() -> Iterator[None]:
    """A machine that runs other tests meanwhile is no slow Redis: 50 ms, the default, can pass before a process gets its turn."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRACKTEROID_CACHE_TIMEOUT", "2")
        yield
