"""Values between wire, database and query text."""

from __future__ import annotations

from typing import Any

import pytest

from trackteroid.sandbox.errors import ValidationError
from trackteroid.sandbox.schema import Attribute, Kind
from trackteroid.sandbox.values import from_wire, parse_time, to_wire, variable_matches


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("2024-03-01T09:30:00.123456+01:00", "2024-03-01 08:30:00"),
        ("2024-03-01T09:30:59.9", "2024-03-01 09:30:59"),
        ("2024-03-01 09:30", "2024-03-01 09:30:00"),
        ("2024-03-01T09:30:00Z", "2024-03-01 09:30:00"),
        ("2024-03-01T00:15:00+0530", "2024-02-29 18:45:00"),
        ("2024-12-31T23:30:00-02:00", "2025-01-01 01:30:00"),
        ("2017-02-08", "2017-02-08 00:00:00"),
    ],
)
def test_times_are_stored_as_whole_seconds_in_utc(text: str, stored: str) -> None:
    assert parse_time(text) == stored


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2024-13-01", "2024-02-30", "2024-03-01T25:00:00", "0001-01-01T00:00:00+01:00"]
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="no date and time"):
        parse_time(text)


def attribute(kind: Kind) -> Attribute:
    return Attribute(name="x", kind=kind, column="x")


@pytest.mark.parametrize(
    ("kind", "wire", "stored"),
    [
        (Kind.TEXT, "a", "a"),
        (Kind.TEXT, 5, "5"),
        (Kind.TEXT, True, "true"),
        (Kind.BOOL, "True", 1),
        (Kind.BOOL, 0, 0),
        (Kind.INT, "12", 12),
        (Kind.INT, 3.0, 3),
        (Kind.NUMBER, "2.5", 2.5),
        (Kind.NUMBER, 2**53 + 1, 2**53 + 1),
        (Kind.TIME, {"__type__": "datetime", "value": "2024-03-01"}, "2024-03-01 00:00:00"),
        (Kind.VARIABLE, ["b", "a"], '["b", "a"]'),
        (Kind.VARIABLE, None, None),
    ],
)
def test_wire_values_are_stored_by_kind(kind: Kind, wire: Any, stored: Any) -> None:
    assert from_wire(attribute(kind), wire) == stored


@pytest.mark.parametrize(
    ("kind", "wire"),
    [
        (Kind.TEXT, {"a": 1}),
        (Kind.TEXT, ["a"]),
        (Kind.TEXT, "\ud800"),
        (Kind.BOOL, "maybe"),
        (Kind.INT, "many"),
        (Kind.INT, "1_000"),
        (Kind.NUMBER, "1_0.5"),
        (Kind.INT, 2**70),
        (Kind.NUMBER, float("nan")),
        (Kind.NUMBER, "1e999"),
        (Kind.TIME, 5),
        (Kind.VARIABLE, float("inf")),
    ],
)
def test_values_that_do_not_fit_are_refused_by_name(kind: Kind, wire: Any) -> None:
    with pytest.raises(ValidationError, match='"x"'):
        from_wire(attribute(kind), wire)


def test_a_time_goes_out_without_offset() -> None:
    assert to_wire(attribute(Kind.TIME), "2024-03-01 08:30:00") == {
        "__type__": "datetime",
        "value": "2024-03-01T08:30:00",
    }


@pytest.mark.parametrize(
    ("stored", "operator", "text", "expected"),
    [
        ("10", ">", "9", 1),
        ("10", "is", "ten", 0),
        ("10", "is", "1_0", 0),
        ("10", "is_not", "ten", 1),
        ("true", "is", "True", 1),
        ("true", "is", "0", 0),
        ('"Abc"', "is", "aBC", 1),
        ('["a", "b"]', "is", "B", 1),
        ('["a", "b"]', "is_not", "b", 0),
        ('{"__type__": "datetime", "value": "2024-03-01T09:00:00"}', "<", "2024-03-02", 1),
        ('{"__type__": "datetime", "value": "2024-03-01T09:00:00"}', "is", "2024-03-01", 1),
        ('{"__type__": "datetime", "value": "2024-03-01T09:00:00"}', "is_not", "2024-03-01", 0),
        ('{"__type__": "datetime", "value": "2024-03-01T09:00:00"}', "<", "2024-03-01", 0),
        ("null", "is", "x", None),
        (None, "is_not", "x", None),
    ],
)
def test_custom_values_compare_by_their_own_type(stored: str | None, operator: str, text: str, expected: Any) -> None:
    assert variable_matches(stored, operator, text) == expected
