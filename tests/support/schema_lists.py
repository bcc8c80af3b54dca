"""Schema lists as other servers have them, made from the sandbox's own."""

from __future__ import annotations

import copy
from typing import Any

from trackteroid.sandbox.json_schema import json_schemas
from trackteroid.sandbox.schema_text import load_schema

__all__ = ["TURNTABLE", "own_list", "schema_named", "studio_list"]

SchemaList = list[dict[str, Any]]
TURNTABLE = "7e5b51a0-0000-4000-8000-00000000aaaa"


def own_list() -> SchemaList:
    """What the sandbox itself serves; the caller may change it."""
    return copy.deepcopy(json_schemas(load_schema()))


def schema_named(schemas: SchemaList, name: str) -> dict[str, Any]:
    (found,) = (each for each in schemas if each["id"] == name)
    return found


def _key(target: str) -> dict[str, Any]:
    return {"type": "string", "format": "foreign_key", "description": f"Foreign key(s): {target}.id"}


def studio_list() -> SchemaList:
    """A studio's: an object type `TurntableShot` more, `Milestone` less, types and attributes nobody else has."""
    schemas = [each for each in own_list() if each["id"] != "Milestone"]
    turntable = copy.deepcopy(schema_named(schemas, "Shot"))
    turntable["id"] = "TurntableShot"
    turntable["alias_for"]["classifiers"]["object_typeid"] = TURNTABLE
    turntable["properties"]["object_type_id"]["default"] = TURNTABLE
    turntable["properties"]["rotation"] = {"type": "number", "default": 360}
    schemas.append(turntable)
    # As it was on older servers.
    del schema_named(schemas, "Asset")["properties"]["latest_version"]
    tag = {
        "id": "Tag",
        "type": "object",
        "primary_key": ["id"],
        "default_projections": ["id", "name"],
        "properties": {
            "id": {"type": "string", "default": "{uid}"},
            "name": {"type": "string"},
            "versions": {"type": "array", "items": {"$ref": "AssetVersion"}},
            "hints": {"type": "array", "items": {"$ref": "TagHint"}},
            "made_at": {"type": "string", "format": "date-time"},
            "weights": {"type": "object"},
        },
    }
    hint = {
        "id": "TagHint",
        "type": "object",
        "primary_key": ["id"],
        "properties": {
            "id": {"type": "string", "default": "{uid}"},
            "tag_id": _key("Tag"),
            "tag": {"$ref": "Tag"},
            "reader": {"$ref": "User"},
            "text": {"type": "string"},
        },
    }
    schema_named(schemas, "AssetVersion")["properties"]["tags"] = {"type": "array", "items": {"$ref": "Tag"}}
    return [*schemas, tag, hint]
