"""What a batch has touched so far: the deferred checks and the update event read it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from trackteroid.sandbox.errors import IntegrityError
from trackteroid.sandbox.schema import EntityType
from trackteroid.sandbox.storage import SEQUENCE, TYPE, Storage, keeps_case, quoted
from trackteroid.sandbox.values import Stored
from trackteroid.sandbox.visibility import EVERYTHING, Sight

__all__ = ["Change", "Changes", "StoredRow", "id_list"]


@dataclass(frozen=True, slots=True)
class StoredRow:
    """A row in the database: its concrete type, its number, and its columns when it was read."""

    entity_type: EntityType
    sequence: int
    values: Mapping[str, Stored]

    @property
    def key(self) -> tuple[Stored, ...]:
        return tuple(self.values[name] for name in self.entity_type.primary_key)


@dataclass(frozen=True, slots=True)
class Change:
    """One row's change: `action` is `add`, `update` or `remove`; columns with their old and new value."""

    action: str
    entity_type: EntityType
    key: tuple[Stored, ...]
    columns: Mapping[str, tuple[Stored, Stored]]


@dataclass(slots=True)
class Changes:
    """Rows read and written by one batch.

    Attributes:
        sight: What the user sees on whose behalf it is done.
        unseen: Ids of versions that are overlooked when a version gets its number, as if they were being made just now.
        touched: Columns written, by table and row number; only these are checked at the end.
        log: Every change in order.
    """

    storage: Storage
    sight: Sight = EVERYTHING
    unseen: frozenset[str] = frozenset()
    touched: dict[str, dict[int, set[str]]] = field(default_factory=dict)
    log: list[Change] = field(default_factory=list)

    def read(self, entity_type: EntityType, where: str, parameters: tuple[Any, ...]) -> StoredRow | None:
        """The first row of the type's table that fulfils a condition."""
        rows = self.read_all(entity_type, where + " LIMIT 1", parameters)
        return rows[0] if rows else None

    def read_all(self, entity_type: EntityType, where: str, parameters: tuple[Any, ...]) -> list[StoredRow]:
        cursor = self.storage.execute(f"SELECT * FROM {quoted(entity_type.table)} WHERE {where}", parameters)
        names = [column[0] for column in cursor.description]
        return [self._row(entity_type, dict(zip(names, record, strict=True))) for record in cursor.fetchall()]

    def _row(self, entity_type: EntityType, values: dict[str, Any]) -> StoredRow:
        name = values.get(TYPE)
        concrete = entity_type if name is None else self.storage.schema.type(name)
        return StoredRow(concrete, values[SEQUENCE], values)

    def seen(self, entity_type: EntityType, where: str, parameters: tuple[Any, ...]) -> list[StoredRow]:
        """The rows that fulfil a condition, as far as the user sees them."""
        rows = self.read_all(entity_type, where, parameters)
        seen = self.sight.seen(self.storage, entity_type.table, [row.sequence for row in rows])
        return [row for row in rows if row.sequence in seen]

    def by_key(self, entity_type: EntityType, key: tuple[Stored, ...]) -> StoredRow | None:
        """The row with this primary key, if it is of the type or below."""
        where = " AND ".join(
            f"{quoted(name)} = ?" + (" COLLATE BINARY" if keeps_case(name) else "") for name in entity_type.primary_key
        )
        row = self.read(entity_type, where, key)
        return row if row is not None and row.entity_type.name in entity_type.family else None

    def by_id(self, type_name: str, identifier: Stored) -> StoredRow | None:
        return None if identifier is None else self.by_key(self.storage.schema.type(type_name), (identifier,))

    def insert(self, entity_type: EntityType, values: dict[str, Stored]) -> StoredRow:
        """Add a row.

        Raises:
            sqlite3.IntegrityError: Its primary key is taken.
        """
        record = dict(values)
        if self.storage.schema.is_family(entity_type.table):
            record[TYPE] = entity_type.name
        self.storage.insert(entity_type.table, record)
        sequence: int = self.storage.execute("SELECT last_insert_rowid()").fetchone()[0]
        row = StoredRow(entity_type, sequence, record)
        self.touched.setdefault(entity_type.table, {})[sequence] = set(values) | {
            each.name for each in entity_type.attributes.values() if each.is_stored
        }
        added = {name: (None, value) for name, value in values.items() if value is not None}
        self.log.append(Change("add", entity_type, row.key, added))
        return row

    def set(self, row: StoredRow, values: Mapping[str, Stored]) -> dict[str, tuple[Stored, Stored]]:
        """Write columns of a row and return those that differ, as old and new value.

        Raises:
            IntegrityError: A part of the primary key would be null, or the key is another row's.
        """
        changed = {
            name: (row.values.get(name), value) for name, value in values.items() if row.values.get(name) != value
        }
        if changed:
            self._update(row, {name: new for name, (_, new) in changed.items()})
            self.touched.setdefault(row.entity_type.table, {}).setdefault(row.sequence, set()).update(changed)
            self.log.append(Change("update", row.entity_type, row.key, changed))
        return changed

    def _update(self, row: StoredRow, values: Mapping[str, Stored]) -> None:
        keys = row.entity_type.primary_key
        for name in keys:
            if values.get(name, "") is None:
                # Other columns may be null until the batch ends.
                raise IntegrityError(f"{row.entity_type.name}.{name} must not be null.")
        columns = ", ".join(f"{quoted(name)} = ?" for name in values)
        try:
            self.storage.execute(
                f"UPDATE {quoted(row.entity_type.table)} SET {columns} WHERE {quoted(SEQUENCE)} = ?",
                (*values.values(), row.sequence),
            )
        except sqlite3.IntegrityError:
            shown = ", ".join(f'{name} "{values.get(name, row.values[name])}"' for name in keys)
            raise IntegrityError(f"Duplicate entry: there is already a {row.entity_type.table} with {shown}.") from None

    def remove(self, row: StoredRow) -> None:
        self.storage.execute(
            f"DELETE FROM {quoted(row.entity_type.table)} WHERE {quoted(SEQUENCE)} = ?", (row.sequence,)
        )
        self.touched.get(row.entity_type.table, {}).pop(row.sequence, None)
        removed = {name: (row.values.get(name), None) for name in row.values if row.values.get(name) is not None}
        self.log.append(Change("remove", row.entity_type, row.key, removed))


def id_list(values: list[Any]) -> str:
    """Values as the one JSON parameter of `json_each(?)`."""
    return json.dumps(values)
