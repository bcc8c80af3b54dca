"""What is above an entity, for update events: from a note up to the project (specification 7.6).

Which column leads upwards is inferred from what consumers of events read (section 9.19).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache

from trackteroid.sandbox.changes import Change, Changes, StoredRow
from trackteroid.sandbox.hidden_rows import OWNERS, SHOWN_BY, SHOWN_TO_ALL, owner_tables
from trackteroid.sandbox.schema import EntityType, Schema
from trackteroid.sandbox.storage import Storage, keeps_case
from trackteroid.sandbox.values import Stored
from trackteroid.sandbox.visibility import Sight

__all__ = ["Lineage", "Place", "entity_id", "event_type", "parent_columns", "place_of"]

Place = tuple[str, tuple[str, ...]]

# Stands for the table that the row's own `parent_type` names.
_TYPED = ""
# Columns that hold the parent, by table; the first that is not empty counts.
_PARENTS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "Appointment": (("context_id", "Context"),),
    "Asset": (("context_id", "Context"),),
    "AssetVersion": (("asset_id", "Asset"),),
    "AssetVersionLink": (("to_id", "AssetVersion"),),
    "CalendarEvent": (("project_id", "Context"),),
    "CalendarEventResource": (("calendar_event_id", "CalendarEvent"),),
    "Component": (("container_id", "Component"), ("version_id", "AssetVersion")),
    "ComponentLocation": (("component_id", "Component"),),
    "Context": (("parent_id", "Context"),),
    "EntitySetting": (("parent_id", _TYPED),),
    "List": (("project_id", "Context"),),
    "ListObject": (("list_id", "List"),),
    "Manager": (("context_id", "Context"),),
    "Metadata": (("parent_id", _TYPED),),
    "Note": (("in_reply_to_id", "Note"), ("parent_id", _TYPED)),
    "NoteComponent": (("note_id", "Note"),),
    "NoteLabelLink": (("note_id", "Note"),),
    "Recipient": (("note_id", "Note"),),
    "ReviewSession": (("project_id", "Context"),),
    "ReviewSessionInvitee": (("review_session_id", "ReviewSession"),),
    "ReviewSessionObject": (("review_session_id", "ReviewSession"),),
    "ReviewSessionObjectStatus": (("review_session_object_id", "ReviewSessionObject"),),
    "StatusChange": (("parent_id", _TYPED),),
    "Timelog": (("context_id", "Context"),),
    "TypedContextLink": (("to_id", "Context"),),
    "UserSecurityRoleProject": (("project_id", "Context"),),
}
# Columns that show a picture, which belongs to nothing else.
_PICTURES = {**{table: column for table, (column, _, _) in SHOWN_BY.items()}, **SHOWN_TO_ALL}
# Number of a row that is gone.
_REMOVED = 0
# Families that are one table on a real server, whatever the concrete type.
_SHARED_NAMES = {"Component": "component", "StatusChange": "trac"}


def event_type(entity_type: EntityType) -> str:
    """`entityType` of an event: the real server's table in lower case, `task` for every TypedContext."""
    return _SHARED_NAMES.get(entity_type.table, entity_type.storage_table.lower())


def entity_id(key: tuple[Stored, ...]) -> str:
    """`entityId` of an event. Composite keys are joined by commas: no consumer is known that reads them."""
    return ",".join(str(part) for part in key)


def place_of(entity_type: EntityType, key: tuple[Stored, ...]) -> Place:
    """What a row is known by: its table, and its key as keys compare, which for ids is without case."""
    parts = zip(entity_type.primary_key, key, strict=True)
    return entity_type.table, tuple(str(part) if keeps_case(name) else str(part).lower() for name, part in parts)


def parent_columns(entity_type: EntityType) -> frozenset[str]:
    """Columns whose change moves an entity."""
    return frozenset(column for column, _ in _PARENTS.get(entity_type.table, ()))


class Lineage:
    """Looks up parents after a commit, for one user; rows that the commit removed count as still there.

    Args:
        storage: The data after the commit; its lock must be held.
        changes: The commit's changes.
    """

    def __init__(self, storage: Storage, changes: Iterable[Change]) -> None:
        self._storage = storage
        self._reader = Changes(storage)
        self._schema = storage.schema
        self._known: dict[Place, StoredRow | None] = {}
        self._seen: dict[tuple[str, int], bool] = {}
        # By picture, what showed it before the commit and may do so no longer.
        self._shown_by: dict[str, list[tuple[EntityType, tuple[Stored, ...]]]] = {}
        for change in changes:
            picture, _ = change.columns.get(_PICTURES.get(change.entity_type.table, ""), (None, None))
            if picture is not None:
                self._shown_by.setdefault(str(picture).lower(), []).append((change.entity_type, change.key))
            place = place_of(change.entity_type, change.key)
            if change.action == "remove":
                values = {name: old for name, (old, _) in change.columns.items()}
                self._known[place] = StoredRow(change.entity_type, _REMOVED, values)
            elif change.action == "add":
                self._known.pop(place, None)

    def row(self, table: str, identifier: Stored) -> StoredRow | None:
        """The row of a table with this id, whether it is there or was removed just now."""
        place = (table, (str(identifier).lower(),))
        if place not in self._known:
            self._known[place] = self._reader.read(self._schema.type(table), '"id" = ?', (identifier,))
        return self._known[place]

    def by_key(self, entity_type: EntityType, key: tuple[Stored, ...]) -> StoredRow | None:
        """The row with this primary key, whether it is there or was removed just now."""
        if entity_type.primary_key == ("id",):
            return self.row(entity_type.table, key[0])
        place = place_of(entity_type, key)
        if place not in self._known:
            self._known[place] = self._reader.by_key(entity_type, key)
        return self._known[place]

    def chain(self, row: StoredRow) -> Iterator[tuple[StoredRow, Stored]]:
        """A row and all above it, the highest last, each with its parent's id (None at the top)."""
        seen: set[Place] = set()
        current: StoredRow | None = row
        while current is not None and (place := place_of(current.entity_type, current.key)) not in seen:
            seen.add(place)
            table, identifier = self._parent(current)
            yield current, identifier
            current = None if table is None else self.row(table, identifier)

    def is_seen(self, row: StoredRow, sight: Sight) -> bool:
        """Whether a user sees a row, or would see it if it hadn't just been removed."""
        if not sight.hidden:
            return True
        if row.sequence == _REMOVED:
            return not self._hangs_below(row, sight.hidden)
        place = (row.entity_type.table, row.sequence)
        if place not in self._seen:
            self.look_at([row], sight)
        return self._seen[place]

    def look_at(self, rows: Iterable[StoredRow], sight: Sight) -> None:
        """Find out at once which of these rows `is_seen` will find: to ask for each by itself takes far longer."""
        if not sight.hidden:
            return
        numbers: dict[str, list[int]] = {}
        for row in rows:
            if row.sequence != _REMOVED:
                numbers.setdefault(row.entity_type.table, []).append(row.sequence)
        for table, asked in numbers.items():
            seen = sight.seen(self._storage, table, asked)
            self._seen.update({(table, number): number in seen for number in asked})

    def shown(self, table: str, column: str, value: Stored, sight: Sight) -> Stored:
        """A column's value as a user may know it: null in place of the id of something that he does not see."""
        if value is None:
            return None
        if column in OWNERS.get(table, ()):
            tables = owner_tables(table, column)
        else:
            target = sight.masked.get(table, {}).get(column)
            tables = () if target is None else (target,)
        rows = (self.row(each, value) for each in tables)
        return value if all(row is None or self.is_seen(row, sight) for row in rows) else None

    def _hangs_below(self, row: StoredRow, projects: frozenset[str]) -> bool:
        """Whether anything that the row belongs to is in one of these projects (ids in lower case)."""
        waiting, seen = [row], set[Place]()
        while waiting:
            current = waiting.pop()
            table = current.entity_type.table
            if (place := place_of(current.entity_type, current.key)) in seen:
                continue
            seen.add(place)
            if current.sequence == _REMOVED and table == "Component" and self._only_shown_below(current, projects):
                return True
            if table == "Context" and str(current.values.get("project_id")).lower() in projects:
                return True
            for column in OWNERS.get(table, ()):
                identifier = current.values.get(column)
                if identifier is not None:
                    found = (self.row(each, identifier) for each in owner_tables(table, column))
                    waiting += [each for each in found if each is not None]
        return False

    def _only_shown_below(self, picture: StoredRow, projects: frozenset[str]) -> bool:
        """Whether a removed component belonged to nothing, and was shown in these projects and nowhere else."""
        if any(picture.values.get(column) is not None for column in OWNERS["Component"]):
            return False
        places = self._shown_by.get(str(picture.key[0]).lower(), [])
        return bool(places) and all(self._is_below(entity_type, key, projects) for entity_type, key in places)

    def _is_below(self, entity_type: EntityType, key: tuple[Stored, ...], projects: frozenset[str]) -> bool:
        """Whether what must be seen for a picture to be seen here is in one of these projects."""
        showing = self.by_key(entity_type, key)
        if showing is None or entity_type.table in SHOWN_TO_ALL:
            return False
        _, table, column = SHOWN_BY[entity_type.table]
        owner = self.row(table, showing.values.get(column))
        return owner is not None and self._hangs_below(owner, projects)

    def _parent(self, row: StoredRow) -> tuple[str | None, Stored]:
        for column, table in _PARENTS.get(row.entity_type.table, ()):
            identifier = row.values.get(column)
            if identifier is not None:
                named = _tables(self._schema).get(str(row.values.get("parent_type"))) if table == _TYPED else table
                return named, identifier
        return None, None


@lru_cache(maxsize=8)
def _tables(schema: Schema) -> Mapping[str, str]:
    """Stored `parent_type` -> our table; concrete names count as well."""
    tables: dict[str, str] = {}
    for each in schema.types.values():
        if not each.view and each.primary_key == ("id",):
            tables.setdefault(each.storage_table.lower(), each.table)
    return tables
