"""Telling what kind of file lies at a path, and reading it."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from trackteroid.errors import RecordingError, RecordingFormatError, RecordingNotFoundError, TemporaryFolderError
from trackteroid.operations.containers import dumb, gnu, ndbm, sqlite
from trackteroid.operations.containers.container import Container, check_size

__all__ = ["Flavour", "detect", "read_container"]

_SQLITE_MAGIC = b"SQLite format 3\0"

# Berkeley DB's hash format, as ndbm writes it: the number stands at offset 12 (spec: library 3.1).
_BERKELEY_MAGIC = 0x00061561

# Some of what people mistake for a recording.
_FAMILIAR: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"v/1\x01", "an OpenEXR picture"),
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "gzip-compressed data"),
    (b"{", "JSON text"),
    (b"[", "JSON text"),
    (b"#!", "a script"),
    (b"<", "HTML or XML text"),
)


@dataclass(frozen=True)
class Flavour:
    """How a file is stored: which files, read by what."""

    name: str
    files: tuple[Path, ...]
    read: Callable[[], tuple[Mapping[bytes, bytes], bytes | None]]


def read_container(path: Path) -> Container:
    """Return what the recording at `path` holds.

    Raises:
        RecordingNotFoundError: There is nothing at `path`, nor a file that a dbm flavour would have made for it.
        RecordingFormatError: It is of no flavour that can be read here; a `RecordingUnreadableError` where it is of a known one.
        TemporaryFolderError: It cannot be copied; nothing is wrong with it.
    """
    try:
        flavour = detect(path)
        for file in flavour.files:
            check_size(file.stat().st_size)
        records, manifest = flavour.read()
        modified = max(file.stat().st_mtime_ns for file in flavour.files)
    except RecordingFormatError as error:
        raise type(error)(f"{path} cannot be read as a recording: {error}") from error
    except (RecordingError, TemporaryFolderError):
        raise
    except OSError as error:
        raise RecordingError(f"{path} cannot be read: {error.strerror or error}.") from error
    return Container(records, manifest, modified)


def detect(path: Path) -> Flavour:
    """Return the flavour of the recording at `path`.

    Some flavours keep their data in files with suffixes of their own; `path` may be the one that was given when the
    file was recorded, or one of those.
    """
    if path.is_dir():
        raise RecordingFormatError("It is a folder.")
    if path.is_file():
        flavour = _by_content(path)
        if flavour is not None:
            return flavour
    for base in (path, path.with_suffix("")):
        flavour = _by_suffixes(base) if base == path or path.suffix in {".dat", ".dir", ".bak", ".db", ".pag"} else None
        if flavour is not None:
            return flavour
    if path.is_file():
        raise RecordingFormatError(f"It looks like {_looks_like(path)}.")
    raise RecordingNotFoundError(f"There is no recording at {path}.")


def _by_content(path: Path) -> Flavour | None:
    with path.open("rb") as file:
        head = file.read(64)
    if head.startswith(_SQLITE_MAGIC):
        return Flavour("sqlite3", (path,), lambda: sqlite.read(path))
    if gnu.is_gnu(head):
        return Flavour("GNU dbm", (path,), lambda: (gnu.read(path.read_bytes()), None))
    if _is_berkeley(head):
        return Flavour("ndbm", (path,), lambda: (ndbm.read({".db": path}), None))
    return None


def _by_suffixes(base: Path) -> Flavour | None:
    def beside(suffix: str) -> Path:
        return base.with_name(base.name + suffix)

    data, directory, backup, pages = beside(".dat"), beside(".dir"), beside(".bak"), beside(".pag")
    if data.is_file() and (directory.is_file() or backup.is_file()):
        index = directory if directory.is_file() else backup
        return Flavour("dumb dbm", (index, data), lambda: (dumb.read(index.read_bytes(), data.read_bytes()), None))
    if directory.is_file() and pages.is_file():
        # The ndbm of GNU's library keeps a GNU dbm file under this name, which needs no library.
        flavour = _by_content(pages)
        if flavour is not None:
            return flavour
        files = {".dir": directory, ".pag": pages}
        return Flavour("ndbm", (directory, pages), lambda: (ndbm.read(files), None))
    berkeley = beside(".db")
    if berkeley.is_file():
        flavour = _by_content(berkeley)
        if flavour is not None:
            return flavour
        raise RecordingFormatError(f"{berkeley.name} looks like {_looks_like(berkeley)}.")
    return None


def _is_berkeley(head: bytes) -> bool:
    return len(head) >= 16 and _BERKELEY_MAGIC in struct.unpack("<I", head[12:16]) + struct.unpack(">I", head[12:16])


def _looks_like(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(16)
    if not head:
        return "an empty file"
    for magic, name in _FAMILIAR:
        if head.startswith(magic):
            return name
    return f"no format that we know (it starts with {head[:8]!r})"
