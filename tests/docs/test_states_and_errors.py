"""The page on states and errors says what the code's tables say."""

from __future__ import annotations

import builtins
import re

import pytest

from tests.support.processes import REPOSITORY
from trackteroid import errors
from trackteroid.cli.exit_codes import ExitCode
from trackteroid.commits.classification import TABLE, VerdictKind, classify
from trackteroid.commits.ledger import poison_error, worker_lost_error
from trackteroid.commits.state import CommitState

PAGE = (REPOSITORY / "docs" / "states-and-errors.md").read_text(encoding="utf-8")


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the first table below a heading, without its head."""
    section = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    assert len(lines) > 2, heading
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_every_state_stands_there_with_what_to_do() -> None:
    table = rows("States")
    assert [row[0] for row in table] == [f"`{state.value}`" for state in CommitState]
    assert all(len(row) == 3 and all(row) for row in table)


def test_every_kind_of_failure_stands_there() -> None:
    given = [poison_error(5).kind, worker_lost_error("w").kind]
    assert {row[0] for row in rows("What a failure means")} == {
        f"`{kind}`" for kind in (*(kind.value for kind in VerdictKind), *given)
    }


def test_the_table_of_what_ftrack_answers_is_the_codes() -> None:
    assert rows("What ftrack answers") == [[row.name, row.kind.value, row.advice] for row in TABLE]


def test_our_own_errors_are_of_the_kinds_that_stand_there() -> None:
    found: dict[str, str] = {}
    for names, kinds, _ in rows("What we find out ourselves"):
        listed = re.findall(r"`(\w+)`", names)
        each = kinds.split(", ")
        found.update(zip(listed, each * len(listed) if len(each) == 1 else each, strict=False))
    for name, kind in found.items():
        if hasattr(errors, name):
            error = getattr(errors, name)("text")
        elif hasattr(builtins, name):
            error = getattr(builtins, name)("text")
        else:
            # Celery's, which a test of the page need not import.
            error = type(name, (Exception,), {})("text")
        assert classify(error).kind.value == kind, name


@pytest.mark.parametrize("code", list(ExitCode))
def test_every_exit_code_stands_there_with_what_to_do(code: ExitCode) -> None:
    (row,) = [row for row in rows("Exit codes") if row[0] == str(code.value)]
    assert row[1] == code.meaning
    assert row[2]


@pytest.mark.parametrize("page", ["exactly-once", "states-and-errors", "redis", "production"])
def test_the_page_is_linked_from_the_readme_and_its_own_links_lead_somewhere(page: str) -> None:
    assert f"(docs/{page}.md)" in (REPOSITORY / "README.md").read_text(encoding="utf-8")
    text = (REPOSITORY / "docs" / f"{page}.md").read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([\w./-]+)(?:#[\w-]+)?\)", text):
        assert (REPOSITORY / "docs" / target).is_file(), target
