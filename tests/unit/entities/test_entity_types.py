"""The entity classes against the server's schema."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.local_session import stock_schemas
from trackteroid import entities
from trackteroid.entities import Entity, Project, Shot, TypedContext, entity_types
from trackteroid.entities.entity import declared
from trackteroid.entities.entity_types import entity_class
from trackteroid.entities.names import ENTITY_NAMES
from trackteroid.errors import BadInputError
from trackteroid.relationships import SchemaIndex, parse_path


@pytest.fixture(scope="module")
def index() -> SchemaIndex:
    return SchemaIndex(stock_schemas())


def test_every_type_of_the_schema_has_a_class(index: SchemaIndex) -> None:
    # AssetGroup is an object type of many studios and of no stock server.
    assert set(ENTITY_NAMES) == {*index.types, "AssetGroup"}


def test_names_and_classes_are_the_same() -> None:
    assert sorted(entity_types.__all__) == sorted(["Entity", "entity_class", *ENTITY_NAMES])
    for name in ENTITY_NAMES:
        found = getattr(entities, name)
        assert (found.__name__, declared(name)) == (name, found)
        assert issubclass(found, Entity)


@pytest.mark.parametrize("name", ENTITY_NAMES)
def test_d45_default_projections_exist(index: SchemaIndex, name: str) -> None:
    projections = entity_class(name).projections
    for path in projections:
        steps = parse_path(path)
        owners = index.owners(name if name in index else "TypedContext", steps)
        for owner, step in zip(owners, steps, strict=True):
            assert owner is not None
            assert index.has_attribute(owner, step.name), f"{owner}.{step.name}"
    if name in index:
        assert set(index.primary_key(name)) <= set(projections)


def test_the_class_tree_is_that_of_the_type_families(index: SchemaIndex) -> None:
    for name in index.types:
        bases = [base.__name__ for base in entity_class(name).__mro__ if issubclass(base, Entity)]
        expected = [*index.lineage(name), "Entity"]
        if name.endswith("CustomAttributeValue") or name == "NoteLabel":
            # Values of custom attributes are a family in Python only; NoteLabel is NoteCategory under another name.
            continue
        assert bases == expected


def test_a_list_of_projections_belongs_to_one_class() -> None:
    Shot.projections.append("description")
    try:
        assert TypedContext.projections == ["id", "name"]
    finally:
        Shot.projections.remove("description")


def test_object_types_of_other_servers_become_classes(index: SchemaIndex) -> None:
    schemas: list[dict[str, Any]] = stock_schemas()
    shot = next(schema for schema in schemas if schema["id"] == "Shot")
    studio = SchemaIndex([*schemas, {**shot, "id": "Hologram"}])
    made = entity_class("Hologram", studio)
    assert made is entity_class("Hologram")
    assert issubclass(made, TypedContext)
    assert made.projections == ["id", "name"]
    with pytest.raises(BadInputError, match="Nonsense"):
        entity_class("Nonsense", index)
    with pytest.raises(BadInputError, match="Nonsense"):
        entity_class("Nonsense")


def test_an_unknown_attribute_of_a_class_is_a_declaration() -> None:
    assert repr(Project.anything.at.all) == "Project.anything.at.all"
    assert not hasattr(Project, "__wrapped__")
    assert not hasattr(Project.anything, "__iter__")
