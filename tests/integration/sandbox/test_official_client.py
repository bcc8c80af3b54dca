"""The unmodified official client works against the sandbox: start, query, create, update, delete, helpers."""

from __future__ import annotations

import uuid
from datetime import datetime, timezone
from typing import Any

import arrow
import ftrack_api
import pytest
import requests

from tests.integration.sandbox.conftest import NewSession
from trackteroid.sandbox.server import SandboxServer

MISSION = (
    "select id, name, versions, versions.task, versions.components,"
    ' versions.components.component_locations.resource_identifier from Asset where (name is "bc0040_comp")'
)


def shot(session: Any, name: str = "bc0040") -> Any:
    return session.query(f"Shot where name is {name}").one()


# Start


def test_the_schemas_are_loaded_once_and_then_read_from_the_clients_cache(
    server: SandboxServer, new_session: NewSession
) -> None:
    first, second = new_session(), new_session()
    assert len(first.types) == len(second.types) == 116
    asked = [action for entry in server.requests for action in entry["actions"]]
    assert asked == ["query_server_information", "query_schemas", "query_server_information"]


@pytest.mark.parametrize("strict", [True, False])
def test_wrong_credentials_raise_the_clients_error(new_session: NewSession, strict: bool) -> None:
    with pytest.raises(ftrack_api.exception.ServerError, match=r"InvalidCredentialsError\(The supplied"):
        new_session(api_key="wrong", strict_api=strict)


def test_every_entity_type_has_a_class_with_all_its_attributes(session: Any) -> None:
    task = session.types["Task"]
    assert {"name", "status", "assignments", "metadata", "custom_attributes"} <= set(task.attributes.keys())
    assert "user_type_id" in session.types["User"].attributes.keys()


# Query


def test_the_missions_query(session: Any) -> None:
    asset = session.query(MISSION).one()
    versions = asset["versions"]
    assert len(versions) == 3
    assert len({version["task"]["id"] for version in versions}) == 1
    assert versions[0]["components"][0]["component_locations"][0]["resource_identifier"].startswith("/mnt/projects")


@pytest.mark.parametrize("auto_populate", [True, False])
def test_missing_attributes_are_loaded_only_if_wanted(new_session: NewSession, auto_populate: bool) -> None:
    task = new_session(auto_populate=auto_populate).query("select id from Task").first()
    value = task["name"]
    assert (value is not ftrack_api.symbol.NOT_SET) is auto_populate


def test_results_come_in_pages_without_gaps(session: Any) -> None:
    in_one = [each["id"] for each in session.query("Task").all()]
    in_pages = [each["id"] for each in session.query("Task", page_size=4)]
    assert in_one == in_pages
    assert in_one[2] == session.query("Task offset 2").first()["id"]


def test_one_and_first(session: Any) -> None:
    assert session.query("Project where name is spot").one()["full_name"] == "Sparkling Spot"
    assert session.query("Project where name is nowhere").first() is None
    with pytest.raises(ftrack_api.exception.MultipleResultsFoundError):
        session.query("Project").one()
    assert session.get("TypedContext", shot(session)["id"]).entity_type == "Shot"
    assert session.get("Shot", "nowhere") is None


def test_populating_many_entities_at_once(server: SandboxServer, new_session: NewSession) -> None:
    session = new_session(auto_populate=False)
    tasks = session.query("select id from Task").all()
    server.requests.clear()
    session.populate(tasks, "name, parent.name, status.name, assignments.resource.username")
    assert all(task["assignments"][0]["resource"]["username"] in ("anna", "ben") for task in tasks)
    assert len(server.requests) == 1


def test_every_attribute_of_every_type_can_be_read(new_session: NewSession) -> None:
    session = new_session(auto_populate=False)
    for name, entity_class in session.types.items():
        attributes = ", ".join(sorted(entity_class.attributes.keys()))
        for entity in session.query(f"select {attributes} from {name} limit 2"):
            for attribute in type(entity).attributes:
                if attribute.name in session.types[name].attributes.keys():
                    assert entity[attribute.name] is not ftrack_api.symbol.NOT_SET, (name, attribute.name)


def test_a_mistake_in_a_query_says_where(session: Any) -> None:
    with pytest.raises(ftrack_api.exception.ServerError) as caught:
        session.query("select name form Shot").all()
    text = str(caught.value)
    assert text.startswith("Server reported error: ParseError(Failed to parse: select name form Shot")
    assert "at character 13:" in text


# Create, update, delete


def test_a_publish(session: Any) -> None:
    asset = session.query(MISSION).one()
    version = session.create("AssetVersion", {"asset": asset, "task": asset["versions"][0]["task"]})
    component = session.create("FileComponent", {"name": "main", "version": version})
    session.create("ComponentLocation", {"component": component, "resource_identifier": "/path/to/final/file"})
    version["is_published"] = True
    session.commit()
    assert version["version"] == 4
    assert version["user"]["username"] == "sandbox"
    assert version["status"]["name"] == "Pending Review"
    assert [each["id"] for each in version["link"]][-1] == version["id"]
    assert abs((arrow.utcnow() - version["date"]).total_seconds()) < 60


def test_what_one_session_commits_another_sees(session: Any, new_session: NewSession) -> None:
    mine = session.create("Scope", {"name": "mine"})
    session.commit()
    mine["name"] = "changed"
    session.commit()
    other = new_session()
    assert other.get("Scope", mine["id"])["name"] == "changed"
    session.delete(mine)
    session.commit()
    assert new_session().query("Scope").all() == []


def test_the_same_id_is_created_once(session: Any, new_session: NewSession) -> None:
    identifier = str(uuid.uuid4())
    session.create("Scope", {"id": identifier, "name": "first"})
    session.commit()
    other = new_session()
    other.create("Scope", {"id": identifier, "name": "second"})
    with pytest.raises(ftrack_api.exception.ServerError, match="IntegrityError"):
        other.commit()
    assert new_session().get("Scope", identifier)["name"] == "first"


def test_a_failing_commit_changes_nothing(session: Any, new_session: NewSession) -> None:
    session.create("Scope", {"name": "good"})
    session.create("Scope", {"name": None})
    with pytest.raises(ftrack_api.exception.ServerError, match=r"IntegrityError\(Scope.name must not be null"):
        session.commit()
    assert new_session().query("Scope").all() == []


def test_whole_trees_are_created_in_one_commit(session: Any, new_session: NewSession) -> None:
    project = session.create(
        "Project", {"name": "new", "full_name": "New", "project_schema": session.query("ProjectSchema").first()}
    )
    sequence = session.create("Sequence", {"name": "sq", "parent": project})
    task_type = project["project_schema"].get_types("Task")[1]
    for number in range(3):
        one = session.create("Shot", {"name": f"sh{number}", "parent": sequence})
        session.create("Task", {"name": "t", "parent": one, "type": task_type})
    session.commit()
    other = new_session()
    found = other.query("Task where project.name is new order by parent.name").all()
    assert [[each["name"] for each in task["link"]] for task in found] == [
        ["New", "sq", f"sh{n}", "t"] for n in range(3)
    ]
    assert found[0]["type"]["name"] == task_type["name"]
    assert other.query("Project where name is new").one()["descendants"][0].entity_type == "Sequence"


def test_dates_survive(session: Any, new_session: NewSession) -> None:
    task = session.query("Task").first()
    moment = datetime(2024, 5, 1, 12, 30, 15, 987654, tzinfo=timezone.utc)
    task["start_date"] = arrow.get(moment)
    session.commit()
    assert new_session().get("Task", task["id"])["start_date"] == arrow.get(moment).floor("second")


def test_metadata_is_a_mapping(session: Any, new_session: NewSession) -> None:
    entity = shot(session)
    entity["metadata"]["lens"] = "50mm"
    entity["metadata"]["camera"] = "B"
    session.commit()
    assert dict(shot(new_session())["metadata"]) == {"lens": "50mm", "camera": "B"}
    del entity["metadata"]["lens"]
    session.commit()
    assert dict(shot(new_session())["metadata"]) == {"camera": "B"}
    entity["metadata"] = {"fresh": "x"}
    session.commit()
    assert dict(shot(new_session())["metadata"]) == {"fresh": "x"}
    assert new_session().query('Shot where metadata any (key is "fresh" and value is "x")').one() is not None


def test_custom_attributes_are_a_mapping_with_defaults(session: Any, new_session: NewSession) -> None:
    entity = shot(session)
    assert dict(entity["custom_attributes"]) == {"fstart": 1001, "fend": 0, "fps": None}
    entity["custom_attributes"]["fend"] = 1100
    entity["custom_attributes"]["fps"] = 25
    session.commit()
    again = shot(new_session())["custom_attributes"]
    assert (again["fend"], again["fps"]) == (1100, 25)
    entity["custom_attributes"]["fend"] = "late"
    with pytest.raises(ftrack_api.exception.ServerError, match="must be of type number"):
        session.commit()


def test_custom_attributes_of_an_entity_that_is_being_created(session: Any, new_session: NewSession) -> None:
    parent = session.query("Sequence where name is dd").one()
    entity = session.create("Shot", {"name": "dd0010", "parent": parent})
    entity["custom_attributes"]["fstart"] = 950
    session.commit()
    assert shot(new_session(), "dd0010")["custom_attributes"]["fstart"] == 950


def test_collections_are_written_as_wholes(session: Any, new_session: NewSession) -> None:
    entity = shot(session)
    scope = session.create("Scope", {"name": "vip"})
    entity["scopes"].append(scope)
    session.commit()
    assert new_session().query("Shot where scopes.name is vip").one()["name"] == "bc0040"
    entity["scopes"].remove(scope)
    session.commit()
    assert new_session().query("Shot where scopes.name is vip").all() == []


# The client's helpers


def test_notes_with_labels_replies_and_recipients(session: Any, new_session: NewSession) -> None:
    author = session.query("User where username is anna").one()
    ben = session.query("User where username is ben").one()
    label = session.query("NoteLabel").first()
    note = shot(session).create_note("Look here.", author, recipients=[ben], labels=[label])
    session.commit()
    reply = note.create_reply("I did.", ben)
    session.commit()
    found = new_session().get("Note", note["id"])
    assert sorted(each["recipient"]["username"] for each in found["recipients"]) == ["ben", "sandbox"]
    assert found["category"]["id"] == label["id"]
    assert [each["id"] for each in found["replies"]] == [reply["id"]]
    assert shot(new_session())["notes"][0]["content"] == "Look here."


def test_statuses_and_types_of_a_project_schema(session: Any) -> None:
    schema = session.query("ProjectSchema").one()
    assert [each["name"] for each in schema.get_statuses("Task")][:2] == ["Not started", "In progress"]
    assert [each["name"] for each in schema.get_statuses("Shot")] == ["Normal", "Omitted", "On Hold"]
    assert [each["name"] for each in schema.get_statuses("AssetVersion")] == ["Pending Review", "Approved", "Omitted"]
    assert {"Modeling", "Rigging", "Animation"} <= {each["name"] for each in schema.get_types("Task")}
    assert schema.get_types("AssetBuild")[0]["name"] == "Character"
    assert schema.get_types("Shot") == []


def test_timers_and_time_logs(session: Any) -> None:
    user = session.query("User where username is sandbox").one()
    task = session.query("Task").first()
    user.start_timer(task)
    with pytest.raises(ftrack_api.exception.NotUniqueError):
        user.start_timer(task)
    log = user.stop_timer()
    assert log["context"]["id"] == task["id"]


def test_components_in_the_servers_own_location(session: Any, tmp_path: Any) -> None:
    source = tmp_path / "notes.txt"
    source.write_bytes(b"frame 1001 flickers")
    location = session.query('Location where name is "ftrack.server"').one()
    component = session.create_component(str(source), location=location)
    session.commit()
    response = requests.get(location.get_url(component), timeout=10)
    assert response.content == b"frame 1001 flickers"
    assert location.get_component_availability(component) == 100.0
    url = location.get_url(component)
    location.remove_component(component)
    assert requests.get(url, timeout=10).status_code == 404


def test_sequences_in_a_disk_location(session: Any, tmp_path: Any) -> None:
    location = session.create("Location", {"name": "disk"})
    session.commit()
    location.accessor = ftrack_api.accessor.disk.DiskAccessor(prefix=str(tmp_path / "target"))
    location.structure = ftrack_api.structure.standard.StandardStructure()
    version = session.query("AssetVersion where asset.name is bc0040_comp").first()
    for frame in (1001, 1002):
        (tmp_path / f"beauty.{frame}.exr").write_bytes(b"x")
    component = version.create_component(str(tmp_path / "beauty.%04d.exr [1001-1002]"), location=location)
    session.commit()
    assert component.entity_type == "SequenceComponent"
    assert sorted(member["name"] for member in component["members"]) == ["1001", "1002"]
    assert location.get_component_availability(component) == 100.0
    session.delete(component)
    session.commit()


def test_resetting_the_api_key(session: Any, new_session: NewSession) -> None:
    user = session.query("User where username is ben").one()
    api_key = session.reset_remote("api_key", entity=user)["api_key"]
    assert new_session(api_user="ben", api_key=api_key).query("User where username is ben").one()
    with pytest.raises(ftrack_api.exception.ServerError):
        new_session(api_user="ben", api_key="ben-key")


def test_ensure_finds_or_creates(session: Any) -> None:
    data = {"name": "ensured", "short": "ens"}
    first = session.ensure("AssetType", data)
    assert session.ensure("AssetType", data)["id"] == first["id"]


def test_a_global_key_is_good_for_anybody(new_session: NewSession) -> None:
    session = new_session(api_user="anna", api_key="sandbox-global-key")
    version = session.create("AssetVersion", {"asset": session.query(MISSION).one()})
    session.commit()
    assert version["user"]["username"] == "anna"


# Trouble on order


def test_a_dropped_reply_leaves_the_batch_applied(server: SandboxServer, session: Any, new_session: NewSession) -> None:
    server.faults.replace([{"kind": "drop_reply", "times": 1, "actions": ["create"]}])
    session.create("Scope", {"name": "applied"})
    with pytest.raises(requests.exceptions.ConnectionError):
        session.commit()
    assert [each["name"] for each in new_session().query("Scope")] == ["applied"]
    entry = next(entry for entry in server.requests if "create" in entry["actions"])
    assert (entry["status"], entry["fault"], entry["user"]) == (None, "drop_reply", "sandbox")


def test_an_error_is_answered_before_anything_is_applied(
    server: SandboxServer, session: Any, new_session: NewSession
) -> None:
    server.faults.replace([{"kind": "error", "status": 503, "times": 1, "actions": ["create"]}])
    session.create("Scope", {"name": "late"})
    with pytest.raises(ftrack_api.exception.ServerError, match="status 503"):
        session.commit()
    assert new_session().query("Scope").all() == []
    session.commit()
    assert len(new_session().query("Scope").all()) == 1


def test_a_maintenance_page_is_no_json(server: SandboxServer, session: Any) -> None:
    server.faults.replace([{"kind": "maintenance", "status": 200}])
    with pytest.raises(ftrack_api.exception.ServerError, match="unexpected format"):
        session.query("Task").first()


def test_rejected_credentials_a_reset_and_half_a_batch(
    server: SandboxServer, session: Any, new_session: NewSession
) -> None:
    server.faults.replace([{"kind": "reject_credentials", "users": ["sandbox"], "times": 1}])
    with pytest.raises(ftrack_api.exception.ServerError, match="InvalidCredentialsError"):
        session.query("Task").first()
    server.faults.replace([{"kind": "reset", "times": 1}])
    with pytest.raises(requests.exceptions.ConnectionError):
        session.query("Task").first()
    server.faults.replace([{"kind": "half_batch", "times": 1}])
    for name in ("first", "second"):
        session.create("Scope", {"name": name})
    with pytest.raises(ftrack_api.exception.ServerError, match="only in part"):
        session.commit()
    assert [each["name"] for each in new_session().query("Scope")] == ["first"]


def test_slow_answers_arrive(server: SandboxServer, session: Any) -> None:
    server.faults.replace([{"kind": "latency", "seconds": 0.05}, {"kind": "trickle", "seconds": 0.1}])
    assert session.query("Project where name is demo").one()["full_name"] == "Demo Film"


def test_a_kept_connection_is_not_slowed_down_by_the_network_stack(server: SandboxServer) -> None:
    headers = {"ftrack-user": "sandbox", "ftrack-api-key": "sandbox-key"}
    times = []
    with requests.Session() as client:
        for _ in range(9):
            response = client.post(server.url + "/api", json=[{"action": "permissions"}], headers=headers, timeout=10)
            times.append(response.elapsed.total_seconds())
    # Delayed acknowledgements would add 40 ms to each.
    assert sorted(times)[4] < 0.03
