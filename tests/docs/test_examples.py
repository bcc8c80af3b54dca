"""Every Python example in the documentation runs against the sandbox and prints what it promises."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest

from tests.docs.examples import python_examples
from tests.support.processes import REPOSITORY
from tests.support.redis import embedded_redis
from tests.support.sandbox import SandboxProcess
from tests.support.workers import worker_process

#: Pages whose examples need a worker at work.
WITH_WORKER = {"farm.md"}
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_examples_run_in_order_each_in_a_process_of_its_own(page: Path, tmp_path: Path) -> None:
    examples = python_examples(page)
    with SandboxProcess(seed="demo") as sandbox, embedded_redis() as redis:
        env = {**os.environ, **sandbox.env, "TRACKTEROID_REDIS_URL": redis.url}
        # Where the commands of this environment are.
        env["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), env["PATH"]])
        worker = worker_process(redis.url, sandbox.env) if page.name in WITH_WORKER else nullcontext()
        with worker:
            for example in examples:
                done = subprocess.run(
                    [sys.executable, "-c", example.source],
                    env=env,
                    cwd=tmp_path,
                    capture_output=True,
                    text=True,
                    timeout=60,
                )
                assert done.returncode == 0, f"{page.name}:{example.line}\n{done.stderr}"
                if example.output is not None:
                    assert done.stdout == example.output, f"{page.name}:{example.line}"
