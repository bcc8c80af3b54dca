"""A schema list that was exported from a real server -> entity types, so that a studio tests against its own.

The list is the answer to `query_schemas`; the Python client keeps it in `ftrack_api_schema_cache.json`. It says what there
is, but not how it hangs together in storage: for what this package knows, that is taken from our own entity types. Other
object types are built like TypedContext. For other types and attributes it is guessed from the names of foreign keys.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from trackteroid.sandbox.errors import SandboxStartError
from trackteroid.sandbox.schema import NO_DEFAULT, Attribute, EntityType, Kind, Link, Schema
from trackteroid.sandbox.schema_text import load_schema

__all__ = ["import_schema", "read_schema"]

_SCALARS = {
    "string": Kind.TEXT,
    "boolean": Kind.BOOL,
    "integer": Kind.INT,
    "number": Kind.NUMBER,
    "variable": Kind.VARIABLE,
    # Nobody knows what is in it: it comes back as it was sent.
    "object": Kind.VARIABLE,
}
_ONE_COLUMN = (Kind.UID, Kind.TEXT, Kind.KEY)
_FOREIGN_KEY = re.compile(r"Foreign key\(s\): (\w+)\.(\w+)")
_OBJECT_TYPE = "object_typeid"
# Without these no client can start, and no seed has anywhere to put its rows.
_NEEDED = ("User", "Project", "TypedContext", "ObjectType", "Location", "Component", "Asset", "AssetVersion")


def read_schema(path: Path) -> Schema:
    """Read a schema list from a JSON file.

    Raises:
        SandboxStartError: The file can't be read or is no such list; the message says what is wrong where.
    """
    try:
        schemas = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SandboxStartError(f"Cannot read the schema {path}: {error.strerror or error}.") from error
    except (ValueError, RecursionError) as error:
        raise SandboxStartError(f"The schema {path} is no JSON: {error}.") from error
    try:
        return import_schema(schemas)
    except SandboxStartError as error:
        raise SandboxStartError(f"Cannot use the schema {path}: {error}") from None


def import_schema(schemas: Any) -> Schema:
    """Make entity types of a decoded schema list; the list itself is what will be served.

    Raises:
        SandboxStartError: It is no schema list.
    """
    known = load_schema()
    given = {each["id"]: _checked(each) for each in _objects(schemas)}
    if len(given) < len(schemas):
        raise SandboxStartError("a type is in it twice.")
    missing = [name for name in _NEEDED if name not in given]
    if missing:
        raise SandboxStartError(f"it lacks {', '.join(missing)}, which every ftrack server has.")
    return _Import(known, given).schema(schemas)


def _objects(schemas: Any) -> Iterator[dict[str, Any]]:
    if not isinstance(schemas, list):
        raise SandboxStartError("it is no list of schemas, as `query_schemas` answers with.")
    for number, each in enumerate(schemas, 1):
        if not isinstance(each, dict) or not isinstance(each.get("id"), str) or not each["id"].isidentifier():
            raise SandboxStartError(f'entry {number} has no name as its "id".')
        yield each


def _checked(schema: dict[str, Any]) -> dict[str, Any]:
    name = schema["id"]
    properties, keys = schema.get("properties"), schema.get("primary_key")
    if not isinstance(properties, dict) or not all(isinstance(each, dict) for each in properties.values()):
        raise SandboxStartError(f'{name} has no object of objects as its "properties".')
    bad = [attribute for attribute in properties if not attribute.isidentifier()]
    if bad:
        raise SandboxStartError(f'{name} has an attribute with an impossible name, "{bad[0]}".')
    if not isinstance(keys, list) or not keys or not all(key in properties for key in keys):
        raise SandboxStartError(f'{name} has no list of its attributes as its "primary_key".')
    kinds = {key: properties[key].get("type", "reference" if "$ref" in properties[key] else "string") for key in keys}
    related = [key for key, kind in kinds.items() if kind not in _SCALARS]
    if related:
        raise SandboxStartError(f'{name} has "{related[0]}" in its "primary_key", which is no plain value.')
    for attribute, declared in properties.items():
        items = declared.get("items", {})
        if not isinstance(declared.get("$ref", ""), str) or not isinstance(items, dict):
            raise SandboxStartError(f"{name}.{attribute} refers to something that is no name.")
        if declared.get("type") in ("array", "mapped_array") and not isinstance(items.get("$ref"), str):
            raise SandboxStartError(f'{name}.{attribute} does not say what it holds (`"items": {{"$ref": ...}}`).')
    return schema


class _Import:
    def __init__(self, known: Schema, given: Mapping[str, dict[str, Any]]) -> None:
        self._known = known
        self._given = given
        self._links: dict[str, EntityType] = {}

    def schema(self, schemas: list[dict[str, Any]]) -> Schema:
        types = [self._own(each) for each in self._known.types.values()]
        types += [self._new(each) for name, each in self._given.items() if name not in self._known]
        extra = [each.name for each in types if each.base == "TypedContext" and each.name not in self._known]
        types = [
            replace(each, family=(*each.family, *extra)) if each.name in ("Context", "TypedContext") else each
            for each in types
        ]
        return Schema([*types, *self._links.values()], exported=schemas)

    # Types

    def _own(self, entity_type: EntityType) -> EntityType:
        """A type that we know, as the list has it; if it isn't in the list, it is kept for the server's own use."""
        declared = self._given.get(entity_type.name)
        if declared is None:
            return replace(entity_type, hidden=True)
        if tuple(declared["primary_key"]) != entity_type.primary_key:
            shown = ", ".join(entity_type.primary_key)
            raise SandboxStartError(f'the "primary_key" of {entity_type.name} is not {shown}, as on other servers.')
        identifier = _object_type_id(declared) or entity_type.object_type_id
        return self._typed(replace(entity_type, object_type_id=identifier), declared)

    def _new(self, declared: dict[str, Any]) -> EntityType:
        name, identifier = declared["id"], _object_type_id(declared)
        if identifier is not None:
            template = self._known.type("TypedContext")
            return self._typed(
                replace(template, name=name, base=template.name, object_type_id=identifier, family=(name,)), declared
            )
        alias = declared.get("alias_for")
        return self._typed(
            EntityType(
                name=name,
                base=None,
                table=name,
                attributes={},
                primary_key=tuple(declared["primary_key"]),
                store=alias if isinstance(alias, str) else None,
                family=(name,),
            ),
            declared,
        )

    def _typed(self, entity_type: EntityType, declared: dict[str, Any]) -> EntityType:
        """The type with the attributes of the list; ours that aren't in the list are kept, but nobody sees them."""
        attributes = {name: replace(each, hidden=True) for name, each in entity_type.attributes.items()}
        for name, about in declared["properties"].items():
            ours = entity_type.attributes.get(name)
            if ours is not None and ours.is_collection and about.get("items", {}).get("$ref") == ours.target:
                # We know how the two hang together.
                attributes[name] = replace(ours, hidden=False)
                continue
            theirs = self._attribute(entity_type.name, name, about)
            attributes[name] = theirs if ours is None or not _alike(ours, theirs) else _as_declared(ours, theirs)
        for name in _names(declared, "immutable") & set(attributes):
            attributes[name] = replace(attributes[name], immutable=True)
        for attribute in list(attributes.values()):
            if attribute.kind is Kind.REF and not attribute.columns:
                self._refer(attributes, attribute)
        show = tuple(name for name in declared.get("default_projections") or () if isinstance(name, str))
        return replace(
            entity_type,
            attributes=attributes,
            show=show or entity_type.primary_key,
            system=tuple(_system(declared, attributes, entity_type.primary_key)),
        )

    # Attributes

    def _attribute(self, owner: str, name: str, about: dict[str, Any]) -> Attribute:
        kind = about.get("type")
        default = about.get("default", NO_DEFAULT)
        storage_name = about.get("alias_for") if isinstance(about.get("alias_for"), str) else None
        if kind in ("array", "mapped_array"):
            return self._collection(owner, name, about, storage_name)
        if kind is None and "$ref" in about:
            self._expect(owner, name, about["$ref"])
            return Attribute(name=name, kind=Kind.REF, target=about["$ref"], storage_name=storage_name)
        key = _FOREIGN_KEY.match(str(about.get("description", "")))
        common: dict[str, Any] = {
            "name": name,
            "column": name,
            "storage_name": storage_name,
            "transform": "transform" in about,
        }
        if default == "{uid}":
            return Attribute(kind=Kind.UID, **common)
        if about.get("format") == "date-time":
            return Attribute(kind=Kind.TIME, default=default, **common)
        if about.get("format") == "foreign_key" and key and self._keys(key[1]) == ("id",):
            return Attribute(kind=Kind.KEY, target=key[1], default=default, **common)
        choices = tuple(each for each in about.get("enum") or () if isinstance(each, str))
        return Attribute(kind=_SCALARS.get(str(kind), Kind.TEXT), default=default, choices=choices, **common)

    def _expect(self, owner: str, name: str, target: str) -> None:
        if target not in self._given and target not in self._known:
            raise SandboxStartError(f"{owner}.{name} refers to {target}, which is not in it.")

    def _keys(self, target: str) -> tuple[str, ...]:
        if target in self._given:
            return tuple(self._given[target]["primary_key"])
        return self._known.type(target).primary_key if target in self._known else ()

    def _refer(self, attributes: dict[str, Attribute], attribute: Attribute) -> None:
        """Find, or make up, the columns that hold the key of a reference."""
        keys = self._keys(attribute.target or "")
        expected = f"{attribute.name}_id"
        fitting = [
            each.name for each in attributes.values() if each.kind is Kind.KEY and each.target == attribute.target
        ]
        if len(keys) == 1 and expected in attributes:
            columns: tuple[str, ...] = (expected,)
        elif len(keys) == 1 and len(fitting) == 1:
            columns = (fitting[0],)
        else:
            columns = (expected,) if len(keys) == 1 else tuple(f"{attribute.name}_{key}" for key in keys)
            for column in columns:
                attributes.setdefault(column, Attribute(name=column, kind=Kind.TEXT, column=column, hidden=True))
        attributes[attribute.name] = replace(attribute, column=columns[0], columns=columns)

    def _collection(self, owner: str, name: str, about: dict[str, Any], storage_name: str | None) -> Attribute:
        target = about["items"]["$ref"]
        self._expect(owner, name, target)
        kind = Kind.MAP if about["type"] == "mapped_array" else Kind.LIST
        if about.get("restricted_projection") or target.endswith(("CustomAttributeLink", "CustomAttributeLinkFrom")):
            kind = Kind.LINKS
        column = self._inverse(owner, target)
        link = None if column else self._link(owner, name, target)
        return Attribute(name=name, kind=kind, target=target, column=column, link=link, storage_name=storage_name)

    def _inverse(self, owner: str, target: str) -> str | None:
        """The attribute of the target that holds the owner's key, if there is one that must be it."""
        if target.endswith("CustomAttributeLink"):
            return "from_id"
        if target.endswith("CustomAttributeLinkFrom"):
            return "to_id"
        properties = self._given.get(target, {}).get("properties", {})
        owners = {owner} | {each.name for each in self._known.types.values() if owner in each.family}
        if _object_type_id(self._given.get(owner, {})):
            owners |= {"TypedContext", "Context"}
        fitting = [
            name
            for name, about in properties.items()
            if (key := _FOREIGN_KEY.match(str(about.get("description", "")))) and key[1] in owners
        ]
        expected = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", owner).lower() + "_id"
        if expected in fitting or len(fitting) == 1:
            return expected if expected in fitting else fitting[0]
        # Rows that may hang on anything, such as metadata, notes and custom attribute values.
        return next((name for name in ("parent_id", "entity_id") if name in properties and not fitting), None)

    def _link(self, owner: str, name: str, target: str) -> Link:
        """A table of pairs; both ends share it if each has exactly one collection of the other."""
        back = [
            each
            for each, about in self._given.get(target, {}).get("properties", {}).items()
            if about.get("type") == "array" and about["items"].get("$ref") == owner
        ]
        first, second = (owner, target) if len(back) != 1 or owner <= target else (target, owner)
        table = f"Pairs_{first}_{second}" if len(back) == 1 else f"Pairs_{owner}_{name}"
        columns = ("first_id", "second_id")
        self._links[table] = EntityType(
            name=table,
            base=None,
            table=table,
            attributes={each: Attribute(name=each, kind=Kind.TEXT, column=each) for each in columns},
            primary_key=columns,
            hidden=True,
            family=(table,),
        )
        near, far = columns if owner == first else columns[::-1]
        return Link(table=table, near=near, far=far)


def _object_type_id(declared: Mapping[str, Any]) -> str | None:
    alias = declared.get("alias_for")
    classifiers = alias.get("classifiers") if isinstance(alias, dict) else None
    identifier = classifiers.get(_OBJECT_TYPE) if isinstance(classifiers, dict) else None
    return identifier if isinstance(identifier, str) else None


def _alike(ours: Attribute, theirs: Attribute) -> bool:
    """Whether both mean the same, so that what we know of it holds."""
    if ours.is_relation or theirs.is_relation:
        return ours.kind is theirs.kind and ours.target == theirs.target
    return ours.kind is theirs.kind or ours.derived or {ours.kind, theirs.kind} <= set(_ONE_COLUMN)


def _as_declared(ours: Attribute, theirs: Attribute) -> Attribute:
    default = theirs.default if theirs.kind is not Kind.UID else ours.default
    return replace(ours, default=default, storage_name=theirs.storage_name, choices=theirs.choices, immutable=False)


def _names(declared: Mapping[str, Any], key: str) -> set[str]:
    return {name for name in declared.get(key) or () if isinstance(name, str)}


def _system(declared: Mapping[str, Any], attributes: Mapping[str, Attribute], keys: Iterable[str]) -> Iterator[str]:
    """System projections are given as storage names; rows carry API names (specification 3)."""
    by_storage = {each.storage_name: each.name for each in attributes.values() if not each.hidden}
    by_storage["_casted_value"] = "value"
    for each in declared.get("system_projections") or ():
        name = each if each in attributes else by_storage.get(each, "")
        if name in attributes and name not in keys:
            yield name
