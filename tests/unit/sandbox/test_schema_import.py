"""Schema lists exported from other servers."""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.schema_lists import TURNTABLE, own_list, schema_named, studio_list
from tests.support.shared import shared_file
from trackteroid.sandbox.api import Api
from trackteroid.sandbox.errors import ApiError, SandboxStartError
from trackteroid.sandbox.json_schema import json_schemas
from trackteroid.sandbox.schema import Schema
from trackteroid.sandbox.schema_import import import_schema, read_schema
from trackteroid.sandbox.schema_text import load_schema
from trackteroid.sandbox.seeds import API_KEY, API_USER, SEEDS, plant
from trackteroid.sandbox.storage import Storage

NOW = "2024-03-01 09:30:00"


def planted(schema: Schema, seed: str = "demo") -> Api:
    storage = Storage(schema, now=lambda: NOW)
    plant(storage, seed)
    numbers = itertools.count()
    return Api(storage, clock=lambda: 1709285400.0, new_id=lambda: f"made-{next(numbers)}")


@pytest.fixture(scope="module")
def planted_studio() -> Iterator[Api]:
    api = planted(import_schema(studio_list()))
    api.storage.keep_copy("seeded")
    yield api
    api.storage.close()


@pytest.fixture
def studio(planted_studio: Api) -> Iterator[Api]:
    yield planted_studio
    planted_studio.storage.restore_copy("seeded")


def send(api: Api, *operations: dict[str, Any]) -> list[Any]:
    answers = api.handle(list(operations), username=API_USER, api_key=API_KEY)
    return [answer["data"] for answer in answers]


def query(api: Api, expression: str) -> Any:
    return send(api, {"action": "query", "expression": expression})[0]


def create(api: Api, entity_type: str, /, **data: Any) -> Any:
    return send(api, {"action": "create", "entity_type": entity_type, "entity_data": data})[0]


# Our own list, and a real server's


@pytest.mark.parametrize("source", ["own", "real"])
def test_a_list_of_what_we_know_gives_what_we_know(source: str) -> None:
    known = load_schema()
    schemas = own_list()
    if source == "real":
        schemas = json.loads(shared_file("spec", "ftrack-schema.json").read_text(encoding="utf-8"))
    imported = import_schema(schemas)
    assert list(imported.types) == list(known.types)
    # These are only needed to make a list, and one has been given.
    ignored = {"also_required", "also_immutable", "system_names"}
    for name, entity_type in known.types.items():
        for field in dataclasses.fields(entity_type):
            if field.name not in ignored:
                assert getattr(imported.types[name], field.name) == getattr(entity_type, field.name), (name, field.name)
    assert json_schemas(imported) is schemas


def test_seeds_are_the_same_with_our_own_list() -> None:
    def dump(schema: Schema) -> list[Any]:
        api = planted(schema)
        tables = [table for table, types in schema.tables() if not types[0].view]
        rows = [api.storage.execute(f'SELECT * FROM "{table}"').fetchall() for table in tables]
        api.storage.close()
        return rows

    assert dump(load_schema()) == dump(import_schema(own_list()))


# A studio's own


def test_the_list_is_served_as_it_came(studio: Api) -> None:
    answer = studio.handle([{"action": "query_schemas"}], username=API_USER, api_key=API_KEY)
    assert answer == [studio_list()]


def test_an_object_type_of_a_studio_is_one_like_others(studio: Api) -> None:
    (object_type,) = query(studio, f"select name from ObjectType where id is {TURNTABLE}")
    assert object_type["name"] == "Turntable Shot"
    (project,) = query(studio, "Project where name is demo")
    made = create(studio, "TurntableShot", id="t1", name="hero", parent_id=project["id"])
    assert (made["object_type_id"], made["project_id"], made["rotation"]) == (TURNTABLE, project["id"], 360)
    through_base = create(studio, "TypedContext", id="t2", name="lamp", parent_id="t1", object_type_id=TURNTABLE)
    assert through_base["__entity_type__"] == "TurntableShot"
    create(studio, "Task", id="t3", name="light", parent_id="t2")
    rows = query(
        studio, 'select ancestors.name, status.name from TypedContext where parent[TurntableShot].rotation > "9"'
    )
    assert [row["__entity_type__"] for row in rows] == ["TurntableShot", "Task"]
    assert {each["name"] for each in rows[1]["ancestors"]} == {"hero", "lamp"}
    assert rows[0]["status"]["name"] == "Normal"
    send(
        studio,
        {"action": "update", "entity_type": "TurntableShot", "entity_key": ["t1"], "entity_data": {"rotation": 90}},
        {"action": "delete", "entity_type": "TurntableShot", "entity_key": ["t2"]},
    )
    assert [row["rotation"] for row in query(studio, "select rotation from TurntableShot")] == [90]
    assert query(studio, "Task where id is t3") == []


def test_custom_attributes_of_a_studios_object_type(studio: Api) -> None:
    (kind,) = query(studio, "CustomAttributeType where name is number")
    create(
        studio,
        "CustomAttributeConfiguration",
        id="c1",
        key="speed",
        entity_type="task",
        object_type_id=TURNTABLE,
        type_id=kind["id"],
        default=2,
    )
    (project,) = query(studio, "Project where name is demo")
    create(studio, "TurntableShot", id="t1", name="hero", parent_id=project["id"])
    update = {"action": "update", "entity_type": "ContextCustomAttributeValue", "entity_key": ["c1", "t1"]}
    send(studio, {**update, "entity_data": {"value": 5}})
    (row,) = query(studio, "select custom_attributes from TurntableShot where id is t1")
    assert {each["key"]: each["value"] for each in row["custom_attributes"]} == {"speed": 5, "fps": None}


def test_a_type_that_the_list_lacks_is_unknown(studio: Api) -> None:
    with pytest.raises(ApiError, match='no entity type "Milestone"'):
        query(studio, "Milestone")
    with pytest.raises(ApiError, match='no entity type "Milestone"'):
        create(studio, "Milestone", name="x")
    (known,) = (each for each in load_schema().types.values() if each.name == "Milestone")
    with pytest.raises(ApiError, match="no object type"):
        create(studio, "TypedContext", name="x", object_type_id=known.object_type_id)
    # The seed has gone without it.
    assert query(studio, "ObjectType where name is Milestone") == []
    assert len(query(studio, "Shot")) == 7


def test_an_attribute_that_the_list_lacks_is_unknown(studio: Api) -> None:
    with pytest.raises(ApiError, match='Asset has no attribute "latest_version"'):
        query(studio, "select latest_version from Asset")


def test_types_that_nobody_knows_are_stored_and_related_by_their_keys(studio: Api) -> None:
    create(studio, "Tag", id="tag", name="hot", made_at={"__type__": "datetime", "value": "2024-01-01T00:00:00"})
    create(studio, "TagHint", id="h1", text="why", tag={"__entity_type__": "Tag", "id": "tag"})
    create(studio, "TagHint", id="h2", text="who", tag_id="tag")
    (user,) = query(studio, "User where username is anna")
    reader = {"__entity_type__": "User", "id": user["id"]}
    send(
        studio,
        {"action": "update", "entity_type": "TagHint", "entity_key": ["h1"], "entity_data": {"reader": reader}},
        {"action": "update", "entity_type": "Tag", "entity_key": ["tag"], "entity_data": {"weights": {"a": [1, 2]}}},
    )
    (tag,) = query(
        studio, 'select name, hints.text, hints.reader.username, weights, made_at from Tag where name is "HOT"'
    )
    assert [(each["text"], each["reader"] and each["reader"]["username"]) for each in tag["hints"]] == [
        ("why", "anna"),
        ("who", None),
    ]
    assert tag["weights"] == {"a": [1, 2]}
    assert tag["made_at"] == {"__type__": "datetime", "value": "2024-01-01T00:00:00"}
    assert len(query(studio, "TagHint where tag.name is hot and not reader has (username is anna)")) == 1


def test_a_relation_without_keys_is_the_same_seen_from_both_ends(studio: Api) -> None:
    create(studio, "Tag", id="tag", name="hot")
    versions = query(studio, "AssetVersion where asset.name is bc0040_comp")
    listed = [{"__entity_type__": "AssetVersion", "id": each["id"]} for each in versions[:2]]
    update = {"action": "update", "entity_type": "Tag", "entity_key": ["tag"]}
    send(studio, {**update, "entity_data": {"versions": listed}})
    assert [each["id"] for each in query(studio, "AssetVersion where tags.name is hot")] == [
        each["id"] for each in versions[:2]
    ]
    send(studio, {**update, "entity_data": {"versions": listed[:1]}})
    (tag,) = query(studio, "select versions.version from Tag")
    assert [each["id"] for each in tag["versions"]] == [versions[0]["id"]]


@pytest.mark.parametrize("seed", sorted(set(SEEDS) - {"farm"}))
def test_every_seed_goes_with_a_studios_list(seed: str) -> None:
    planted(import_schema(studio_list()), seed).storage.close()


# What is no schema list


def without(name: str) -> Any:
    return [each for each in own_list() if each["id"] != name]


def changed(name: str, **values: Any) -> Any:
    schemas = own_list()
    schema_named(schemas, name).update(values)
    return schemas


BAD: list[tuple[Callable[[], Any], str]] = [
    (lambda: {"data": own_list()}, "it is no list of schemas"),
    (lambda: ["Shot"], 'entry 1 has no name as its "id"'),
    (lambda: [{"id": "Shot; DROP TABLE"}], 'entry 1 has no name as its "id"'),
    (lambda: [{"id": "Shot"}], 'Shot has no object of objects as its "properties"'),
    (lambda: changed("Shot", properties={"a b": {}}), 'Shot has an attribute with an impossible name, "a b"'),
    (lambda: changed("Shot", primary_key=[]), 'Shot has no list of its attributes as its "primary_key"'),
    (lambda: changed("Shot", primary_key=["name"]), 'the "primary_key" of Shot is not id'),
    (lambda: [*own_list(), own_list()[0]], "a type is in it twice"),
    (lambda: without("User"), "it lacks User, which every ftrack server has"),
    (
        lambda: changed("Shot", properties={"id": {}, "look": {"$ref": "LookDev"}}),
        "Shot.look refers to LookDev, which is not in it",
    ),
    (
        lambda: changed("Shot", properties={"id": {}, "looks": {"type": "array"}}),
        "Shot.looks does not say what it holds",
    ),
    (
        lambda: changed("CustomAttributeValue", properties={"configuration_id": {}, "entity_id": {"$ref": "Task"}}),
        'CustomAttributeValue has "entity_id" in its "primary_key", which is no plain value.',
    ),
    (
        lambda: changed("Scope", properties={"id": {"type": "array", "items": {"$ref": "Task"}}}),
        'Scope has "id" in its "primary_key", which is no plain value.',
    ),
    (
        lambda: changed("Shot", properties={"id": {}, "look": {"$ref": 1}}),
        "Shot.look refers to something that is no name",
    ),
]


@pytest.mark.parametrize(("make", "message"), BAD, ids=[message for _, message in BAD])
def test_what_is_no_schema_list_is_told_in_one_line(tmp_path: Path, make: Callable[[], Any], message: str) -> None:
    path = tmp_path / "schema.json"
    path.write_text(json.dumps(make()))
    with pytest.raises(SandboxStartError) as caught:
        read_schema(path)
    assert str(caught.value).startswith(f"Cannot use the schema {path}: {message}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"), [(None, "No such file"), (b"[{", "is no JSON"), (b"\xff\xfe\x00", "is no JSON")]
)
def test_a_file_that_cannot_be_read_is_told_in_one_line(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "schema.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SandboxStartError, match=message) as caught:
        read_schema(path)
    assert str(path) in str(caught.value)


def test_a_schema_without_tables_is_told_as_one() -> None:
    schemas = own_list()
    schema = import_schema([*schemas, {**schema_named(schemas, "Scope"), "id": "scope"}])
    with pytest.raises(
        SandboxStartError, match=r"^Cannot make tables for this schema: table .scope. already exists\.$"
    ):
        Storage(schema, now=lambda: NOW)


def test_a_data_file_is_of_one_schema(tmp_path: Path) -> None:
    path = tmp_path / "data.db"
    Storage(load_schema(), path, now=lambda: NOW).close()
    Storage(import_schema(own_list()), path, now=lambda: NOW).close()
    with pytest.raises(SandboxStartError, match="made with another schema"):
        Storage(import_schema(studio_list()), path, now=lambda: NOW)
