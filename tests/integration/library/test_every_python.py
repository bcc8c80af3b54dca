"""The unit tests under every Python that the library supports and this machine has."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.support.interpreters import interpreter

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1800)]

_CHECKOUT = Path(__file__).resolve().parents[3]


def run(command: list[str], env: dict[str, str]) -> None:
    ended = subprocess.run(
        command, cwd=_CHECKOUT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert ended.returncode == 0, "\n".join(ended.stdout.splitlines()[-60:])


@pytest.mark.parametrize("minor", [10, 11, 12, 13, 14])
def test_the_unit_tests_pass(minor: int, tmp_path: Path) -> None:
    """In an environment of its own with what `pip install '.[dev]'` gets there, so lower bounds and markers count too."""
    # What the runner of this test has set is about its own environment.
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "VIRTUAL_ENV"))}
    env["PYTHONDONTWRITEBYTECODE"] = "1"
    run([interpreter(3, minor), "-m", "venv", str(tmp_path / "env")], env)
    python = str(tmp_path / "env" / ("Scripts" if os.name == "nt" else "bin") / "python")
    run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-e", ".[dev]"], env)
    cache = ["-p", "no:cacheprovider", "--basetemp", str(tmp_path / "tests")]
    run([python, "-m", "pytest", "-q", "-m", "not soak", *cache, "tests/unit"], env)
