"""The official client against a server with a studio's own schema list."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ftrack_api
import pytest

from tests.support.processes import REPOSITORY
from tests.support.sandbox import SandboxProcess
from tests.support.schema_lists import own_list, studio_list
from trackteroid.sandbox.json_schema import schema_hash
from trackteroid.sandbox.server import SandboxServer


def connect(env: dict[str, str], folder: Path) -> Any:
    return ftrack_api.Session(
        server_url=env["FTRACK_SERVER"],
        api_key=env["FTRACK_API_KEY"],
        api_user=env["FTRACK_API_USER"],
        auto_connect_event_hub=False,
        schema_cache_path=str(folder),
    )


@pytest.fixture(scope="module")
def studio() -> Iterator[SandboxServer]:
    with SandboxServer(seed="demo", schema=studio_list()) as server:
        yield server


@pytest.fixture
def session(studio: SandboxServer, tmp_path: Path) -> Iterator[Any]:
    with connect(studio.env, tmp_path) as session:
        yield session


def test_the_client_has_classes_for_the_studios_types(session: Any) -> None:
    assert session.server_information["schema_hash"] == schema_hash(studio_list())
    assert {"TurntableShot", "Tag", "TagHint"} <= set(session.types)
    assert "Milestone" not in session.types
    assert "latest_version" not in session.types["Asset"].attributes


def test_a_studios_types_are_created_queried_changed_and_deleted(
    session: Any, studio: SandboxServer, tmp_path: Path
) -> None:
    project = session.query('Project where name is "demo"').one()
    turntable = session.create("TurntableShot", {"name": "hero_tt", "parent": project, "rotation": 180})
    task = session.create("Task", {"name": "light", "parent": turntable})
    version = session.query("AssetVersion where asset.name is bc0040_comp").first()
    tag = session.create("Tag", {"name": "hot"})
    tag["versions"] = [version]
    session.commit()
    with connect(studio.env, tmp_path) as other:
        found = other.query('select name, rotation, children.name from TurntableShot where rotation > "100"').one()
        assert (found["name"], found["rotation"], found["children"][0]["name"]) == ("hero_tt", 180, "light")
        assert found["status"]["name"] == "Normal"
        assert other.get("TypedContext", turntable["id"]) is found
        assert [each["name"] for each in other.query(f'Tag where versions.id is "{version["id"]}"')] == ["hot"]
        found["rotation"] = 90
        other.commit()
    session.delete(task)
    session.delete(turntable)
    session.commit()
    assert session.query("TurntableShot").all() == []


def test_custom_attributes_of_a_studios_type(session: Any) -> None:
    object_type = session.query('ObjectType where name is "Turntable Shot"').one()
    session.create(
        "CustomAttributeConfiguration",
        {
            "key": "speed",
            "label": "Speed",
            "entity_type": "task",
            "object_type_id": object_type["id"],
            "type": session.query('CustomAttributeType where name is "number"').one(),
            "default": 2,
            "config": "{}",
        },
    )
    project = session.query('Project where name is "demo"').one()
    turntable = session.create("TurntableShot", {"name": "tt", "parent": project})
    session.commit()
    assert turntable["custom_attributes"]["speed"] == 2
    turntable["custom_attributes"]["speed"] = 5
    session.commit()
    assert len(session.query('TurntableShot where custom_attributes any (key is "speed" and value is 5)').all()) == 1


def test_our_own_list_from_a_file_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "ftrack_api_schema_cache.json"
    path.write_text(json.dumps(own_list()))
    questions = (
        "select name, link, status.name, custom_attributes.value from Shot order by name",
        "select version, components.component_locations.resource_identifier, notes.content from AssetVersion",
        "select username, user_security_roles.security_role.name from User",
    )
    answers = []
    for arguments in ([], ["--schema", str(path)]):
        with SandboxProcess(seed="demo", arguments=arguments) as sandbox:
            batch = [{"action": "query", "expression": each} for each in questions]
            information, *rows = sandbox.api({"action": "query_server_information"}, *batch)
            answers.append((information["schema_hash"], rows))
    assert answers[0] == answers[1]


def test_a_file_that_is_no_schema_stops_it_with_one_line(tmp_path: Path) -> None:
    path = tmp_path / "schema.json"
    path.write_text("{}")
    done = subprocess.run(
        [sys.executable, "-m", "trackteroid.sandbox", "--schema", str(path)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == (
        f"trackteroid sandbox: Cannot use the schema {path}: it is no list of schemas, as `query_schemas` answers with.\n"
    )
