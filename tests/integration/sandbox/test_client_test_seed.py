"""The `client-test` seed holds what the official client's own suite looks for; its helpers do what they should with it.

That suite is not part of this repository. These tests go through the features that its modules need, one after the other.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import arrow
import ftrack_api
import ftrack_api.accessor.disk
import ftrack_api.formatter
import ftrack_api.structure.id
import pytest
import requests

from tests.integration.sandbox.conftest import NewSession
from tests.unit.sandbox.test_thumbnails import picture
from trackteroid.sandbox.server import SandboxServer
from trackteroid.sandbox.thumbnails import scaled

JENKINS = "d07ae5d0-66e1-11e1-b5e9-f23c91df25eb"
PROJECT = "5671dcb0-66de-11e1-8e6e-f23c91df25eb"
SCHEMA = "69cb7f92-4dbf-11e1-9902-f23c91df25eb"
TASK = "adb4ad6c-7679-11e2-8df2-f23c91df25eb"


@pytest.fixture(scope="module")
def planted() -> Iterator[SandboxServer]:
    with SandboxServer(seed="client-test") as server:
        server.api.storage.keep_copy("planted")
        yield server


@pytest.fixture
def server(planted: SandboxServer) -> Iterator[SandboxServer]:
    yield planted
    planted.requests.clear()
    planted.api.storage.restore_copy("planted")


def name() -> str:
    return f"test-{uuid.uuid4()}"


def server_location(session: Any) -> Any:
    return session.query('Location where name is "ftrack.server"').one()


# What is there


def test_the_api_user_is_jenkins(server: SandboxServer, session: Any) -> None:
    assert server.env["FTRACK_API_USER"] == "jenkins"
    user = session.get("User", JENKINS)
    assert user["username"] == "jenkins" and user["email"] and len(user["timelogs"]) >= 1
    assert len(session.query("User").all()) >= 13


def test_the_project_schema_has_exactly_the_statuses_and_types(session: Any) -> None:
    schema = session.get("ProjectSchema", SCHEMA)
    assert schema["name"] == "VFX Scheme" and session.query("ProjectSchema").first() is schema
    statuses = {
        "Task": {"Not started", "In progress", "Awaiting approval", "Approved"},
        "Shot": {"Normal", "Omitted", "On Hold"},
        "AssetBuild": {"Normal", "Omitted", "On Hold"},
        "AssetVersion": {"Approved", "Pending"},
    }
    for entity_type, expected in statuses.items():
        found = [each["name"] for each in schema.get_statuses(entity_type)]
        assert sorted(found) == sorted(expected), entity_type
    types = {
        "Task": "Generic,Animation,Modeling,Previz,Lookdev,Hair,Cloth,FX,Lighting,Compositing,Tracking,Rigging,"
        "test 1,test type 2".split(","),
        "AssetBuild": ["Character", "Prop", "Environment", "Matte Painting"],
    }
    for entity_type, names in types.items():
        assert sorted(each["name"] for each in schema.get_types(entity_type)) == sorted(names)
    for missing in (schema.get_statuses, schema.get_types):
        with pytest.raises(ValueError):
            missing("Invalid")


def test_the_project_and_the_task_have_their_ids(session: Any) -> None:
    task = session.get("Task", TASK)
    assert task["name"] == "t1" and task["project"]["id"] == PROJECT
    assert task["project"]["project_schema"]["id"] == SCHEMA
    assert [each["type"] for each in task["link"]] == ["Project", "TypedContext", "TypedContext", "TypedContext"]


def test_every_attribute_of_a_task_can_be_selected(session: Any) -> None:
    attributes = ", ".join(session.types["Task"].attributes.keys())
    assert session.query(f"select {attributes} from Task where id is {TASK}").one()["name"] == "t1"


def test_rows_carry_nothing_but_what_was_asked_for(session: Any) -> None:
    with patch.object(session, "_merge", side_effect=session._merge) as merge:
        tasks = session.query(f"select status from Task where project_id is {PROJECT} limit 10").all()
    assert len(tasks) == 10 and merge.call_count < 75


@pytest.mark.parametrize(
    ("key", "entity_type"), [("customNumber", "Task"), ("NumberField", "AssetVersion"), ("fstart", "Shot")]
)
def test_custom_attributes_have_stored_values(
    session: Any, new_session: NewSession, key: str, entity_type: str
) -> None:
    stored = session.query(f"CustomAttributeValue where configuration.key is {key}").first()
    entity = session.query(f"select custom_attributes from {entity_type} where id is {stored['entity_id']}").one()
    assert entity["custom_attributes"][key] == stored["value"]
    entity["custom_attributes"][key] = 42
    session.commit()
    again = new_session().query(f"CustomAttributeValue where configuration.key is {key}").first()
    assert again["value"] == 42


@pytest.mark.parametrize("entity_type", ["Task", "AssetVersion"])
def test_custom_attributes_of_other_types_are_missing(session: Any, entity_type: str) -> None:
    entity = session.query(f"select custom_attributes from {entity_type}").first()
    with pytest.raises(KeyError):
        entity["custom_attributes"]["fstart"]


# A slow server


@pytest.mark.parametrize("what", ["api", "file"])
def test_a_time_out_of_a_tenth_of_a_millisecond_strikes(session: Any, what: str) -> None:
    session.request_timeout = 0.0001
    with pytest.raises(requests.exceptions.Timeout):
        # On a busy machine an answer can be there before the asker gets to look for it; not every time.
        for _ in range(50):
            if what == "api":
                session.query("User").first()
            else:
                requests.get(f"{session.server_url}/component/get?id=x", timeout=0.0001)


def test_answers_take_a_moment(server: SandboxServer, session: Any) -> None:
    started = time.perf_counter()
    for _ in range(5):
        session.query("User").first()
    assert time.perf_counter() - started >= 5 * 0.002


# Locations and components


def test_data_goes_to_the_servers_location_and_back(session: Any, tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    path.write_bytes(picture(60, 40))
    component = session.create_component(str(path), location=server_location(session))
    session.commit()
    location = server_location(session)
    assert location.get_component_availability(component) == 100.0
    assert requests.get(location.get_url(component)).content == picture(60, 40)
    thumbnail = requests.get(location.get_thumbnail_url(component, size=10))
    assert thumbnail.headers["content-type"] == "image/png" and thumbnail.content == scaled(picture(60, 40), 10)
    location.remove_component(component)
    assert session.get_component_availability(component)[location["id"]] == 0.0
    assert requests.get(location.accessor.get_url(component["id"])).status_code == 404


def test_components_move_from_the_server_to_a_disk(session: Any, tmp_path: Path) -> None:
    source = tmp_path / "source.bin"
    source.write_bytes(b"some data")
    component = session.create_component(str(source), location=server_location(session))
    session.commit()
    disk = session.create("Location", {"name": name()})
    ftrack_api.mixin(disk, ftrack_api.entity.location.Location)
    disk.accessor = ftrack_api.accessor.disk.DiskAccessor(prefix=str(tmp_path / "disk"))
    disk.structure = ftrack_api.structure.id.IdStructure()
    disk.priority = 10
    session.commit()
    disk.add_component(component, server_location(session))
    session.commit()
    assert Path(disk.get_filesystem_path(component)).read_bytes() == b"some data"
    with pytest.raises(ftrack_api.exception.ComponentInLocationError):
        disk.add_component(component, server_location(session))
    session.delete(disk)
    with pytest.raises(ftrack_api.exception.ServerError):
        session.commit()
    session.rollback()


def test_sequences_have_members_and_a_size(session: Any, tmp_path: Path) -> None:
    for number in (1, 2, 3):
        (tmp_path / f"{number:04d}.exr").write_text("x" * number)
    component = session.create_component(str(tmp_path / "%04d.exr [1-3]"), location=server_location(session))
    session.commit()
    assert component["size"] == 6 and component["padding"] == 4
    again = ftrack_api.Session(session.server_url, session.api_key, session.api_user, auto_connect_event_hub=False)
    with again:
        read = again.query(f"select members.name from SequenceComponent where id is {component['id']}").one()
        assert sorted(member["name"] for member in read["members"]) == ["0001", "0002", "0003"]
        assert {member["container"]["id"] for member in read["members"]} == {component["id"]}


def test_a_thumbnail_is_created_and_shown(session: Any, tmp_path: Path) -> None:
    path = tmp_path / "image.jpg"
    path.write_bytes(picture(32, 32, "JPEG"))
    task = session.get("Task", TASK)
    thumbnail = task.create_thumbnail(str(path))
    session.commit()
    assert task["thumbnail_id"] == thumbnail["id"]
    url = session.query(f"select thumbnail_url from Task where id is {TASK}").one()["thumbnail_url"]["url"]
    assert requests.get(url).content == scaled(path.read_bytes(), 300)


@pytest.mark.parametrize("keep_original", [True, False])
def test_media_are_encoded(session: Any, tmp_path: Path, keep_original: bool) -> None:
    path = tmp_path / "clip.mov"
    path.write_bytes(b"moving pictures")
    version = session.create("AssetVersion", {"asset": session.query("Asset").first()})
    session.commit()
    job = version.encode_media(str(path), keep_original=keep_original)
    described = json.loads(job["data"])
    assert described["keep_original"] is keep_original
    assert len(session.query(f"Component where version_id is {version['id']}").all()) == 2 + keep_original
    video = session.get("FileComponent", described["output"][0]["component_id"])
    assert requests.get(server_location(session).get_url(video)).content == b"moving pictures"


# Helpers


def test_ensure_creates_once_and_updates_then(session: Any) -> None:
    data = {"context_id": TASK, "user_id": JENKINS, "start": arrow.get("2017-02-08"), "duration": 5}
    first = session.ensure("Timelog", data, identifying_keys=["start", "user_id", "context_id"])
    second = session.ensure("Timelog", {**data, "duration": 7}, identifying_keys=["start", "user_id", "context_id"])
    assert first is second and second["duration"] == 7


def test_entities_are_formatted_with_everything_loaded(session: Any) -> None:
    keep = ftrack_api.formatter.FILTER["ignore_unset"]
    text = ftrack_api.formatter.format(session.get("User", JENKINS), attribute_filter=keep)
    assert "jenkins" in text


def test_a_new_user_has_no_email_until_it_is_read(session: Any) -> None:
    user = session.create("User", {"username": name()})
    session.commit()
    assert user.attributes.get("email").get_remote_value(user) is ftrack_api.symbol.NOT_SET
    assert user["email"] is None and user["is_active"] is False


def test_a_timer_becomes_a_time_log(session: Any) -> None:
    user, task = session.get("User", JENKINS), session.get("Task", TASK)
    user.start_timer(task, comment="at work")
    with pytest.raises(ftrack_api.exception.NotUniqueError):
        user.start_timer(task)
    # The client keeps what failed.
    session.rollback()
    timelog = user.stop_timer()
    assert timelog["comment"] == "at work" and timelog["context_id"] == TASK
    with pytest.raises(ftrack_api.exception.NoResultFoundError):
        user.stop_timer()


def test_a_note_with_a_category_recipients_and_a_reply(session: Any) -> None:
    task, user = session.get("Task", TASK), session.get("User", JENKINS)
    label = session.query("NoteLabel").first()
    note = task.create_note("Look at this.", user, recipients=[user], labels=[label])
    reply = note.create_reply("Seen.", user)
    session.commit()
    session.reset()
    note = session.query(f"select category, recipients, replies from Note where id is {note['id']}").one()
    assert note["category"]["id"] == label["id"]
    assert [each["resource_id"] for each in note["recipients"]] == [JENKINS]
    assert [each["id"] for each in note["replies"]] == [reply["id"]]


def test_scopes_are_many_to_many(session: Any) -> None:
    scope, task = session.create("Scope", {"name": name()}), session.get("Task", TASK)
    task["scopes"].append(scope)
    session.commit()
    assert session.query(f'Task where scopes.name is "{scope["name"]}"').one() is task
    task["scopes"].remove(scope)
    session.commit()
    assert session.query(f'Task where scopes.name is "{scope["name"]}"').all() == []


def test_widgets_open(session: Any) -> None:
    for widget in ("tasks", "info"):
        url = session.get_widget_url(widget, entity=session.get("Task", TASK), theme="light")
        requests.get(url).raise_for_status()
