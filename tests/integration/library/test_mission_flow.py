"""Queries and collections against the sandbox as a real server, checked by the official client."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ftrack_api
import pytest

from tests.support.sandbox import SandboxProcess
from trackteroid.entities import Asset, AssetVersion, Component, ComponentLocation, Shot, Task, TypedContext, User
from trackteroid.entities.base import EntityCollectionOperationError
from trackteroid.query import Query
from trackteroid.session import Session


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxProcess]:
    with SandboxProcess() as server:
        yield server


@pytest.fixture
def connect(sandbox: SandboxProcess, tmp_path: Path) -> Iterator[Any]:
    opened: list[Any] = []

    def make(session_class: Any = Session) -> Any:
        session = session_class(
            server_url=sandbox.env["FTRACK_SERVER"],
            api_key=sandbox.env["FTRACK_API_KEY"],
            api_user=sandbox.env["FTRACK_API_USER"],
            schema_cache_path=str(tmp_path),
            auto_connect_event_hub=False,
        )
        opened.append(session)
        return session

    yield make
    for session in opened:
        session.recorded_operations.clear()
        session.close()


# A version has no name: the criteria table takes it as target all the same, the server refuses.
NAMELESS = "versions any (name"


def publish(session: Session) -> Any:
    asset = (
        Query(Asset, session=session)
        .by_name("bc0040_comp")
        .get_one(projections=[AssetVersion, AssetVersion.Task, Component, ComponentLocation.resource_identifier])
    )
    version = asset.AssetVersion.create(task=asset.AssetVersion.Task)
    component = version.Component.create(name="main")
    component.ComponentLocation.create(resource_identifier="/path/to/final/file")
    version.is_published = True
    return version


def test_a_publish_arrives_as_the_official_client_sees_it(connect: Any) -> None:
    version = publish(connect())
    version.commit()
    client = connect(ftrack_api.Session)
    (row,) = client.query(
        "select version, is_published, asset.name, task.name, components.name, "
        f'components.component_locations.resource_identifier from AssetVersion where id is "{version.id[0]}"'
    )
    assert (row["asset"]["name"], row["task"]["name"], row["is_published"]) == ("bc0040_comp", "compositing", True)
    (component,) = row["components"]
    assert component["name"] == "main"
    (location,) = component["component_locations"]
    assert location["resource_identifier"] == "/path/to/final/file"


def test_a_result_is_what_the_official_client_finds(connect: Any) -> None:
    found = Query(AssetVersion, session=connect()).get_all(projections=["comment", "task.name"])
    client = connect(ftrack_api.Session)
    expected = {row["id"]: row for row in client.query("select id, version, comment, task.name from AssetVersion")}
    assert set(found.keys()) == set(expected)
    for version in found:
        row = expected[version.id[0]]
        assert version.version == [row["version"]]
        assert version.comment == [row["comment"]]
        assert version.task.name == [row["task"]["name"]]


@pytest.mark.parametrize(
    ("condition", "name", "arguments"),
    [
        ('not components any (name is "main")', "not_by_name", (Component, "main")),
        ('components any (name is "main")', "by_name", (Component, "main")),
        ('version like "%"', "by_version", ("%",)),
        ('asset.name like "bc%" and asset.name is_not "bc0040_comp"', "by_name", ("bc0010%", "bc0020_comp", "bc0030%")),
        ('not date >= "2024-02-12"', "not_by_publish_time", ("2024-02-12",)),
        ('status.state.name is "NOT_STARTED"', "by_state", ("NOT_STARTED",)),
        ('task.name is "compositing"', "by_name", (Task, "compositing")),
    ],
)
def test_criteria_mean_what_they_say(connect: Any, condition: str, name: str, arguments: Any) -> None:
    session = connect()
    found = getattr(Query(AssetVersion, session=session), name)(*arguments).get_all()
    client = connect(ftrack_api.Session)
    expected = {row["id"] for row in client.query(f"select id from AssetVersion where {condition}")}
    if name == "by_name" and arguments[0] == "bc0010%":
        expected -= {row["id"] for row in client.query('select id from AssetVersion where asset.name is "bc0050_comp"')}
    assert set(found.keys()) == expected


def test_every_criterion_is_understood_by_the_server(connect: Any) -> None:
    """Each row of the criteria table, sent for real."""
    from tests.unit.query.test_criteria import TABLE

    session = connect()
    # No server semantics are known for rows of a job's data, which is a text.
    for entity_class, name, arguments, keywords, _ in TABLE:
        if name == "by_data" and entity_class.__name__ == "Job":
            continue
        values = tuple("2024-01-01" if value in ("s", "e") else value for value in arguments)
        named = {key: "2024-01-01" if value in ("s", "e") else value for key, value in keywords.items()}
        for method in (name, f"not_{name}"):
            query = getattr(Query(entity_class, session=session), method)(*values, **named)
            if NAMELESS in str(query):
                continue
            query.get_all(limit=1)


def test_reconnecting_makes_older_collections_read_only(connect: Any) -> None:
    session = connect()
    shots = Query(Shot, session=session).get_all(projections=["description"])
    names = shots.name
    session.reconnect()
    assert shots.name == names
    with pytest.raises(EntityCollectionOperationError, match="reconnected"):
        shots[0].description = "x"
    with pytest.raises(EntityCollectionOperationError, match="reconnected"):
        shots.fetch_attributes("start_date")
    assert len(session.recorded_operations) == 0
    assert Query(Shot, session=session).get_all().name == names


def test_sessions_do_not_mix(connect: Any) -> None:
    first, second = connect(), connect()
    shots = Query(Shot, session=first).get_all()
    others = Query(Shot, session=second).get_all()
    with pytest.raises(EntityCollectionOperationError, match="different sessions"):
        shots.union(others)
    version = Query(AssetVersion, session=first).get_first()
    with pytest.raises(EntityCollectionOperationError, match="different sessions"):
        version.task = Query(Task, session=second).get_first()


def test_pages_of_results_are_complete(connect: Any) -> None:
    session = connect()
    project = Query(TypedContext, session=session).by_name("dd").get_one(projections=["children"])
    project.children[Shot].create_batch(*({"name": f"dd{number:04d}"} for number in range(620)))
    session.commit()
    found = Query(Shot, session=session).by_name("dd%").get_all(order_by="name")
    assert found.name == [f"dd{number:04d}" for number in range(620)]
    assert Query(Shot, session=session).by_name("dd%").get_all(limit=510, offset=5).count(bool) == 510
    found.fetch_attributes("parent.name", "description")
    assert found.parent.name == ["dd"]


def test_notes_have_authors_and_recipients(connect: Any) -> None:
    session = connect()
    shot = Query(Shot, session=session).by_name("bc0020").get_one()
    anna = Query(User, session=session).by_name("anna").get_one()
    shot.notes.create(content="From the library", recipients=anna)
    session.commit()
    client = connect(ftrack_api.Session)
    (note,) = client.query(
        'select author.username, recipients.user.username from Note where content is "From the library"'
    )
    assert note["author"]["username"] == session.api_user
    # The server itself adds the author.
    assert {recipient["user"]["username"] for recipient in note["recipients"]} - {session.api_user} == {"anna"}


def test_reuse_is_identity(connect: Any) -> None:
    session = connect()
    with session.reusing_query_results():
        first = Query(AssetVersion, session=session).get_all()
        assert Query(AssetVersion, session=session).get_all() is first
        other = Query(AssetVersion, session=session).by_version("%").get_all()
        assert other == first
        assert other is not first
