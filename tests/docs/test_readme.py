"""The README's tables say what the code says."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.processes import REPOSITORY
from trackteroid.cli.exit_codes import ExitCode
from trackteroid.settings import variables

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("variable", "description"), [(row[0], row[2]) for row in variables()])
def test_every_setting_is_documented(variable: str, description: str) -> None:
    (line,) = [line for line in README.splitlines() if line.startswith(f"| `{variable}` |")]
    assert line.endswith(f"| {description} |")


@pytest.mark.parametrize("code", list(ExitCode))
def test_every_exit_code_is_documented(code: ExitCode) -> None:
    assert f"| {code.value} | {code.meaning} |" in README


@pytest.mark.parametrize(
    "command",
    [
        "sandbox",
        "recording show",
        "recording commit",
        "enqueue",
        "release",
        "where",
        "commits list",
        "commits show",
        "commits retry",
        "commits cancel",
        "spool status",
        "spool flush",
        "recover",
        "cache clear",
        "cache listen",
        "doctor",
    ],
)
def test_every_command_is_documented_and_has_help(command: str) -> None:
    assert f"`trackteroid {command}" in README
    done = subprocess.run(
        [sys.executable, "-m", "trackteroid", *command.split(), "--help"], capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 0
    assert "usage: trackteroid" in done.stdout
