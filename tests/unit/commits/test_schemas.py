from __future__ import annotations

import pytest

from trackteroid.commits.schemas import Schemas

SCHEMAS = Schemas(
    [
        {"id": "Metadata", "primary_key": ["parent_id", "key"], "properties": {}},
        {
            "id": "Task",
            "primary_key": ["id"],
            "properties": {
                "id": {"type": "string"},
                "name": {"type": "string"},
                "bid": {"type": "number"},
                "end_date": {"type": "string", "format": "date-time"},
                "status": {"$ref": "Status"},
                "children": {"type": "array", "items": {"$ref": "Task"}},
                "metadata": {"type": "mapped_array", "items": {"$ref": "Metadata"}},
            },
        },
    ]
)


def reference(key: str, **more: str) -> dict[str, str]:
    return {"__entity_type__": "Task", "id": key, **more}


@pytest.mark.parametrize(
    ("attribute", "one", "other"),
    [
        ("bid", 8, 8.0),
        ("status", reference("1"), reference("1", name="known")),
        ("children", [reference("1"), reference("2")], [reference("2"), reference("1")]),
        (
            "metadata",
            [{"__entity_type__": "Metadata", "parent_id": "p", "key": "k"}],
            [{"__entity_type__": "Metadata", "key": "k", "parent_id": "p", "value": "v"}],
        ),
        (
            "end_date",
            {"__type__": "datetime", "value": "2024-03-01T09:30:00.123456+01:00"},
            {"__type__": "datetime", "value": "2024-03-01T08:30:00"},
        ),
        ("end_date", "2024-03-01T08:30:00Z", {"__type__": "datetime", "value": "2024-03-01T08:30:00"}),
    ],
)
def test_two_spellings_of_one_value_are_equal(attribute: str, one: object, other: object) -> None:
    assert SCHEMAS.comparable("Task", attribute, one) == SCHEMAS.comparable("Task", attribute, other)


@pytest.mark.parametrize(
    ("attribute", "one", "other"),
    [
        ("bid", 8, 9),
        ("name", "a", None),
        ("name", "2024-03-01", "2024-03-01T00:00:00"),
        ("status", reference("1"), None),
        ("children", [reference("1")], []),
        ("children", [reference("1")], [reference("1"), reference("2")]),
        ("end_date", "2024-03-01T08:30:00", "2024-03-01T08:30:01"),
        ("end_date", "not a date", "2024-03-01"),
    ],
)
def test_different_values_are_different(attribute: str, one: object, other: object) -> None:
    assert SCHEMAS.comparable("Task", attribute, one) != SCHEMAS.comparable("Task", attribute, other)


def test_types_and_attributes_can_be_looked_up() -> None:
    assert "Task" in SCHEMAS and "Nothing" not in SCHEMAS
    assert SCHEMAS.primary_key("Metadata") == ("parent_id", "key")
    assert set(SCHEMAS.attributes("Nothing")) == set()
