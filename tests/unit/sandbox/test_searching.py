"""`search`: terms are looked for in names along the way from the project down."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.sandbox.conftest import Ask
from trackteroid.sandbox.errors import MalformedRequestError, ValidationError
from trackteroid.sandbox.schema_text import load_schema
from trackteroid.sandbox.seeds.rows import Rows

ROWS = Rows("demo", load_schema())


@pytest.fixture
def found(call: Ask) -> Ask:
    """Search a type; returns the rows."""

    def search(entity_type: str, *terms: str, **data: Any) -> Any:
        return call({"action": "search", "entity_type": entity_type, "terms": list(terms), **data})[0]["data"]

    return search


@pytest.mark.parametrize(
    ("entity_type", "terms", "count"),
    [
        ("Project", ["film"], 1),
        ("Project", ["spot"], 1),
        ("Shot", ["BC00"], 5),
        ("Shot", ["sparkling"], 1),
        ("TypedContext", ["bc0040"], 4),
        ("TypedContext", ["bc0040", "light"], 1),
        ("Asset", ["bc0040"], 1),
        ("Asset", ["e01", "comp"], 5),
        ("Asset", ["demo film", "model"], 3),
        ("AssetVersion", ["bc0040_comp"], 3),
        ("AssetVersion", ["bc", "e01"], 9),
        ("User", ["anna"], 1),
        ("User", ["conti"], 1),
        ("AssetVersionList", ["dail"], 1),
        ("Shot", ["nowhere"], 0),
        ("Shot", ["b_0040"], 0),
        ("Shot", ['"'], 0),
        ("Shot", ["\\"], 0),
    ],
)
def test_every_term_must_occur_somewhere(found: Ask, entity_type: str, terms: list[str], count: int) -> None:
    assert len(found(entity_type, *terms)) == count


@pytest.mark.parametrize("entity_type", ["Task", "Asset", "AssetVersion"])
def test_a_context_narrows_it_to_what_lies_below(found: Ask, query: Ask, entity_type: str) -> None:
    everywhere = found(entity_type)
    film, shot = ROWS.identifier("Project", "demo"), ROWS.identifier("Shot", "demo/bc0040")
    below_film, below_shot = (found(entity_type, context_id=each) for each in (film, shot))
    assert 0 < len(below_shot) < len(below_film) <= len(everywhere)
    assert found(entity_type, context_id="nowhere") == []
    sequence = ROWS.identifier("Sequence", "demo/bc")
    assert len(below_shot) < len(found(entity_type, context_id=sequence)) <= len(below_film)


def test_without_terms_everything_is_found(found: Ask, query: Ask) -> None:
    assert found("Shot") == query("Shot")


def test_what_hangs_nowhere_is_in_no_context(found: Ask) -> None:
    assert found("User", context_id=ROWS.identifier("Project", "demo")) == []


def test_object_types_narrow_it(found: Ask) -> None:
    schema = load_schema()
    shots = found("TypedContext", "bc00", object_type_ids=[schema.type("Shot").object_type_id])
    assert {row["__entity_type__"] for row in shots} == {"Shot"}


def test_an_expression_keeps_its_own_criteria_order_and_page(found: Ask) -> None:
    expression = 'select name from Shot where name != "bc0010" or name is "x" order by name descending limit 2'
    rows = found("Task", "bc", expression=expression)
    assert [row["name"] for row in rows] == ["bc0050", "bc0040"]


def test_what_has_no_name_cannot_be_searched(found: Ask) -> None:
    with pytest.raises(ValidationError, match="Appointment cannot be searched: it has no name"):
        found("Appointment", "x")


@pytest.mark.parametrize(
    "data",
    [{"terms": "x"}, {"terms": [1]}, {"terms": ["\ud800"]}, {"object_type_ids": "x"}, {"context_id": {}}],
)
def test_texts_must_be_texts(found: Ask, data: dict[str, Any]) -> None:
    with pytest.raises(MalformedRequestError):
        found("Shot", **data)
