"""A farm for tests: sandbox, Redis, workers on demand, and commands run as farm jobs run them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import ftrack_api
import pytest

from tests.support.processes import REPOSITORY, wait_until
from tests.support.redis import embedded_redis
from tests.support.sandbox import SandboxProcess
from tests.support.workers import service_environment
from trackteroid.cli.exit_codes import ExitCode
from trackteroid.commits.commit import Commit
from trackteroid.commits.enqueueing import flush_spool
from trackteroid.commits.reaching import open_ledger
from trackteroid.commits.redis_ledger import RedisLedger
from trackteroid.commits.spool import open_spool
from trackteroid.commits.state import CommitState
from trackteroid.embedded_redis import EmbeddedRedis
from trackteroid.operations.frames import parse_frames
from trackteroid.settings import Settings

__all__ = ["Farm"]


class Farm:
    """Where the tests' publishes happen.

    Args:
        sandbox: The ftrack server.
        redis: The ledger's.
        folder: For renders, recordings and the shared spool.
    """

    def __init__(self, sandbox: SandboxProcess, redis: EmbeddedRedis, folder: Path) -> None:
        self.sandbox, self.redis, self.folder = sandbox, redis, folder
        self.env = {
            **service_environment(redis.url, sandbox.env),
            "TRACKTEROID_SPOOL": str(folder / "spool"),
            # The tests' commands find the package without being installed.
            "PYTHONPATH": str(REPOSITORY),
        }
        self.settings = Settings.from_environment(self.env)
        self.ledger: RedisLedger = open_ledger(self.settings, sandbox.url)

    def environment(self, **more: str) -> dict[str, str]:
        """Return what a process of the farm finds in its environment."""
        return {**os.environ, **self.env, **more}

    def publish(
        self, shot: str, asset: str, layer: str = "beauty", *, version: int = 1, frames: str = "1001-1003"
    ) -> dict[str, Any]:
        """Return a publish for `submitter.py`; its path carries its version."""
        pattern = self.folder / "renders" / shot / asset / f"v{version:03d}" / f"{layer}.%04d.exr"
        labels = {"farm_job": f"job-{asset}-{layer}-{version}"}
        return {
            "shot": shot,
            "asset": asset,
            "layer": layer,
            "version": version,
            "labels": labels,
            "pattern": str(pattern),
            "frames": frames,
        }

    def render(self, publish: Mapping[str, Any], frames: str | None = None, *, size: int = 100) -> None:
        """Make the files of a publish, as a renderer would."""
        for frame in parse_frames(frames or publish["frames"]):
            path = Path(publish["pattern"] % frame)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x" * size)

    def submit(self, publishes: Sequence[Mapping[str, Any]], **env: str) -> list[str]:
        """Record and hold publishes in a submitter's process; return their ids."""
        plan = self.folder / "plan.json"
        plan.write_text(json.dumps(list(publishes)), encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-m", "tests.integration.farm.submitter", str(plan)],
            env=self.environment(**env),
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            timeout=100 + len(publishes),
        )
        assert done.returncode == 0, done.stderr
        self.deliver()
        return done.stdout.split()

    def deliver(self) -> None:
        """Deliver what went to the spool because a busy machine let Redis answer late; that is no failure, and no test of it."""
        wait_until(
            lambda: not flush_spool(self.settings).left and not open_spool(self.settings).waiting(),
            seconds=60,
            what="the spool to be empty",
        )

    def release(self, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run `trackteroid release WORDS`; an order that went to the spool is delivered, and counts as done."""
        done = self.run("release", *words, **env)
        if done.returncode != ExitCode.SPOOLED:
            return done
        self.deliver()
        return subprocess.CompletedProcess(done.args, 0, done.stdout, done.stderr)

    def run(self, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run `trackteroid WORDS` as a farm job does, in a process of its own; again while Redis answers too late (69)."""
        deadline = time.monotonic() + 60.0
        while True:
            done = subprocess.run(
                [sys.executable, "-m", "trackteroid", *words],
                env=self.environment(**env),
                cwd=self.folder,
                capture_output=True,
                text=True,
                timeout=100,
            )
            if done.returncode != ExitCode.UNAVAILABLE or time.monotonic() > deadline:
                return done
            time.sleep(0.5)

    def ended(self, commit_id: str, *, seconds: float = 60.0) -> Commit:
        """Return a commit when nothing more happens to it by itself."""
        final = (CommitState.COMMITTED, CommitState.DEAD, CommitState.CANCELLED)
        wait_until(lambda: self.ledger.get(commit_id).state in final, seconds=seconds, what=f"the end of {commit_id}")
        return self.ledger.get(commit_id)

    def committed(self, commit_id: str, *, seconds: float = 60.0) -> Commit:
        """Return a commit when it is on the server."""
        commit = self.ended(commit_id, seconds=seconds)
        assert commit.state is CommitState.COMMITTED, commit.error
        return commit

    def official(self, user: str | None = None) -> ftrack_api.Session:
        """Return a session of the official client, which decides what really is there; close it."""
        return ftrack_api.Session(
            self.sandbox.url,
            self.sandbox.env["FTRACK_API_KEY"],
            user or self.sandbox.env["FTRACK_API_USER"],
            auto_connect_event_hub=False,
        )


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    with SandboxProcess(seed="demo") as sandbox, embedded_redis() as redis:
        made = Farm(sandbox, redis, tmp_path_factory.mktemp("farm"))
        yield made
        made.ledger.client.close()
