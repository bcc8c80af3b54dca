"""What a deletion takes along, and what it only lets go of (specification 2.13)."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from functools import lru_cache

from trackteroid.sandbox.changes import Changes, StoredRow, id_list
from trackteroid.sandbox.errors import IntegrityError
from trackteroid.sandbox.schema import Attribute, EntityType, Kind, Schema
from trackteroid.sandbox.storage import quoted

__all__ = ["delete_rows"]


class Rule(enum.Enum):
    """What happens to a row that refers to a deleted one."""

    DELETE = "delete"
    CLEAR = "clear"
    REFUSE = "refuse"


# References that may be null although the row belongs to what it refers to.
_OWNED = {
    ("Context", "parent_id"),
    ("Asset", "context_id"),
    ("AssetVersion", "asset_id"),
    ("Component", "version_id"),
    ("Component", "container_id"),
    ("ComponentLocation", "component_id"),
    ("Manager", "context_id"),
    ("Timelog", "user_id"),
    ("Job", "user_id"),
    ("UserSecurityRole", "user_id"),
    ("UserSecurityRole", "security_role_id"),
    ("UserSecurityRoleProject", "project_id"),
    ("UserSecurityRoleProject", "user_security_role_id"),
    ("Note", "in_reply_to_id"),
    ("ReviewSessionObjectStatus", "review_session_object_id"),
    ("ReviewSessionObjectStatus", "review_session_invitee_id"),
    ("ProjectSchemaOverride", "project_schema_id"),
    ("ProjectSchemaOverride", "type_id"),
    ("ProjectSchemaOverride", "workflow_schema_id"),
    ("DashboardWidget", "dashboard_id"),
    ("Feed", "social_id"),
}
# A location must be emptied first; what a production rests on is not deleted under it.
_REFUSED = {
    ("ComponentLocation", "location_id"),
    ("Context", "project_schema_id"),
    ("Context", "object_type_id"),
}
# Listed as required, yet the row outlives the person or category it names.
_CLEARED = {("Note", "user_id"), ("List", "category_id")}
# Columns that hold the id of anything at all.
_ANYTHING = (
    ("Metadata", "parent_id"),
    ("CustomAttributeValue", "entity_id"),
    ("ListObject", "entity_id"),
    ("Note", "parent_id"),
    ("StatusChange", "parent_id"),
    ("EntitySetting", "parent_id"),
    ("CustomAttributeLink", "from_id"),
    ("CustomAttributeLink", "to_id"),
)
# What is no entity: files, and the keys of people, which without their user would look like everybody's.
_OWN_TABLES = {"Component": ("__data", "component_id"), "Resource": ("__key", "user_id")}


def delete_rows(changes: Changes, rows: list[StoredRow]) -> None:
    """Delete rows of one table and everything that belongs to them.

    Raises:
        IntegrityError: Something that must be removed first still refers to one of them.
    """
    # Depth first, without recursion: replies to replies may be as many as there are notes.
    waiting = [_remove(changes, rows)]
    while waiting:
        below = next(waiting[-1], None)
        if below is None:
            waiting.pop()
        else:
            waiting.append(_remove(changes, below))


def _remove(changes: Changes, rows: list[StoredRow]) -> Iterator[list[StoredRow]]:
    """Remove rows, and find what goes with them: yields rows of one table after the other, to be removed before going on."""
    schema = changes.storage.schema
    entity_type = rows[0].entity_type
    # The rows go first: what belongs to them may refer back to them.
    for row in rows:
        changes.remove(row)
    if len(entity_type.primary_key) > 1:
        return
    keys = id_list([row.key[0] for row in rows])
    if entity_type.table in _OWN_TABLES:
        table, column = _OWN_TABLES[entity_type.table]
        changes.storage.execute(
            f"DELETE FROM {quoted(table)} WHERE {quoted(column)} IN (SELECT value FROM json_each(?))", (keys,)
        )
    for owner, column, rule in _referring(schema, entity_type.table):
        found = changes.read_all(owner, f"{quoted(column)} IN (SELECT value FROM json_each(?))", (keys,))
        if not found:
            continue
        if rule is Rule.DELETE:
            yield found
        elif rule is Rule.CLEAR:
            for row in found:
                changes.set(row, {column: None})
                # Nobody asked for this value, so nobody is told that it may not be null.
                changes.touched[owner.table].get(row.sequence, set()).discard(column)
        else:
            raise IntegrityError(
                f"{entity_type.name} {rows[0].key[0]} cannot be deleted: {len(found)} {owner.name} still refer to it."
            )


@lru_cache(maxsize=256)
def _referring(schema: Schema, table: str) -> tuple[tuple[EntityType, str, Rule], ...]:
    return tuple(_references(schema, table))


def _references(schema: Schema, table: str) -> Iterator[tuple[EntityType, str, Rule]]:
    for owner_table, types in schema.tables():
        if types[0].view:
            continue
        seen: set[str] = set()
        for each in types:
            for attribute in each.attributes.values():
                if attribute.name not in seen and _refers_to(schema, attribute, table):
                    seen.add(attribute.name)
                    yield types[0], attribute.name, _rule(owner_table, attribute)
    for owner_table, column in _ANYTHING:
        yield schema.type(owner_table), column, Rule.DELETE


def _refers_to(schema: Schema, attribute: Attribute, table: str) -> bool:
    return (
        attribute.kind is Kind.KEY
        and attribute.is_stored
        and attribute.target is not None
        and attribute.target in schema
        and attribute.target_column == "id"
        and schema.type(attribute.target).table == table
    )


def _rule(table: str, attribute: Attribute) -> Rule:
    place = (table, attribute.name)
    if place in _REFUSED:
        return Rule.REFUSE
    if place in _OWNED:
        return Rule.DELETE
    if place in _CLEARED or attribute.nullable or attribute.name == "created_by_id":
        return Rule.CLEAR
    return Rule.DELETE
