"""Processes that a test starts and that always end with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

REPOSITORY = Path(__file__).resolve().parents[2]


def wait_until(condition: Callable[[], object], *, seconds: float = 20.0, what: str = "the condition") -> object:
    """Poll `condition` until it is true and return its value; fail with `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"Waited {seconds:g} s in vain for {what}.")
        time.sleep(0.02)


class ManagedProcess:
    """A child process in its own process group, with its output in a file; `stop()` ends the whole group."""

    def __init__(
        self, arguments: Sequence[str], *, env: Mapping[str, str] | None = None, name: str = "process"
    ) -> None:
        self.name = name
        self._log = tempfile.NamedTemporaryFile(prefix=f"{name}-", suffix=".log", delete=False)
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})}
        self.process = subprocess.Popen(
            list(arguments),
            cwd=REPOSITORY,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def output(self) -> str:
        return Path(self._log.name).read_text(encoding="utf-8", errors="replace")

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def kill_group(self, number: int = signal.SIGKILL) -> None:
        """Send a signal to the process and all its children."""
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            return

    def stop(self, *, seconds: float = 10.0) -> int:
        """End it: SIGTERM, then SIGKILL to the group. Returns the exit status."""
        if self.running:
            self.process.terminate()
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                pass
        self.kill_group()
        status = self.process.wait(10)
        self._log.close()
        Path(self._log.name).unlink(missing_ok=True)
        return status

    def __enter__(self) -> ManagedProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()


def run_python(
    source: str, *, env: Mapping[str, str], seconds: float = 60.0, check: bool = True, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run Python source in a fresh process and return the completed process (text output)."""
    return subprocess.run(
        [sys.executable, "-c", source],
        env={**os.environ, **env},
        cwd=cwd or REPOSITORY,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=check,
    )
