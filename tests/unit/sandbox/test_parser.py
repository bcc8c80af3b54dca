"""The query language: what is a query, what isn't, and where the mistake is."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trackteroid.sandbox.comparing import like_pattern
from trackteroid.sandbox.errors import ParseError
from trackteroid.sandbox.parser import parse
from trackteroid.sandbox.syntax import And, Comparison, Membership, Not, Operator, Or, Query, Relation

# Specification 5.8; the last one parses and fails later, at its attribute.
SPECIFIED = """
select asset.name, version from AssetVersion where (asset_id is "a" and (id in ("x","y") or comment like "%wip%"))  order by id offset 0 limit 2
Task where assignments any (resource.username = "u") and status.name not_in ("Omitted", "On Hold") and project.status is "active" order by priority.sort limit 5
select thumbnail_id, link from TypedContext where id in (5a-1, 5a-2)
Metadata where (parent_id is "p"and key is "k")
select id from CustomAttributeConfiguration where entity_type is AssetVersion or is_hierarchical is True
AssetVersion where task_id != none and id in ("a") order by version descending
select id, size from Component where version_id in ("v") and component_locations.location.name in ("l1","l2")
Note where not replies any () and author has (first_name is "A" and last_name is "B")
Task where parent_id in (select id from Shot where name like "sh%") and object_type_id != '11c1'
Project where metadata any (key=some_key and value=some_value)
Shot where assets.id like '%' and id in (a, b)
select from.name, to_id from TypedContextLink where incoming is x
""".strip().splitlines()  # noqa: E501


@pytest.mark.parametrize("expression", SPECIFIED)
def test_the_queries_of_the_specification_parse(expression: str) -> None:
    assert isinstance(parse(expression), Query)


def paths(expression: str) -> list[str]:
    return [str(path) for path in parse(expression).projections]


def test_projections_with_casts() -> None:
    assert paths("select a.b, c[Shot].d ,e from T") == ["a.b", "c[Shot].d", "e"]


@pytest.mark.parametrize(
    ("expression", "projections", "entity_type"),
    [
        ("select from, to_id from AssetVersionLink", ["from", "to_id"], "AssetVersionLink"),
        ("select select from from", ["select"], "from"),
        ("SELECT type, group FROM limit Where order Is where", ["type", "group"], "limit"),
        ("select order, by, asc from where where limit is offset limit 3", ["order", "by", "asc"], "where"),
    ],
)
def test_a_word_is_a_keyword_only_where_one_can_stand(
    expression: str, projections: list[str], entity_type: str
) -> None:
    assert paths(expression) == projections
    assert parse(expression).entity_type == entity_type


def test_tail_clauses_come_in_any_order_and_the_last_of_a_kind_counts() -> None:
    query = parse("Task limit 5 order by name desc, parent.name ascending offset 2 limit 7")
    assert (query.limit, query.offset) == (7, 2)
    assert [(str(key.path), key.descending) for key in query.order] == [("name", True), ("parent.name", False)]


def test_or_binds_weaker_than_and_and_not_tightest() -> None:
    criterion = parse("T where a is 1 or not not b is 2 and c is 3").criterion
    assert isinstance(criterion, Or)
    assert isinstance(criterion.parts[0], Comparison)
    conjunction = criterion.parts[1]
    assert isinstance(conjunction, And)
    assert isinstance(conjunction.parts[0], Not) and isinstance(conjunction.parts[0].part, Not)


def test_keywords_may_touch_quotes_and_brackets() -> None:
    criterion = parse("T where(a is\"x\"and b in('y')or not(c='z'))limit 1").criterion
    assert isinstance(criterion, Or)
    assert len(criterion.parts) == 2


@pytest.mark.parametrize(
    ("written", "operator"),
    [
        ("is", Operator.IS),
        ("=", Operator.IS),
        ("IS_NOT", Operator.IS_NOT),
        ("!=", Operator.IS_NOT),
        ("before", Operator.LESS),
        ("less_than", Operator.LESS),
        ("<", Operator.LESS),
        ("<=", Operator.LESS_EQUAL),
        ("after", Operator.GREATER),
        ("greater_than", Operator.GREATER),
        (">", Operator.GREATER),
        (">=", Operator.GREATER_EQUAL),
        ("like", Operator.LIKE),
        ("not_like", Operator.NOT_LIKE),
    ],
)
def test_every_spelling_of_an_operator(written: str, operator: Operator) -> None:
    criterion = parse(f"T where a {written} 1").criterion
    assert isinstance(criterion, Comparison)
    assert (criterion.operator, criterion.value.text) == (operator, "1")


@pytest.mark.parametrize(
    ("written", "text", "is_null"),
    [
        ('"a \\"b\\" \\\\ c"', 'a "b" \\ c', False),
        ("'it\\'s'", "it's", False),
        ("a-b.c:d_e%f+g@h/i*j", "a-b.c:d_e%f+g@h/i*j", False),
        ("None", "None", True),
        ("null", "null", True),
        ('"none"', "none", False),
        ('"line\nbreak"', "line\nbreak", False),
        ("and", "and", False),
    ],
)
def test_values_quoted_and_bare(written: str, text: str, is_null: bool) -> None:
    criterion = parse(f"T where a is {written} and b is 1").criterion
    assert isinstance(criterion, And) and isinstance(criterion.parts[0], Comparison)
    value = criterion.parts[0].value
    assert (value.text, value.is_null) == (text, is_null)


@pytest.mark.parametrize(
    ("written", "pattern"),
    [
        ('"50\\%"', "50\\%"),
        ('"a\\_b"', "a\\_b"),
        ('"a\\\\b"', "a\\\\b"),
        ('"say \\"x\\" %"', 'say "x" %'),
        ("a%_b", "a%_b"),
        ("a\\b\\%", "a\\\\b\\%"),
    ],
)
def test_wildcards_can_be_escaped(written: str, pattern: str) -> None:
    criterion = parse(f"T where a like {written}").criterion
    assert isinstance(criterion, Comparison)
    assert like_pattern(criterion.value) == pattern


def membership(expression: str) -> Membership:
    criterion = parse(f"T where {expression}").criterion
    assert isinstance(criterion, Membership)
    return criterion


def test_a_list_of_words_is_no_sub_query() -> None:
    found = membership("a in (Shot, select, 5a-1)")
    assert isinstance(found.values, tuple)
    assert [value.text for value in found.values] == ["Shot", "select", "5a-1"]


@pytest.mark.parametrize(
    "inner",
    ["select id from Shot", "Shot where name is x", "Shot limit 3", "select id from Shot where a in (B limit 1)"],
)
def test_a_sub_query_may_do_without_select(inner: str) -> None:
    found = membership(f"a not_in ({inner})")
    assert found.negated
    assert isinstance(found.values, Query)
    assert found.values.entity_type == "Shot"


def test_relations_with_and_without_criterion() -> None:
    criterion = parse("T where a.b any () and c has (d is 1)").criterion
    assert isinstance(criterion, And)
    first, second = criterion.parts
    assert isinstance(first, Relation) and first.inner is None
    assert isinstance(second, Relation) and isinstance(second.inner, Comparison)


@pytest.mark.parametrize(
    ("expression", "position", "expected"),
    [
        ("select name form Shot", 12, '"from"'),
        ("Task where", 10, "a name"),
        ("Task where id in ()", 18, "a value"),
        ("Task where name is", 18, "a value"),
        ('Task where name is "x', 19, "a value"),
        ("Task where (name is x", 21, '")"'),
        ("select a, from X", 15, '"from"'),
        ("Task order by name limit x", 25, "a whole number"),
        ("Task where name ~ x", 16, '"like"'),
        ("", 0, "a name"),
        ("T\u00e4sk", 1, '"where"'),
    ],
)
def test_a_mistake_is_reported_where_it_is(expression: str, position: int, expected: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse(expression)
    assert caught.value.position == position
    assert caught.value.content.startswith(f"Failed to parse: {expression}")
    explanation = caught.value.content[len("Failed to parse: ") + len(expression) :]
    assert expected in explanation
    assert f"at character {position + 1}:" in explanation
    assert caught.value.content.splitlines()[-1].index("^") == min(position, 40)


def test_absurd_nesting_is_a_parse_error() -> None:
    with pytest.raises(ParseError, match="Nested deeper"):
        parse("T where " + "(" * 500 + "a is 1" + ")" * 500)


@pytest.mark.parametrize("quote", ["'", '"'])
def test_a_long_text_without_its_last_quote_is_refused_soon(quote: str) -> None:
    started = time.process_time()
    with pytest.raises(ParseError):
        parse(f"T where a is {quote}" + f"\\{quote}" * 30_000)
    # It took more than half a minute.
    assert time.process_time() - started < 5


FRAGMENTS = st.sampled_from(
    ["select ", "from", " where ", "a", ".", "[B]", "is", "in", "(", ")", '"', "'", ",", "not ", "and", " or ", "any",
     "order by ", "limit", " 3", "=", "!", "<", "%", "\\", " ", "none", "has", "like", "\n", "\x00", "\u20ac"]
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(max_size=60), st.lists(FRAGMENTS, max_size=25).map("".join)))
def test_any_text_is_a_query_or_a_parse_error(text: str) -> None:
    try:
        assert isinstance(parse(text), Query)
    except ParseError as error:
        assert 0 <= error.position <= len(text)
