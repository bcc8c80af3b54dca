"""Relations that a studio adds."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.local_session import stock_schemas
from tests.unit.query.conftest import MakeQuery, where
from trackteroid.entities import AssetVersion, Sequence, Shot, Task
from trackteroid.errors import ConfigurationError
from trackteroid.query.relations import find_relation
from trackteroid.query.schemas import Schemas
from trackteroid.relationships import SchemaIndex

BASE = {"Task": {"Shot": "parent[Shot]", "Sequence": "parent[Sequence]"}}


def _schemas(resolved: Any) -> Schemas:
    return Schemas(lambda: resolved)


def test_nothing_added_is_exactly_a_name() -> None:
    assert _schemas({}).default == {"name": "default"}


def test_overrides_inherit_per_source_or_stand_alone() -> None:
    schemas = _schemas(
        {
            "entities": BASE,
            "overrides": [
                {"name": "vfx", "entities": {Task: {Shot: ["parent[Shot]", "parent.parent[Shot]"]}}},
                {"name": "alone", "entities": {"Shot": {"Sequence": "parent[Sequence]"}}, "inherit": False},
            ],
        }
    )
    assert schemas.vfx["entities"] == {
        "Task": {"Shot": ["parent[Shot]", "parent.parent[Shot]"], "Sequence": "parent[Sequence]"}
    }
    assert schemas["alone"]["entities"] == {"Shot": {"Sequence": "parent[Sequence]"}}
    assert schemas.default["entities"] == BASE
    assert list(schemas) == ["default", "vfx", "alone"]


@pytest.mark.parametrize(
    "resolved",
    [
        None,
        [],
        {"entities": []},
        {"entities": {"Task": "parent"}},
        {"entities": {"Task": {"Shot": 3}}},
        {"entities": {"Task": {"Shot": []}}},
        {"overrides": {}},
        {"overrides": [{"entities": {}}]},
    ],
)
def test_d63_a_malformed_result_is_a_configuration_error(resolved: Any) -> None:
    with pytest.raises(ConfigurationError, match="RELATIONSHIPS_RESOLVER"):
        _ = _schemas(resolved).default


def test_a_resolver_is_called_once_and_late() -> None:
    calls: list[int] = []

    def load() -> dict[str, Any]:
        calls.append(1)
        return {}

    schemas = Schemas(load)
    assert repr(schemas) == "<SCHEMA, not loaded yet>"
    assert not calls
    assert schemas.default is schemas.default
    assert calls == [1]


def test_a_resolver_that_asks_for_relations_is_told_so_and_waits_for_nothing() -> None:
    schemas = Schemas(lambda: {"entities": {"Task": {"Shot": str(schemas.default)}}})
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="which need what the resolver returns"):
            _ = schemas.default


def test_a_resolver_that_raises_is_reported_and_does_without(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from trackteroid.query import schemas as module

    def fail(api_version: str) -> Any:
        raise RuntimeError("no such show")

    monkeypatch.setattr("trackteroid.configuration.RELATIONSHIPS_RESOLVER", fail, raising=False)
    assert Schemas(module._resolved).default == {"name": "default"}
    (record,) = caplog.records
    assert (record.name, record.levelname) == ("trackteroid.configuration", "ERROR")
    assert "no such show" in caplog.text


def test_the_studios_relation_wins(query: MakeQuery) -> None:
    own = {"name": "own", "entities": {"AssetVersion": {"Project": "asset.parent.project"}}}
    assert where(query(AssetVersion, own).by_name("x").by_metadata(Task, {"a": "b"})).startswith("asset has")
    assert where(query(AssetVersion, own).by_id(Task, "t")) == '(task_id is "t")'


def test_d63_arrays_are_told_by_the_schema(query: MakeQuery) -> None:
    own = {"name": "own", "entities": {"Shot": {"Task": "children[Task]", "Sequence": "parent[Sequence]"}}}
    assert where(query(Shot, own).by_name(Task, "x")) == 'children[Task] any (name is "x")'
    assert where(query(Shot, own).by_name(Sequence, "x")) == 'parent[Sequence] has (name is "x")'


@pytest.mark.parametrize(
    ("paths", "complaint"),
    [
        ("nonsense", "nonsense"),
        ("parent[Nonsense]", "Nonsense"),
        ("asset..parent", "path"),
        (["asset.parent[Shot]", "uses_versions"], "alternatives"),
    ],
)
def test_d63_a_bad_path_is_reported_once_and_disturbs_nothing_else(
    caplog: pytest.LogCaptureFixture, paths: Any, complaint: str
) -> None:
    fresh = SchemaIndex(stock_schemas())
    schema = {"name": "own", "entities": {"AssetVersion": {"Shot": paths}}}
    for _ in range(2):
        assert find_relation(fresh, schema, "AssetVersion", "Shot") is None
    assert find_relation(fresh, schema, "AssetVersion", "Asset") is not None
    (record,) = caplog.records
    assert record.name == "trackteroid.declarations"
    assert complaint in record.getMessage()


def test_unknown_types_are_reported(caplog: pytest.LogCaptureFixture, index: SchemaIndex) -> None:
    schema = {"name": "own", "entities": {"AssetVersion": {"Hologram": "task"}}}
    assert find_relation(index, schema, "AssetVersion", "Hologram") is None
    assert "Hologram" in caplog.text


def test_a_long_way_that_nobody_named_is_worth_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    fresh = SchemaIndex(stock_schemas())
    assert find_relation(fresh, {"name": "default"}, "AssetVersion", "WorkflowSchema") is not None
    assert find_relation(fresh, {"name": "default"}, "AssetVersion", "WorkflowSchema") is not None
    assert [record.name for record in caplog.records] == ["trackteroid.declarations"]
    caplog.clear()
    assert find_relation(fresh, {"name": "default"}, "Asset", "ComponentLocation") is not None
    assert not caplog.records


def test_where_the_studios_path_is_bad_the_schemas_stands(caplog: pytest.LogCaptureFixture) -> None:
    index = SchemaIndex(stock_schemas())
    schema = {"name": "own", "entities": {"AssetVersion": {"User": "nobody.user"}}}
    relation = find_relation(index, schema, "AssetVersion", "User")
    assert relation is not None
    assert (relation.paths, relation.inferred) == (("user",), True)
    assert "nobody" in caplog.text
