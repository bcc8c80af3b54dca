"""For all tests: nothing is left in the home folder of whoever runs them; a busy machine and odd texts make none fail."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path

import hypothesis
import pytest

# What a change needs is the same in every run and on every machine; `make soak` looks further, at random.
hypothesis.settings.register_profile(
    "test",
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.register_profile(
    "soak", deadline=None, print_blob=True, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)


def pytest_configure(config: pytest.Config) -> None:
    hypothesis.settings.load_profile("soak" if config.getoption("markexpr") == "soak" else "test")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Spell out half characters in what a failed test printed: pytest-xdist ends the whole run over one."""
    report = yield
    report.sections = [(title, spelled_out(text)) for title, text in report.sections]
    if report.longrepr is not None and spelled_out(report.longreprtext) != report.longreprtext:
        report.longrepr = spelled_out(report.longreprtext)
    return report


def spelled_out(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


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
