from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import trackteroid.embedded_redis
from tests.support.processes import wait_until
from trackteroid.commits.health import check_redis
from trackteroid.commits.redis_client import connect
from trackteroid.embedded_redis import EmbeddedRedis
from trackteroid.errors import LedgerUnavailableError


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return not Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].startswith(" Z")


def test_what_was_written_survives_a_kill_at_the_same_address() -> None:
    with EmbeddedRedis(use_environment=False) as server:
        url, pid = server.url, server.pid
        client = connect(url)
        client.set("key", "value")
        server.kill()
        server.start()
        assert server.url == url and server.pid != pid
        assert client.get("key") == b"value"
        client.close()
    with pytest.raises(LedgerUnavailableError, match="not running"):
        _ = server.url


def test_it_is_fit_for_a_ledger_and_needs_a_password() -> None:
    with EmbeddedRedis(use_environment=False) as server:
        assert {finding.severity for finding in check_redis(server.url)} == {"ok"}
        without = f"redis://{server.url.rpartition('@')[2]}"
        assert "problem" in {finding.severity for finding in check_redis(without)}


def test_temporary_data_are_removed_and_given_ones_stay(tmp_path: Path) -> None:
    with EmbeddedRedis(use_environment=False) as server:
        folder = server._data_dir
        assert folder is not None and folder.is_dir()
    assert not folder.exists()
    with EmbeddedRedis(tmp_path / "data", use_environment=False) as server:
        connect(server.url).set("key", "value")
    with EmbeddedRedis(tmp_path / "data", use_environment=False) as server:
        assert connect(server.url).get("key") == b"value"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux ends a child with its parent")
def test_it_ends_with_a_killed_parent() -> None:
    source = (
        "from trackteroid.embedded_redis import EmbeddedRedis; import time;"
        "server = EmbeddedRedis(use_environment=False).start(); print(server.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert alive(pid)
        parent.send_signal(signal.SIGKILL)
    wait_until(lambda: not alive(pid), seconds=5, what="the server's end")


def test_a_given_server_is_taken_and_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKTEROID_REDIS_URL", "redis://somewhere:6379/0")
    with EmbeddedRedis() as server:
        assert (server.url, server.pid, server.survives_kill) == ("redis://somewhere:6379/0", None, False)


def test_without_a_binary_fakeredis_stands_in_with_a_loud_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(trackteroid.embedded_redis, "find_server_binary", lambda: None)
    with caplog.at_level(logging.WARNING), EmbeddedRedis(use_environment=False) as server:
        client = connect(server.url)
        client.set("key", "value")
        assert client.get("key") == b"value"
        client.close()
        assert server.pid is None
    assert "VOLATILE" in caplog.text
