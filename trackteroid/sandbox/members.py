"""Writes the content of a collection: clients always send the complete new list (specification 2.6, "Collections")."""

from __future__ import annotations

from collections.abc import Callable

from trackteroid.sandbox.changes import Changes, StoredRow
from trackteroid.sandbox.custom_attributes import is_dense
from trackteroid.sandbox.errors import IntegrityError
from trackteroid.sandbox.schema import Attribute, EntityType, Link
from trackteroid.sandbox.storage import quoted
from trackteroid.sandbox.values import Stored

__all__ = ["write_collection"]

Key = tuple[Stored, ...]
Moved = Callable[[StoredRow, dict[str, tuple[Stored, Stored]]], None]


def write_collection(changes: Changes, row: StoredRow, attribute: Attribute, keys: list[Key], moved: Moved) -> None:
    """Make `keys` the members of a row's collection.

    Args:
        moved: Told about every member whose columns changed.

    Raises:
        IntegrityError: A listed row doesn't exist.
    """
    schema = changes.storage.schema
    target = schema.type(attribute.target or "")
    if is_dense(target):
        # The rows are computed: members cannot be added or taken away, values are written one by one.
        return
    if attribute.link is not None:
        _write_links(changes, row, target, attribute.link, [key[0] for key in keys])
    elif attribute.column is not None:
        _write_members(changes, row, target, attribute, keys, moved)


def _write_members(
    changes: Changes, row: StoredRow, target: EntityType, attribute: Attribute, keys: list[Key], moved: Moved
) -> None:
    column = attribute.column or ""
    owner = row.key[0]
    values: dict[str, Stored] = {column: owner}
    if "parent_type" in target.attributes:
        values["parent_type"] = row.entity_type.storage_table.lower()
    listed: set[int] = set()
    for key in keys:
        member = changes.by_key(target, key)
        if member is None:
            raise IntegrityError(f"{target.name} {', '.join(str(part) for part in key)} does not exist.")
        listed.add(member.sequence)
        if member.values[column] != owner:
            # It may come from where the user has no access; where it goes to is checked at the end.
            changes.sight.check_row(changes.storage, target.table, member.sequence)
            moved(member, changes.set(member, values))
    inverse = target.attributes[column]
    if column in target.primary_key or not inverse.nullable:
        # Such members cannot be let go of: clients send a separate delete.
        return
    where = f"{quoted(column)} = ?"
    parameters: tuple[Stored, ...] = (owner,)
    if attribute.where is not None:
        where += f" AND {quoted(attribute.where[0])} = ?"
        parameters += (attribute.where[1],)
    # A client lists what it sees; what it doesn't see it cannot mean to take away.
    for member in changes.seen(target, where, parameters):
        if member.sequence not in listed and member.entity_type.name in target.family:
            moved(member, changes.set(member, {column: None}))


def _write_links(changes: Changes, row: StoredRow, target: EntityType, link: Link, wanted: list[Stored]) -> None:
    table = changes.storage.schema.type(link.table)
    rows = changes.seen(table, f"{quoted(link.near)} = ?", (row.key[0],))
    present = {each.values[link.far] for each in rows}
    for key in dict.fromkeys(wanted):
        if changes.by_key(target, (key,)) is None:
            raise IntegrityError(f"{target.name} {key} does not exist.")
        if key not in present:
            values: dict[str, Stored] = {link.near: row.key[0], link.far: key}
            if table.primary_key == ("id",):
                values["id"] = _random_id(changes)
            changes.insert(table, values)
    kept = set(wanted)
    for each in rows:
        # Also if something was linked twice.
        if each.values[link.far] not in kept:
            changes.remove(each)


def _random_id(changes: Changes) -> Stored:
    text: str = changes.storage.execute("SELECT lower(hex(randomblob(16)))").fetchone()[0]
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
