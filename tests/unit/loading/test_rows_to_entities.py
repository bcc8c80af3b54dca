"""Answers that a server may give, through the client and through our loader."""

from __future__ import annotations

from typing import Any

import pytest
from ftrack_api.symbol import NOT_SET

from tests.support.session_pair import Pair
from tests.unit.loading.conftest import Fallbacks, Server
from trackteroid import fast_json


def row(entity_type: str, key: str, **values: Any) -> dict[str, Any]:
    return {"__entity_type__": entity_type, "id": key, **values}


def ask(pair: Pair) -> Any:
    return pair.agree(lambda session: [entity["id"] for entity in session.query("select id from Shot").all()])


@pytest.fixture(autouse=True, params=["orjson", "json"])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are read in another way where orjson is not installed."""
    if request.param == "json":
        monkeypatch.setattr(fast_json, "orjson", None)


def test_of_two_rows_of_one_entity_in_a_page_the_first_counts(pair: Pair, server: Server, fallbacks: Fallbacks) -> None:
    """That is what the client makes of it, whoever comes first: also a row that only hangs on another one."""
    inner = row("Shot", "b", name="inner")
    server.says([row("Shot", "a", children=[inner]), row("Shot", "b", name="own", description="never seen")])
    assert ask(pair) == ["a", "b"]
    second = pair.ours.get("Shot", "b")
    assert second["name"] == "inner"
    assert second["description"] is NOT_SET
    assert fallbacks() == []


def test_what_hangs_on_a_second_row_of_an_entity_is_loaded_all_the_same(pair: Pair, server: Server) -> None:
    server.says([row("Shot", "a"), row("Shot", "a", parent=row("Sequence", "s", name="sq"), name="lost")])
    assert ask(pair) == ["a", "a"]
    assert pair.ours.get("Sequence", "s")["name"] == "sq"
    assert pair.ours.get("Shot", "a")["name"] is NOT_SET


def test_each_page_counts_on_its_own(pair: Pair, server: Server) -> None:
    server.says([row("Shot", "a", name="first")], [row("Shot", "a", name="second")])
    assert ask(pair) == ["a", "a"]
    assert pair.ours.get("Shot", "a")["name"] == "second"


def test_entities_that_refer_to_each_other(pair: Pair, server: Server) -> None:
    parent = row("Sequence", "s", children=[row("Shot", "a", parent=row("Sequence", "s"))])
    server.says([row("Shot", "a", parent=parent), row("Shot", "b", parent=parent)])
    assert ask(pair) == ["a", "b"]
    assert pair.ours.get("Shot", "a")["parent"] is pair.ours.get("Sequence", "s")


def test_later_answers_replace_what_differs_and_keep_what_is_equal(
    pair: Pair, server: Server, fallbacks: Fallbacks
) -> None:
    status, other = row("Status", "x", name="one"), row("Status", "y", name="two")
    first = [row("Shot", "a", status=status, children=[row("Task", "t1"), row("Task", "t2")], bid=1, notes=None)]
    server.says(first)
    ask(pair)
    for answer in (
        [row("Shot", "a", status=None, children=None, bid=True)],
        [row("Shot", "a", status=other, children=[row("Task", "t2"), row("Task", "t3", name="t")], bid=None)],
        [row("Shot", "a", status=row("Status", "y", name="new"), children=[row("Task", "t3"), row("Task", "t2")])],
        first,
    ):
        server.says(answer)
        ask(pair)
    assert fallbacks() == []


def test_a_local_copy_of_a_collection_follows_unless_it_was_changed(pair: Pair, server: Server) -> None:
    server.says([row("Shot", "a", children=[row("Task", "t1")]), row("Shot", "b", children=[row("Task", "t2")])])
    ask(pair)

    def touch(session: Any) -> int:
        # A look makes a local copy; the second one is changed.
        session.get("Shot", "b")["children"].pop()
        return len(session.get("Shot", "a")["children"])

    assert pair.agree(touch) == 1
    server.says([row("Shot", "a", children=[]), row("Shot", "b", children=[row("Task", "t3"), row("Task", "t2")])])
    ask(pair)
    assert len(pair.ours.get("Shot", "a")["children"]) == 0
    assert len(pair.ours.get("Shot", "b")["children"]) == 0


def test_a_collection_that_cannot_be_changed_refuses_as_with_the_client(
    pair: Pair, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client puts an empty local copy there on a look, and later cannot replace it."""
    for session in pair:
        monkeypatch.setattr(session.types["Shot"].attributes.get("children"), "_mutable", False)
    server.says([row("Shot", "a")])
    ask(pair)
    assert pair.agree(lambda session: len(session.get("Shot", "a")["children"])) == 0
    server.says([row("Shot", "a", children=[])])
    ask(pair)
    server.says([row("Shot", "a", children=[row("Task", "t1")])])
    theirs, ours = pair.both(lambda session: len(session.query("select id from Shot").all()))
    assert ours == theirs
    assert str(ours).startswith("ImmutableAttributeError")
    pair.check("refused")


def test_mapped_collections_compare_by_what_they_map(pair: Pair, server: Server, fallbacks: Fallbacks) -> None:
    def metadata(**values: str) -> list[Any]:
        return [
            {"__entity_type__": "Metadata", "parent_id": "a", "key": key, "value": value}
            for key, value in values.items()
        ]

    for values in (metadata(fps="24"), metadata(fps="24"), metadata(fps="25", note="x"), metadata(note="x"), None):
        server.says([row("Shot", "a", metadata=values)])
        ask(pair)
        pair.agree(lambda session: dict(session.get("Shot", "a")["metadata"]))
    assert fallbacks() == []


def test_dates_unknown_names_and_plain_objects(pair: Pair, server: Server, fallbacks: Fallbacks) -> None:
    server.says(
        [
            row(
                "Shot",
                "a",
                start_date={"__type__": "datetime", "value": "2024-03-01T09:30:00"},
                end_date={"__type__": "datetime", "value": "2024-03-01T09:30:00.5+02:00"},
                created_at={"__type__": "date", "value": "2024-03-01"},
                link=[{"type": "Project", "id": "p", "name": "p"}],
                no_such_attribute={"nested": [row("Task", "dropped")]},
            )
        ]
    )
    ask(pair)
    assert ("Task", "dropped") not in {(entity.entity_type, entity["id"]) for entity in pair.ours._local_cache.values()}
    assert fallbacks() == []


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ([{"__entity_type__": "Shot", "name": "no key"}], "without its primary key"),
        ([row("Shot", "a", children=[row("Task", "t"), row("Task", "t")])], "an entity twice"),
        ([row("Shot", "a", status="x")], "a reference that is no entity"),
        ([row("Shot", "a", children=[1])], "no list of entities"),
        ([row("Shot", "a", metadata={"fps": "24"})], "no list of entities"),
        ([row("Shot", "a", name=row("Task", "t"))], "where none is expected"),
        ([row("Shot", "a", link=[row("Task", "t")])], "where none is expected"),
        ([{"name": "no type"}], "a result that is no entity"),
        ([{"__entity_type__": "Shot", "id": ["a"]}], "a primary key that is no plain value"),
    ],
)
def test_what_no_server_should_answer_is_left_to_the_client(
    pair: Pair, server: Server, fallbacks: Fallbacks, answer: Any, reason: str
) -> None:
    server.says([row("Shot", "before"), *answer])
    theirs, ours = pair.both(lambda session: len(session.query("select id from Shot").all()))
    assert ours == theirs
    pair.check("afterwards")
    assert len(fallbacks()) == 1
    assert reason in fallbacks()[0]


def test_an_unknown_entity_type_raises_the_clients_error_and_loads_nothing(pair: Pair, server: Server) -> None:
    server.says([row("Shot", "before"), row("Nonesuch", "a")])
    theirs, ours = pair.both(lambda session: len(session.query("select id from Shot").all()))
    assert ours == theirs
    assert ours.startswith("UnrecognisedEntityTypeError")
    pair.check("afterwards")


def test_the_same_rows_from_the_shared_cache_become_the_same_entities(pair: Pair) -> None:
    text = "select name, children.name, metadata, status.name, created_at from Shot"
    pair.query(text)
    kept = pair.ours._ask_and_keep(f"{text} offset 0 limit 500", None).text
    assert kept is not None
    cached = list(pair.ours._local_cache._cache)
    pair.ours._local_cache.clear()
    pair.ours._configure_locations()
    assert pair.ours._read_kept(kept) is not None
    assert list(pair.ours._local_cache._cache) == cached
    pair.check("from rows")


@pytest.mark.parametrize(
    "garbage",
    [
        "", "{}", "[]", "[1]", "[{}]", "null", '[{"data": [1], "metadata": {}}]', '[{"data": [], "metadata": 1}]',
        '[{"data": {}, "metadata": {}}]', '[{"data": [{"__entity_type__": "Nonsense"}], "metadata": {}}]',
        '[{"data": [], "metadata": {"next": {"offset": "x"}}}]',
    ],
)  # fmt: skip
def test_what_is_no_page_is_not_taken_for_one(pair: Pair, garbage: str) -> None:
    assert pair.ours._read_kept(garbage) is None
