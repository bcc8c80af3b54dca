"""The entity types, and the JSON schemas that are served of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.shared import shared_file
from trackteroid.sandbox.derived import ROW_ATTRIBUTES, SQL_EXPRESSIONS
from trackteroid.sandbox.errors import SchemaFormatError, UnknownAttributeError
from trackteroid.sandbox.json_schema import json_schemas, schema_hash
from trackteroid.sandbox.schema import Kind
from trackteroid.sandbox.schema_text import load_schema, parse_schema

# Trap 17: the real schema gives it no type, so that the client drops it; it is served as text on purpose.
EXCEPTIONS = {("User", "user_type_id")}
# The order of these says nothing.
SETS = ("required", "immutable", "computed")


@pytest.fixture(scope="module")
def served() -> dict[str, dict[str, Any]]:
    return {each["id"]: each for each in json_schemas(load_schema())}


@pytest.fixture(scope="module")
def real() -> dict[str, dict[str, Any]]:
    text = shared_file("spec", "ftrack-schema.json").read_text(encoding="utf-8")
    return {each["id"]: each for each in json.loads(text)}


def test_the_same_116_types_as_a_real_server(served: dict[str, Any], real: dict[str, Any]) -> None:
    assert sorted(served) == sorted(real)
    assert len(served) == 116


def test_every_attribute_is_declared_as_a_real_server_declares_it(served: dict[str, Any], real: dict[str, Any]) -> None:
    different = {
        (name, attribute)
        for name, schema in real.items()
        for attribute in {*schema["properties"], *served[name]["properties"]}
        if schema["properties"].get(attribute) != served[name]["properties"].get(attribute)
    }
    assert different == EXCEPTIONS
    assert served["User"]["properties"]["user_type_id"] == {
        **real["User"]["properties"]["user_type_id"],
        "type": "string",
    }


def test_everything_else_of_a_type_is_declared_as_a_real_server_declares_it(
    served: dict[str, Any], real: dict[str, Any]
) -> None:
    def comparable(schema: dict[str, Any]) -> dict[str, Any]:
        return {key: sorted(value) if key in SETS else value for key, value in schema.items() if key != "properties"}

    assert {name: comparable(schema) for name, schema in served.items()} == {
        name: comparable(schema) for name, schema in real.items()
    }


@pytest.mark.parametrize(
    ("schemas", "digest"),
    [
        (
            [{"id": "A", "primary_key": ["id"], "properties": {"id": {"type": "string", "default": "{uid}"}}}],
            "b4af0c21bba8175e08d5e14040ebde11",
        ),
        (None, "3902927939d7f0f30aa6b3e7e28d80d4"),
    ],
)
def test_the_hash_is_the_one_that_clients_compute(schemas: Any, digest: str) -> None:
    if schemas is None:
        schemas = json.loads(shared_file("spec", "ftrack-schema.json").read_text(encoding="utf-8"))
    assert schema_hash(schemas) == digest


def test_every_relation_leads_to_a_column_that_exists() -> None:
    schema = load_schema()
    for entity_type in schema.types.values():
        for attribute in entity_type.attributes.values():
            place = f"{entity_type.name}.{attribute.name}"
            if attribute.kind is Kind.REF:
                for column in attribute.columns:
                    assert column in entity_type.attributes, place
            elif attribute.link is not None:
                link = schema.type(attribute.link.table)
                assert {attribute.link.near, attribute.link.far} <= set(link.attributes), place
            elif attribute.is_collection:
                owners = schema.in_table(schema.type(attribute.target or "").table)
                assert any(attribute.column in owner.attributes for owner in owners), place


def test_every_derived_attribute_has_a_rule_and_every_rule_an_attribute() -> None:
    derived = {
        (entity_type.table, attribute.name)
        for entity_type in load_schema().types.values()
        for attribute in entity_type.attributes.values()
        if attribute.derived
    }
    assert derived == {*SQL_EXPRESSIONS, *ROW_ATTRIBUTES}


def test_a_subtypes_attribute_is_found_on_its_base() -> None:
    schema = load_schema()
    attribute, only = schema.attribute(schema.type("Resource"), "username")
    assert (attribute.name, only) == ("username", ("User",))


def test_an_attribute_that_nothing_below_declares_is_unknown() -> None:
    schema = load_schema()
    with pytest.raises(UnknownAttributeError, match='Task has no attribute "full_name"'):
        schema.attribute(schema.type("Task"), "full_name")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("type A\n    id uid\n    x nonsense", "Line 3"),
        ("    id uid", "outside of a type"),
        ("type A\n    id uid sideways", "unknown option 'sideways'"),
        ("table A", "neither a type nor an attribute"),
    ],
)
def test_a_mistake_in_the_text_form_is_reported_with_its_line(text: str, message: str) -> None:
    with pytest.raises(SchemaFormatError, match=message):
        parse_schema(text)
