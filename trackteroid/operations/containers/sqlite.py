"""The SQLite flavour: ours, and what Python's dbm makes from 3.13 on. Read from a copy, as data of a stranger."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from pathlib import Path

from trackteroid.errors import RecordingFormatError, RecordingUnreadableError
from trackteroid.operations.containers.container import MAX_BYTES, MAX_RECORDS, check_size
from trackteroid.operations.containers.copying import private_copies, temporary_folder_error

__all__ = ["MANIFEST_TABLE", "read"]

#: The second table of our files; `dbm` does not look at it.
MANIFEST_TABLE = "trackteroid_manifest"

# Reading the largest allowed file takes about a second on a slow disk.
_DEADLINE_SECONDS = 20.0

# https://www.sqlite.org/fileformat.html, "the rollback journal".
_JOURNAL_MAGIC = bytes.fromhex("d9d505f920a163d7")

# What SQLite says where it cannot write beside the copy. (Its error codes can be asked for from Python 3.11 on.)
_NO_ROOM = ("database or disk is full", "unable to open database file")

# How many virtual machine steps of SQLite between two looks at the clock.
_STEPS = 10_000


def read(path: Path) -> tuple[dict[bytes, bytes], bytes | None]:
    """Return the records and the manifest, if there is one.

    A copy is read, because SQLite's locks fail on network shares and because a write-ahead log that a crashed writer
    left must be applied somewhere.

    Raises:
        RecordingFormatError: It is not of the form that Python's dbm gives it.
        RecordingUnreadableError: It is damaged.
        TemporaryFolderError: It cannot be copied.
    """
    files = {"recording": path}
    log = path.with_name(path.name + "-wal")
    if log.is_file():
        # Without its log the database would be read as it was some time ago.
        check_size(log.stat().st_size)
        files["recording-wal"] = log
    with private_copies(files) as folder:
        size = sum(copy.stat().st_size for copy in folder.iterdir())
        _refuse_journal(path.with_name(path.name + "-journal"))
        try:
            with contextlib.closing(sqlite3.connect(folder / "recording", isolation_level=None)) as connection:
                _distrust(connection)
                return _records(connection, size), _manifest(connection)
        except (sqlite3.Error, sqlite3.Warning, OverflowError, UnicodeDecodeError, MemoryError) as error:
            if str(error) in _NO_ROOM:
                raise temporary_folder_error(str(error)) from error
            raise RecordingUnreadableError(
                f"It is a SQLite database that is damaged or no recording: {error}."
            ) from error


def _refuse_journal(journal: Path) -> None:
    """Refuse a database whose writer crashed in the middle of a transaction.

    SQLite would roll back from the journal, which names further files that it deletes: nothing to hand to it unseen.
    """
    try:
        with journal.open("rb") as file:
            unfinished = file.read(len(_JOURNAL_MAGIC)) == _JOURNAL_MAGIC
    except OSError:
        return
    if unfinished:
        raise RecordingUnreadableError(
            f"It was not finished: its writer left the journal {journal.name}. Open it once with Python's dbm to repair it."
        )


def _distrust(connection: sqlite3.Connection) -> None:
    deadline = time.monotonic() + _DEADLINE_SECONDS
    connection.set_progress_handler(lambda: int(time.monotonic() > deadline), _STEPS)
    # A hostile schema can call functions from views, defaults and generated columns: not with this off
    # (https://www.sqlite.org/security.html, "untrusted SQLite database files").
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    connection.execute("PRAGMA mmap_size = 0")
    if hasattr(connection, "setlimit"):
        # From Python 3.11 on. 0 is SQLITE_LIMIT_LENGTH: no value may be longer.
        connection.setlimit(0, MAX_BYTES)


def _records(connection: sqlite3.Connection, size: int) -> dict[bytes, bytes]:
    _check_table(connection, "Dict", ["key", "value"])
    (count, total) = connection.execute(
        "SELECT count(*), total(length(key) + length(value)) FROM Dict NOT INDEXED"
    ).fetchone()
    if count > MAX_RECORDS or total > size:
        raise RecordingUnreadableError(f"It claims {count} records of {total:.0f} bytes in a file of {size} bytes.")
    records = {}
    for key, value in connection.execute("SELECT key, value FROM Dict NOT INDEXED"):
        if not isinstance(key, bytes) or not isinstance(value, bytes):
            raise RecordingFormatError("Its table Dict holds something else than bytes.")
        records[key] = value
    return records


def _manifest(connection: sqlite3.Connection) -> bytes | None:
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (MANIFEST_TABLE,)).fetchone() is None:
        return None
    _check_table(connection, MANIFEST_TABLE, ["data"])
    rows = connection.execute(f"SELECT data FROM {MANIFEST_TABLE} NOT INDEXED LIMIT 2").fetchall()
    if len(rows) != 1 or not isinstance(rows[0][0], bytes):
        raise RecordingUnreadableError("Its manifest is damaged.")
    manifest: bytes = rows[0][0]
    return manifest


def _check_table(connection: sqlite3.Connection, name: str, columns: list[str]) -> None:
    """Refuse anything but an ordinary table with ordinary columns: a view or generated column computes what it likes."""
    found = connection.execute("SELECT type, sql FROM sqlite_master WHERE name = ?", (name,)).fetchall()
    if len(found) != 1 or found[0][0] != "table" or not str(found[0][1]).upper().startswith("CREATE TABLE"):
        raise RecordingFormatError(f"It is a SQLite database without the table {name} that a recording has.")
    # Columns: cid, name, type, notnull, default, pk, hidden (0 = ordinary).
    information = connection.execute(f"PRAGMA table_xinfo({name})").fetchall()
    if [row[1] for row in information] != columns or any(row[6] for row in information):
        raise RecordingFormatError(f"Its table {name} has not the columns that a recording has.")
