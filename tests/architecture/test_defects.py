"""Every defect of the original library has a test named after it."""

from __future__ import annotations

import re

import pytest

from tests.support.processes import REPOSITORY

# The table of the specification: D01 to D78, and D33b.
NUMBERS = [*(f"d{number:02d}" for number in range(1, 79)), "d33b"]


@pytest.fixture(scope="module")
def named() -> set[str]:
    found: set[str] = set()
    for module in (REPOSITORY / "tests").rglob("test_*.py"):
        for name in re.findall(r"def test_(\w+)", module.read_text(encoding="utf-8")):
            found |= set(re.findall(r"(?:^|_)(d\d\db?)(?=_|$)", name))
    return found


@pytest.mark.parametrize("number", NUMBERS)
def test_it_has_a_test(number: str, named: set[str]) -> None:
    assert number in named
