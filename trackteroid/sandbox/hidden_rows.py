"""SQL text that says which rows hang below a private project: one view per table, of what is left to see.

What a row hangs below is looked up when a statement runs, so that nothing has to be kept up to date when it is written. The
views read `temp."hidden project"`, whose rows are the ids of the projects that the asking user may not see.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import count

from trackteroid.sandbox.schema import Kind, Schema
from trackteroid.sandbox.storage import Storage, quoted

__all__ = ["OWNERS", "masked_columns", "view_name", "view_statements"]

# The column holds the id of anything that something can hang on.
_ANY = "anything"
# What a row hangs below, by table and column. A row is hidden if any of these is.
OWNERS: Mapping[str, Mapping[str, str]] = {
    "Appointment": {"context_id": "Context"},
    "Asset": {"context_id": "Context"},
    "AssetCustomAttributeValue": {"entity_id": "Asset"},
    "AssetVersion": {"asset_id": "Asset"},
    "AssetVersionCustomAttributeValue": {"entity_id": "AssetVersion"},
    "AssetVersionLink": {"from_id": "AssetVersion", "to_id": "AssetVersion"},
    "CalendarEvent": {"project_id": "Context"},
    "CalendarEventResource": {"calendar_event_id": "CalendarEvent"},
    "Component": {"version_id": "AssetVersion", "container_id": "Component"},
    "ComponentLocation": {"component_id": "Component"},
    "Context": {"project_id": "Context", "parent_id": "Context"},
    "ContextCustomAttributeValue": {"entity_id": "Context"},
    "ContextScope": {"context_id": "Context"},
    "CustomAttributeLink": {"from_id": _ANY, "to_id": _ANY, "configuration_id": "CustomConfigurationBase"},
    "CustomAttributeLinkFrom": {"from_id": _ANY, "to_id": _ANY, "configuration_id": "CustomConfigurationBase"},
    "CustomAttributeValue": {"entity_id": _ANY, "configuration_id": "CustomConfigurationBase"},
    "CustomConfigurationBase": {"project_id": "Context"},
    "EntitySetting": {"parent_id": _ANY},
    "Event": {"project_id": "Context", "parent_id": _ANY},
    "Feed": {"social_id": "Event", "owner_id": _ANY},
    "JobComponent": {"component_id": "Component"},
    "List": {"project_id": "Context"},
    "ListCustomAttributeValue": {"entity_id": "List"},
    "ListObject": {"list_id": "List", "entity_id": "listed"},
    "ListObjectCustomAttributeValue": {"entity_id": "ListObject"},
    "Manager": {"context_id": "Context"},
    "Metadata": {"parent_id": _ANY},
    "Note": {"parent_id": "noted", "in_reply_to_id": "Note"},
    "NoteComponent": {"note_id": "Note", "component_id": "Component"},
    "NoteLabelLink": {"note_id": "Note"},
    "Recipient": {"note_id": "Note"},
    "ReviewSession": {"project_id": "Context"},
    "ReviewSessionInvitee": {"review_session_id": "ReviewSession"},
    "ReviewSessionObject": {"review_session_id": "ReviewSession", "version_id": "AssetVersion"},
    "ReviewSessionObjectStatus": {
        "review_session_object_id": "ReviewSessionObject",
        "review_session_invitee_id": "ReviewSessionInvitee",
    },
    "SettingComponent": {"component_id": "Component"},
    "StatusChange": {"parent_id": _ANY},
    "Timelog": {"context_id": "Context"},
    "Timer": {"context_id": "Context"},
    "TypedContextLink": {"from_id": "Context", "to_id": "Context"},
    "UserSecurityRoleProject": {"project_id": "Context"},
}
# Words for several tables. A component that a note hangs on counts only by its version: the other way round a component
# may hang on a note, and conditions must not go round in circles.
_FILED = "component of a version"
_LISTED = ("Context", "AssetVersion", "Asset")
_NOTED = (
    *_LISTED,
    "AssetVersionLink",
    "CalendarEvent",
    "List",
    "ListObject",
    "ReviewSession",
    "ReviewSessionObject",
    "TypedContextLink",
)
_GROUPS: Mapping[str, tuple[str, ...]] = {
    "listed": _LISTED,
    "noted": (*_NOTED, _FILED),
    _ANY: (*_NOTED, "Note", "Component"),
}


def view_name(table: str) -> str:
    """Name of the view of what is left of a table."""
    return f"visible {table}"


@lru_cache(maxsize=8)
def masked_columns(schema: Schema) -> Mapping[str, Mapping[str, str]]:
    """By table and column, the table referred to: references sideways, which are null where they meet something hidden."""
    masks: dict[str, dict[str, str]] = {}
    for table, types in schema.tables():
        if types[0].view or types[0].hidden:
            continue
        for attribute in (each for entity_type in types for each in entity_type.attributes.values()):
            if attribute.kind is not Kind.KEY or not attribute.is_stored or attribute.target_column != "id":
                continue
            target = schema.type(attribute.target).table if attribute.target in schema and attribute.target else ""
            if target in OWNERS and attribute.name not in OWNERS.get(table, ()):
                masks.setdefault(table, {})[attribute.name] = target
    return masks


def view_statements(storage: Storage) -> Iterator[str]:
    """What makes the views, and the table that they read."""
    yield 'CREATE TEMP TABLE "hidden project" ("id" TEXT COLLATE NOCASE PRIMARY KEY) WITHOUT ROWID'
    conditions = _Conditions()
    masks = masked_columns(storage.schema)
    for table in sorted({*OWNERS, *masks}):
        columns = "t.*"
        if table in masks:
            names = storage.column("SELECT name FROM pragma_table_info(?)", (table,))
            columns = ", ".join(_column(conditions, name, masks[table].get(name)) for name in names)
        where = f" WHERE NOT {conditions.hidden(table, 't')}" if table in OWNERS else ""
        yield f"CREATE TEMP VIEW {quoted(view_name(table))} AS SELECT {columns} FROM main.{quoted(table)} t{where}"


def _column(conditions: _Conditions, name: str, target: str | None) -> str:
    value = f"t.{quoted(name)}"
    if target is None:
        return value
    # A plain column brings its collation along, an expression must be told.
    masked = f"CASE WHEN NOT {conditions.is_hidden(target, value)} THEN {value} END"
    return f"{masked} COLLATE NOCASE AS {quoted(name)}"


class _Conditions:
    """Builds conditions; aliases are unique within one object."""

    def __init__(self) -> None:
        self._numbers = count()

    def hidden(self, table: str, row: str) -> str:
        """That a row (its alias) of a table is hidden."""
        if table == "Context":
            return f'({row}."project_id" IN (SELECT "id" FROM temp."hidden project"))'
        if table == "Component":
            return self._in_chain(row, "Component", "container_id", self._hidden_component)
        if table == _FILED:
            return self._in_chain(row, "Component", "container_id", self._hidden_by_version)
        if table == "Note":
            return self._in_chain(row, "Note", "in_reply_to_id", self._hidden_by_parent)
        return _any_of(self.is_hidden(above, f"{row}.{quoted(name)}") for name, above in OWNERS[table].items())

    def is_hidden(self, table: str, identifier: str) -> str:
        """That the row with this id (an SQL expression) is hidden."""
        if table in _GROUPS:
            return _any_of(self.is_hidden(each, identifier) for each in _GROUPS[table])
        stored = "Component" if table == _FILED else table
        return self._exists(stored, "id", identifier, lambda row: self.hidden(table, row))

    def _exists(self, table: str, column: str, value: str, condition: Callable[[str], str]) -> str:
        row = f"h{next(self._numbers)}"
        return (
            f"EXISTS (SELECT 1 FROM main.{quoted(table)} {row}"
            f" WHERE {row}.{quoted(column)} = {value} AND {condition(row)})"
        )

    def _in_chain(self, row: str, table: str, column: str, condition: Callable[[str], str]) -> str:
        """That a condition holds for the row or any that it leads to: containers in containers, replies to replies."""
        up, step, each = (f"h{next(self._numbers)}" for _ in range(3))
        return (
            f'EXISTS (WITH RECURSIVE {up}("id", "next") AS (SELECT {row}."id", {row}.{quoted(column)}'
            f' UNION SELECT {step}."id", {step}.{quoted(column)} FROM {up}'
            f' JOIN main.{quoted(table)} {step} ON {step}."id" = {up}."next")'
            f' SELECT 1 FROM {up} JOIN main.{quoted(table)} {each} ON {each}."id" = {up}."id" WHERE {condition(each)})'
        )

    def _hidden_by_version(self, row: str) -> str:
        return self.is_hidden("AssetVersion", f'{row}."version_id"')

    def _hidden_by_parent(self, row: str) -> str:
        return self.is_hidden("noted", f'{row}."parent_id"')

    def _hidden_component(self, row: str) -> str:
        """By its version; a thumbnail or attachment, which has none, if only hidden things show it."""
        loose = (
            f'{row}."version_id" IS NULL AND {_any_of(self._showing(row, ""))}'
            f" AND NOT {_any_of([*self._showing(row, 'NOT '), *self._shown_to_all(row)])}"
        )
        return _any_of([self._hidden_by_version(row), f"({loose})"])

    def _showing(self, row: str, word: str) -> Iterator[str]:
        """That something hidden, or with `NOT ` something seen, has the component as its thumbnail or attachment."""
        identifier = f'{row}."id"'
        yield self._exists("Context", "thumbnail_id", identifier, lambda each: word + self.hidden("Context", each))
        yield self._exists(
            "AssetVersion", "thumbnail_id", identifier, lambda each: word + self.hidden("AssetVersion", each)
        )
        yield self._exists(
            "NoteComponent", "component_id", identifier, lambda each: word + self.is_hidden("Note", f'{each}."note_id"')
        )

    def _shown_to_all(self, row: str) -> Iterator[str]:
        for table, column in (("Resource", "thumbnail_id"), ("SettingComponent", "component_id")):
            yield self._exists(table, column, f'{row}."id"', lambda each: "1")


def _any_of(conditions: Iterable[str]) -> str:
    return "(" + " OR ".join(conditions) + ")"
