"""`trackteroid doctor --probe` as a process, against a sandbox."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import REPOSITORY
from tests.support.sandbox import SandboxProcess
from trackteroid.cli.exit_codes import ExitCode
from trackteroid.cli.experiments import EXPERIMENTS


@pytest.fixture(scope="module")
def shared() -> Iterator[SandboxProcess]:
    with SandboxProcess(seed="demo") as sandbox:
        project = {"name": "probe", "full_name": 'The "probe" project'}
        sandbox.api({"action": "create", "entity_type": "Project", "entity_data": project})
        sandbox.snapshot()
        yield sandbox


@pytest.fixture
def sandbox(shared: SandboxProcess) -> Iterator[SandboxProcess]:
    yield shared
    shared.clear_faults()
    shared.restore()


def probe(sandbox: SandboxProcess, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "trackteroid", "doctor", "--probe", *arguments],
        cwd=REPOSITORY,
        env={**os.environ, **sandbox.env, **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def count(sandbox: SandboxProcess) -> dict[str, int]:
    kinds = ("TypedContext", "Asset", "AssetVersion", "Component")
    answers = sandbox.api(*({"action": "query", "expression": kind} for kind in kinds))
    return {kind: len(answer["data"]) for kind, answer in zip(kinds, answers, strict=True)}


def test_the_answers_stand_beside_the_sandboxs(sandbox: SandboxProcess) -> None:
    before = count(sandbox)
    done = probe(sandbox, "probe")
    assert (done.returncode, done.stderr) == (ExitCode.OK, "")
    lines = done.stdout.splitlines()
    assert lines[0].split("  ")[0] == "experiment"
    for line, experiment in zip(lines[2:], EXPERIMENTS, strict=False):
        cells = [cell.strip() for cell in line.split("  ") if cell.strip()]
        assert cells == [experiment.question, experiment.sandbox, experiment.sandbox, experiment.needed or "-"]
    assert lines[-1] == f"Commits to {sandbox.url} can be repeated safely."
    assert count(sandbox) == before


def test_another_answer_fails_the_probe(sandbox: SandboxProcess) -> None:
    sandbox.faults([{"kind": "half_batch", "actions": ["update"]}])
    done = probe(sandbox, 'The "probe" project', "--json")
    assert done.returncode == ExitCode.FAILED
    findings: list[dict[str, Any]] = json.loads(done.stdout)
    (wrong,) = (each for each in findings if not each["ok"])
    assert wrong == {
        "experiment": "a batch that fails half-way",
        "answer": "it is applied in part",
        "sandbox": "nothing is applied",
        "needed": "nothing is applied",
        "ok": False,
    }


def test_the_table_says_that_something_is_wrong(sandbox: SandboxProcess) -> None:
    sandbox.faults([{"kind": "half_batch", "actions": ["update"]}])
    done = probe(sandbox, "probe")
    assert done.returncode == ExitCode.FAILED
    assert done.stdout.endswith(
        f"1 of the answers of {sandbox.url} are not what exactly-once rests on. Please report them.\n"
    )


@pytest.mark.parametrize(
    ("project", "message"),
    [
        ("demo", 'The project "demo" is not empty (it has a TypedContext).'),
        ("nowhere", 'There is no project with the name or id "nowhere" that sandbox can see.'),
    ],
)
def test_a_project_that_is_in_use_or_not_there_is_refused(sandbox: SandboxProcess, project: str, message: str) -> None:
    before = count(sandbox)
    done = probe(sandbox, project)
    assert done.returncode == ExitCode.USAGE
    assert message in done.stderr and "Traceback" not in done.stderr
    assert done.stdout == ""
    assert count(sandbox) == before


def test_with_force_a_project_in_use_is_left_as_it_was(sandbox: SandboxProcess) -> None:
    before = count(sandbox)
    done = probe(sandbox, "demo", "--force", "--json")
    assert done.returncode == ExitCode.OK, done.stderr
    assert count(sandbox) == before


def test_a_wrong_key_is_one_line(sandbox: SandboxProcess, tmp_path: Path) -> None:
    done = probe(sandbox, "probe", FTRACK_API_KEY="wrong")
    assert done.returncode == ExitCode.NO_PERMISSION
    assert len(done.stderr.splitlines()) == 1
