from __future__ import annotations

from typing import Any

import ftrack_api.event.expression
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from trackteroid.sandbox.events.expressions import ExpressionError, matches, may_match, parse

EVENT = {
    "topic": "ftrack.action.launch",
    "data": {"actionIdentifier": "x", "count": 5, "flag": True, "nothing": None, "ids": ["a", "b"]},
    "source": {"id": "abc", "user": {"username": "me"}},
}


@pytest.mark.parametrize(
    "text",
    [
        "topic=ftrack.action.launch",
        "topic=ftrack.*",
        "topic=*",
        "topic='ftrack.action.*'",
        'topic=ftrack.action.launch and data.actionIdentifier=x and source.user.username="me"',
        "topic = ftrack.action.launch",
        "topic=other or source.id=abc",
        "topic=other and source.id=abc or data.actionIdentifier=x",
        "data.actionIdentifier=x or topic=other and source.id=nobody",
        "not topic=other",
        "NOT topic=other AND (topic=other OR source.id=abc)",
        "not(topic=other)",
        "not (topic=other or source.id=other)",
        "topic!=other",
        "topic>=ftrack",
        "topic>ftrack and topic<gtrack and topic<=ftrack.action.launch",
        "data.count=5",
        "data.flag=true",
        "data.nothing!=x",
        "not data.nothing=x",
        "not data.missing=x",
    ],
)
def test_expressions_that_match(text: str) -> None:
    assert matches(parse(text), EVENT)


@pytest.mark.parametrize(
    "text",
    [
        "topic=ftrack.action",
        "topic=action*",
        "topic=Ftrack.action.launch",
        "topic=ftrack.action.launch and source.id=nobody",
        "topic=other or source.id=nobody",
        "topic!=ftrack.action.launch",
        "topic<ftrack",
        "not topic=ftrack.*",
        "data.missing=x",
        "data.missing!=x",
        "missing.at.all!=x",
        "topic.deeper=x",
        "data.ids.0=a",
        "data.nothing=x",
        "data.nothing=*",
        "data.nothing>=a",
    ],
)
def test_expressions_that_do_not_match(text: str) -> None:
    assert not matches(parse(text), EVENT)


@pytest.mark.parametrize(
    ("text", "candidate"),
    [
        ("and=or", {"and": "or"}),
        ("not=not", {"not": "not"}),
        ("not not=x", {"not": "y"}),
        ("android=1 and order=2 and nothing=3", {"android": "1", "order": "2", "nothing": "3"}),
        ("id=-_,./*@+", {"id": "-_,./*@+"}),
        ('name="with and (brackets)"', {"name": "with and (brackets)"}),
        ("name='a \"quote\"'", {"name": 'a "quote"'}),
        ('name=""', {"name": ""}),
        ("größe=grün", {"größe": "grün"}),
    ],
)
def test_keywords_and_odd_characters_are_ordinary_where_they_can_be(text: str, candidate: dict[str, str]) -> None:
    assert matches(parse(text), candidate)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", "at the end"),
        ("   ", "at the end"),
        ("topic", "at the end"),
        ("topic=", "at the end"),
        ("=x", "at character 1"),
        ("topic=x and", "at the end"),
        ("topic=x source=y", "at character 9"),
        ("topic==x", "at character 7"),
        ("(topic=x", "at the end"),
        ("topic=x)", "at character 8"),
        ("topic is x", "at character 7"),
        ('topic="x', "at character 7"),
        ("topic=x; drop", "at character 8"),
    ],
)
def test_a_mistake_is_reported_with_its_place(text: str, place: str) -> None:
    with pytest.raises(ExpressionError, match="Failed to parse: ") as caught:
        parse(text)
    assert place in str(caught.value)


def test_nesting_has_an_end() -> None:
    assert matches(parse("(" * 50 + "a=b" + ")" * 50), {"a": "b"})
    with pytest.raises(ExpressionError, match="brackets"):
        parse("not (" * 100_000 + "a=b" + ")" * 100_000)


def test_length_has_an_end() -> None:
    with pytest.raises(ExpressionError, match="More than 10000 characters"):
        parse(" or ".join(f"a={number}" for number in range(20_000)))


def test_a_long_expression_is_no_deep_one() -> None:
    text = " or ".join(f"id={number}" for number in range(1_000))

    assert matches(parse(text), {"id": "999"})
    assert not matches(parse(text), {"id": "1000"})


@given(st.text())
def test_any_text_is_an_expression_or_an_error(text: str) -> None:
    try:
        assert matches(parse(text), EVENT) in (True, False)
    except ExpressionError as error:
        assert str(error)


@pytest.mark.parametrize(
    ("text", "possible"),
    [
        ("topic=ftrack.update", True),
        ("topic=*", True),
        ("topic=ftrack.* and source.user.username=me", True),
        ("source.user.username=me", True),
        ("not source.user.username=me", True),
        ("not (topic=ftrack.meta.reply and source.id=x)", True),
        ("topic=ftrack.meta.reply or data.x=1", True),
        ("topic=ftrack.meta.reply", False),
        ("topic=ftrack.meta.reply and data.x=1", False),
        ("topic=a or topic=b", False),
        ("not topic=ftrack.*", False),
        ("not (topic=ftrack.update or data.x=1)", False),
    ],
)
def test_what_cannot_match_a_topic_is_known_beforehand(text: str, possible: bool) -> None:
    assert may_match(parse(text), {"topic": "ftrack.update"}) is possible


# The client filters again what it receives: a server that delivers more still works, one that delivers less does not.

_CLIENT = ftrack_api.event.expression.Parser()


def _bracketed(text: str) -> str:
    # The client's parser takes exponential time in brackets: no more than necessary.
    return f"({text})" if " " in text else text


_names = st.sampled_from(["topic", "data.a", "data.b", "source.id", "missing"])
_values = st.sampled_from(["a", "b", "ab", "a.b", "abc"])
_conditions = st.tuples(_names, st.sampled_from(["=", "!=", ">=", "<=", ">", "<"]), _values).map("".join)
_wildcards = st.tuples(_names, st.just("="), _values, st.just("*")).map("".join)
_expressions = st.recursive(
    _conditions | _wildcards,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda pair: f"{_bracketed(pair[0])} and {_bracketed(pair[1])}"),
        st.tuples(inner, inner).map(lambda pair: f"{_bracketed(pair[0])} or {_bracketed(pair[1])}"),
        inner.map(lambda one: f"not {_bracketed(one)}"),
    ),
    max_leaves=3,
)
_flat = st.lists(_conditions, min_size=1, max_size=3).map(" and ".join)
_candidates = st.fixed_dictionaries(
    {"topic": _values},
    optional={
        "data": st.dictionaries(st.sampled_from(["a", "b"]), _values) | _values,
        "source": st.fixed_dictionaries({"id": _values}),
    },
)


@settings(max_examples=100, deadline=None)
@given(_expressions | _flat, _candidates)
@example("topic=b*", {"topic": "ab"})
@example("topic=a* and data.a!=b", {"topic": "ab", "data": {"a": "a"}})
def test_the_official_client_agrees(text: str, candidate: dict[str, Any]) -> None:
    if "*" in text:
        # Containment there, prefix here: they agree on values that hold one letter, of those that are asked for, at most.
        candidate = _with_prefixes_only(candidate)
    assert matches(parse(text), candidate) is bool(_CLIENT.parse(text).match(candidate))


def _with_prefixes_only(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _with_prefixes_only(each) for name, each in value.items()}
    return {"b": "xy", "ab": "aa", "abc": "b"}.get(value, "a") if isinstance(value, str) else value


@settings(max_examples=100)
@given(_expressions, _candidates)
def test_may_match_never_excludes_what_matches(text: str, candidate: dict[str, Any]) -> None:
    expression = parse(text)

    if matches(expression, candidate):
        assert may_match(expression, {"topic": candidate["topic"]})
