"""Hypothesis makes up rows and queries; the compiler and the naive evaluator must agree on every one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.sandbox.naive import ATTRIBUTES, RELATIONS, World, holds, render, sort_key
from trackteroid.sandbox.derived import RowContext
from trackteroid.sandbox.querying import run_query
from trackteroid.sandbox.schema_text import load_schema
from trackteroid.sandbox.storage import Storage

TABLES = {"Project": "Context", "Shot": "Context", "Task": "Context"}
TEXTS = ("a", "A", "b", "ab", "none", "", "50%", 'say "x"')
TIMES = ("2024-03-01 00:00:00", "2024-03-01 09:30:00", "2024-03-02 00:00:00")
WRITTEN_TIMES = ("2024-03-01", "2024-03-01T09:30:00", "2024-03-02T00:00:00")
PATTERNS = ("%", "a%", "_", "%b", "", "2024-03-01%", "true", "1%")


def ids(name: str) -> list[str]:
    return [f"{name.lower()}-{number}" for number in range(3)]


def maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.none(), values)


def stored(kind: str) -> st.SearchStrategy[Any]:
    if kind == "number":
        return maybe(st.integers(-1, 3))
    if kind == "bool":
        return maybe(st.booleans())
    return maybe(st.sampled_from(TIMES if kind == "time" else TEXTS))


REFERENCES = {
    "parent_id": [*ids("Project"), *ids("Shot")],
    "status_id": ids("Status"),
    "context_id": [*ids("Project"), *ids("Shot"), *ids("Task")],
    "asset_id": ids("Asset"),
    "task_id": ids("Task"),
}


@st.composite
def worlds(draw: st.DrawFn) -> World:
    world: dict[str, list[dict[str, Any]]] = {}
    for name, attributes in ATTRIBUTES.items():
        count = draw(st.sampled_from((3, 2, 1, 0)))
        world[name] = []
        for identifier in ids(name)[:count]:
            row: dict[str, Any] = {"type": name, "id": identifier}
            for attribute, kind in attributes.items():
                if attribute in REFERENCES:
                    row[attribute] = draw(maybe(st.sampled_from(REFERENCES[attribute])))
                elif attribute != "id":
                    row[attribute] = draw(stored(kind))
            world[name].append(row)
    return world


def written(kind: str) -> st.SearchStrategy[str]:
    if kind == "number":
        return st.sampled_from(("-1", "0", "1", "2", "2.5"))
    if kind == "bool":
        return st.sampled_from(("true", "False", "1", "0"))
    return st.sampled_from(WRITTEN_TIMES if kind == "time" else (*TEXTS, *ids("Shot"), *ids("Asset")))


def comparisons(path: str, kind: str) -> st.SearchStrategy[tuple[Any, ...]]:
    operators = ("is", "is_not") if kind == "bool" else ("is", "is_not", "<", "<=", ">", ">=")
    return st.one_of(
        st.tuples(st.just("compare"), st.just(path), st.sampled_from(operators), written(kind)),
        st.tuples(st.just("compare"), st.just(path), st.sampled_from(("is", "is_not")), st.none()),
        st.tuples(st.just("compare"), st.just(path), st.sampled_from(("like", "not_like")), st.sampled_from(PATTERNS)),
        st.tuples(st.just("in"), st.just(path), st.booleans(), st.lists(written(kind), min_size=1, max_size=3)),
    )


@st.composite
def steps(draw: st.DrawFn, name: str) -> tuple[str, str]:
    """A relation of the type, with or without cast, and the type that its rows have as far as paths are concerned."""
    relation = draw(st.sampled_from(sorted(step for owner, step in RELATIONS if owner == name)))
    types = RELATIONS[name, relation][1]
    if len(types) == 1:
        return relation, types[0]
    # Without cast only what all contexts have is asked for, or what only some have (trap 18): both must work.
    cast = draw(st.sampled_from(["", "Shot", "Task", "Project", "TypedContext"]))
    if not cast:
        return relation, draw(st.sampled_from(["Shot", "Project"]))
    return f"{relation}[{cast}]", "Shot" if cast == "TypedContext" else cast


@st.composite
def leaves(draw: st.DrawFn, name: str) -> tuple[Any, ...]:
    path: list[str] = []
    while (any(owner == name for owner, _ in RELATIONS)) and draw(st.integers(0, 2)) == 0 and len(path) < 3:
        step, name = draw(steps(name))
        path.append(step)
    attribute = draw(st.sampled_from(sorted(ATTRIBUTES[name])))
    leaf: tuple[Any, ...] = draw(comparisons(".".join([*path, attribute]), ATTRIBUTES[name][attribute]))
    return leaf


@st.composite
def criteria(draw: st.DrawFn, name: str, depth: int = 0) -> tuple[Any, ...]:
    choice = draw(st.integers(0, 5)) if depth < 3 else 0
    if choice == 3:
        return ("not", draw(criteria(name, depth + 1)))
    if choice == 4:
        parts = draw(st.lists(criteria(name, depth + 1), min_size=2, max_size=3))
        return (draw(st.sampled_from(("and", "or"))), parts)
    if choice == 5 and any(owner == name for owner, _ in RELATIONS):
        step, target = draw(steps(name))
        return ("any", step, draw(maybe(criteria(target, depth + 1))))
    return draw(leaves(name))


SORTS = {
    "Task": ("name", "bid", "status.sort", "start_date", "parent.name"),
    "Shot": ("name", "bid", "status.name"),
    "Project": ("full_name",),
    "Asset": ("name", "parent.name"),
    "AssetVersion": ("version", "asset.name", "task.status.sort", "is_published"),
    "Status": ("sort",),
}


@pytest.fixture(scope="module")
def context() -> Iterator[RowContext]:
    storage = Storage(load_schema(), now=lambda: "2024-03-01 12:00:00")
    yield RowContext(storage=storage, url="", username="", api_key="")
    storage.close()


def fill(storage: Storage, world: World) -> None:
    for name, rows in world.items():
        for row in rows:
            values = {key: value for key, value in row.items() if key != "type"}
            if name in TABLES:
                values["__type"] = name
            storage.insert(TABLES.get(name, name), values)


class Undo(Exception):
    """Leaves the transaction without keeping anything."""


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(data=st.data(), world=worlds())
def test_compiler_and_naive_evaluator_agree(context: RowContext, data: st.DataObject, world: World) -> None:
    name = data.draw(st.sampled_from(sorted(ATTRIBUTES)))
    criterion = data.draw(criteria(name))
    path = data.draw(st.sampled_from(SORTS[name]))
    descending = data.draw(st.booleans())
    limit = data.draw(st.integers(1, 4))
    expression = f"{name} where {render(criterion)} order by {path} {'desc' if descending else 'asc'} limit {limit}"
    expected = [row for row in world[name] if holds(world, row, criterion) is True]
    # Python's sort is stable, also backwards: equal rows stay in the order in which they were made.
    expected.sort(key=lambda row: sort_key(world, row, path), reverse=descending)
    with pytest.raises(Undo), context.storage.transaction():
        fill(context.storage, world)
        page = run_query(context, expression)
        assert [row["id"] for row in page.entities] == [row["id"] for row in expected][:limit], expression
        assert page.next_offset == (limit if len(expected) > limit else None)
        raise Undo


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(world=worlds(), criterion=criteria("Shot"), negated=st.booleans())
def test_a_sub_query_gives_the_values_of_the_rows_it_finds(
    context: RowContext, world: World, criterion: tuple[Any, ...], negated: bool
) -> None:
    found = {row["id"] for row in world["Shot"] if holds(world, row, criterion) is True}
    expected = [
        row["id"]
        for row in world["Task"]
        if row["parent_id"] is not None and (row["parent_id"] in found) is not negated
    ]
    word = "not_in" if negated else "in"
    with pytest.raises(Undo), context.storage.transaction():
        fill(context.storage, world)
        page = run_query(context, f"Task where parent_id {word} (select id from Shot where {render(criterion)})")
        assert [row["id"] for row in page.entities] == expected
        raise Undo


STORED = {
    "version": (None, -1, 0, 2),
    "is_published": (None, True, False),
    "date": (None, *TIMES),
    "comment": (None, *TEXTS),
}


@pytest.mark.parametrize("attribute", sorted(STORED))
def test_every_operator_on_every_kind_of_value(context: RowContext, attribute: str) -> None:
    kind = ATTRIBUTES["AssetVersion"][attribute]
    literals = {
        "number": ("-1", "0", "1", "2.0", "2.5"),
        "bool": ("true", "FALSE", "1", "0"),
        "time": WRITTEN_TIMES,
        "text": TEXTS,
    }[kind]
    empty = dict.fromkeys(ATTRIBUTES["AssetVersion"])
    rows = [
        {**empty, "type": "AssetVersion", "id": f"v{number}", attribute: value}
        for number, value in enumerate(STORED[attribute])
    ]
    world: World = {name: rows if name == "AssetVersion" else [] for name in ATTRIBUTES}
    criteria = [
        *(
            ("compare", attribute, operator, literal)
            for operator in ("is", "is_not", "<", "<=", ">", ">=")
            for literal in literals
        ),
        *(("compare", attribute, operator, pattern) for operator in ("like", "not_like") for pattern in PATTERNS),
        *(("compare", attribute, operator, None) for operator in ("is", "is_not")),
        *(("in", attribute, negated, literals[:2]) for negated in (True, False)),
    ]
    with pytest.raises(Undo), context.storage.transaction():
        fill(context.storage, world)
        for criterion in [*criteria, *(("not", each) for each in criteria)]:
            found = run_query(context, f"AssetVersion where {render(criterion)}").entities
            expected = [row["id"] for row in rows if holds(world, row, criterion) is True]
            assert [row["id"] for row in found] == expected, render(criterion)
        raise Undo
