"""What people get wrong when they write queries: one error that says what, where and what to do, and nothing is asked."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.local_session import LocalSession
from trackteroid.entities import Asset, FileComponent, Job, Recipient, Shot, Task
from trackteroid.entities.values import NOT_SET
from trackteroid.errors import BadInputError, EntityCollectionOperationError, UnknownNameError, UsageError
from trackteroid.query import SCHEMA, Criteria, Query


@pytest.fixture(scope="module")
def session() -> Iterator[LocalSession]:
    session = LocalSession()
    yield session
    session.close()


class BareSession:
    """Stands for the client's own session, which has nothing of ours."""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"session": BareSession()}, "trackteroid.session.Session"),
        ({"session": "http://server"}, "http://server"),
        ({"schema": "vfx"}, "SCHEMA.default"),
        ({"schema": {}}, "SCHEMA.default"),
    ],
)
def test_a_query_says_what_it_can_ask(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(TypeError, match=words):
        Query(Shot, **arguments)


@pytest.mark.parametrize("argument", ["limit", "offset"])
@pytest.mark.parametrize("value", ["3", -3, 2.0, True])
def test_limits_and_offsets_are_numbers_of_entities(session: LocalSession, argument: str, value: Any) -> None:
    session.requests.clear()
    with pytest.raises(UsageError, match=f"{argument} must be a number of entities"):
        Query(Shot, session=session).get_all(**{argument: value})
    assert session.requests == []


def test_no_offset_is_none_or_zero(session: LocalSession) -> None:
    query = Query(Shot, session=session)
    assert len(query.get_all(offset=None)) == len(query.get_all(offset=0)) > 0  # type: ignore[arg-type]


@pytest.mark.parametrize("path", ["", "name from Shot", "name, id", "parent[Shot", "asset..name"])
@pytest.mark.parametrize("argument", ["projections", "order_by"])
def test_what_is_no_attribute_path_never_gets_into_a_query(session: LocalSession, path: str, argument: str) -> None:
    session.requests.clear()
    with pytest.raises(BadInputError, match="is no path"):
        Query(Shot, session=session).get_all(**{argument: [path] if argument == "projections" else path})
    assert session.requests == []


@pytest.mark.parametrize("value", [3, ["name"], str])
def test_what_cannot_be_ordered_by_is_a_type_error(session: LocalSession, value: Any) -> None:
    with pytest.raises(TypeError, match="A projection is an attribute path"):
        Query(Shot, session=session).get_all(order_by=value)


@pytest.mark.parametrize("name", ["by_nonsense", "not_by_nonsense"])
def test_an_unknown_criterion_tells_those_that_there_are(name: str) -> None:
    with pytest.raises(AttributeError, match=rf"Shot has no criterion '{name}'; it has by_assignee, .*by_name"):
        getattr(Query(Shot), name)


def test_a_criterion_of_other_types_tells_those_that_there_are() -> None:
    with pytest.raises(
        Criteria.CriterionNotImplementedError, match=r"Shot has no criterion 'by_file_type'; it has by_"
    ):
        Query(Shot).by_file_type("exr")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda shots: [*shots.id], "one by one"),
        (lambda shots: shots.keys(), "one by one"),
        (lambda shots: iter(shots.id), "one by one"),
        (lambda shots: shots, "their ids or names"),
        (lambda shots: shots.filter(lambda shot: False), "their ids or names"),
        (lambda shots: next(iter(shots.values())), "their ids or names"),
        (lambda shots: shots.client_entities[0], "their ids or names"),
        (lambda shots: NOT_SET, "not fetched"),
    ],
)
@pytest.mark.parametrize("name", ["by_id", "by_name", "by_status"])
def test_values_that_would_find_nothing_are_refused(
    session: LocalSession, name: str, make: Callable[[Any], Any], words: str
) -> None:
    value = make(Query(Shot, session=session).get_all())
    with pytest.raises(Criteria.InvalidArgumentsError, match=rf"^Shot.{name} .*{words}"):
        getattr(Query(Shot, session=session), name)(value)


def test_sizes_are_numbers() -> None:
    with pytest.raises(Criteria.InvalidArgumentsError, match="numbers of bytes"):
        Query(FileComponent).by_size(minimum="10 MB")
    for bound in (True, -1):
        with pytest.raises(Criteria.InvalidArgumentsError, match=f"numbers of bytes, not {bound}"):
            Query(FileComponent).by_size(bound)


@pytest.mark.parametrize("value", [None, "yesterday", 7])
def test_days_are_dates(value: Any) -> None:
    with pytest.raises(Criteria.InvalidArgumentsError, match=f"takes days such as '2026-01-31', not {value!r}"):
        Query(Job).by_creation_date(value)


def test_types_without_an_id_are_asked_for_by_all_their_keys(session: LocalSession) -> None:
    question = Query(Recipient, session=session).by_id("105141eb")
    with pytest.raises(Criteria.InvalidArgumentsError, match="identified by note_id, resource_id: give a tuple of 2"):
        question.get_all()


def test_a_query_can_be_copied_but_not_pickled() -> None:
    question = Query(Shot).by_name("a")
    copied = copy.deepcopy(question)
    copied.by_name("b")
    assert str(question) == 'select id, name from Shot where (name is "a")'
    assert copied.session is question.session
    with pytest.raises(TypeError, match=r"cannot be pickled: send str\(query\)"):
        pickle.dumps(question)


def test_an_unknown_relation_schema_tells_those_that_there_are() -> None:
    with pytest.raises(UnknownNameError, match="There is no relation schema 'nope'; there are: default"):
        SCHEMA["nope"]
    assert not hasattr(SCHEMA, "nope")
    assert SCHEMA.get("nope") is None


@pytest.mark.parametrize("method", ["get_inputs", "get_outputs"])
def test_only_what_can_be_linked_has_inputs_and_outputs(session: LocalSession, method: str) -> None:
    session.requests.clear()
    with pytest.raises(EntityCollectionOperationError, match="Asset has no links"):
        getattr(Query(Asset, session=session), method)()
    with pytest.raises(UsageError, match="projections must be a list"):
        getattr(Query(Task, session=session), method)(3)
    assert session.requests == []


@pytest.mark.parametrize("name", ["all", "first", "one", "where"])
def test_methods_of_the_clients_queries_lead_to_ours(name: str) -> None:
    with pytest.raises(AttributeError, match=rf"has no attribute '{name}'.*by_.*get_one"):
        getattr(Query(Shot), name)
