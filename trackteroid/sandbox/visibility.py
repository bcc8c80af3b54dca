"""Who sees what: what hangs below a private project exists only for users with access to it (design, section 8).

A restricted user's statements read from views instead of tables (`hidden_rows`): hidden rows are left out, references to
them are null. Users who see everything read the tables themselves and pay nothing.

Access: a `UserSecurityRole` with `is_all_projects`, or one with the project among its `UserSecurityRoleProject` rows. That
`is_all_projects`, which a real server also calls `is_all_open_projects`, reaches private projects is inferred.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from trackteroid.sandbox.errors import PermissionDeniedError
from trackteroid.sandbox.hidden_rows import OWNERS, masked_columns, view_name, view_statements
from trackteroid.sandbox.storage import SEQUENCE, Storage, quoted

__all__ = ["EVERYTHING", "Sight", "hidden_projects", "sight_of", "sight_without"]

_PRIVATE = 'SELECT "id" FROM "Context" WHERE "is_private" = 1'
_SEES_ALL = 'SELECT 1 FROM "UserSecurityRole" WHERE "user_id" = ? AND "is_all_open_projects" = 1 LIMIT 1'
_MAY_SEE = """
SELECT p."project_id" FROM "UserSecurityRole" r
JOIN "UserSecurityRoleProject" p ON p."user_security_role_id" = r."id" WHERE r."user_id" = ?
"""
# A project may hang below another one.
_NESTED = """
SELECT c."id" FROM "Ancestry" a JOIN "Context" c ON c."id" = a."descendant_id" AND c."__type" = 'Project'
WHERE a."ancestor_id" = ?
"""
# Numbers are one parameter, so that a statement's text stays the same: to work the rules out takes longer than to run them.
_LISTED = "(SELECT value FROM json_each(?))"
_READS = re.compile(r'\b(FROM|JOIN) "(\w+)"')


def hidden_projects(storage: Storage, user_id: str, removed: frozenset[str] = frozenset()) -> frozenset[str]:
    """Ids, in lower case, of the projects that a user may not see. The storage's lock must be held.

    Args:
        removed: Private projects that were there a moment ago; with them went the roles that gave access to them.
    """
    private = _ids(storage, _PRIVATE) | removed
    if not private or storage.column(_SEES_ALL, (user_id,)):
        return frozenset()
    hidden = private - _ids(storage, _MAY_SEE, user_id)
    return hidden.union(*(_ids(storage, _NESTED, project) for project in hidden))


def _ids(storage: Storage, sql: str, *parameters: str) -> frozenset[str]:
    return frozenset(str(each).lower() for each in storage.column(sql, parameters))


def sight_of(storage: Storage, user_id: str) -> Sight:
    """What a user sees. The storage's lock must be held from here until the request is answered."""
    return sight_without(storage, hidden_projects(storage, user_id))


def sight_without(storage: Storage, hidden: frozenset[str]) -> Sight:
    """What is seen by those who may not see these projects (ids in lower case); as for `sight_of`."""
    if not hidden:
        return EVERYTHING
    if not storage.column("SELECT 1 FROM temp.sqlite_master WHERE name = 'hidden project'"):
        for statement in view_statements(storage):
            storage.execute(statement)
    storage.execute('DELETE FROM temp."hidden project"')
    for project in hidden:
        storage.execute('INSERT INTO temp."hidden project" VALUES (?)', (project,))
    return Sight(hidden=hidden, masked=masked_columns(storage.schema))


@dataclass(frozen=True, slots=True)
class Sight:
    """What one user sees of the tables; valid until the next one is asked for.

    Attributes:
        hidden: The projects that he does not see; empty for a user who sees everything.
        masked: Columns, by table, that are null to him where they refer to something hidden.
    """

    hidden: frozenset[str] = frozenset()
    masked: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def table(self, name: str) -> str:
        """What to read a table's rows from, ready for SQL text."""
        is_partial = bool(self.hidden) and (name in OWNERS or name in self.masked)
        return quoted(view_name(name) if is_partial else name)

    def expression(self, sql: str) -> str:
        """SQL text, with every table in it replaced by what there is to see of it."""
        return _READS.sub(lambda match: f"{match[1]} {self.table(match[2])}", sql) if self.hidden else sql

    def seen(self, storage: Storage, table: str, rows: Iterable[int]) -> set[int]:
        """Which of a table's rows, by number, there are to see."""
        if not self.hidden:
            return set(rows)
        sql = f"SELECT {quoted(SEQUENCE)} FROM {self.table(table)} WHERE {quoted(SEQUENCE)} IN {_LISTED}"
        return set(storage.column(sql, (_listed(rows),)))

    def check_row(self, storage: Storage, table: str, row: int) -> None:
        """Check the row that a request is about to change.

        Raises:
            PermissionDeniedError: It is hidden.
        """
        if not self.seen(storage, table, [row]):
            raise _refused(table)

    def check_written(self, storage: Storage, table: str, rows: Mapping[int, set[str]]) -> None:
        """Check what a request wrote: columns by row number.

        Raises:
            PermissionDeniedError: A row is hidden, or refers to something hidden.
        """
        if not self.hidden:
            return
        written = {number: columns for number, columns in rows.items() if columns}
        if self.seen(storage, table, written) != set(written):
            raise _refused(table)
        for column in self.masked.get(table, ()):
            numbers = _listed(number for number, columns in written.items() if column in columns)
            sql = (
                f"SELECT 1 FROM {quoted(table)} t JOIN {self.table(table)} v"
                f" ON v.{quoted(SEQUENCE)} = t.{quoted(SEQUENCE)} WHERE t.{quoted(SEQUENCE)} IN {_LISTED}"
                f" AND t.{quoted(column)} IS NOT NULL AND v.{quoted(column)} IS NULL"
            )
            if storage.column(sql, (numbers,)):
                raise _refused(f"{table}.{column}")

    def check_component(self, storage: Storage, component_id: str) -> None:
        """Check the component whose data is meant; one that doesn't exist (yet) is nobody's secret.

        Raises:
            PermissionDeniedError: It is hidden.
        """
        if self.hidden:
            sql = f'SELECT {quoted(SEQUENCE)} FROM "Component" WHERE "id" = ?'
            for number in storage.column(sql, (component_id,)):
                self.check_row(storage, "Component", number)


EVERYTHING = Sight()


def _listed(numbers: Iterable[int]) -> str:
    return json.dumps(list(numbers))


def _refused(what: str) -> PermissionDeniedError:
    return PermissionDeniedError(f"You have no access to the project that this {what} belongs to.")
