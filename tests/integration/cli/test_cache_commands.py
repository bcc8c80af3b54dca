"""`trackteroid cache stats` and `trackteroid cache clear`, beside a session that uses the cache."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from tests.support.redis import embedded_redis
from tests.support.sandbox import SandboxProcess
from trackteroid.cli.exit_codes import ExitCode
from trackteroid.session import Session

SHOTS = "select id, name from Shot"
USERS = "select id, username from User"

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def env() -> Iterator[dict[str, str]]:
    with SandboxProcess(seed="demo") as sandbox, embedded_redis() as redis:
        yield {**sandbox.env, "TRACKTEROID_QUERY_CACHE_URL": redis.url}


@pytest.fixture
def run(env: dict[str, str]) -> Run:
    def run(*arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("FTRACK_", "TRACKTEROID_"))}
        command = [sys.executable, "-m", "trackteroid", "cache", *arguments]
        return subprocess.run(command, env={**clean, **env, **changes}, capture_output=True, text=True, timeout=60)

    return run


@pytest.fixture
def sessions(env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Session, Session]]:
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    with Session() as session, Session(cache_namespace="lighting") as lighting:
        yield session, lighting


def misses(session: Session, question: str) -> int:
    """How often ftrack is asked for this now."""
    before = session.query_cache.statistics.misses
    with session.reusing_query_results(shared=True):
        session.fetch_entities(question)
    return session.query_cache.statistics.misses - before


def test_statistics_are_those_of_all_processes(run: Run, sessions: tuple[Session, Session]) -> None:
    session, _ = sessions
    for _ in range(3):
        misses(session, SHOTS)
    session.query_cache.settle()
    done = run("stats", "--json")
    assert done.returncode == ExitCode.OK, done.stderr
    counts = json.loads(done.stdout)
    assert (counts["hits"], counts["misses"], counts["stored"], counts["hit_rate"]) == (2, 1, 1, 0.6667)
    assert counts["bytes_read"] == 2 * counts["bytes_stored"] > 0
    lines = run("stats").stdout.splitlines()
    assert any(line.split() == ["hits", "2"] for line in lines)
    assert any(line.split() == ["hit", "rate", "66.7%"] for line in lines)


def test_clearing_forgets_a_server_a_namespace_or_a_table(run: Run, sessions: tuple[Session, Session]) -> None:
    session, lighting = sessions

    def asked() -> list[int]:
        return [misses(session, SHOTS), misses(session, USERS), misses(lighting, SHOTS)]

    asked()
    assert asked() == [0, 0, 0]
    assert run("clear").returncode == ExitCode.OK
    assert asked() == [1, 1, 1]
    done = run("clear", "--namespace", "lighting")
    assert (done.returncode, done.stdout) == (0, "")
    assert "'lighting'" in done.stderr
    assert asked() == [0, 0, 1]
    assert run("clear", "--namespace", session.query_cache.namespace).returncode == ExitCode.OK
    assert asked() == [1, 1, 0]
    assert run("clear", "--table", "User").returncode == ExitCode.OK
    assert asked() == [0, 1, 0]
    assert run("clear", "--server", "http://another.example").returncode == ExitCode.OK
    assert asked() == [0, 0, 0]


def test_what_makes_no_sense_is_one_clear_line(run: Run) -> None:
    for arguments, text in (
        (["clear", "--table", "Nonsense"], "Nonsense"),
        (["clear", "--table", "User", "--namespace", "x"], "not both"),
    ):
        done = run(*arguments)
        assert done.returncode == ExitCode.SETTINGS
        assert text in done.stderr
        assert len(done.stderr.splitlines()) == 1
    done = run("stats", TRACKTEROID_QUERY_CACHE_URL="redis://127.0.0.1:9/0")
    assert done.returncode == ExitCode.UNAVAILABLE
    assert "127.0.0.1:9" in done.stderr
    assert run("stats", FTRACK_SERVER="").returncode == ExitCode.SETTINGS
