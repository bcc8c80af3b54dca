"""Look-ups over the server's schema."""

from __future__ import annotations

import pytest

from tests.support.local_session import stock_schemas
from trackteroid.errors import BadInputError
from trackteroid.relationships import AttributeKind, SchemaIndex, Step, parse_path


@pytest.fixture(scope="module")
def index() -> SchemaIndex:
    return SchemaIndex(stock_schemas())


def test_attributes_have_their_kind(index: SchemaIndex) -> None:
    kinds = {
        name: (attribute.kind, attribute.target, attribute.data_type)
        for name in ("version", "date", "asset", "components", "metadata")
        if (attribute := index.attribute("AssetVersion", name))
    }
    assert kinds == {
        "version": (AttributeKind.SCALAR, None, "integer"),
        "date": (AttributeKind.SCALAR, None, "date-time"),
        "asset": (AttributeKind.REFERENCE, "Asset", "reference"),
        "components": (AttributeKind.ARRAY, "Component", "array"),
        "metadata": (AttributeKind.MAPPED, "Metadata", "mapped"),
    }
    assert index.attribute("AssetVersion", "nonsense") is None
    assert index.attribute("Nonsense", "id") is None


def test_object_types_are_the_types_stored_as_tasks(index: SchemaIndex) -> None:
    assert set(index.object_types) == {"AssetBuild", "Episode", "Folder", "Milestone", "Sequence", "Shot", "Task"}


def test_families(index: SchemaIndex) -> None:
    assert index.is_subtype("Shot", "TypedContext")
    assert index.is_subtype("Shot", "Context")
    assert index.is_subtype("SequenceComponent", "Component")
    assert index.is_subtype("AssetVersionList", "List")
    assert not index.is_subtype("TypedContext", "Shot")
    assert not index.is_subtype("NoteComponent", "Component")
    assert list(index.lineage("Shot")) == ["Shot", "TypedContext", "Context"]
    assert "Project" in index.subtypes("Context")


def test_primary_keys(index: SchemaIndex) -> None:
    assert index.primary_key("Shot") == ("id",)
    assert index.primary_key("Metadata") == ("parent_id", "key")
    with pytest.raises(BadInputError, match="'Nonsense'"):
        index.primary_key("Nonsense")


def test_a_record_that_is_no_schema_is_refused() -> None:
    with pytest.raises(BadInputError, match="no type schema"):
        SchemaIndex([{"id": "Shot"}])


def test_a_path_is_plural_if_any_step_is(index: SchemaIndex) -> None:
    assert index.is_array_path("Asset", parse_path("versions.task"))
    assert index.is_array_path("Asset", parse_path("parent[Shot].children"))
    assert not index.is_array_path("AssetVersion", parse_path("asset.parent[Shot].parent[Sequence]"))


def test_paths_have_steps_with_filters() -> None:
    assert parse_path("asset.parent[Shot].name") == (Step("asset"), Step("parent", "Shot"), Step("name"))


@pytest.mark.parametrize("text", ["", "a..b", "a[b", "a[]", "a b", "a[B]c", 'x" or 1'])
def test_text_that_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(BadInputError, match="path"):
        parse_path(text)
