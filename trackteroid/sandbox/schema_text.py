"""Reads entity types from our compact text form (the head of `entity_types.schema` explains it)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from importlib import resources
from typing import Any

from trackteroid.sandbox.errors import SchemaFormatError
from trackteroid.sandbox.schema import Attribute, EntityType, Kind, Link, Schema

__all__ = ["load_schema", "parse_schema"]

_LINK = re.compile(r"(?P<table>\w+)\((?P<near>\w+),(?P<far>\w+)\)")
_FLAGS = re.compile(r"[!~^?]+")
# A value may hold blanks, so words are cut where no quote is open.
_WORD = re.compile(r'(?:[^\s"]|"(?:[^"\\]|\\.)*")+')
_LISTS = ("primary", "system", "show", "also-required", "also-immutable")
_SWITCHES = {
    "derived": "derived",
    "read-only": "read_only",
    "hidden": "hidden",
    "transform": "transform",
    "json": "is_json",
    "integer": "is_integer",
    "declared-ref": "declared_reference",
}


@lru_cache(maxsize=1)
def load_schema() -> Schema:
    """The entity types that this package ships."""
    text = resources.files("trackteroid.sandbox").joinpath("entity_types.schema").read_text(encoding="utf-8")
    return parse_schema(text)


def parse_schema(text: str) -> Schema:
    """Read entity types from text.

    Raises:
        SchemaFormatError: A line cannot be understood; the message names it.
    """
    builders: dict[str, _Builder] = {}
    current: _Builder | None = None
    for number, line in _lines(text):
        words = _WORD.findall(line.split(" -- ")[0])
        try:
            if line[0].isspace():
                if current is None:
                    raise SchemaFormatError("an attribute outside of a type")
                current.add(words, line.split(" -- ", 1)[1] if " -- " in line else None)
            elif words[0] == "type":
                current = _Builder(words[1], builders.get(words[3]) if len(words) > 2 else None)
                builders[current.name] = current
            elif words[0] == "object":
                builders[words[1]] = _object_type(builders["TypedContext"], words[1], words[2], words[3:])
                current = None
            else:
                raise SchemaFormatError("neither a type nor an attribute")
        except (LookupError, ValueError) as error:
            raise SchemaFormatError(f"Line {number} of the entity types, {line.strip()!r}: {error}") from error
    return Schema(_finished(builders))


def _lines(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            yield number, line


class _Builder:
    """A type while its lines are read."""

    def __init__(self, name: str, base: _Builder | None) -> None:
        self.name = name
        self.base = base
        self.attributes: dict[str, Attribute] = dict(base.attributes) if base else {}
        self.fields: dict[str, Any] = (
            {key: value for key, value in base.fields.items() if key in ("primary", "system", "show", "view")}
            if base
            else {}
        )

    @property
    def root(self) -> _Builder:
        return self if self.base is None else self.base.root

    def add(self, words: list[str], description: str | None) -> None:
        head = words[0]
        if head in _LISTS:
            self.fields[head] = tuple(words[1:])
        elif head == "store":
            self.fields["store"] = words[1]
            if len(words) > 2:
                column, _, value = words[2].partition("=")
                self.fields["slice"] = (column, value)
        elif head in ("view", "hidden"):
            self.fields[head] = True
        else:
            self.attributes[head] = _attribute(head, words[1:], description)

    def finish(self, families: dict[str, list[str]]) -> EntityType:
        primary = self.fields.get("primary", ("id",))
        system_names = self.fields.get("system", ())
        return EntityType(
            name=self.name,
            base=self.base.name if self.base else None,
            table=self.root.name,
            attributes=self.attributes,
            primary_key=primary,
            system=tuple(
                name for name in self._system(system_names) if name not in primary and name in self.attributes
            ),
            system_names=system_names,
            show=self.fields.get("show", ("id",)),
            store=self.fields.get("store"),
            store_slice=self.fields.get("slice"),
            also_required=self.fields.get("also-required", ()),
            also_immutable=self.fields.get("also-immutable", ()),
            view=self.fields.get("view", False),
            hidden=self.fields.get("hidden", False),
            object_type_id=self.fields.get("object_type_id"),
            family=tuple(families[self.name]),
        )

    def _system(self, names: tuple[str, ...]) -> Iterator[str]:
        """System projections are given as storage names; rows carry API names (specification 3)."""
        by_storage = {each.storage_name: each.name for each in self.attributes.values()}
        by_storage["_casted_value"] = "value"
        for name in names:
            yield name if name in self.attributes else by_storage.get(name, name)


def _attribute(name: str, words: list[str], description: str | None) -> Attribute:
    words = list(words)
    fields: dict[str, Any] = {"name": name, "kind": Kind(words.pop(0)), "description": description}
    kind: Kind = fields["kind"]
    if kind is Kind.KEY or (kind is Kind.UID and words and words[0][0].isupper()):
        target = words.pop(0)
        fields["target"], _, column = target.partition(".")
        fields["described_key"] = target if column else f"{target}.id"
        if column and column not in ("user_id", "project_id", "social_id"):
            fields["target_column"] = column
    elif kind.is_relation:
        fields["target"] = words.pop(0)
        fields |= _relation(words.pop(0))
    if not kind.is_relation:
        fields["column"] = name
    for word in words:
        fields |= _option(word)
    return Attribute(**fields)


def _relation(word: str) -> dict[str, Any]:
    link = _LINK.fullmatch(word)
    if link:
        return {"link": Link(**link.groupdict())}
    columns = tuple(word.split(","))
    return {"column": columns[0], "columns": columns}


def _option(word: str) -> dict[str, Any]:
    if _FLAGS.fullmatch(word):
        required = "!" in word
        return {
            "required": required,
            "nullable": not required or "?" in word,
            "immutable": "~" in word,
            "computed": "^" in word,
        }
    if word in _SWITCHES:
        return {_SWITCHES[word]: True}
    if word.startswith("="):
        return {"default": json.loads(word[1:])}
    if word.startswith("@"):
        return {"storage_name": word[1:]}
    name, _, value = word.partition(":")
    if name == "fill":
        return (
            {"fill_word": value} if value.isalpha() and value not in ("true", "false") else {"fill": json.loads(value)}
        )
    if name == "same":
        return {"column": value}
    if name == "where":
        column, _, text = value.partition("=")
        return {"where": (column, text)}
    if name == "enum":
        return {"choices": tuple(value.split(","))}
    raise SchemaFormatError(f"unknown option {word!r}")


def _object_type(template: _Builder, name: str, identifier: str, immutable: list[str]) -> _Builder:
    """An object type has the attributes of TypedContext; its id is the default of `object_type_id` (specification 3.1)."""
    builder = _Builder(name, template)
    builder.fields["object_type_id"] = identifier
    builder.fields["store"] = template.fields["store"]
    builder.fields["slice"] = ("object_typeid", identifier)
    attributes = builder.attributes
    for each in ("object_type_id", "object_type", *immutable):
        attributes[each] = replace(attributes[each], immutable=True)
    attributes["object_type_id"] = replace(attributes["object_type_id"], default=identifier)
    attributes["priority_id"] = replace(attributes["priority_id"], default=attributes["priority_id"].fill)
    return builder


def _finished(builders: dict[str, _Builder]) -> Iterator[EntityType]:
    families: dict[str, list[str]] = {name: [] for name in builders}
    for builder in builders.values():
        ancestor: _Builder | None = builder
        while ancestor is not None:
            families[ancestor.name].append(builder.name)
            ancestor = ancestor.base
    for builder in builders.values():
        yield builder.finish(families)
