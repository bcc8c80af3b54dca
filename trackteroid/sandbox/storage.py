"""Rows in SQLite: tables and indexes made from the schema, transactions, copies.

Nothing here knows the protocol. One connection, one lock: requests are served one after the other, as the writes of a
real server are.
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from trackteroid.sandbox.errors import SandboxStartError
from trackteroid.sandbox.schema import Kind, Schema
from trackteroid.sandbox.values import Stored, variable_matches

__all__ = ["SEQUENCE", "TYPE", "Storage", "keeps_case", "quoted"]

TYPE = "__type"
"""Column that says of which type a row is, in tables that a family shares."""
SEQUENCE = "__seq"
"""Column with the order in which rows were made."""

# Raised when tables change their meaning, so that an old data file is refused rather than misread.
_FORMAT = 2
# Seconds. The Python client waits for an answer for a minute.
_PATIENCE = 60.0
_LAST_PATIENCE = 1.0
# Of SQLite's virtual machine, between two looks at the clock: some milliseconds.
_STEPS = 200_000
_DECLARATIONS = {
    Kind.BOOL: "INTEGER",
    Kind.INT: "INTEGER",
    Kind.NUMBER: "NUMERIC",
    Kind.TIME: "TEXT",
    Kind.VARIABLE: "TEXT",
}
# Text compares without case, as MySQL's default collation does (specification 5.3); indexes follow the column.
_TEXT = "TEXT COLLATE NOCASE"
_OWN_TABLES = """
CREATE TABLE "__key" (
    "key" TEXT PRIMARY KEY, "user_id" TEXT, "expires_at" TEXT, "is_enabled" INTEGER NOT NULL DEFAULT 1
) WITHOUT ROWID;
CREATE TABLE "__data" ("component_id" TEXT PRIMARY KEY, "content" BLOB);
CREATE TABLE "__upload" ("id" TEXT PRIMARY KEY, "component_id" TEXT, "parts" INTEGER) WITHOUT ROWID;
CREATE TABLE "__part" ("upload_id" TEXT, "number" INTEGER, "tag" TEXT, "content" BLOB,
    PRIMARY KEY ("upload_id", "number"));
CREATE TABLE "__about" ("name" TEXT PRIMARY KEY, "value" TEXT);
"""
# What writing looks things up by, besides foreign keys and names. Made whenever a file is opened, older ones too.
_INDEXES = (
    # Siblings of one name: with an index on one of these columns alone, every new context looks through all the others.
    'CREATE INDEX IF NOT EXISTS "Context_siblings" ON "Context" ("parent_id", "object_type_id", "name")',
    # The highest version of an asset, and whether a version is the latest.
    'CREATE INDEX IF NOT EXISTS "AssetVersion_numbers" ON "AssetVersion" ("asset_id", "version")',
    # What goes with a deleted row, whatever that is.
    'CREATE INDEX IF NOT EXISTS "CustomAttributeValue_entity_id" ON "CustomAttributeValue" ("entity_id")',
    'CREATE INDEX IF NOT EXISTS "CustomAttributeLink_to_id" ON "CustomAttributeLink" ("to_id")',
)


def quoted(name: str) -> str:
    """An identifier for SQL text. Names come from the schema, never from a request."""
    return f'"{name}"'


def keeps_case(key: str) -> bool:
    """Whether a part of a composite key is text that keeps its case (Metadata.key, Setting.name), unlike ids."""
    return not (key == "id" or key.endswith("_id"))


class Storage:
    """The database of one sandbox.

    Args:
        schema: What tables there are.
        path: File to keep the data in; in memory if not given.
        now: Current time in the stored form; SQL expressions of derived attributes ask it.
        patience: Seconds that one statement may take. Then it fails: everybody else waits meanwhile.

    Raises:
        SandboxStartError: The file cannot be opened or holds something else.
    """

    def __init__(
        self, schema: Schema, path: Path | None = None, *, now: Callable[[], str], patience: float = _PATIENCE
    ) -> None:
        self.schema = schema
        self.patience = patience
        self._begun = time.monotonic()
        self.lock = threading.RLock()
        self._named_copies: dict[str, sqlite3.Connection] = {}
        try:
            self._connection = sqlite3.connect(
                ":memory:" if path is None else path,
                timeout=2,
                isolation_level=None,
                check_same_thread=False,
                # Statements about what a user may see take longer to compile than to run, and there are some per table.
                cached_statements=1024,
            )
            try:
                self._prepare(now)
            except BaseException:
                self._connection.close()
                raise
        except (sqlite3.Error, OSError) as error:
            if path is None:
                raise SandboxStartError(f"Cannot make tables for this schema: {error}.") from error
            reason = "another process uses it" if "locked" in str(error) else str(error)
            raise SandboxStartError(f"Cannot use {path} as a data file: {reason}.") from error

    def _prepare(self, now: Callable[[], str]) -> None:
        connection = self._connection
        connection.create_function("variable_matches", 3, variable_matches, deterministic=True)
        connection.create_function("sandbox_now", 0, now)
        connection.set_progress_handler(self._is_too_long, _STEPS)
        # One process has the file to itself: what is locked, counted and told here is unknown to any other.
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        # Taking the lock needs a transaction; it is kept when that ends.
        connection.execute("BEGIN EXCLUSIVE")
        connection.execute("COMMIT")
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        self.is_new = not tables
        statements = "".join(_statements(self.schema))
        digest = hashlib.sha256(statements.encode("utf-8")).hexdigest()
        if self.is_new:
            # In one go: a process that is killed meanwhile must not leave a file behind that is none.
            about = f"INSERT INTO \"__about\" VALUES ('format', '{_FORMAT}'), ('tables', '{digest}');"
            connection.executescript("BEGIN;" + _OWN_TABLES + statements + about + "COMMIT;")
        elif "__about" not in tables or self.recall("format") != str(_FORMAT):
            raise sqlite3.DatabaseError("it is no data file of this version of the sandbox")
        elif self.recall("tables") != digest:
            raise sqlite3.DatabaseError("it was made with another schema")
        for statement in _INDEXES:
            connection.execute(statement)

    def remember(self, name: str, value: str) -> None:
        """Store a fact about the database itself."""
        self.execute('INSERT OR REPLACE INTO "__about" VALUES (?, ?)', (name, value))

    def recall(self, name: str) -> str | None:
        row = self.execute('SELECT "value" FROM "__about" WHERE "name" = ?', (name,)).fetchone()
        return None if row is None else row[0]

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> sqlite3.Cursor:
        """Run one statement.

        Raises:
            sqlite3.Error: What SQLite says of it; "interrupted" if it took too long.
        """
        self._begun = time.monotonic()
        return self._connection.execute(sql, parameters)

    def column(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """The first column of all rows."""
        return [row[0] for row in self.execute(sql, parameters)]

    def hurry(self) -> None:
        """Give a statement that is running one more moment, and later ones no more than that: the server is to end."""
        self.patience = min(self.patience, _LAST_PATIENCE)

    def _is_too_long(self) -> int:
        return int(time.monotonic() - self._begun > self.patience)

    def insert(self, table: str, values: Mapping[str, Stored]) -> None:
        """Add a row.

        Raises:
            sqlite3.IntegrityError: The primary key is taken.
        """
        names = ", ".join(map(quoted, values))
        marks = ", ".join("?" * len(values))
        self.execute(f"INSERT INTO {quoted(table)} ({names}) VALUES ({marks})", tuple(values.values()))

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; nobody else reads or writes meanwhile. Inside of another one it is a part of that."""
        with self.lock:
            if self._is_writing():
                yield
                return
            self.execute("BEGIN IMMEDIATE")
            try:
                yield
                self.execute("COMMIT")
            except BaseException:
                # SQLite may have gone back by itself, such as when the disk was full.
                if self._is_writing():
                    self.execute("ROLLBACK")
                raise

    def _is_writing(self) -> bool:
        return self._connection.in_transaction

    def keep_copy(self, name: str) -> None:
        """Keep the present state under a name, in memory; replaces an earlier one of that name."""
        with self.lock:
            copy = sqlite3.connect(":memory:", check_same_thread=False)
            self._connection.backup(copy)
            previous = self._named_copies.pop(name, None)
            if previous is not None:
                previous.close()
            self._named_copies[name] = copy

    def restore_copy(self, name: str) -> bool:
        """Go back to a kept state. Returns whether there is one of that name."""
        with self.lock:
            if name not in self._named_copies:
                return False
            self._named_copies[name].backup(self._connection)
            return True

    def save_copy(self, path: Path) -> None:
        """Write the present state to a new file.

        Raises:
            sqlite3.Error: It can't be written.
        """
        with self.lock, contextlib.closing(sqlite3.connect(path)) as copy:
            self._connection.backup(copy)

    def load_copy(self, path: Path) -> None:
        """Take over the state in a file that `save_copy` wrote.

        Raises:
            sqlite3.Error: There is no such file, or it can't be read; nothing changes.
        """
        with self.lock, contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as copy:
            # An empty file would do as a database, too.
            if copy.execute('SELECT "value" FROM "__about" WHERE "name" = \'format\'').fetchone() != (str(_FORMAT),):
                raise sqlite3.DatabaseError("it is no copy made by this version of the sandbox")
            copy.backup(self._connection)

    def close(self) -> None:
        with self.lock:
            for copy in self._named_copies.values():
                copy.close()
            self._named_copies.clear()
            self._connection.close()


def _statements(schema: Schema) -> Iterator[str]:
    for table, types in schema.tables():
        if not types[0].view:
            yield from _table(schema, table)
    # Asked for by every request: there are hardly ever any.
    yield 'CREATE INDEX "Context_private" ON "Context" ("is_private") WHERE "is_private" = 1;\n'
    yield resources.files("trackteroid.sandbox").joinpath("views.sql").read_text(encoding="utf-8")


def _table(schema: Schema, table: str) -> Iterator[str]:
    types = schema.in_table(table)
    root = types[0]
    columns = {SEQUENCE: "INTEGER PRIMARY KEY"}
    if schema.is_family(table):
        columns[TYPE] = "TEXT NOT NULL"
    indexed: dict[str, None] = {}
    for each in types:
        for attribute in each.attributes.values():
            if attribute.is_stored:
                columns.setdefault(
                    attribute.name, "INTEGER" if attribute.is_integer else _DECLARATIONS.get(attribute.kind, _TEXT)
                )
                if attribute.kind is Kind.KEY or attribute.name in ("name", "username"):
                    indexed.setdefault(attribute.name)
    for column in _inverse_columns(schema, table):
        if column in columns:
            indexed.setdefault(column)
    for column in root.primary_key:
        columns[column] += " NOT NULL"
    body = ", ".join(f"{quoted(name)} {declaration}" for name, declaration in columns.items())
    yield f"CREATE TABLE {quoted(table)} ({body});\n"
    yield _index(table, root.primary_key, unique=True, exact=_exact_columns(types[0].primary_key, columns))
    for column in indexed:
        if (column,) != root.primary_key:
            yield _index(table, (column,))


def _exact_columns(primary_key: Iterable[str], columns: Mapping[str, str]) -> set[str]:
    return {name for name in primary_key if keeps_case(name) and columns[name].startswith(_TEXT)}


def _inverse_columns(schema: Schema, table: str) -> Iterator[str]:
    """Columns by which collections of other types find their rows in this table."""
    for each in schema.types.values():
        for attribute in each.attributes.values():
            if attribute.link is not None and attribute.link.table == table:
                yield from (attribute.link.near, attribute.link.far)
            elif attribute.is_collection and attribute.link is None and attribute.target is not None:
                if schema.type(attribute.target).table == table and attribute.column is not None:
                    yield attribute.column


def _index(table: str, columns: Sequence[str], *, unique: bool = False, exact: Iterable[str] = ()) -> str:
    name = quoted("_".join((table, *columns)))
    body = ", ".join(quoted(column) + (" COLLATE BINARY" if column in exact else "") for column in columns)
    return f"CREATE {'UNIQUE ' if unique else ''}INDEX {name} ON {quoted(table)} ({body});\n"
