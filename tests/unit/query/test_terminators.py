"""Asking the server: what is sent, what is logged, what comes back, what is reused."""

from __future__ import annotations

import gc
import logging
import threading
from collections.abc import Iterator
from typing import Any

import ftrack_api.exception
import pytest

from tests.support.local_session import LocalSession
from trackteroid.entities import Asset, AssetVersion, Component, Group, Priority, Project, Shot, Status, Task, User
from trackteroid.entities.base import EmptyCollection, EntityCollection
from trackteroid.entities.values import NOT_SET
from trackteroid.query import SCHEMA, Query


@pytest.fixture(scope="module")
def shared_session() -> Iterator[LocalSession]:
    session = LocalSession()
    yield session
    session.close()


@pytest.fixture
def session(shared_session: LocalSession) -> LocalSession:
    shared_session.reset()
    shared_session.requests.clear()
    return shared_session


def performed(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "trackteroid.query"]


@pytest.fixture(autouse=True)
def at_info(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


@pytest.mark.parametrize(
    ("method", "arguments", "suffix"),
    [
        ("get_all", {}, ""),
        ("get_all", {"limit": 2}, " limit 2 order by id"),
        ("get_all", {"limit": 0}, ""),
        ("get_all", {"limit": 2, "offset": 1}, " limit 2 offset 1 order by id"),
        ("get_all", {"offset": 1}, " offset 1 order by id"),
        ("get_all", {"order_by": "name"}, " order by name ascending"),
        ("get_all", {"order_by": "name", "order": "descending", "limit": 3}, " limit 3 order by name descending"),
        ("get", {"limit": 1}, " limit 1 order by id"),
        ("get_first", {}, " limit 1 order by id"),
        ("get_first", {"offset": 2}, " limit 1 offset 2 order by id"),
    ],
)
def test_the_resolved_query_is_logged(
    session: LocalSession, caplog: pytest.LogCaptureFixture, method: str, arguments: Any, suffix: str
) -> None:
    found = getattr(Query(Shot, session=session), method)(**arguments)
    assert performed(caplog) == [f'Performing query: "select id, name from Shot{suffix}"']
    assert isinstance(found, EntityCollection)


def test_get_one_asks_for_two(session: LocalSession, caplog: pytest.LogCaptureFixture) -> None:
    found = Query(Shot, session=session).by_name("bc0040").get_one()
    assert found.name == ["bc0040"]
    assert performed(caplog) == [
        'Performing query: "select id, name from Shot where (name is "bc0040") limit 2 order by id"'
    ]


def test_get_one_of_none_or_several_is_the_clients_error(session: LocalSession) -> None:
    with pytest.raises(ftrack_api.exception.NoResultFoundError, match=r'name is "none"'):
        Query(Shot, session=session).by_name("none").get_one()
    with pytest.raises(ftrack_api.exception.MultipleResultsFoundError, match=r'name like "bc%"'):
        Query(Shot, session=session).by_name("bc%").get_one()


def test_d62_braces_in_a_value_do_not_break_the_message(session: LocalSession) -> None:
    with pytest.raises(ftrack_api.exception.NoResultFoundError) as caught:
        Query(Shot, session=session).by_name("{show} {0}").get_one()
    assert 'name is "{show} {0}"' in str(caught.value)


def test_no_result_is_typed_and_worth_a_warning(session: LocalSession, caplog: pytest.LogCaptureFixture) -> None:
    found = Query(Shot, session=session).by_name("none").get_first()
    assert isinstance(found, EmptyCollection)
    assert found.entity_type is Shot
    record = caplog.records[-1]
    assert (record.name, record.levelname) == ("trackteroid.query", "WARNING")
    assert 'select id, name from Shot where (name is "none")' in record.getMessage()
    assert "limit" not in record.getMessage()


@pytest.mark.parametrize("name", ["speed limit 50", "offset 3", 'say "limit 5"', "back\\slash", "o'neill", "ünï"])
def test_d53_words_of_paging_in_values_are_values(fresh: LocalSession, name: str) -> None:
    parent = Query(Project, session=fresh).by_name("demo").get_one()
    fresh.create("Shot", {"name": name, "parent": parent.client_entities[0]})
    fresh.commit()
    fresh.requests.clear()
    found = Query(Shot, session=fresh).by_name(name).get_one()
    assert found.name == [name]
    assert len(fresh.expressions) == 1


@pytest.fixture
def fresh() -> Iterator[LocalSession]:
    session = LocalSession()
    yield session
    session.close()


def test_d48_terminators_leave_the_query_alone(session: LocalSession) -> None:
    query = Query(Shot, session=session).by_name("bc0040")
    before = str(query)
    query.get_all(projections=["description"], order_by="start_date", limit=1)
    assert str(query) == before
    assert query.projections == []


def test_projections_of_the_query_itself_count_in_each_result(session: LocalSession) -> None:
    query = Query(Shot, session=session)
    query.projections = ["description"]
    found = query.get_all(projections=["start_date"])
    assert session.expressions[-1].startswith("select id, name, description, start_date from Shot")
    assert NOT_SET not in found.description


def test_unprojected_attributes_are_not_fetched(session: LocalSession) -> None:
    found = Query(Shot, session=session).get_all()
    assert set(map(str, found.description)) == {"NOT_SET"}
    assert len(session.expressions) == 1


class TestOrder:
    def test_the_key_is_projected_and_may_be_dotted(self, session: LocalSession) -> None:
        found = Query(AssetVersion, session=session).get_all(order_by="asset.name", order="descending")
        assert session.expressions[0].startswith("select id, asset.name, version from AssetVersion order by asset.name")
        names = [version.asset.name[0] for version in found]
        assert names == sorted(names, reverse=True)

    def test_a_class_chain_is_a_key(self, session: LocalSession) -> None:
        found = Query(Task, session=session).get_all(order_by=Status.name)
        assert session.expressions[0].startswith(
            "select id, name, status.name from Task order by status.name ascending"
        )
        assert len(found) > 1

    @pytest.mark.parametrize("order", ["ascending", "descending"])
    def test_entities_without_a_key_come_last(self, fresh: LocalSession, order: str) -> None:
        shot = Query(Shot, session=fresh).by_name("bc0030").get_one()
        shot.description = None
        fresh.commit()
        fresh.reset()
        found = Query(Shot, session=fresh).by_name("bc%").get_all(order_by="description", order=order)
        assert found.description[-1] is None
        assert found.name[-1] == "bc0030"
        assert found.description[:-1] == sorted(found.description[:-1], reverse=order == "descending")

    def test_other_words_are_refused(self, session: LocalSession) -> None:
        with pytest.raises(AssertionError, match="sideways"):
            Query(Shot, session=session).get_all(order="sideways")


class TestReuse:
    def test_the_same_resolved_query_gives_the_same_collection(
        self, session: LocalSession, caplog: pytest.LogCaptureFixture
    ) -> None:
        with session.reusing_query_results():
            first = Query(AssetVersion, session=session).get_all()
            again = Query(AssetVersion, session=session).get_all()
            other = Query(AssetVersion, session=session).by_version("%").get_all()
        assert again is first
        assert other == first
        assert other is not first
        assert performed(caplog) == [
            'Performing query: "select id, asset.name, version from AssetVersion"',
            'Performing query: "select id, asset.name, version from AssetVersion where (version like "%")"',
        ]

    def test_without_the_context_every_query_is_asked(self, session: LocalSession) -> None:
        first = Query(Shot, session=session).get_all()
        assert Query(Shot, session=session).get_all() is not first
        assert len(session.expressions) == 2

    def test_a_result_from_before_is_reused(self, session: LocalSession) -> None:
        first = Query(Shot, session=session).get_all()
        with session.reusing_query_results():
            assert Query(Shot, session=session).get_all() is first

    def test_d23_results_are_not_held_while_reuse_is_off(self, session: LocalSession) -> None:
        Query(Shot, session=session).get_all()
        gc.collect()
        asked = len(session.expressions)
        with session.reusing_query_results():
            Query(Shot, session=session).get_all()
        assert len(session.expressions) == asked + 1

    def test_queries_for_exactly_these_ids_are_answered_too(self, session: LocalSession) -> None:
        with session.reusing_query_results():
            found = Query(Shot, session=session).by_name("bc%").get_all(projections=["description"])
            asked = len(session.expressions)
            by_id = Query(Shot, session=session).by_id(*found.keys())
            assert by_id.get_all() is found
            assert by_id.get_all(projections=["description"]) is found
            assert len(session.expressions) == asked
            assert by_id.get_all(projections=["start_date"]) is not found

    def test_empty_results_are_reused(self, session: LocalSession) -> None:
        with session.reusing_query_results():
            first = Query(Shot, session=session).by_name("none").get_all()
            assert Query(Shot, session=session).by_name("none").get_all() is first

    def test_schemas_do_not_mix(self, session: LocalSession) -> None:
        with session.reusing_query_results():
            first = Query(Shot, session=session).get_all()
            other = Query(Shot, session=session, schema={"name": "vfx", "entities": {}}).get_all()
        assert other is not first

    @pytest.mark.parametrize("end", ["reset", "rollback", "reconnect", "delete"])
    def test_d25_what_ends_entities_ends_results(self, end: str) -> None:
        session = LocalSession()
        with session.reusing_query_results():
            first = Query(Shot, session=session).get_all()
            assert Query(Shot, session=session).get_all() is first
            if end == "delete":
                Query(Task, session=session).get_first().delete().commit()
            else:
                getattr(session, end)()
            assert Query(Shot, session=session).get_all() is not first

    def test_d47_storing_a_result_does_not_change_it(self, session: LocalSession) -> None:
        found = Query(Shot, session=session).by_name("bc%").get_all()
        assert str(found.query) == 'select id, name from Shot where (name like "bc%")'


def test_d42_every_type_of_the_schema_can_be_queried(session: LocalSession) -> None:
    found = Query(Priority, session=session).get_all()
    assert len(found) > 1
    assert session.expressions == ["select id from Priority offset 0 limit 500"]


def test_object_types_of_this_server_only(session: LocalSession) -> None:
    from trackteroid.entities.entity_types import entity_class
    from trackteroid.errors import BadInputError

    with pytest.raises(BadInputError, match="Kaleidoscope"):
        entity_class("Kaleidoscope", session.schema_index)
    assert entity_class("Shot", session.schema_index) is Shot


def test_results_are_equal_in_every_thread(session: LocalSession) -> None:
    """D13, D16: relations and iteration keep no state on classes or collections."""
    tasks = Query(Task, session=session).get_all(projections=["project", "status.state"])
    expected = [(task.name, task.Project.id, task.State.id) for task in tasks]
    results: list[Any] = []

    def read() -> None:
        results.append([(task.name, task.Project.id, task.State.id) for _ in range(3) for task in tasks])

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [expected * 3] * 8


def test_the_default_schema_is_the_default(session: LocalSession) -> None:
    assert Query(Shot, session=session).schema is SCHEMA.default
    assert Query(Asset, session=session).primary_key == "id"
    assert Query(Component, session=session).entity_type is Component


def test_a_projection_without_relation_is_worth_one_warning(
    session: LocalSession, caplog: pytest.LogCaptureFixture
) -> None:
    found = Query(Group, session=session).get_all(projections=[User, "local"])
    assert found
    left_out = [record for record in caplog.records if record.name == "trackteroid.declarations"]
    assert [record.getMessage() for record in left_out] == [
        "Projection User is left out: no relation from Group to User is known; add one in RELATIONSHIPS_RESOLVER of your "
        "configuration."
    ]


def test_inputs_and_outputs_are_of_the_class_and_have_the_projections(session: LocalSession) -> None:
    shots = Query(Shot, session=session).by_name("bc0010", "bc0020").get_all(order_by="name")
    task = Query(Task, session=session).get_first()
    shots[0].link_inputs(shots[1]).link_inputs(task).link_outputs(shots[1])
    session.commit()
    session.reset()
    linked = Query(Shot, session=session).by_name("bc0010")
    inputs = linked.get_inputs(projections=["description", Status.name])
    assert (inputs.entity_type, inputs.name) == (Shot, ["bc0020"])
    assert inputs.description != [NOT_SET]
    assert inputs.status.name == ["Normal"]
    assert linked.get_inputs(Task, ["bid"]).bid == [28800]
    outputs = linked.get_outputs(["description"])
    assert (outputs.name, outputs.description) == (["bc0020"], inputs.description)
    assert linked.get_outputs(Task) == EmptyCollection(Task)
    # Each end is asked for from its own side.
    assert Query(Shot, session=session).by_name("bc0020").get_outputs().name == ["bc0010"]


def test_only_one_path_can_be_ordered_by(session: LocalSession) -> None:
    schema = {"name": "or", "entities": {"AssetVersion": {"Shot": ["asset.parent[Shot]", "task.parent[Shot]"]}}}
    question = Query(AssetVersion, session=session, schema=schema)
    with pytest.raises(AssertionError, match=r"must be one attribute path, not Shot\.name"):
        question.get_all(order_by=Shot.name)
    with pytest.raises(AssertionError, match="must be one attribute path"):
        question.get_all(order_by=AssetVersion)
