"""What the original library's own tests checked, against the sandbox: a project is made, every test reconnects first."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.sandbox import SandboxProcess
from tests.support.shared import shared_file
from trackteroid.entities import (
    Asset,
    AssetVersion,
    Note,
    NoteCategory,
    Project,
    Sequence,
    Shot,
    Task,
    TypedContext,
    User,
)
from trackteroid.entities.base import EmptyCollection
from trackteroid.operations.recording import read_recording
from trackteroid.query import Query
from trackteroid.session import Session


@pytest.fixture(scope="module")
def connected(demo: SandboxProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    with Session(
        server_url=demo.url,
        api_key=demo.env["FTRACK_API_KEY"],
        api_user=demo.env["FTRACK_API_USER"],
        schema_cache_path=str(tmp_path_factory.getbasetemp()),
    ) as session:
        yield session
        session.recorded_operations.clear()


@pytest.fixture(scope="module")
def project_name(connected: Session) -> str:
    """The name of a throw-away project with sequences, shots, tasks, assets and versions: all made in one commit."""
    name = f"test_{uuid.uuid4().hex[:8]}"
    project = Query(Project, session=connected).get_all().create(name=name, project_schema="Production")
    for number in (1, 2):
        sequence = project.children[Sequence].create(name=f"s{number:02d}")
        for shot_number in (10, 20):
            shot = sequence.children[Shot].create(name=f"s{number:02d}_{shot_number:04d}")
            tasks = shot.children[Task].create_batch(
                {"name": "animation", "type": "Animation"}, {"name": "compositing", "type": "Compositing"}
            )
            asset = shot.assets.create(name=f"{shot.name[0]}_comp", type="Composite")
            versions = asset.versions.create_batch({"task": tasks[1]}, {"task": tasks[1]})
            versions[1].link_inputs(versions[0])
    connected.commit()
    return name


@pytest.fixture
def session(connected: Session, project_name: str) -> Session:
    connected.recorded_operations.clear()
    connected.reconnect()
    return connected


@pytest.fixture
def ask(session: Session, project_name: str) -> Any:
    """Queries within the project."""
    return lambda entity_class: Query(entity_class, session=session).by_name(Project, project_name)


def project(session: Session, name: str) -> Any:
    return Query(Project, session=session).by_name(name).get_one(projections=["children.name"])


def test_create(ask: Any) -> None:
    assert sorted(ask(Sequence).get_all().name) == ["s01", "s02"]
    assert len(ask(Shot).get_all()) == 4
    assert sorted(ask(Task).get_all().name) == ["animation"] * 4 + ["compositing"] * 4
    versions = ask(AssetVersion).get_all(projections=["uses_versions.version", "task.name"])
    assert sorted(versions.version) == [1] * 4 + [2] * 4
    assert set(versions.filter(lambda version: version.version == [2]).uses_versions.version) == {1}


def test_create_batch_beside_what_is_there(session: Session, ask: Any) -> None:
    shot = ask(Shot).get_first(projections=["children.name"])
    tasks = shot.children[Task]
    made = tasks.create_batch({"name": "roto", "type": "Generic"}, {"name": "paint", "type": "Generic"})
    assert made.name == ["roto", "paint"]
    assert len(tasks) == 2
    assert made.parent == shot
    session.rollback()


def test_attribute_empty_i4(ask: Any) -> None:
    asset = ask(Asset).get_first()
    assert isinstance(asset.versions, EmptyCollection)
    ask(Asset).by_id(*asset.id).get_one(projections=["versions.version"])
    # The same cached asset.
    assert sorted(asset.versions.version) == [1, 2]


def test_deferred_operations(session: Session, ask: Any, tmp_path: Path) -> None:
    path = tmp_path / "recorded_operations.dbm"
    version = ask(AssetVersion).get_first(projections=["asset.versions", "task.name", "comment"])
    version.comment = "pending"
    before = len(session.recorded_operations)
    with session.deferred_operations(path):
        assert len(session.recorded_operations) == 0
        version.comment = "deferred"
        created = version.create(task=version.task)
        created.comment = "also"
        assert len(session.recorded_operations) == 5
    assert len(session.recorded_operations) == before == 1
    assert len(read_recording(path).operations) == 5


def test_reconnect_and_commit_and_get_cached_collections(session: Session) -> None:
    session.reconnect_and_commit(shared_file("fixtures/recorded/operations_linux.dbm"))
    users = session.get_cached_collections()[User]
    assert "demo.user@example.com" in users.username
    users.fetch_attributes("first_name", "last_name", "is_active")
    known, others = users.partition(lambda user: user.username == ["demo.user@example.com"])
    assert (known.first_name, known.last_name, known.is_active) == (["demo"], ["user"], [True])
    assert len(others) == len(users) - 1


def test_link_inputs(session: Session, ask: Any) -> None:
    shots = ask(Shot).get_all(projections=["incoming_links.from_id"])
    first, *others = shots
    linked = first.link_inputs(shots[1:])
    assert linked.entity_type is Shot
    assert linked == first
    session.commit()
    again = ask(Shot).by_id(*first.id).get_one(projections=["incoming_links.from_id"])
    assert sorted(again.incoming_links.from_id) == sorted(other.id[0] for other in others)
    assert sorted(ask(Shot).by_id(*first.id).get_inputs().id) == sorted(other.id[0] for other in others)


def test_create_project(session: Session) -> None:
    projects = Query(Project, session=session).get_all()
    name = f"test_{uuid.uuid4().hex[:8]}"
    for wrong in ({}, {"name": name}, {"project_schema": "Production"}, {"name": name, "project_schema": "Nonsense"}):
        with pytest.raises(AssertionError):
            projects.create(**wrong)
    created = projects.create(name=name, project_schema="Production")
    created.commit()
    assert created == Query(Project, session=session).by_name(name).get_one()
    assert created.full_name == [name]


@pytest.mark.parametrize(
    ("entity_class", "arguments"),
    [(Sequence, {}), (Shot, {}), (Task, {"type": "Modeling"})],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_create_contexts(session: Session, project_name: str, entity_class: Any, arguments: Any) -> None:
    parent = project(session, project_name)
    with pytest.raises(AssertionError, match="name"):
        parent.children[entity_class].create(**arguments)
    name = uuid.uuid4().hex[:8]
    created = parent.children[entity_class].create(name=name, **arguments)
    created.commit()
    assert created.parent_id == parent.id
    found = Query(entity_class, session=session).by_name(name).get_one(projections=["parent_id"])
    assert found.parent_id == parent.id


def test_create_beside_entities_of_several_parents(ask: Any) -> None:
    shots = ask(Shot).get_all(projections=["parent.name"])
    with pytest.raises(AssertionError, match="Ambiguous context"):
        shots.create(name="whose")


def test_create_on_ambiguous_context(ask: Any) -> None:
    assets = ask(Asset).get_all(projections=["parent.name", "name"])
    nothing = assets[:2].intersection(assets[2:])
    assert isinstance(nothing, EmptyCollection)
    with pytest.raises(AssertionError, match="Ambiguous context"):
        nothing.create(name="whose", type="Composite")


def test_create_note(session: Session, ask: Any) -> None:
    shot = ask(Shot).get_first(projections=["notes.content"])
    category = Query(NoteCategory, session=session).get_first()
    for count in range(3):
        assert len(shot.notes) == count
        note = shot.notes.create(content=f"note {count}", category=category)
        assert note.parent_id == shot.id
        session.commit()
        session.reset()
        shot = Query(Shot, session=session).by_id(*shot.id).get_one(projections=["notes.content"])
    with pytest.raises(AssertionError):
        shot.notes.create(content="x", category=Query(User, session=session).get_first())
    found = Query(Note, session=session).inject(f'parent_id is "{shot.id[0]}"').get_all(projections=["category.name"])
    assert sorted(found.content) == ["note 0", "note 1", "note 2"]
    assert found.category.id == category.id


def test_children_are_typed_contexts(session: Session, project_name: str) -> None:
    assert project(session, project_name).children.entity_type is TypedContext
