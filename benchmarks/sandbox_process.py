"""The sandbox as a process of its own, so that its time is not in ours."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["RunningSandbox", "running_sandbox"]

_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class RunningSandbox:
    """A sandbox that serves."""

    env: dict[str, str]

    def requests(self, *, clear: bool = False) -> list[dict[str, Any]]:
        """The request log, oldest first."""
        url = f"{self.env['FTRACK_SERVER']}/sandbox/requests{'?clear=1' if clear else ''}"
        with _OPENER.open(url, timeout=60) as response:
            entries: list[dict[str, Any]] = json.load(response)
            return entries


@contextmanager
def running_sandbox(seed: str) -> Iterator[RunningSandbox]:
    """Run a sandbox with `seed` until the block ends."""
    with tempfile.TemporaryDirectory(prefix="trackteroid-bench-") as folder:
        file = Path(folder, "env")
        process = subprocess.Popen(
            [sys.executable, "-m", "trackteroid.sandbox", "--seed", seed, "--env-file", str(file)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            assert process.stdout is not None
            # The URL is printed when it serves.
            while "http://" not in (line := process.stdout.readline()):
                if not line:
                    raise RuntimeError("The sandbox did not start.")
            lines = [line.removeprefix("export ").strip() for line in file.read_text().splitlines()]
            env = {name: value.strip("'\"") for name, _, value in (line.partition("=") for line in lines) if value}
            _wait(env["FTRACK_SERVER"])
            yield RunningSandbox(env)
        finally:
            process.terminate()
            process.wait(20)


def _wait(url: str) -> None:
    for _ in range(200):
        try:
            _OPENER.open(f"{url}/sandbox/requests", timeout=5).close()
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"The sandbox at {url} does not answer; environment: {sorted(os.environ)}")
