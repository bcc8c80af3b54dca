"""Reconnecting to a server whose schema is the same goes on with the entity classes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ftrack_api
import ftrack_api.entity.factory
import pytest

from tests.support.sandbox import SandboxProcess
from trackteroid.entities import Shot
from trackteroid.errors import EntityCollectionOperationError
from trackteroid.query import Query
from trackteroid.session import Session


@pytest.fixture
def session(sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Session]:
    for name, value in {**sandbox.env, "FTRACK_API_SCHEMA_CACHE_PATH": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    with Session() as connected:
        yield connected


@pytest.mark.parametrize("schema_cache", [False, None])
def test_the_classes_stay_and_at_most_two_requests_are_made(
    session: Session, sandbox: SandboxProcess, schema_cache: Any
) -> None:
    session.reconnect(schema_cache_path=schema_cache)
    classes = dict(session.types)
    sandbox.requests(clear=True)
    session.reconnect()
    assert len(sandbox.requests()) <= 2
    assert session.types.keys() == classes.keys()
    assert all(session.types[name] is kept for name, kept in classes.items())


def test_entities_of_every_earlier_connection_are_read_only(session: Session) -> None:
    generations = []
    for _ in range(3):
        shot = session.query("select id, name from Shot").first()
        generations.append((shot, shot["name"]))
        session.reconnect()
    for shot, name in generations:
        assert shot["name"] == name
        with pytest.raises(EntityCollectionOperationError, match="earlier connection"):
            shot["name"] = "changed"
        with pytest.raises(EntityCollectionOperationError, match="earlier connection"):
            session.delete(shot)
    assert len(session.recorded_operations) == 0


def test_entities_that_had_left_the_cache_are_read_only_too(session: Session) -> None:
    shot = session.query("select id, name from Shot").first()
    session.reset()
    session.reconnect()
    with pytest.raises(EntityCollectionOperationError, match="earlier connection"):
        shot["name"] = "changed"


def test_entities_of_the_new_connection_can_be_written(session: Session) -> None:
    session.reconnect()
    session.reconnect()
    shot = session.query("select id, name, description from Shot").first()
    shot["description"] = "again"
    session.commit()
    assert session.query(f'select description from Shot where id is "{shot["id"]}"').one()["description"] == "again"


def test_our_own_loader_still_loads(session: Session, caplog: pytest.LogCaptureFixture) -> None:
    session.reconnect()
    with caplog.at_level("DEBUG", "trackteroid.loading"):
        Query(Shot, session=session).get_all(projections=["children.name", "status.name"])
    assert caplog.records == []


def test_another_schema_brings_other_classes(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    shot = session.query("select id, name from Shot").first()
    before = session.types["Shot"]
    # What a change of the server's set-up does: another digest, other schemas.
    monkeypatch.setattr(
        ftrack_api.Session,
        "_fetch_server_information",
        lambda self: {**self.call([{"action": "query_server_information"}])[0], "schema_hash": "another"},
    )
    schemas = [dict(schema) for schema in session.schemas]
    schemas[0] = {**schemas[0], "title": "changed"}
    monkeypatch.setattr(ftrack_api.Session, "_load_schemas", lambda self, path: schemas)
    session.reconnect()
    assert session.types["Shot"] is not before
    with pytest.raises(EntityCollectionOperationError, match="earlier connection"):
        shot["name"] = "changed"


def test_classes_that_plugins_make_are_made_anew(session: Session, tmp_path: Path) -> None:
    (tmp_path / "plugin.py").write_text(
        "import ftrack_api.entity.factory\n"
        "def register(session, **kwargs):\n"
        "    def construct(event):\n"
        "        return ftrack_api.entity.factory.StandardFactory().create(event['data']['schema'])\n"
        "    session.event_hub.subscribe(\n"
        "        'topic=ftrack.api.session.construct-entity-type and data.schema.id=Shot', construct)\n"
    )
    session.reconnect(plugin_paths=[str(tmp_path)])
    before = session.types["Shot"]
    session.reconnect()
    assert session.types["Shot"] is not before


def test_a_failed_attempt_leaves_entities_writable(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    session.reconnect()
    shot = session.query("select id, name from Shot").first()

    def fail(self: Any) -> None:
        raise OSError("no storage")

    with monkeypatch.context() as patched:
        # After the classes have been taken over.
        patched.setattr(ftrack_api.Session, "_configure_locations", fail)
        with pytest.raises(OSError, match="no storage"):
            session.reconnect()
    assert session.generation == 2
    shot["name"] = "changed"
    assert len(session.recorded_operations) == 1
    session.rollback()


def test_nothing_is_built_again(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def create(self: Any, schema: Any, bases: Any = None) -> Any:
        made.append(schema["id"])
        return real(self, schema, bases)

    real = ftrack_api.entity.factory.StandardFactory.create
    monkeypatch.setattr(ftrack_api.entity.factory.StandardFactory, "create", create)
    session.reconnect()
    assert made == []
    Session().close()
    assert "Shot" in made
