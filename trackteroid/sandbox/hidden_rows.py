"""SQL text that says which rows hang below a private project: one view per table, of what is left to see.

What a row hangs below is looked up when a statement runs, so that nothing has to be kept up to date when it is written. The
views read `temp."hidden project"`, whose rows are the ids of the projects that the asking user may not see.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache

from trackteroid.sandbox.schema import Kind, Schema
from trackteroid.sandbox.storage import Storage, quoted

__all__ = ["OWNERS", "SHOWN_BY", "SHOWN_TO_ALL", "masked_columns", "owner_tables", "view_name", "view_statements"]

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

# Where a thumbnail or attachment is shown, by table: the column with its id, and the table and column of what must be seen
# for it to be seen.
SHOWN_BY: Mapping[str, tuple[str, str, str]] = {
    "Context": ("thumbnail_id", "Context", "id"),
    "AssetVersion": ("thumbnail_id", "AssetVersion", "id"),
    "NoteComponent": ("component_id", "Note", "note_id"),
}
# Where all see it.
SHOWN_TO_ALL: Mapping[str, str] = {"Resource": "thumbnail_id", "SettingComponent": "component_id"}
# Tables that others hang on.
_REFERRED_TO = tuple(
    dict.fromkeys(
        table
        for owners in OWNERS.values()
        for name in owners.values()
        for table in _GROUPS.get(name, (name,))
        if table != _FILED
    )
)


def owner_tables(table: str, column: str) -> tuple[str, ...]:
    """The tables in one of which the row is that this column of `OWNERS` names."""
    word = OWNERS[table][column]
    return tuple("Component" if name == _FILED else name for name in _GROUPS.get(word, (word,)))


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
    # Views of the ids of what is hidden, each made of earlier ones: one condition with all of it inside would be nested
    # too deeply for SQLite's parser.
    for table in _REFERRED_TO:
        yield f'CREATE TEMP VIEW "hidden {table}" AS SELECT r."id" FROM main.{quoted(table)} r WHERE {_hidden(table)}'
    yield f'CREATE TEMP VIEW "hidden {_FILED}" AS SELECT r."id" FROM main."Component" r WHERE {_hidden(_FILED)}'
    masks = masked_columns(storage.schema)
    for table in sorted({*OWNERS, *masks}):
        columns = "r.*"
        if table in masks:
            names = storage.column("SELECT name FROM pragma_table_info(?)", (table,))
            columns = ", ".join(_column(name, masks[table].get(name)) for name in names)
        where = f" WHERE NOT {_hidden(table)}" if table in OWNERS else ""
        yield f"CREATE TEMP VIEW {quoted(view_name(table))} AS SELECT {columns} FROM main.{quoted(table)} r{where}"


def _column(name: str, target: str | None) -> str:
    value = f"r.{quoted(name)}"
    if target is None:
        return value
    # A plain column brings its collation along, an expression must be told.
    return f"CASE WHEN NOT {_is_hidden(target, value)} THEN {value} END COLLATE NOCASE AS {quoted(name)}"


def _hidden(table: str) -> str:
    """That a row `r` of a table is hidden."""
    if table == "Context":
        return '(r."project_id" IN (SELECT "id" FROM temp."hidden project"))'
    if table == "Component":
        return _in_chain("Component", "container_id", f"({_BY_VERSION} OR {_hidden_picture()})")
    if table == _FILED:
        return _in_chain("Component", "container_id", _BY_VERSION)
    if table == "Note":
        return _in_chain("Note", "in_reply_to_id", _is_hidden("noted", 'e."parent_id"'))
    return _any_of(_is_hidden(above, f"r.{quoted(name)}") for name, above in OWNERS[table].items())


def _is_hidden(table: str, identifier: str) -> str:
    """That the row with this id (an SQL expression) is hidden."""
    if table in _GROUPS:
        return _any_of(_is_hidden(each, identifier) for each in _GROUPS[table])
    return f'EXISTS (SELECT 1 FROM temp."hidden {table}" h WHERE h."id" = {identifier})'


def _in_chain(table: str, column: str, condition: str) -> str:
    """That a condition holds for the row `r` or any `e` that it leads to: containers in containers, replies to replies."""
    return (
        f'EXISTS (WITH RECURSIVE u("id", "next") AS (SELECT r."id", r.{quoted(column)}'
        f' UNION SELECT s."id", s.{quoted(column)} FROM u JOIN main.{quoted(table)} s ON s."id" = u."next")'
        f' SELECT 1 FROM u JOIN main.{quoted(table)} e ON e."id" = u."id" WHERE {condition})'
    )


_BY_VERSION = _is_hidden("AssetVersion", 'e."version_id"')


def _hidden_picture() -> str:
    """A thumbnail or attachment, which belongs to nothing else, is hidden if only hidden things show it."""
    elsewhere = (
        f'EXISTS (SELECT 1 FROM main.{quoted(table)} w WHERE w.{quoted(column)} = e."id")'
        for table, column in SHOWN_TO_ALL.items()
    )
    loose = 'e."version_id" IS NULL AND e."container_id" IS NULL'
    return f"({loose} AND {_shown_by('')} AND NOT {_any_of([_shown_by('NOT '), *elsewhere])})"


def _shown_by(word: str) -> str:
    """That something hidden, or with `NOT ` something seen, has the component `e` as its thumbnail or attachment."""
    return _any_of(
        f'EXISTS (SELECT 1 FROM main.{quoted(table)} w WHERE w.{quoted(column)} = e."id"'
        f" AND {word}{_is_hidden(owner, f'w.{quoted(reference)}')})"
        for table, (column, owner, reference) in SHOWN_BY.items()
    )


def _any_of(conditions: Iterable[str]) -> str:
    return "(" + " OR ".join(conditions) + ")"
