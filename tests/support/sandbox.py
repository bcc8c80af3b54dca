"""The sandbox as a process of its own, for tests."""

from __future__ import annotations

import json
import shlex
import sys
import tempfile
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.support.processes import ManagedProcess, wait_until

# The machine's proxy settings are none of a loopback server's business.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class SandboxProcess:
    """`python -m trackteroid.sandbox` on a free port (or the given one), ready to serve; always stopped.

        with SandboxProcess(seed="demo") as sandbox:
            session = ftrack_api.Session(sandbox.url, sandbox.env["FTRACK_API_KEY"], sandbox.env["FTRACK_API_USER"])

    Args:
        arguments: Further command line arguments.
        env: Environment variables besides this process's own.

    Attributes:
        env: The three environment variables of the official clients.
        env_file: The file that the process wrote them to.
    """

    def __init__(
        self, *, seed: str = "demo", arguments: Sequence[str] = (), env: Mapping[str, str] | None = None
    ) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="sandbox-")
        self.env_file = Path(self._folder.name) / "env"
        command = [
            sys.executable,
            "-m",
            "trackteroid.sandbox",
            "--seed",
            seed,
            "--env-file",
            str(self.env_file),
            *arguments,
        ]
        self.process = ManagedProcess(command, env=env, name="sandbox")
        try:
            # The URL is printed when it serves.
            wait_until(lambda: "http://" in self.process.output or not self.process.running, what="the sandbox")
            if not self.process.running:
                raise AssertionError(f"The sandbox did not start:\n{self.process.output}")
        except BaseException:
            self.stop()
            raise
        self.env = dict(
            line.removeprefix("export ").split("=", 1)
            for line in shlex.split(self.env_file.read_text(), posix=True)
            if "=" in line
        )
        self.url = self.env["FTRACK_SERVER"]

    @property
    def pid(self) -> int:
        return self.process.pid

    def faults(self, faults: Sequence[Mapping[str, Any]]) -> None:
        """Replace the active faults."""
        self._ask("POST", "/sandbox/faults", list(faults))

    def faults_left(self) -> list[dict[str, Any]]:
        """The faults that can still strike."""
        left: list[dict[str, Any]] = self._ask("GET", "/sandbox/faults")
        return left

    def clear_faults(self) -> None:
        self._ask("DELETE", "/sandbox/faults")

    def set_keys(self, *keys: Mapping[str, Any]) -> None:
        """Add API keys, or change those that are there: `{"key", "user", "expires_at", "is_enabled"}`."""
        self._ask("POST", "/sandbox/keys", list(keys))

    def requests(self, *, clear: bool = False) -> list[dict[str, Any]]:
        """The request log, oldest first; with `clear` it is emptied."""
        entries: list[dict[str, Any]] = self._ask("GET", "/sandbox/requests" + ("?clear=1" if clear else ""))
        return entries

    def snapshot(self) -> None:
        """Keep the present data for `restore`."""
        self._ask("POST", "/sandbox/snapshot")

    def restore(self) -> None:
        """Go back to the data of the last `snapshot`."""
        self._ask("POST", "/sandbox/restore")

    def api(self, *operations: Mapping[str, Any]) -> Any:
        """Send a batch as raw JSON and return the decoded answer, error objects included."""
        headers = {"ftrack-user": self.env["FTRACK_API_USER"], "ftrack-api-key": self.env["FTRACK_API_KEY"]}
        return self._ask("POST", "/api", list(operations), headers)

    def _ask(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self.url + path, data, {"Content-Type": "application/json", **(headers or {})}, method=method
        )
        with _OPENER.open(request, timeout=30) as response:
            return json.load(response)

    def stop(self) -> int:
        """End it. Returns its exit status."""
        status = self.process.stop()
        self._folder.cleanup()
        return status

    def __enter__(self) -> SandboxProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
