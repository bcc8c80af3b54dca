"""Where contexts hang: `project_id` and the table of ancestors, kept up to date while a batch runs.

`Ancestry` has a row for every context and each context above it, so that `link`, `ancestors` and `descendants` need no
recursion when they are read, which is often; contexts are moved rarely.
"""

from __future__ import annotations

from trackteroid.sandbox.changes import Changes, StoredRow
from trackteroid.sandbox.errors import IntegrityError
from trackteroid.sandbox.values import Stored

__all__ = ["check_no_circle", "place", "place_below"]


def place(changes: Changes, row: StoredRow, *, anyway: bool = False) -> bool:
    """Set the project and the ancestors of one context from its parent.

    Args:
        anyway: Don't wait for the parent: none of the batch's operations will bring it any more.

    Returns:
        Whether it could be done: False while the parent, or something above it, is still to be created.

    Raises:
        IntegrityError: The context would hang below itself.
    """
    identifier = row.values["id"]
    parent_id = row.values.get("parent_id")
    is_project = row.entity_type.name == "Project"
    project_id: Stored = identifier if is_project else row.values.get("project_id")
    if parent_id is not None:
        parent = changes.by_id("Context", parent_id)
        above = None if parent is None else parent.values["project_id"]
        if above is None and not anyway:
            return False
        if anyway:
            check_no_circle(changes, row)
        if above is not None and not is_project:
            project_id = above
    changes.storage.execute('DELETE FROM "Ancestry" WHERE "descendant_id" = ?', (identifier,))
    changes.storage.execute(
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
    check_no_circle(changes, row)
    context = changes.storage.schema.type("Context")
    level = [row.key]
    while level:
        following: list[StoredRow] = []
        for key in level:
            current = changes.by_key(context, key)
            if current is not None:
                place(changes, current, anyway=True)
                following += changes.read_all(context, '"parent_id" = ?', key)
        level = [each.key for each in following]


def check_no_circle(changes: Changes, row: StoredRow) -> None:
    """Walk up from a context.

    Raises:
        IntegrityError: The way leads back to it.
    """
    current: StoredRow | None = row
    seen: set[int] = set()
    while current is not None:
        if current.sequence in seen:
            raise IntegrityError(f"{row.entity_type.name} {row.values['id']} cannot be below itself.")
        seen.add(current.sequence)
        current = changes.by_id("Context", current.values.get("parent_id"))
