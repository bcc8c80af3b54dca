"""The text of whole queries: projections, class chains, order; and what works offline."""

from __future__ import annotations

import copy
import subprocess
import sys
from typing import Any

import pytest

from tests.unit.query.conftest import MakeQuery
from trackteroid.entities import (
    Asset,
    AssetVersion,
    Component,
    ComponentLocation,
    Project,
    Recipient,
    Shot,
    Task,
    UserApplicationState,
)
from trackteroid.query import SCHEMA, Query


def _projected(query: Query[Any], projections: Any) -> list[str]:
    return query.paths(projections)


def test_defaults_come_in_class_order(query: MakeQuery) -> None:
    assert str(query(AssetVersion)) == "select id, asset.name, version from AssetVersion"
    assert str(query(Recipient)) == "select note_id, resource_id, note, recipient, user from Recipient"
    assert str(query(UserApplicationState)) == "select user_id, key from UserApplicationState"


def test_the_missions_query(query: MakeQuery) -> None:
    paths = _projected(
        query(Asset), [AssetVersion, AssetVersion.Task, Component, ComponentLocation.resource_identifier]
    )
    assert ", ".join(paths) == (
        "id, name, versions, versions.task, versions.components, "
        "versions.components.component_locations.resource_identifier"
    )


@pytest.mark.parametrize(
    ("entity_class", "element", "expected"),
    [
        (AssetVersion, Project.name, ["task.project.name"]),
        (AssetVersion, ComponentLocation.resource_identifier, ["components.component_locations.resource_identifier"]),
        (AssetVersion, Task.State.name, ["task.status.state.name"]),
        (AssetVersion, AssetVersion.status, ["status"]),
        (AssetVersion, AssetVersion.status.name, ["status.name"]),
        (AssetVersion, AssetVersion, []),
        # A context may be anything: there is no relation from it to a project.
        (Task, Task.parent.Project.name, []),
        (Asset, "parent.name", ["parent.name"]),
    ],
)
def test_class_chains(query: MakeQuery, entity_class: Any, element: Any, expected: list[str]) -> None:
    defaults = entity_class.projections
    assert _projected(query(entity_class), [element]) == [*defaults, *expected]


def test_d59_what_cannot_be_reached_is_left_out_whole_and_said(
    query: MakeQuery, caplog: pytest.LogCaptureFixture
) -> None:
    assert _projected(query(AssetVersion), [Shot.name, "comment"]) == ["id", "asset.name", "version", "comment"]
    (record,) = caplog.records
    assert (record.name, record.levelname) == ("trackteroid.declarations", "WARNING")
    for part in ("Shot.name", "AssetVersion", "RELATIONSHIPS_RESOLVER"):
        assert part in record.getMessage()


def test_filters_are_no_part_of_projections_and_alternatives_all_count(query: MakeQuery) -> None:
    schema = {"name": "own", "entities": {"AssetVersion": {"Shot": ["asset.parent[Shot]", "task.parent[Shot]"]}}}
    assert _projected(query(AssetVersion, schema), [Shot.name])[3:] == ["asset.parent.name", "task.parent.name"]


def test_a_path_is_not_repeated(query: MakeQuery) -> None:
    assert _projected(query(Asset), ["name", "type", Asset.type, "id"]) == ["id", "name", "type"]


def test_d11_a_set_has_an_order_of_its_own(query: MakeQuery) -> None:
    elements = {"type", Project.name, "parent", Task}
    expected = ["id", "name", "latest_version.task", "latest_version.task.project.name", "parent", "type"]
    assert _projected(query(Asset), elements) == expected


def test_d60_chains_do_not_grow() -> None:
    chain = Shot.foo
    _ = chain.bar
    assert repr(chain.baz) == "Shot.foo.baz"
    assert chain.baz == Shot.foo.baz
    with pytest.raises(AttributeError, match="declaration"):
        chain.baz = 1


def test_d67_classes_have_different_hashes() -> None:
    assert len({hash(entity_class) for entity_class in (Shot, Task, Asset, Project)}) == 4


def test_projections_are_checked_before_anything_is_asked(query: MakeQuery) -> None:
    with pytest.raises(AssertionError, match="list, tuple or set"):
        query(Asset).get_all(projections="name")
    with pytest.raises(TypeError, match="not 3"):
        query(Asset).get_all(projections=["name", 3])


def test_only_entity_classes_can_be_queried() -> None:
    for wrong in ("Shot", object, 3, Shot.name):
        with pytest.raises(TypeError, match="entity class"):
            Query(wrong)  # type: ignore[type-var, arg-type]


def test_d12_queries_with_different_schemas_leave_each_other_alone(query: MakeQuery) -> None:
    own = {"name": "vfx", "entities": {"AssetVersion": {"Project": "asset.parent.project"}}}
    first = query(AssetVersion, own).by_name(Project, "a")
    text = str(first)
    second = query(AssetVersion).by_name(Project, "a")
    assert str(second).endswith('task.project has (name is "a")')
    assert str(first) == text
    assert text.endswith('asset.parent.project has (name is "a")')


def test_a_copy_goes_its_own_way(query: MakeQuery) -> None:
    original = query(Asset).by_name("a")
    copied = copy.copy(original).by_name("b")
    assert str(original).endswith('(name is "a")')
    assert str(copied).endswith('(name in ("a","b"))')
    assert original != copied


def test_queries_and_schemas_work_without_server_and_environment() -> None:
    script = (
        "from trackteroid import Query, AssetVersion, Task, SCHEMA, SESSION\n"
        "query = Query(AssetVersion, session=SESSION, schema=SCHEMA.default).by_version('%')\n"
        "print(query)\nprint(Task.State.name, SCHEMA.default)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env={}, check=False)
    assert done.stdout.splitlines() == [
        'select id, asset.name, version from AssetVersion where (version like "%")',
        "Task.State.name {'name': 'default'}",
    ], done.stderr


def test_the_default_schema_is_named() -> None:
    assert SCHEMA.default is SCHEMA["default"]
    with pytest.raises(AttributeError, match="nonsense"):
        _ = SCHEMA.nonsense
    with pytest.raises(KeyError):
        SCHEMA["nonsense"]
