"""Where contexts hang: `project_id` and the table of ancestors, kept up to date while a batch runs.

`Ancestry` has a row for every context and each context above it, so that `link`, `ancestors` and `descendants` need no
recursion when they are read, which is often; contexts are moved rarely.
"""

from __future__ import annotations

from trackteroid.sandbox.changes import Changes, StoredRow
from trackteroid.sandbox.errors import IntegrityError
from trackteroid.sandbox.values import Stored

__all__ = ["place", "place_below"]


def place(changes: Changes, row: StoredRow) -> bool:
    """Set the project and the ancestors of one context from its parent.

    Returns:
        Whether it could be done: False while the parent is still to be created.
    """
    storage = changes.storage
    identifier = row.values["id"]
    parent_id = row.values.get("parent_id")
    project_id: Stored = identifier if row.entity_type.name == "Project" else row.values.get("project_id")
    if parent_id is not None:
        parent = changes.by_id("Context", parent_id)
        if parent is None:
            return False
        if parent.values["project_id"] is not None and row.entity_type.name != "Project":
            project_id = parent.values["project_id"]
    storage.execute('DELETE FROM "Ancestry" WHERE "descendant_id" = ?', (identifier,))
    storage.execute(
        'INSERT INTO "Ancestry" ("ancestor_id", "descendant_id", "depth")'
        ' SELECT "ancestor_id", ?, "depth" + 1 FROM "Ancestry" WHERE "descendant_id" = ?'
        " UNION ALL SELECT ?, ?, 1 WHERE ? IS NOT NULL",
        (identifier, parent_id, parent_id, identifier, parent_id),
    )
    changes.set(row, {"project_id": project_id})
    return True


def place_below(changes: Changes, row: StoredRow) -> None:
    """Place a context that moved, and everything below it, level by level.

    Raises:
        IntegrityError: It would hang below itself.
    """
    context = changes.storage.schema.type("Context")
    level = [row]
    seen: set[int] = set()
    while level:
        following: list[StoredRow] = []
        for each in level:
            if each.sequence in seen:
                raise IntegrityError(f"{row.entity_type.name} {row.values['id']} cannot be below itself.")
            seen.add(each.sequence)
            current = changes.by_key(context, each.key)
            if current is not None:
                place(changes, current)
                following += changes.read_all(context, '"parent_id" = ?', each.key)
        level = following
