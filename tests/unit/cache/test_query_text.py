"""What our reader finds in a query's text is what the sandbox's grammar finds in it."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from trackteroid.cache.query_text import Mention, Question, parse_question
from trackteroid.sandbox.errors import ParseError
from trackteroid.sandbox.parser import parse
from trackteroid.sandbox.syntax import And, Comparison, Criterion, Membership, Not, Or, Path, Query, Relation

NAMES = (
    "id", "name", "parent", "status", "key", "value", "from", "to", "order", "group", "limit", "select", "where", "any", "has",
    "in", "not_in", "is", "_link", "offset", "asc", "by", "and", "like", "children", "none",
)  # fmt: skip
TYPES = ("Task", "AssetVersion", "select_me", "_T", "where", "Order")
VALUES = (
    '"x"', "'it'", '"say \\"x\\""', '"a, b) or (select id from Task"', "5a-1", "none", "where", "select", "limit", "50%", "a@b",
    "2024-03-01", '""', "in", "x[y]", "Task", '"\n"',
)  # fmt: skip
OPERATORS = (
    "is", "=", "is_not", "!=", "<", "<=", ">", ">=", "before", "less_than", "after", "greater_than", "like", "not_like",
    "LIKE", "Is",
)  # fmt: skip
SPACES = st.sampled_from((" ", "  ", "\n", "\t "))


@st.composite
def paths(draw: st.DrawFn) -> str:
    steps = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3))
    return ".".join(step + draw(st.sampled_from(("", "", "", "[Shot]", "[ TypedContext ]"))) for step in steps)


@st.composite
def criteria(draw: st.DrawFn, depth: int = 0) -> str:
    choice = draw(st.integers(0, 6)) if depth < 3 else 0
    space = draw(SPACES)
    if choice == 1:
        word = draw(st.sampled_from(("and", "or", "OR")))
        return f"({draw(criteria(depth + 1))}{space}{word}{space}{draw(criteria(depth + 1))})"
    if choice == 2:
        return f"not{space}{draw(criteria(depth + 1))}"
    if choice == 3:
        inner = draw(st.one_of(st.just(""), criteria(depth + 1)))
        return f"{draw(paths())}{space}{draw(st.sampled_from(('any', 'has', 'HAS')))}{draw(st.sampled_from((' ', '')))}({inner})"
    if choice == 4:
        listed = draw(
            st.one_of(st.lists(st.sampled_from(VALUES), min_size=1, max_size=3).map(", ".join), queries(depth + 1))
        )
        return f"{draw(paths())} {draw(st.sampled_from(('in', 'not_in')))} ({listed})"
    if choice == 5:
        return f"{draw(criteria(depth + 1))}{space}and{space}{draw(criteria(depth + 1))}"
    return f"{draw(paths())}{space}{draw(st.sampled_from(OPERATORS))}{space}{draw(st.sampled_from(VALUES))}"


@st.composite
def queries(draw: st.DrawFn, depth: int = 0) -> str:
    text = draw(st.sampled_from(TYPES))
    if draw(st.booleans()):
        text = f"select {', '.join(draw(st.lists(paths(), min_size=1, max_size=3)))} from {text}"
    if draw(st.booleans()):
        text += f" where {draw(criteria(depth))}"
    for _ in range(draw(st.integers(0, 2))):
        tail = draw(
            st.sampled_from(("limit 5", "offset 0", "ORDER by name", f"order by {draw(paths())} desc, {draw(paths())}"))
        )
        text += f" {tail}"
    return text


def shown(path: Path) -> tuple[tuple[str, str | None], ...]:
    return tuple((step.name, step.cast) for step in path.steps)


def expected(query: Query) -> Question:
    mentions: list[Mention] = []
    if query.criterion is not None:
        walk(query.criterion, mentions)
    projections = tuple(map(shown, query.projections)) or None
    return Question(query.entity_type, projections, tuple(mentions), tuple(shown(key.path) for key in query.order))


def walk(criterion: Criterion, found: list[Mention]) -> None:
    if isinstance(criterion, (And, Or)):
        for part in criterion.parts:
            walk(part, found)
    elif isinstance(criterion, Not):
        walk(criterion.part, found)
    elif isinstance(criterion, Relation):
        inner: list[Mention] = []
        if criterion.inner is not None:
            walk(criterion.inner, inner)
        found.append(Mention(shown(criterion.path), inner=tuple(inner)))
    elif isinstance(criterion, Membership):
        question = expected(criterion.values) if isinstance(criterion.values, Query) else None
        found.append(Mention(shown(criterion.path), question=question))
    else:
        assert isinstance(criterion, Comparison)
        found.append(Mention(shown(criterion.path)))


def agree(text: str) -> None:
    try:
        reference = parse(text)
    except ParseError:
        # What no server takes is never stored; but what we do not refuse, it may not refuse either.
        assert parse_question(text) is None
        return
    ours, theirs = parse_question(text), expected(reference)
    # Of several `order by` the last one counts to the server; to us they all do.
    assert ours is not None
    assert (ours.entity_type, ours.projections, without_order(ours)) == (
        theirs.entity_type,
        theirs.projections,
        without_order(theirs),
    )
    assert set(theirs.order) <= set(ours.order)


def without_order(question: Question) -> list[object]:
    return [simplified(mention) for mention in question.criteria]


def simplified(mention: Mention) -> object:
    inside = mention.question
    found = None if inside is None else (inside.entity_type, inside.projections, without_order(inside))
    return mention.path, [simplified(each) for each in mention.inner], found


@settings(max_examples=400, deadline=None)
@given(queries())
@example('select asset.name, version from AssetVersion where (asset_id is "a" and (id in ("x","y") or comment like "%wip%"))  '
         "order by id offset 0 limit 2")  # fmt: skip
@example(
    'Task where assignments any (resource.username = "u") and status.name not_in ("Omitted", "On Hold") order by x limit 5'
)
@example('Metadata where (parent_id is "p"and key is "k")')
@example('AssetVersion where task_id != none and id in ("a") order by version descending')
@example('Note where not replies any () and author has (first_name is "A" and last_name is "B")')
@example("Task where parent_id in (select id from Shot where name like \"sh%\") and object_type_id != '11c1'")
@example("Task where id in (Shot where name is x order by name limit 2)")
@example("Task where id in (Shot limit 2)")
@example("Task where id in (Shot)")
@example('select id from Task where name is "x" or parent[Shot].status.name in ("a")')
@example("select from, to_id from TypedContextLink")
@example('(id is "x")')
@example("Task where id is x trailing")
def test_a_query_is_read_as_the_server_reads_it(text: str) -> None:
    agree(text)


@settings(max_examples=400, deadline=None)
@given(queries(), st.data())
def test_a_damaged_query_is_understood_by_neither_or_by_both(text: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(text)))
    length = data.draw(st.integers(0, 3))
    put = data.draw(st.sampled_from(("", "(", ")", ",", '"', " ", ".", "[", "not ", "'", "=", "x", " and ", "select ")))
    agree(text[:at] + put + text[at + length :])


@pytest.mark.parametrize("text", ["", "select id, from Task", "select id from", "Task where", "Task limit x", "not x"])
def test_what_is_no_query_is_not_understood(text: str) -> None:
    assert parse_question(text) is None


def test_depth_is_bounded() -> None:
    deep = "Task where " + "(" * 5000 + "id is x" + ")" * 5000
    assert parse_question(deep) is None
    deep = "Task where " + "id in (select id from Task where " * 5000 + "id is x" + ")" * 5000
    assert parse_question(deep) is None
    assert parse_question("Task where " + "not " * 50_000 + "id is x") is not None
