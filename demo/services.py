"""The processes of the demo: started, waited for, and stopped whatever happens."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from trackteroid.embedded_redis import EmbeddedRedis

_Value = TypeVar("_Value")

REPOSITORY = Path(__file__).resolve().parents[1]

#: Short, so that the demo needs not wait for what takes a minute in production.
LEASE_SECONDS = 4
TIMING = {
    "TRACKTEROID_LEASE_SECONDS": str(LEASE_SECONDS),
    "TRACKTEROID_RETRY_BASE_SECONDS": "0.5",
    "TRACKTEROID_RETRY_CAP_SECONDS": "2",
    "TRACKTEROID_SWEEP_SECONDS": "0.5",
}


def wait_for(what: str, condition: Callable[[], _Value | None], seconds: float = 30.0) -> _Value:
    """Return what `condition` returns as soon as that is something; raise after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"Waited {seconds:g} s in vain for {what}.")
        time.sleep(0.05)


class Services:
    """Sandbox, Redis, one Celery worker and beat, and the environment in which their clients run."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="trackteroid-demo-"))
        self.environment: dict[str, str] = {}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._redis: EmbeddedRedis | None = None

    def start(self) -> None:
        """Start everything; returns when all of it is ready."""
        self._redis = EmbeddedRedis(data_dir=str(self.folder / "redis"))
        self._redis.__enter__()
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("FTRACK_", "TRACKTEROID_"))},
            **TIMING,
            "TRACKTEROID_REDIS_URL": self._redis.url,
            "FTRACK_API_SCHEMA_CACHE_PATH": str(self.folder),
            # One machine plays the whole farm here: a process may wait longer for its turn than the cache does by default.
            "TRACKTEROID_CACHE_TIMEOUT": "2",
            "PYTHONUNBUFFERED": "1",
        }
        env_file = self.folder / "sandbox.env"
        self._spawn("sandbox", "-m", "trackteroid", "sandbox", "--seed", "demo", "--env-file", str(env_file))
        wait_for("the sandbox", lambda: self._alive("sandbox") and "http" in self.log("sandbox"))
        for line in env_file.read_text(encoding="utf-8").splitlines():
            name, _, value = line.removeprefix("export ").partition("=")
            self.environment[name] = value.strip("'\"")
        self.start_worker()
        self._spawn("beat", "-m", "celery", "-A", "workers", "beat", "--loglevel", "INFO")

    def start_worker(self) -> None:
        """Start a Celery worker with two processes."""
        self._spawn("worker", "-m", "celery", "-A", "workers", "worker", "--concurrency", "2", "--loglevel", "INFO")
        wait_for("the worker", lambda: self._alive("worker") and " ready." in self.log("worker"))

    def kill_worker(self) -> None:
        """Kill the worker and its children with SIGKILL: none of them can do anything about it."""
        worker = self._processes.pop("worker")
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()

    def python(self, *arguments: str) -> str:
        """Run Python in a fresh process and return its output."""
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=REPOSITORY,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        if done.returncode:
            raise RuntimeError(f"python {' '.join(arguments)} failed ({done.returncode}):\n{done.stdout}{done.stderr}")
        return done.stdout

    def trackteroid(self, *arguments: str) -> str:
        """Run the command line in a fresh process and return its output."""
        return self.python("-m", "trackteroid", *arguments)

    def sandbox(self, method: str, path: str, body: Any = None) -> Any:
        """Call the sandbox's own controls."""
        request = urllib.request.Request(
            self.environment["FTRACK_SERVER"] + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as response:
            text = response.read()
        return json.loads(text) if text else None

    def log(self, name: str) -> str:
        """What a process has printed so far."""
        return (self.folder / f"{name}.log").read_text(encoding="utf-8", errors="replace")

    def stop(self) -> None:
        """Stop everything that was started, and remove its files."""
        for process in self._processes.values():
            if process.poll() is None:
                process.terminate()
        for process in self._processes.values():
            try:
                process.wait(8)
            except subprocess.TimeoutExpired:
                pass
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()
        self._processes.clear()
        if self._redis is not None:
            self._redis.stop()
            self._redis = None
        shutil.rmtree(self.folder, ignore_errors=True)

    def _spawn(self, name: str, *arguments: str) -> None:
        with (self.folder / f"{name}.log").open("wb") as log:
            self._processes[name] = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=REPOSITORY,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # A group of its own: Ctrl-C reaches the demo only, which then stops everything in order.
                start_new_session=True,
            )

    def _alive(self, name: str) -> bool:
        if self._processes[name].poll() is not None:
            raise RuntimeError(f"The {name} ended by itself:\n{self.log(name)}")
        return True
