"""Create, update and delete inside one transaction, with everything that happens on the side (specification 2.5 - 2.13)."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from trackteroid.sandbox import custom_attributes, defaults, hierarchy, integrity
from trackteroid.sandbox.cascades import delete_rows
from trackteroid.sandbox.changes import Changes, StoredRow
from trackteroid.sandbox.defaults import Request
from trackteroid.sandbox.errors import (
    IntegrityError,
    MalformedRequestError,
    PermissionDeniedError,
    ValidationError,
)
from trackteroid.sandbox.incoming import Incoming, decode, decode_key
from trackteroid.sandbox.members import write_collection
from trackteroid.sandbox.schema import EntityType
from trackteroid.sandbox.storage import Storage
from trackteroid.sandbox.values import Stored
from trackteroid.sandbox.visibility import EVERYTHING, Sight

__all__ = ["Batch", "Written"]

# Nothing is only a context or a resource; these need a concrete type.
_ABSTRACT = (
    "Context",
    "TypedContext",
    "Resource",
    "StatusChange",
    "CustomConfigurationBase",
    "CustomAttributeLinkFrom",
)


@dataclass(slots=True)
class Written:
    """A created or updated entity, for the answer, which is put together when the whole batch is through.

    Attributes:
        names: The attributes to answer with, besides key and system projections.
        times: Date-times as they were sent.
    """

    entity_type: EntityType
    key: tuple[Stored, ...]
    names: list[str]
    times: dict[str, Any] = field(default_factory=dict)


class Batch:
    """The writing operations of one request. Call `finish` once after the last one, inside the same transaction."""

    def __init__(
        self,
        storage: Storage,
        request: Request,
        *,
        sight: Sight = EVERYTHING,
        unseen_versions: frozenset[str] = frozenset(),
    ) -> None:
        self.changes = Changes(storage, sight, unseen_versions)
        self._schema = storage.schema
        self._request = request
        # Defaults that wait for a row which a later operation of the batch creates.
        self._waiting: list[Callable[[], bool]] = []
        self._no_more_comes = False
        self._new_notes: list[Stored] = []

    # Create

    def create(self, type_name: Any, data: Any) -> Written:
        """Create one entity.

        Raises:
            ApiError: The data is wrong, or the primary key exists already (IntegrityError).
        """
        if not isinstance(data, dict):
            raise MalformedRequestError("entity_data must be an object.")
        entity_type = self._concrete(self._schema.served(type_name), data)
        incoming = decode(self._schema, entity_type, data)
        values = dict(incoming.columns)
        added = defaults.fill(self.changes, self._request, entity_type, values)
        if entity_type.name == "CustomAttributeValue":
            self._check_custom_value(values, incoming, data)
        row = self._insert(entity_type, values)
        written = Written(entity_type, row.key, self._echoed(entity_type, incoming, added), incoming.times)
        self._after_create(row, incoming, written)
        for attribute, keys in incoming.collections:
            write_collection(self.changes, row, attribute, keys, self._moved)
        return written

    def _concrete(self, entity_type: EntityType, data: dict[str, Any]) -> EntityType:
        if entity_type.name == "List":
            return self._schema.type(
                "AssetVersionList" if data.get("system_type") == "assetversion" else "TypedContextList"
            )
        if entity_type.name == "NoteCategory":
            return self._schema.type("NoteLabel")
        if entity_type.name == "TypedContext" and data.get("object_type_id") is not None:
            for each in self._schema.types.values():
                if each.object_type_id == data["object_type_id"] and not each.hidden:
                    return each
            raise ValidationError(f'There is no object type "{data["object_type_id"]}".')
        if entity_type.view:
            raise PermissionDeniedError(f"{entity_type.name} cannot be created.")
        if entity_type.name in _ABSTRACT:
            raise ValidationError(f"{entity_type.name} cannot be created: name a concrete type.")
        return entity_type

    def _check_custom_value(self, values: dict[str, Stored], incoming: Incoming, data: dict[str, Any]) -> None:
        value = data.get("value")
        values["value"] = custom_attributes.stored_value(self.changes, values.get("configuration_id"), value)
        if isinstance(value, dict):
            incoming.times["value"] = value

    def _insert(self, entity_type: EntityType, values: dict[str, Stored]) -> StoredRow:
        missing = [name for name in entity_type.primary_key if values.get(name) is None]
        if missing:
            raise IntegrityError(f"{entity_type.name}.{missing[0]} must not be null.")
        try:
            return self.changes.insert(entity_type, values)
        except sqlite3.IntegrityError:
            shown = ", ".join(f'{name} "{values[name]}"' for name in entity_type.primary_key)
            raise IntegrityError(f"Duplicate entry: there is already a {entity_type.table} with {shown}.") from None

    @staticmethod
    def _echoed(entity_type: EntityType, incoming: Incoming, added: set[str]) -> list[str]:
        return [*incoming.names, *(name for name in added if not entity_type.attributes[name].hidden)]

    def _after_create(self, row: StoredRow, incoming: Incoming, written: Written) -> None:
        name = row.entity_type.name
        if row.entity_type.table == "Context":
            self._now_or_later(lambda: self._settle_context(row.key, written))
        elif name == "AssetVersion":
            self._now_or_later(lambda: self._settle_version(row.key, written))
        elif name == "Note":
            self._new_notes.append(row.key[0])
            if row.values.get("category_id") is not None:
                self._label(row.key[0], row.values["category_id"])
        elif name == "NoteLabelLink":
            self._now_or_later(lambda: self._categorise(row))

    def _now_or_later(self, settle: Callable[[], bool]) -> None:
        if not settle():
            self._waiting.append(settle)

    def _settle_context(self, key: tuple[Stored, ...], written: Written) -> bool:
        """Place a new context; its status and type follow from its project. False while its parent doesn't exist."""
        row = self._reread("Context", key)
        if row is None:
            return True
        if not hierarchy.place(self.changes, row, anyway=self._no_more_comes):
            return False
        if row.entity_type.object_type_id is not None:
            written.names.append("project_id")
            self._settle(key, "Context", "type_id", defaults.default_type, written)
            self._settle(key, "Context", "status_id", defaults.default_status, written)
        return True

    def _settle_version(self, key: tuple[Stored, ...], written: Written) -> bool:
        row = self._reread("AssetVersion", key)
        if row is None:
            return True
        asset_id = row.values.get("asset_id")
        if asset_id is not None and self.changes.by_id("Asset", asset_id) is None:
            return False
        if asset_id is not None and row.values.get("version") is None:
            self.changes.set(row, {"version": defaults.next_version(self.changes, asset_id)})
            written.names.append("version")
        self._settle(key, "AssetVersion", "status_id", defaults.default_status, written)
        return True

    def _settle(
        self,
        key: tuple[Stored, ...],
        table: str,
        column: str,
        choose: Callable[[Changes, StoredRow], Stored],
        written: Written,
    ) -> None:
        row = self._reread(table, key)
        if row is None or row.values.get(column) is not None:
            return
        value = choose(self.changes, row)
        if value is not None:
            self.changes.set(row, {column: value})
            written.names.append(column)

    def _reread(self, type_name: str, key: tuple[Stored, ...]) -> StoredRow | None:
        return self.changes.by_key(self._schema.type(type_name), key)

    # Notes (traps 11 and 12)

    def _categorise(self, link: StoredRow) -> bool:
        note = self.changes.by_id("Note", link.values["note_id"])
        if note is None:
            return False
        if note.values.get("category_id") is None:
            self.changes.set(note, {"category_id": link.values["label_id"]})
        return True

    def _label(self, note_id: Stored, label_id: Stored) -> None:
        link = self._schema.type("NoteLabelLink")
        if label_id is not None and self.changes.by_key(link, (label_id, note_id)) is None:
            labels = self.changes.read_all(link, '"note_id" = ? AND "label_id" = ?', (note_id, label_id))
            if not labels:
                self.changes.insert(link, {"note_id": note_id, "label_id": label_id})

    def _address_notes(self) -> None:
        recipient = self._schema.type("Recipient")
        user_id = self._request.user_id
        for note_id in self._new_notes:
            if user_id is None or self._reread("Note", (note_id,)) is None:
                continue
            if self.changes.by_key(recipient, (note_id, user_id)) is None:
                self.changes.insert(recipient, {"note_id": note_id, "resource_id": user_id})

    # Update

    def update(self, type_name: Any, entity_key: Any, data: Any) -> Written:
        """Change one entity.

        Raises:
            ApiError: There is no such row, or the data is wrong.
        """
        entity_type = self._schema.served(type_name)
        key = decode_key(entity_type, entity_key)
        if custom_attributes.is_dense(entity_type) or entity_type.name == "CustomAttributeValue":
            return self._update_value(entity_type, key, data)
        row = self._existing(entity_type, key)
        incoming = decode(self._schema, row.entity_type, data)
        self._check_immutable(row, incoming)
        self._moved(row, self.changes.set(row, incoming.columns))
        for attribute, keys in incoming.collections:
            write_collection(self.changes, row, attribute, keys, self._moved)
        return Written(row.entity_type, row.key, list(incoming.names), incoming.times)

    def _update_value(self, entity_type: EntityType, key: tuple[Stored, ...], data: Any) -> Written:
        decode(self._schema, entity_type, data)
        if entity_type.view:
            custom_attributes.check_applies(self.changes, entity_type, key)
        written = Written(entity_type, key, [])
        if "value" in data:
            custom_attributes.set_value(self.changes, key, data["value"])
            written.names.append("value")
            if isinstance(data["value"], dict):
                written.times["value"] = data["value"]
        elif (row := self.changes.by_key(entity_type, key)) is not None:
            # Nothing is written that would be checked at the end.
            self.changes.sight.check_row(self.changes.storage, entity_type.table, row.sequence)
        return written

    def _existing(self, entity_type: EntityType, key: tuple[Stored, ...]) -> StoredRow:
        if entity_type.view:
            raise PermissionDeniedError(f"{entity_type.name} cannot be changed.")
        row = self.changes.by_key(entity_type, key)
        if row is None:
            shown = ", ".join(str(part) for part in key)
            raise IntegrityError(f"{entity_type.name} {shown} does not exist.")
        self.changes.sight.check_row(self.changes.storage, row.entity_type.table, row.sequence)
        return row

    @staticmethod
    def _check_immutable(row: StoredRow, incoming: Incoming) -> None:
        for name in incoming.names:
            attribute = row.entity_type.attributes[name]
            if not attribute.immutable or attribute.is_collection:
                continue
            for column in attribute.columns or (attribute.column or name,):
                if incoming.columns.get(column) != row.values.get(column):
                    raise ValidationError(f"{row.entity_type.name}.{name} is immutable.")

    def _moved(self, row: StoredRow, changed: dict[str, tuple[Stored, Stored]]) -> None:
        """What follows from changed columns, whether a row was updated itself or through a collection."""
        if not changed:
            return
        table = row.entity_type.table
        if table == "Context" and not changed.keys().isdisjoint(("parent_id", "project_id")):
            current = self._reread("Context", row.key)
            if current is not None and "parent_id" in changed:
                hierarchy.place_below(self.changes, current)
            elif current is not None:
                # It belongs to the project that it hangs below, whatever is written.
                hierarchy.place(self.changes, current, anyway=True)
        if table == "AssetVersion" and "asset_id" in changed and row.values.get("version") is None:
            current = self._reread("AssetVersion", row.key)
            if current is not None and current.values.get("version") is None:
                number = defaults.next_version(self.changes, current.values["asset_id"])
                self.changes.set(current, {"version": number})
        if "status_id" in changed and table in ("Context", "AssetVersion"):
            self._note_status_change(row, *changed["status_id"])
        if table == "Note" and "category_id" in changed:
            self._label(row.key[0], changed["category_id"][1])
        if table == "Job" and "status" in changed and changed["status"][1] in ("done", "failed"):
            self.changes.set(row, {"finished_at": self._request.now})

    def _note_status_change(self, row: StoredRow, old: Stored, new: Stored) -> None:
        is_context = row.entity_type.table == "Context"
        entity_type = self._schema.type("TypedContextStatusChange" if is_context else "AssetVersionStatusChange")
        self.changes.insert(
            entity_type,
            {
                "id": self._request.new_id(),
                "parent_id": row.key[0],
                "parent_type": "task" if is_context else "assetversion",
                "from_status_id": old,
                "status_id": new,
                "user_id": self._request.user_id,
                "date": self._request.now,
            },
        )

    # Delete

    def delete(self, type_name: Any, entity_key: Any) -> None:
        """Delete one entity and what belongs to it.

        Raises:
            ApiError: There is no such row, or something must be removed first.
        """
        entity_type = self._schema.served(type_name)
        key = decode_key(entity_type, entity_key)
        if custom_attributes.is_dense(entity_type):
            row = self.changes.by_key(self._schema.type("CustomAttributeValue"), key)
            if row is not None:
                self._existing(row.entity_type, key)
                self.changes.remove(row)
        else:
            delete_rows(self.changes, [self._existing(entity_type, key)])

    # End

    def finish(self) -> None:
        """Do what had to wait for the last operation, then check the whole (trap 13).

        Raises:
            PermissionDeniedError: Something was written where the user has no access.
        IntegrityError, DuplicateEntryError: A constraint fails.
        """
        waiting = self._waiting
        while waiting:
            remaining = [settle for settle in waiting if not settle()]
            if len(remaining) == len(waiting):
                if self._no_more_comes:
                    break  # The check below says what is missing.
                self._no_more_comes = True
            waiting = remaining
        self._address_notes()
        for table, rows in self.changes.touched.items():
            self.changes.sight.check_written(self.changes.storage, table, rows)
        integrity.check(self.changes)
