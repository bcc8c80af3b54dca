"""Conditions as trees, and their text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trackteroid.query.expressions import Match, Related, Value, count_dots, has_top_level_or, match, quote


def test_quoting_escapes_backslashes_before_quotes() -> None:
    assert quote('a"b\\') == '"a\\"b\\\\"'


@given(st.text())
def test_a_quoted_value_reads_back_and_ends_where_it_ends(text: str) -> None:
    quoted = quote(text)
    assert quoted[0] == quoted[-1] == '"'
    inner, read, position = quoted[1:-1], "", 0
    while position < len(inner):
        if inner[position] == "\\":
            position += 1
        else:
            assert inner[position] != '"'
        read += inner[position]
        position += 1
    assert read == text


@given(st.lists(st.text(min_size=1), min_size=1))
def test_negating_twice_gives_the_condition_back(values: list[str]) -> None:
    for node in (match("name", values), match("a.b", values, plural=True), Related("r", True, match("name", values))):
        assert node.negated().negated() == node


def test_only_texts_with_a_percent_sign_are_patterns() -> None:
    class Percent:
        def __str__(self) -> str:
            return "100%"

    assert Value.of("100%").is_pattern
    assert not Value.of(Percent()).is_pattern
    assert Match("name", (Value.of(Percent()),)).render() == '(name is "100%")'


def test_dots_are_counted_outside_quotes() -> None:
    assert count_dots('a.b is "x.y.z" and c.d is "\\"."') == 2


def test_an_or_counts_outside_quotes_and_parentheses_only() -> None:
    assert has_top_level_or("a is 1 OR b is 2")
    assert not has_top_level_or('(a is 1 or b is 2) and c is "x or y" and order is 3')
