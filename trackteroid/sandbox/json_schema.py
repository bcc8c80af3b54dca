"""The JSON-schema list that `query_schemas` serves, generated from our entity types, and its hash (specification 2.1, 3)."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from trackteroid.sandbox.schema import NO_DEFAULT, Attribute, EntityType, Kind, Schema

__all__ = ["json_schemas", "schema_hash"]

_JSON_TYPES = {
    Kind.UID: "string",
    Kind.TEXT: "string",
    Kind.KEY: "string",
    Kind.TIME: "string",
    Kind.BOOL: "boolean",
    Kind.INT: "integer",
    Kind.NUMBER: "number",
    Kind.OBJECT: "object",
    Kind.VARIABLE: "variable",
    Kind.LIST: "array",
    Kind.MAP: "mapped_array",
    Kind.LINKS: "mapped_array",
}


def json_schemas(schema: Schema) -> list[dict[str, Any]]:
    """All served types, sorted by name; those that came from a real server are served as they came."""
    if schema.exported is not None:
        return schema.exported
    return [_type(each) for _, each in sorted(schema.types.items()) if not each.hidden]


def schema_hash(schemas: list[dict[str, Any]]) -> str:
    """MD5 hex digest of the list as the Python client computes it: `json.dumps` with sorted keys, in the order served."""
    # MD5 is the protocol's choice; nothing secret depends on it.
    return hashlib.md5(json.dumps(schemas, sort_keys=True).encode("utf-8"), usedforsecurity=False).hexdigest()


def _type(entity_type: EntityType) -> dict[str, Any]:
    # In alphabetical order: the Python client merges an answer in this order, and `completion` counts on it.
    attributes = [each for _, each in sorted(entity_type.attributes.items()) if not each.hidden]
    required = [each.name for each in attributes if each.required] + list(entity_type.also_required)
    immutable = [each.name for each in attributes if each.immutable] + list(entity_type.also_immutable)
    computed = [each.name for each in attributes if each.computed]
    result: dict[str, Any] = {
        "id": entity_type.name,
        "type": "object",
        "primary_key": list(entity_type.primary_key),
        "properties": {each.name: _property(each) for each in attributes},
        "required": required,
        "immutable": immutable,
        "default_projections": list(entity_type.show),
    }
    if computed:
        result["computed"] = computed
    if entity_type.system_names:
        result["system_projections"] = list(entity_type.system_names)
    if entity_type.store_slice:
        column, value = entity_type.store_slice
        result["alias_for"] = {"id": entity_type.store, "classifiers": {column: value}}
    elif entity_type.store:
        result["alias_for"] = entity_type.store
    return result


def _property(attribute: Attribute) -> dict[str, Any]:
    result = _kind(attribute)
    if attribute.default is not NO_DEFAULT:
        result["default"] = attribute.default
    if attribute.storage_name:
        result["alias_for"] = attribute.storage_name
    if attribute.described_key:
        result["format"] = "foreign_key"
        result["description"] = f"Foreign key(s): {attribute.described_key}"
    if attribute.description:
        result["description"] = attribute.description
    if attribute.transform:
        result["transform"] = {"client": "{schema_id}", "server": "{table_name}"}
    if attribute.choices:
        result["enum"] = list(attribute.choices)
    return result


def _kind(attribute: Attribute) -> dict[str, Any]:
    kind = attribute.kind
    if kind is Kind.REF:
        return {"$ref": attribute.target}
    result: dict[str, Any] = {"type": "integer" if attribute.is_integer else _JSON_TYPES[kind]}
    if kind is Kind.UID:
        result["default"] = "{uid}"
    elif kind is Kind.TIME:
        result["format"] = "date-time"
    elif attribute.is_json:
        result["format"] = "json"
    elif attribute.declared_reference:
        result["$ref"] = attribute.target
    if kind.is_collection:
        result["items"] = {"$ref": attribute.target}
    if kind is Kind.MAP:
        result["key_value_attributes"] = {"key": "key", "value": "value"}
    elif kind is Kind.LINKS:
        result["restricted_projection"] = True
    return result
