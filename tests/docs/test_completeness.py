"""Pages that promise to be complete are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from trackteroid import EntityCollection, Query
from trackteroid.query.criteria_table import KNOWN

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted((ROOT / "docs").glob("*.md"))

#: What parts of the library need of each other.
INTERNAL = {"container_context"}


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def public(described: type) -> list[str]:
    return [name for name in dir(described) if not name.startswith("_") and name not in INTERNAL]


@pytest.mark.parametrize("name", public(EntityCollection))
def test_each_method_of_collections_is_described_and_shown(name: str) -> None:
    text = page("collections.md")
    assert re.search(rf"\b{name}\b", text), f"docs/collections.md does not mention {name}"
    code = "\n".join(re.findall(r"```python\n(.*?)```", text + page("authoring.md"), re.DOTALL))
    assert re.search(rf"\.{name}\b", code), f"no example calls {name}"


@pytest.mark.parametrize("name", public(Query))
def test_each_method_of_queries_is_described(name: str) -> None:
    assert re.search(rf"\b{name}\b", page("queries.md")), f"docs/queries.md does not mention {name}"


# `by_component_location` is a name that the original has and implements for no type; nor does anything here.
@pytest.mark.parametrize("name", sorted(KNOWN - {"by_component_location"}))
def test_each_criterion_is_in_the_table(name: str) -> None:
    table = "\n".join(re.findall(r"^\| .*$", page("queries.md"), re.MULTILINE))
    assert name in {"by_id", "by_metadata"} or re.search(rf"`{name}\b", table), f"docs/queries.md does not list {name}"


def test_every_defect_of_the_original_is_named_in_the_page_on_migrating() -> None:
    text = page("migrating-from-the-original.md")
    named = {int(number) for number in re.findall(r"\bD(\d\d)", text)}
    for first, last in re.findall(r"\bD(\d\d)-D(\d\d)", text):
        named.update(range(int(first), int(last)))
    assert sorted(set(range(1, 79)) - named) == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_each_page_is_linked_from_the_readme(path: Path) -> None:
    assert f"](docs/{path.name}" in (ROOT / "README.md").read_text(encoding="utf-8")
