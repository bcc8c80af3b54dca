"""What one server's schema list says about each type: its attributes, its key, the families that types form.

Scope: pure functions of the list that the server sends (`query_schemas`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from trackteroid.errors import BadInputError

__all__ = ["Attribute", "AttributeKind", "TypeSchema", "bases", "read_type", "schema_hash"]

#: Families that the schema itself does not tell: base type -> the types whose rows it also returns.
_FAMILIES: Mapping[str, tuple[str, ...]] = {
    "Context": ("Project", "TypedContext"),
    "Resource": ("User", "Group"),
    "Component": ("FileComponent", "ContainerComponent"),
    "ContainerComponent": ("SequenceComponent",),
    "StatusChange": ("TypedContextStatusChange", "AssetVersionStatusChange"),
    "CustomConfigurationBase": ("CustomAttributeConfiguration", "CustomAttributeLinkConfiguration"),
    "NoteCategory": ("NoteLabel",),
}

_SCALAR_TYPES = frozenset({"string", "boolean", "integer", "number", "variable", "object"})


class AttributeKind(str, Enum):
    """How an attribute's value looks to the official client."""

    SCALAR = "scalar"
    REFERENCE = "reference"
    ARRAY = "array"
    MAPPED = "mapped"


@dataclass(frozen=True)
class Attribute:
    """One attribute of a type.

    Attributes:
        name: The attribute's name.
        kind: Scalar, reference, array or mapped array.
        target: The type referred to; None for scalars.
        data_type: For scalars the schema's type word, with `date-time` for dates; else the kind.
        immutable: Whether the server refuses changes.
        restricted: Whether it may be used in criteria only, never be projected.
    """

    name: str
    kind: AttributeKind
    target: str | None
    data_type: str
    immutable: bool
    restricted: bool

    @property
    def is_plural(self) -> bool:
        """Whether it holds several entities."""
        return self.kind in (AttributeKind.ARRAY, AttributeKind.MAPPED)


@dataclass(frozen=True)
class TypeSchema:
    """One type of the schema: its attributes in schema order and its primary key."""

    name: str
    primary_key: tuple[str, ...]
    attributes: Mapping[str, Attribute]
    is_object_type: bool
    links: tuple[Attribute, ...] = field(repr=False)
    """What the inference walks over: everything that refers to a type."""
    scalars: frozenset[str] = field(repr=False)
    """Names of the attributes that hold plain values."""


def schema_hash(schemas: Sequence[Mapping[str, Any]]) -> str:
    """Return the MD5 over the schema list that the server calls `schema_hash`."""
    text = json.dumps(schemas, sort_keys=True).encode("utf-8")
    return hashlib.md5(text, usedforsecurity=False).hexdigest()


def read_type(schema: Mapping[str, Any]) -> TypeSchema:
    """Return one record of the schema list.

    Raises:
        BadInputError: It is none.
    """
    try:
        name = schema["id"]
        properties: Mapping[str, Mapping[str, Any]] = schema["properties"]
        primary_key = tuple(schema["primary_key"])
    except (KeyError, TypeError) as error:
        raise BadInputError(f"A record of the server's schema list is no type schema ({error!r} is missing).") from None
    immutable = frozenset(schema.get("immutable", ()))
    attributes: dict[str, Attribute] = {}
    links: list[Attribute] = []
    for attribute_name, fragment in properties.items():
        attribute = _attribute(attribute_name, fragment, attribute_name in immutable)
        link = _link(attribute_name, fragment, attribute)
        if attribute is not None:
            attributes[attribute_name] = attribute
        if link is not None:
            links.append(link)
    alias = schema.get("alias_for")
    is_object_type = isinstance(alias, Mapping) and alias.get("id") == "Task"
    scalars = frozenset(name for name, attribute in attributes.items() if attribute.kind is AttributeKind.SCALAR)
    return TypeSchema(name, primary_key, attributes, is_object_type, tuple(links), scalars)


def _attribute(name: str, fragment: Mapping[str, Any], immutable: bool) -> Attribute | None:
    """Return the attribute as the official client understands the fragment, None where the client skips it."""
    data_type = fragment.get("type")
    restricted = bool(fragment.get("restricted_projection", False))
    if data_type in _SCALAR_TYPES:
        if fragment.get("format") == "date-time":
            data_type = "date-time"
        return Attribute(name, AttributeKind.SCALAR, None, str(data_type), immutable, restricted)
    items = fragment.get("items") or {}
    if data_type in ("array", "mapped_array"):
        kind = AttributeKind.ARRAY if data_type == "array" else AttributeKind.MAPPED
        return Attribute(name, kind, items.get("$ref"), kind.value, immutable, restricted)
    if data_type is None and "$ref" in fragment:
        kind = AttributeKind.REFERENCE
        return Attribute(name, kind, fragment["$ref"], kind.value, immutable, restricted)
    return None


def _link(name: str, fragment: Mapping[str, Any], attribute: Attribute | None) -> Attribute | None:
    """Return what the inference walks over: also a scalar that names the type it refers to."""
    if attribute is not None and attribute.target is not None:
        return attribute
    if "$ref" in fragment:
        return Attribute(name, AttributeKind.REFERENCE, fragment["$ref"], "reference", False, False)
    return None


def bases(types: Mapping[str, TypeSchema]) -> dict[str, str]:
    """Return for each type that has one the next more general type."""
    found = {child: base for base, children in _FAMILIES.items() for child in children}
    for name, schema in types.items():
        if schema.is_object_type:
            found[name] = "TypedContext"
    for name in ("TypedContextList", "AssetVersionList"):
        found[name] = "List"
    for base in ("CustomAttributeLink", "CustomAttributeLinkFrom"):
        for name in types:
            if name != base and name.endswith(base):
                found[name] = base
    return found
