"""Defects of the original library that ours must not have, by their numbers in the specification: sessions without sockets.

Those that other modules test carry their number in the names of the tests there; together they are complete
(`tests/architecture/test_defects.py`).
"""

from __future__ import annotations

import inspect
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import arrow
import pytest

import trackteroid
from tests.support.local_session import LocalSession, stock_schemas
from trackteroid import configuration
from trackteroid.entities import (
    Asset,
    AssetVersion,
    Component,
    Folder,
    Group,
    Job,
    Note,
    NoteCategory,
    Project,
    Recipient,
    ReviewSession,
    Shot,
    State,
    Status,
    Task,
    Timelog,
    TypedContext,
    User,
)
from trackteroid.entities.base import EmptyCollection, EntityCollection, EntityCollectionOperationError
from trackteroid.entities.relationships_parser import RelationshipsParser
from trackteroid.entities.schematypes import (
    ASSET_TYPES,
    CUSTOM_ATTRIBUTE_TYPE_COMPATIBILITY,
    OBJECT_TYPES,
    PROJECT_SCHEMAS,
    TASK_TYPES,
    AttributeInfo,
)
from trackteroid.entities.server_setup import camel_case, look_up
from trackteroid.entities.values import NOT_SET
from trackteroid.query import Criteria, Query
from trackteroid.relationships import SchemaIndex


def one(session: LocalSession, entity_class: Any, name: str, *projections: Any) -> Any:
    return Query(entity_class, session=session).by_name(name).get_one(projections=list(projections))


def pending(session: LocalSession) -> list[tuple[str, str]]:
    return [
        (operation.entity_type, getattr(operation, "attribute_name", "")) for operation in session.recorded_operations
    ]


# Types and relations


def test_d13_relations_of_one_type_are_never_anothers(session: LocalSession) -> None:
    expected = 'assets any (name is "hero_model")'
    assert expected in str(Query(Project, session=session).by_name(Asset, "hero_model"))
    _ = Query(Project, session=session).get_all().Asset
    with pytest.raises(Criteria.InvalidArgumentsError, match=r"Group.*Asset"):
        str(Query(Group, session=session).by_id(Asset, "x"))
    assert expected in str(Query(Project, session=session).by_name(Asset, "hero_model"))
    # Each object type has relations of its own, not TypedContext's.
    assert Query(Folder, session=session).by_name(Task, "x").valid


def test_d15_the_entity_type_of_nothing_is_a_class(session: LocalSession) -> None:
    nothing = Query(Shot, session=session).by_name("none").get_all()
    assert nothing.entity_type is Shot
    assert nothing.status.entity_type is Status


def test_d17_a_base_class_filters_its_subclasses(session: LocalSession) -> None:
    children = one(session, Project, "demo", "children.name").children
    assert len(children[TypedContext]) == len(children)
    assert children[TypedContext].entity_type is TypedContext
    mixed = one(session, Asset, "bc0040_comp", AssetVersion, Component).versions.components
    assert len(mixed[Component]) == len(mixed)


def test_d28_relations_are_those_of_the_present_schema(session: LocalSession) -> None:
    parsed = session.parsed_relationships
    assert parsed.relationships["AssetVersion"]["non_collection"]["Asset"] == "asset"
    assert parsed.relationships["AssetVersion"]["collection"]["Component"] == "components"
    assert "components" in parsed.array_attributes
    assert "AssetVersion" in parsed.entities
    assert session.parsed_relationships is parsed
    changed = [
        {**schema, "properties": {name: value for name, value in schema["properties"].items() if name != "asset"}}
        for schema in stock_schemas()
    ]
    assert RelationshipsParser(changed).relationships["AssetVersion"]["non_collection"].get("Asset") != "asset"


def test_d43_names_are_taken_as_they_are_or_in_camel_case(session: LocalSession) -> None:
    assert [camel_case(text) for text in ("VFX Schema", "3D model_2", "look dev", "AssetBuild")] == [
        "VFXSchema",
        "3DModel_2",
        "LookDev",
        "AssetBuild",
    ]
    known = {"VFX Schema": 1, "3D model_2": 2}
    assert [look_up(known, name) for name in ("VFX Schema", "VFXSchema", "3DModel_2", "Vfx Schema")] == [1, 1, 2, None]
    assert TASK_TYPES.get("Matte Painting", session) is TASK_TYPES.get("MattePainting", session)
    assert ASSET_TYPES.get("Image Sequence", session)["name"] == "Image Sequence"
    assert OBJECT_TYPES.get("AssetBuild", session)["name"] in ("Asset Build", "AssetBuild")
    assert PROJECT_SCHEMAS.get("Production", session)["name"] == "Production"
    for wrong in ("modeling", "Vfx", ""):
        with pytest.raises(KeyError, match="There is no Type"):
            TASK_TYPES.get(wrong, session)
    # Object types of a server are named by its schema: no blanks.
    assert all(name.isidentifier() for name in session.schema_index.object_types)


def test_d27_type_helpers_ask_once_and_never_keep_what_is_over(fresh_session: LocalSession) -> None:
    before = TASK_TYPES.get("Modeling", fresh_session)
    asked = len(fresh_session.requests)
    assert TASK_TYPES.get("Modeling", fresh_session) is before
    assert ("Type", before["id"]) == (before.entity_type, TASK_TYPES.get("Modeling", fresh_session)["id"])
    assert len(fresh_session.requests) == asked
    fresh_session.reset()
    after = TASK_TYPES.get("Modeling", fresh_session)
    assert after is not before
    assert after["id"] == before["id"]
    other = LocalSession()
    assert TASK_TYPES.get("Modeling", other).session is other


def test_d27_creating_by_type_name_asks_once(fresh_session: LocalSession) -> None:
    children = one(fresh_session, Shot, "bc0010", "children.name").children[Task]
    asked = len(fresh_session.requests)
    for number in range(3):
        children.create(name=f"new{number}", type="Modeling")
    assert len([text for text in fresh_session.expressions if text.startswith("select id, name from Type")]) == 1
    assert len(fresh_session.requests) - asked <= 2


def test_d27_a_type_that_was_added_since_is_found(fresh_session: LocalSession) -> None:
    children = one(fresh_session, Shot, "bc0010", "children.name").children[Task]
    children.create(name="first", type="Modeling")
    other = fresh_session.create("Type", {"name": "Grooming"})
    fresh_session.commit()
    created = children.create(name="second", type="Grooming")
    assert created.type.keys() == {other["id"]}


# Containers


def test_d36_symmetric_difference_goes_pairwise_from_left_to_right(session: LocalSession) -> None:
    shots = Query(Shot, session=session).by_name("bc%").get_all(order_by="name")
    first, second, third = shots[:3], shots[1:5], shots[2:3]
    assert first.symmetric_difference(second, third).name == ["bc0010", "bc0040", "bc0050", "bc0030"]
    assert (first ^ second ^ third) == first.symmetric_difference(second, third)


def test_d44_entities_with_a_composite_key_stay_apart_behind_an_attribute(fresh_session: LocalSession) -> None:
    shot = one(fresh_session, Shot, "bc0020", "notes.content")
    users = Query(User, session=fresh_session).get_all()
    note = shot.notes.create(content="to all", recipients=users)
    note.commit()
    found = Query(Note, session=fresh_session).by_id(*note.id).get_one(projections=["recipients.resource_id"])
    assert len(found.recipients) == len(users) > 1
    assert list(found.recipients.keys()) == [(note.id[0], user) for user in found.recipients.resource_id]
    assert len(Query(Recipient, session=fresh_session).get_all()) >= len(users)


@pytest.fixture(scope="module")
def many() -> Any:
    """A collection of 8000 entities in no order."""
    session = LocalSession()
    for number in range(8000):
        session.create("Shot", {"id": f"{number:08x}", "name": f"{number * 7919 % 8000:05d}"}, reconstructing=True)
    return session.get_cached_collections()[Shot]


@pytest.mark.parametrize(
    "work",
    [
        lambda shots: [shot.name for shot in shots],
        lambda shots: shots.filter(lambda shot: shot.name),
        lambda shots: shots.sort(lambda shot: shot.name),
        lambda shots: (shots.min(lambda shot: shot.name), shots.max(lambda shot: shot.name)),
        lambda shots: shots.group(lambda shot: shot.name[0]),
        lambda shots: shots[: len(shots) // 2].union(shots[len(shots) // 3 :]),
        lambda shots: shots.intersection(shots[::2]),
        lambda shots: shots.difference(shots[::2]),
        lambda shots: shots.symmetric_difference(shots[::2]),
    ],
    ids="iterate filter sort min-max group union intersection difference symmetric_difference".split(),
)
def test_d66_cost_grows_with_the_number_of_entities_not_with_its_square(many: Any, work: Callable[[Any], Any]) -> None:
    def seconds(some: Any) -> float:
        times = []
        for _ in range(5):
            started = time.process_time()
            work(some)
            times.append(time.process_time() - started)
        return min(times)

    # Sixteen times as many: linear costs 16 times as much, quadratic 256 times.
    assert seconds(many) < 80 * max(seconds(many[:500]), 1e-5)


def test_attributes_of_many_are_fetched_in_chunks_of_ids() -> None:
    session = LocalSession()
    for number in range(1100):
        session.create("Shot", {"id": f"{number:08x}"}, reconstructing=True)
    session.get_cached_collections()[Shot].fetch_attributes("description")
    assert [text.count(",") for text in session.expressions] == [499, 499, 99]


def test_d68_cached_collections_come_from_one_pass(session: LocalSession, monkeypatch: pytest.MonkeyPatch) -> None:
    Query(AssetVersion, session=session).get_all(projections=["task.name", Component])
    memory = session.cache.caches[0]
    looked_up: list[Any] = []
    real = type(memory).get
    monkeypatch.setattr(type(memory), "get", lambda self, key: looked_up.append(key) or real(self, key))
    cached = session.get_cached_collections()
    assert len(looked_up) == len(memory.keys())
    monkeypatch.undo()
    assert {known.__name__ for known in cached} >= set(session.types)
    assert sum(len(found) for found in cached.values()) == len(looked_up)
    versions, nothing = cached[AssetVersion], cached[Note]
    assert isinstance(versions, EntityCollection)
    assert versions.client_entities[0] is session.get("AssetVersion", versions.id[0])
    assert str(versions[0].query).startswith("select id, asset.name, version from AssetVersion where (id is ")
    assert nothing == EmptyCollection(Note)
    # Exactly of the type: tasks are no Shots, and no TypedContexts here.
    assert isinstance(cached[TypedContext], EmptyCollection)
    assert session.get_type_class("Shot") is Shot
    assert session.get_type_class("Nonsense") is None


def test_d70_attributes_are_looked_up_in_an_index(session: LocalSession) -> None:
    class Untouchable(list):  # type: ignore[type-arg]
        def __iter__(self) -> Iterator[Any]:
            raise AssertionError("the schema list was scanned")

    shots = Query(Shot, session=session).get_all(projections=["status.name", "project.name"])
    schemas = session.schemas
    session.schemas = Untouchable(schemas)
    try:
        assert shots.status.name
        assert shots.Project.name
        assert shots.description
    finally:
        session.schemas = schemas


def test_d70_links_are_asked_for_once(session: LocalSession) -> None:
    shots = Query(Shot, session=session).get_all()
    asked = len(session.expressions)
    shots.link_inputs(shots)
    shots.unlink_inputs(shots)
    assert len(session.expressions) == asked + 2
    assert len(session.recorded_operations) == 4 * len(shots) ** 2


# Criteria and queries


def test_d54_targets_and_bounds_that_crashed(session: LocalSession) -> None:
    def text(query: Any) -> str:
        return str(query).partition(" where ")[2]

    def query(entity_class: Any) -> Any:
        return Query(entity_class, session=session)

    assert text(query(Status).by_name(State, "Done")) == 'state has (name is "Done")'
    assert text(query(Note).by_id(NoteCategory, "x")) == '(category_id is "x")'
    assert text(query(Timelog).by_lifespan(end=arrow.get("2024-02-01"))) == 'start <= "2024-02-01T00:00:00+00:00"'
    assert text(query(Project).by_status("active", "hidden")) == '(status in ("active","hidden"))'
    schema = {"name": "or", "entities": {"AssetVersion": {"Shot": ["asset.parent[Shot]", "task.parent[Shot]"]}}}
    both = text(Query(AssetVersion, session=session, schema=schema).by_metadata(Shot, {"a": "b"}))
    assert "[" not in both.replace("[Shot]", "")
    assert both.count("metadata any") == 2
    for built in (query(Status).by_name(State, "Done"), query(Project).by_status("active", "hidden")):
        built.get_all()
    assert query(Job).by_status("done").valid


def test_d61_ordering_by_paths_that_nobody_projected(session: LocalSession) -> None:
    tasks = Query(Task, session=session).by_name("compositing").get_all(order_by="parent.name")
    names = tasks.parent.name
    assert names == sorted(names)
    backwards = Query(Task, session=session).get_all(order_by="end_date", order="descending")
    dates = [value[0] for value in (task.end_date for task in backwards) if value[0] is not None]
    assert dates == sorted(dates, reverse=True)


# Writing


def test_d33b_an_assignment_is_recorded_for_all_or_for_none(session: LocalSession) -> None:
    shots = Query(Shot, session=session).by_name("bc%").get_all(projections=["description", "status"])
    for name, values in (
        ("description", ["ok"] * (len(shots) - 1) + [7]),
        ("description", ["too", "few"]),
        ("status", shots.project),
    ):
        with pytest.raises(TypeError):
            setattr(shots, name, values)
        assert pending(session) == []
    version = Query(AssetVersion, session=session).get_first(projections=["task", "components.name"])
    version.task = EmptyCollection(Task, source=version)
    assert version.client_entities[0]["task"] is None


def test_d38_a_review_session_takes_collections(session: LocalSession) -> None:
    project = one(session, Project, "demo")
    review = Query(ReviewSession, session=session).get_all().create(name="dailies", project=project)
    assert review.project == project
    assert review.name == ["dailies"]


def test_d38_a_note_needs_no_other_recipient_and_leaves_nothing_behind(session: LocalSession) -> None:
    shot = one(session, Shot, "bc0020", "notes.content")
    with pytest.raises(AssertionError):
        shot.notes.create(content="x", category=shot)
    assert pending(session) == []
    note = shot.notes.create(content="x")
    assert note.parent_id == shot.id
    assert ("Recipient", "") in pending(session)
    assert session.expressions and not any("from Recipient" in text for text in session.expressions)


def test_d41_what_was_coerced_can_be_assigned(session: LocalSession) -> None:
    task = Query(Task, session=session).by_name("compositing").get_first(projections=["parent.name"])
    other = one(session, Shot, "bc0010")
    task.parent = other
    assert task.parent == other
    version = Query(AssetVersion, session=session).get_first(projections=["components.name"])
    version.components = version.components[:1]
    folder = one(session, Folder, "assets", "children.name")
    folder.children = folder.children[:1]
    assert len(folder.children) == 1
    assert {name for _, name in pending(session)} == {"parent", "components", "children"}


def test_d58_text_attributes_are_assigned_and_checked_by_their_own_session(fresh_session: LocalSession) -> None:
    user = Query(User, session=fresh_session).get_first(projections=["custom_attributes"])
    user.custom_department = "lighting"
    assert user.custom_department == ["lighting"]
    with pytest.raises(TypeError, match="custom_department takes str, not int"):
        user.custom_department = 7
    shots = Query(Shot, session=fresh_session).by_name("bc%").get_all(projections=["custom_attributes"])
    with pytest.raises(TypeError, match="custom_fstart takes int or float, not str"):
        shots.custom_fstart = [1001] * (len(shots) - 1) + ["1001"]
    assert shots.custom_fstart == shots.custom_fstart
    assert CUSTOM_ATTRIBUTE_TYPE_COMPATIBILITY.get("fstart", fresh_session) == AttributeInfo((int, float), False, True)
    assert CUSTOM_ATTRIBUTE_TYPE_COMPATIBILITY.get("codec", fresh_session).types == (str,)
    with pytest.raises(KeyError, match="no custom attribute 'nonsense'"):
        CUSTOM_ATTRIBUTE_TYPE_COMPATIBILITY.get("nonsense", fresh_session)
    fresh_session.rollback()


def test_d77_an_empty_collection_commits_its_session(fresh_session: LocalSession) -> None:
    shot = one(fresh_session, Shot, "bc0010", "description")
    shot.description = "pending"
    nothing = Query(Shot, session=fresh_session).by_name("none").get_all()
    nothing.commit()
    assert len(fresh_session.recorded_operations) == 0
    with pytest.raises(EntityCollectionOperationError, match="belongs to no session"):
        EmptyCollection(Shot).commit()


# The library as a whole


def test_d72_loggers_are_named_by_what_they_tell_of(
    session: LocalSession, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def deleted() -> list[str]:
        caplog.clear()
        with caplog.at_level(logging.INFO):
            Query(Task, session=session).get_first().delete().rollback()
        return [record.name for record in caplog.records if "Marked for deletion" in record.getMessage()]

    assert deleted() == ["trackteroid.entities.Task"]
    entries = {**configuration.DEFAULTS, "LOGGING_NAMESPACE": "studio"}
    monkeypatch.setattr(configuration, "_entries", entries)
    assert deleted() == ["studio.entities.Task"]
    caplog.clear()
    with caplog.at_level(logging.INFO):
        Query(Shot, session=session).get_first()
    assert [record.name for record in caplog.records] == ["studio.query"]


def _callables() -> Iterator[tuple[str, Any]]:
    for name in trackteroid.__all__:
        value = getattr(trackteroid, name)
        if inspect.isclass(value):
            for member, function in inspect.getmembers(value, inspect.isfunction):
                yield f"{name}.{member}", function


def test_d74_no_default_argument_can_be_changed_by_a_call() -> None:
    changeable = [
        f"{name}({parameter.name}={parameter.default!r})"
        for name, function in _callables()
        if function.__module__.startswith("trackteroid")
        for parameter in inspect.signature(function).parameters.values()
        if isinstance(parameter.default, (list, dict, set))
    ]
    assert changeable == []


def test_d75_the_package_says_that_it_is_typed() -> None:
    assert (Path(trackteroid.__file__).parent / "py.typed").is_file()
    assert list(Path(trackteroid.__file__).parent.rglob("*.pyi")) == []


def test_d76_nothing_here_needs_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)
    session = LocalSession()
    assert one(session, Shot, "bc0010").name == ["bc0010"]


def test_d78_what_was_dead_is_not_there(session: LocalSession) -> None:
    shots = Query(Shot, session=session).get_all()
    for name in ("next", "__cmp__", "__nonzero__", "__next__", "_simple_children_fetch", "_init_type_map"):
        assert name not in dir(type(shots))
        assert name not in dir(type(session))
    with pytest.raises(TypeError):
        next(shots)


def test_not_set_values_are_false_and_readable(session: LocalSession) -> None:
    (value,) = one(session, Shot, "bc0010").description
    assert value is NOT_SET
    assert not value
    assert repr(value) == "Symbol(NOT_SET)"
    assert isinstance(session.schema_index, SchemaIndex)
