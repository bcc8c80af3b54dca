"""What no source file may hold."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.support.processes import REPOSITORY


def tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", *patterns], cwd=REPOSITORY, capture_output=True, text=True, timeout=30, check=False
    )
    if listed.returncode:
        # An unpacked source archive: nothing says there which files are ours. CI and developers have a checkout.
        pytest.skip("not a git checkout")
    return [path for name in listed.stdout.split("\0") if name and (path := REPOSITORY / name).is_file()]


def test_unit_tests_never_sleep() -> None:
    offenders = [
        str(path.relative_to(REPOSITORY))
        for path in tracked("tests/unit", "tests/conformance")
        if path.suffix == ".py" and re.search(r"\bsleep\(", path.read_text(encoding="utf-8"))
    ]
    assert offenders == []


def test_nothing_is_ever_pickled() -> None:
    offenders = [
        str(path.relative_to(REPOSITORY))
        for path in tracked("trackteroid", "workers", "tasks")
        if path.suffix == ".py"
        and re.search(r"^\s*(import|from) (pickle|marshal|shelve)\b", path.read_text(), re.MULTILINE)
    ]
    assert offenders == []


def test_the_library_never_evaluates_text_but_the_studios_configuration() -> None:
    offenders = [
        str(path.relative_to(REPOSITORY))
        for path in tracked("trackteroid")
        if path.suffix == ".py"
        and path.name != "configuration.py"
        and re.search(r"(?<![.\w])(eval|exec)\(", path.read_text(encoding="utf-8"))
    ]
    assert offenders == []
