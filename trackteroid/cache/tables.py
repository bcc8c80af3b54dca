"""Which storage tables a query reads and a batch writes.

Coarse on purpose: a tag is a table. A query depends on the tables of its type and of every relation it names anywhere, and
what cannot be pinned to tables depends on everything. Over-approximation costs hits, never a wrong answer.

Names follow the storage names that the schema states (`alias_for`); views of the same rows share one.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

__all__ = ["ALL", "TableIndex", "TableTags", "tables_read", "tables_written"]

#: The tag that stands for "anything": raised by every write, a dependency of what cannot be pinned down.
ALL = "*"

# Base types whose rows lie in the tables of their subtypes (spec: ftrack-server 3.1).
_FAMILIES: Mapping[str, frozenset[str]] = {
    "Context": frozenset({"Task", "Show"}),
    "Resource": frozenset({"User", "Group"}),
    "CustomConfigurationBase": frozenset({"Variable_Register", "LinkRegister"}),
}

# Types that are views of another table's rows and do not say so in the schema (spec: ftrack-server 3.1, 4.4).
_VIEWS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"^(File|Container|Sequence)Component$"), "Component"),
    (re.compile(r"^(TypedContext|AssetVersion)StatusChange$"), "Trac"),
    (re.compile(r"CustomAttributeValue$"), "Variable_Value"),
    (re.compile(r"CustomAttributeLink(From)?$"), "CustomAttributeLink"),
)

# Attributes whose value the server derives from rows that no relation in the query names, or that run through link
# tables which the schema hides (spec: ftrack-server 2.11, 4.5).
_DERIVED = frozenset(
    {
        "_link", "link", "latest_version", "is_latest_version", "ancestors", "descendants", "status_changes",
        "custom_attributes", "custom_attribute_links", "custom_attribute_links_from", "time_logged",
        "bid_time_logged_difference", "allocations", "assignments", "lists", "items", "scopes", "used_in_versions",
        "uses_versions", "types", "statuses", "object_types", "project_schemas", "task_type_schemas",
        "read_security_roles", "write_security_roles", "settings",
    }
)  # fmt: skip

# Values that expire by themselves: a result with one is never stored (design: query cache).
_EXPIRING = frozenset({"url", "thumbnail_url", "is_open"})

# Rows that the server changes by itself when one of this table is created or updated (spec: ftrack-server 2.11).
_SIDE_EFFECTS: Mapping[str, frozenset[str]] = {
    "Note": frozenset({"Recipient", "NoteLabelLink", "NoteCategory"}),
    "NoteLabelLink": frozenset({"Note"}),
    "Recipient": frozenset({"Note"}),
    "Task": frozenset({"Trac"}),
    "AssetVersion": frozenset({"Trac"}),
    "Timer": frozenset({"Timelog"}),
}

# Who may see what hangs on these: a change raises everything.
_ACCESS = frozenset({"User", "Auth_Role", "Auth_UserRole", "UserRoleProject", "Membership", "Show"})

_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"' + r"|'(?:[^'\\]|\\.)*'")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class TableIndex:
    """The tables of a schema's types and of the relations that any type has under a name."""

    def __init__(self, schemas: Iterable[Mapping[str, Any]]) -> None:
        self.of_type: dict[str, frozenset[str]] = {}
        schemas = list(schemas)
        for schema in schemas:
            self.of_type[schema["id"]] = _tables(schema)
        targets: dict[str, set[str]] = defaultdict(set)
        for schema in schemas:
            for name, attribute in schema["properties"].items():
                target = attribute.get("$ref") or (attribute.get("items") or {}).get("$ref")
                if target:
                    targets[name] |= self.of_type.get(target, {ALL})
        self.of_relation = {name: frozenset(tables) for name, tables in targets.items()}


def tables_read(expression: str, index: TableIndex) -> frozenset[str] | None:
    """Return the tables that `expression` depends on; None if its result must not be stored at all.

    Every word outside of quotes counts, wherever it stands: a relation or type name that is really a bare value only
    adds a table.
    """
    words = set(_WORD.findall(_QUOTED.sub(" ", expression)))
    if words & _EXPIRING:
        return None
    if words & _DERIVED:
        return frozenset({ALL})
    tables: set[str] = set()
    for word in words:
        tables |= index.of_type.get(word, frozenset())
        tables |= index.of_relation.get(word, frozenset())
    return frozenset(tables or {ALL})


def tables_written(batch: Sequence[Mapping[str, Any]], index: TableIndex) -> frozenset[str]:
    """Return the tables that a batch of creates, updates and deletes may change.

    `ALL` alone means that every answer of the server may have changed: deletes cascade, and access rights change what
    is visible.
    """
    tables: set[str] = set()
    for item in batch:
        tables |= _written(item, index)
        if ALL in tables:
            return frozenset({ALL})
    return frozenset(tables)


def _written(item: Mapping[str, Any], index: TableIndex) -> set[str]:
    if item["action"] == "delete":
        return {ALL}
    written = set(index.of_type.get(str(item.get("entity_type")), {ALL}))
    if written & _ACCESS:
        return {ALL}
    for table in tuple(written):
        written |= _SIDE_EFFECTS.get(table, frozenset())
    for name, value in (item.get("entity_data") or {}).items():
        # A list of members sets the foreign keys of the listed rows, or link rows that the schema hides.
        if not isinstance(value, _SINGLE):
            written |= {ALL} if name in _DERIVED else index.of_relation.get(name, frozenset({ALL}))
    return written


# Not written as a union, which would be made anew for each value of a large batch.
_SINGLE = (str, int, float, bool, type(None), Mapping)


def _tables(schema: Mapping[str, Any]) -> frozenset[str]:
    name = schema["id"]
    if name in _FAMILIES:
        return _FAMILIES[name]
    for pattern, table in _VIEWS:
        if pattern.search(name):
            return frozenset({table})
    alias = schema.get("alias_for")
    if isinstance(alias, Mapping):
        return frozenset({str(alias["id"])})
    return frozenset({alias or name})


class TableTags:
    """Tables as tags."""

    def __init__(self, schemas: Iterable[Mapping[str, Any]]) -> None:
        self._index = TableIndex(schemas)

    def read(self, expression: str) -> frozenset[str] | None:
        """Return the tags that a query's answer depends on; None if the answer must never be stored."""
        return tables_read(expression, self._index)

    def written(self, batch: Sequence[Mapping[str, Any]]) -> frozenset[str]:
        """Return the tags that a batch raises."""
        tables = tables_written(batch, self._index)
        return frozenset({"server"}) if tables == {ALL} else tables | {ALL}
