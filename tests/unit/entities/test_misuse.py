"""What people get wrong with collections: one error that says what, where and what to do, and nothing is recorded."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from tests.support.local_session import LocalSession
from trackteroid.entities import Asset, AssetVersion, Project, Shot, Task, TypedContext
from trackteroid.errors import BadInputError, EntityCollectionOperationError, UnknownNameError, UsageError
from trackteroid.query import Query


@pytest.fixture
def shots(session: LocalSession) -> Any:
    return Query(Shot, session=session).get_all(projections=["children", "notes", "assets"])


@pytest.mark.parametrize(
    ("name", "words"),
    [("descripton", "; did you mean 'description'?"), ("statuses", "; did you mean 'status'?"), ("zzz", ".")],
)
def test_an_attribute_that_is_not_there(shots: Any, name: str, words: str) -> None:
    for use in (lambda: getattr(shots, name), lambda: setattr(shots[0], name, 1), lambda: shots.to_dicts(name)):
        with pytest.raises(AttributeError) as raised:
            use()
        assert str(raised.value) == f"Shot has no attribute {name!r}{words}"


def test_a_position_that_is_not_there(shots: Any) -> None:
    with pytest.raises(IndexError, match=r"EntityCollection\[Shot\]\{\d+\} has no element 999"):
        shots[999]


def test_an_id_that_is_not_there(shots: Any) -> None:
    with pytest.raises(KeyError, match="has no entity of the id 'nope'"):
        shots["nope"]
    with pytest.raises(UnknownNameError):
        shots["nope"]


def test_what_is_no_class_cannot_be_got(shots: Any) -> None:
    with pytest.raises(TypeError, match="get takes an entity class such as Task, not 'Task'"):
        shots.get("Task")


def test_what_is_no_projection_cannot_be_fetched(shots: Any) -> None:
    with pytest.raises(TypeError, match="A projection is an attribute path"):
        shots.fetch_attributes(3)


def test_attributes_are_named_by_texts(shots: Any) -> None:
    with pytest.raises(TypeError, match="named by a text, not by 3"):
        shots.attribute(3)


def test_a_list_is_no_key_of_a_group(shots: Any) -> None:
    with pytest.raises(TypeError, match=r"cannot be the key of a group.*item\.name\[0\]"):
        shots.group(lambda shot: shot.name)


@pytest.mark.parametrize("text", ["garbage", "", "tomorrow", "2026-31-01"])
def test_a_text_that_is_no_date_is_refused_at_once(session: LocalSession, shots: Any, text: str) -> None:
    with pytest.raises(TypeError, match=r"Shot.start_date takes a datetime, or a text in ISO format"):
        shots[0].start_date = text
    assert len(session.recorded_operations) == 0


@pytest.mark.parametrize(
    "text", ["2026-01-31", "2026-01-31T18:00:00", "2026-01-31 18:00:00", "2026-01-31T18:00:00+00:00"]
)
def test_texts_that_are_dates_are_taken(session: LocalSession, shots: Any, text: str) -> None:
    shots[0].start_date = text
    assert shots[0].start_date == [text]


def test_collections_from_before_a_reconnect_say_so(fresh_session: LocalSession) -> None:
    before = Query(Shot, session=fresh_session).get_all()
    fresh_session.reconnect()
    after = Query(Shot, session=fresh_session).get_all()
    for one, other in ((before, after), (after, before)):
        with pytest.raises(
            EntityCollectionOperationError, match="reconnected after one of the collections was queried"
        ):
            one.union(other)


@pytest.mark.parametrize("action", ["union", "intersection", "difference", "symmetric_difference"])
def test_nothing_of_one_session_does_not_mix_with_something_of_another(
    session: LocalSession, fresh_session: LocalSession, action: str
) -> None:
    nothing = Query(Shot, session=session).by_name("none").get_all()
    for other in (
        Query(Shot, session=fresh_session).get_all(),
        Query(Shot, session=fresh_session).by_name("no").get_all(),
    ):
        with pytest.raises(
            EntityCollectionOperationError, match=f"Cannot take the {action.replace('_', ' ')}: .*different sessions"
        ):
            getattr(nothing, action)(other)
    with pytest.raises(TypeError, match=f"{action} takes collections, not 'x'"):
        getattr(nothing, action)("x")


BATCHES = [
    ({"name": "a", "type": "Modeling"}, {"name": "b", "type": "Nonsense"}),
    ({"name": "a", "type": "Modeling"}, {"type": "Modeling"}),
    ({"name": "a", "type": "Modeling"}, {"name": "b", "type": "Modeling", "nonsense": 1}),
]


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("is_empty", [False, True])
def test_a_batch_is_created_whole_or_not_at_all(
    session: LocalSession, batch: tuple[dict[str, Any], ...], is_empty: bool
) -> None:
    parent: type[Any] = Task if is_empty else Shot
    tasks: Any = Query(parent, session=session).get_first(projections=["children"]).children[Task]
    assert bool(tasks) is not is_empty
    with pytest.raises(UsageError):
        tasks.create_batch(*batch)
    assert len(session.recorded_operations) == 0


def test_a_batch_of_notes_is_created_whole_or_not_at_all(session: LocalSession, shots: Any) -> None:
    with pytest.raises(UsageError, match="nonsense"):
        shots[0].notes.create_batch({"content": "good"}, {"content": "bad", "nonsense": 1})
    assert len(session.recorded_operations) == 0


def test_a_batch_is_the_union_of_what_it_created(session: LocalSession, shots: Any) -> None:
    versions = Query(AssetVersion, session=session).get_first(projections=["task"])
    made = versions.create_batch({"task": versions.task}, {"task": versions.task, "parent_relation": "asset"})
    assert len(made) == 2 and made.entity_type is AssetVersion
    assert made.asset == Query(AssetVersion, session=session).get_first(projections=["asset"]).asset
    assert not versions.create_batch() and versions.create_batch().entity_type is AssetVersion


@pytest.mark.parametrize("batch", [("x",), ([{"name": "a", "type": "Modeling"}],), (None,)])
def test_a_batch_is_made_of_dictionaries(session: LocalSession, shots: Any, batch: tuple[Any, ...]) -> None:
    for tasks in (
        shots[0].children[Task],
        Query(Project, session=session).by_name("none").get_all(),
        shots[0].assets[Asset],
    ):
        with pytest.raises(TypeError, match=r"create_batch takes dictionaries.*write \(\*batch\)"):
            tasks.create_batch(*batch)
    assert len(session.recorded_operations) == 0


def test_from_nothing_nothing_of_the_right_class_is_reached(session: LocalSession) -> None:
    nothing = Query(Shot, session=session).by_name("none").get_all()
    assert nothing.get(Task, projections=["name"]).entity_type is Task
    assert nothing.query_children(projections=["name"]).entity_type is TypedContext


def test_collections_cannot_be_sent_to_other_processes(shots: Any) -> None:
    for collection in (shots, shots.filter(lambda shot: False)):
        with pytest.raises(TypeError, match=r"^E\w+\[Shot\].* cannot be pickled.*keys\(\)"):
            pickle.dumps(collection)
        assert copy.copy(collection) is copy.deepcopy(collection) is collection


@pytest.mark.parametrize("relation", ["nope", "name", "versions"])
def test_a_parent_relation_that_is_none_does_not_make_orphans(session: LocalSession, relation: str) -> None:
    assets = Query(Asset, session=session).get_first()
    for collection in (assets, Query(Asset, session=session).by_name("none").get_all()):
        for method in (collection.create, collection.ensure):
            with pytest.raises(UsageError, match=f"parent_relation='{relation}' is no attribute that could refer"):
                method(name="q", type="Geometry", parent_relation=relation)
    assert len(session.recorded_operations) == 0


def test_the_name_of_an_attribute_is_no_id(shots: Any) -> None:
    with pytest.raises(KeyError, match=r"has no entity of the id 'name'; the attribute is \.name"):
        shots["name"]


@pytest.mark.parametrize("call", [lambda: Shot(), lambda: Shot(name="bc0090"), lambda: Shot(None)])  # type: ignore[call-arg]
def test_classes_make_no_entities(call: Any) -> None:
    with pytest.raises(TypeError, match=r"^Shot\(collection\) looks at .*create\(\)"):
        call()


def test_the_clients_query_takes_a_text(session: LocalSession) -> None:
    for expression in (Shot, Query(Shot), None):
        with pytest.raises(TypeError, match=r"session.query takes a text.*Query\(Shot, session=session\)"):
            session.query(expression)


def test_the_clients_populate_takes_collections_too(session: LocalSession, shots: Any) -> None:
    assert not shots[0].description[0]
    session.requests.clear()
    session.populate(shots, "description, status.name")
    assert len(session.requests) == 1
    session.requests.clear()
    assert all(isinstance(text, str) for text in shots.description) and shots.status.name
    assert session.requests == []
    session.populate(shots.filter(lambda shot: False), "status.name")
    assert session.requests == []


def test_deleting_a_collection_by_the_session(session: LocalSession, shots: Any) -> None:
    with pytest.raises(
        BadInputError, match=r"is not an entity of the client.*a collection has a delete\(\) of its own"
    ):
        session.delete(shots)
    assert not session.recorded_operations
