"""Writing a container so that at any moment either the old file or the new one stands at the path."""

from __future__ import annotations

import contextlib
import os
import secrets
import sqlite3
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from trackteroid.errors import RecordingError
from trackteroid.operations.containers.sqlite import MANIFEST_TABLE

__all__ = ["flush_folder", "publish_bytes", "replace_file", "write_container"]

# On Windows a virus scanner or a reader may hold the target for a moment.
_REPLACE_TRIES = 20
_REPLACE_PAUSE = 0.05

# Writers of one file at a time, hardly ever more than one; the next ones take a name of their own.
_PLACES = 4
# A writer needs seconds; what is older was left by one that was killed.
_ABANDONED_SECONDS = 86400.0
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)


def write_container(
    path: Path,
    records: Mapping[bytes, bytes],
    manifest: bytes | None,
    *,
    temporary_folder: str | os.PathLike[str] | None = None,
) -> None:
    """Write records as one SQLite file exactly at `path`, as Python's dbm makes them from 3.13 on.

    Show shares are NFS or SMB, where SQLite's locks fail: SQLite works in memory (in a local folder where this Python cannot),
    and never opens `path`. The finished bytes are copied beside the target, flushed to the disk and renamed.

    Args:
        path: Where to; a file there is replaced.
        records: Key to value.
        manifest: Stored in a table of its own, which dbm does not see.
        temporary_folder: The local folder, used in any case if given; default: the system's.

    Raises:
        RecordingError: It cannot be written; the old file is untouched.
    """
    # Through a symbolic link the file is replaced, not the link.
    target = Path(os.path.realpath(path))
    try:
        publish_bytes(_made(records, manifest, temporary_folder), target)
    except (OSError, sqlite3.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise RecordingError(f"The recording cannot be written to {path}: {reason}.") from error


def _made(
    records: Mapping[bytes, bytes], manifest: bytes | None, temporary_folder: str | os.PathLike[str] | None
) -> bytes:
    """Return the bytes of the file."""
    # From Python 3.11 on, where SQLite was built with it: then a writer that is killed leaves no folder behind.
    serialize = getattr(sqlite3.Connection, "serialize", None)
    if temporary_folder is None and serialize is not None:
        with contextlib.closing(sqlite3.connect(":memory:")) as connection:
            _fill(connection, records, manifest)
            data: bytes = serialize(connection)
            return data
    with tempfile.TemporaryDirectory(prefix="trackteroid-write-", dir=temporary_folder) as folder:
        path = Path(folder, "recording")
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA journal_mode = DELETE")
            # These bytes are thrown away if anything goes wrong; the copy is what is flushed.
            connection.execute("PRAGMA synchronous = OFF")
            _fill(connection, records, manifest)
        return path.read_bytes()


def _fill(connection: sqlite3.Connection, records: Mapping[bytes, bytes], manifest: bytes | None) -> None:
    with connection:
        connection.execute("CREATE TABLE Dict (key BLOB UNIQUE NOT NULL, value BLOB NOT NULL)")
        connection.executemany("INSERT INTO Dict VALUES (?, ?)", records.items())
        if manifest is not None:
            connection.execute(f"CREATE TABLE {MANIFEST_TABLE} (data BLOB NOT NULL)")
            connection.execute(f"INSERT INTO {MANIFEST_TABLE} VALUES (?)", (manifest,))


def publish_bytes(data: bytes, target: Path) -> None:
    """Write a file so that at `target` stands either what was there or all of `data`, whatever ends this process or machine.

    Raises:
        OSError: It cannot be written; what was there is untouched.
    """
    temporary, handle = _open_beside(target)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        replace_file(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    flush_folder(target.parent)


def _open_beside(target: Path) -> tuple[Path, int]:
    """Open a new file under a name beside `target`.

    The names are few and in a row, so that what a killed writer has left there is found without looking through a folder that may
    hold a whole show, and is used again.
    """
    for number in range(_PLACES):
        temporary = target.with_name(f".{target.name}.{number}.tmp")
        with contextlib.suppress(FileNotFoundError):
            if temporary.stat().st_mtime < time.time() - _ABANDONED_SECONDS:
                temporary.unlink()
        with contextlib.suppress(FileExistsError):
            return temporary, os.open(temporary, _NEW, 0o666)
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(6)}.tmp")
    return temporary, os.open(temporary, _NEW, 0o666)


def replace_file(temporary: Path, target: Path) -> None:
    """Rename a file over another; on Windows tried again for a second while somebody holds the other."""
    for attempt in range(_REPLACE_TRIES):
        try:
            os.replace(temporary, target)
            return
        except PermissionError:
            if os.name != "nt" or attempt == _REPLACE_TRIES - 1:
                raise
            time.sleep(_REPLACE_PAUSE)


def flush_folder(folder: Path) -> None:
    """Make the names in a folder survive a crash of the machine, where it lets us."""
    # Windows cannot open folders, and some network shares refuse to flush them: the file itself is safe.
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
