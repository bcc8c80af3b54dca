"""Types that only a studio's own server has."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.support.processes import REPOSITORY
from tests.support.schema_lists import studio_list
from trackteroid.sandbox.server import SandboxServer
from trackteroid.session import Session

PROGRAM = """
from trackteroid import AssetVersion, Project, Query, SESSION, Shot, Status, Task, Tag, TurntableShot, TypedContext
from trackteroid.entities import TagHint, TurntableShot as Again

print(TurntableShot is Again, issubclass(TurntableShot, TypedContext), TurntableShot.projections)
project = Query(Project).by_name("demo").get_one(projections=["children.name"])
try:
    project.children[TurntableShot].create()
except AssertionError as error:
    print(error)
turntables = project.children[TurntableShot].create_batch({"name": "hero", "rotation": 180}, {"name": "prop"})
turntables[0].children[Task].create(name="light", type="Lighting")
tag = Query(Tag).get_all().create(name="hot")
tag.versions = Query(AssetVersion).by_version(3).get_all()
SESSION.commit()
found = Query(TurntableShot).by_name("h%").by_status("Normal").get_one(projections=["rotation", Status.name, "children.name"])
print(found, found.rotation, found.Status.name, found.children[Task].name)
print(Query(TurntableShot).by_id(Project, *project.id).get_all(order_by="name").name)
found.rotation = 90
print(str(Query(AssetVersion).by_id(Tag, "x")), Query(AssetVersion).by_id(Tag, *tag.id).get_all().version)
print(SESSION.get_cached_collections()[TurntableShot], SESSION.get_type_class("TagHint") is TagHint)
found.commit()
found.delete().commit()
print(Query(TurntableShot).get_all(projections=["rotation"]).to_dicts("name", "rotation"))
"""

PRINTED = """\
True True ['id', 'name']
TurntableShot.create: the argument 'name' is missing.
EntityCollection[TurntableShot]{1} [180] ['Normal'] ['light']
['hero', 'prop']
select id, asset.name, version from AssetVersion where tags any (id is "x") [3]
EntityCollection[TurntableShot]{2} True
[{'name': 'prop', 'rotation': 360}]
"""


@pytest.fixture(scope="module")
def studio() -> Iterator[SandboxServer]:
    with SandboxServer(seed="demo", schema=studio_list()) as server:
        yield server


def run(studio: SandboxServer, program: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("FTRACK_", "TRACKTEROID_"))}
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=REPOSITORY,
        env={**kept, **studio.env},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_they_are_imported_and_used_like_any_other(studio: SandboxServer) -> None:
    done = run(studio, PROGRAM)
    assert done.returncode == 0, done.stderr
    assert done.stdout == PRINTED


def test_d28_after_a_reconnect_relations_and_classes_are_those_of_the_schema_there(studio: SandboxServer) -> None:
    from trackteroid.entities import Asset, AssetVersion, Milestone, Status
    from trackteroid.query import Criteria, Query

    with SandboxServer(seed="demo") as stock:
        keys = {name.removeprefix("FTRACK_").lower(): value for name, value in stock.env.items()}
        with Session(server_url=stock.url, api_key=keys["api_key"], api_user=keys["api_user"]) as session:
            latest = Query(Asset, session=session).by_name(Status, "Approved")
            assert str(latest).endswith('latest_version.status has (name is "Approved")')
            assert Query(Milestone, session=session).get_all()
            assert session.get_type_class("Tag") is None
            before = session.parsed_relationships

            session.reconnect(server_url=studio.url)
            assert session.parsed_relationships is not before
            tag = session.get_type_class("Tag")
            assert tag is not None
            assert str(Query(AssetVersion, session=session).by_id(tag, "x")).endswith('tags any (id is "x")')
            # That server has no `Asset.latest_version`.
            with pytest.raises(Criteria.InvalidArgumentsError, match="no relation from Asset to Status"):
                str(Query(Asset, session=session).by_name(Status, "Approved"))


@pytest.mark.parametrize("home", ["trackteroid", "trackteroid.entities"])
def test_a_type_that_the_server_does_not_have_cannot_be_imported(studio: SandboxServer, home: str) -> None:
    done = run(studio, f"from {home} import TurntableShot, Kaleidoscope")
    assert done.returncode != 0
    assert f"ImportError: cannot import name 'Kaleidoscope' from '{home}'" in done.stderr


def test_types_that_are_known_elsewhere_and_not_here_are_told_when_they_are_asked_for(studio: SandboxServer) -> None:
    done = run(studio, "from trackteroid import Milestone, Query; print(Query(Milestone)); Query(Milestone).get_all()")
    assert done.stdout == "select id, name from Milestone\n"
    assert 'There is no entity type "Milestone"' in done.stderr
