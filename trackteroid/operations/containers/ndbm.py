"""The ndbm flavour, where this interpreter has the library for it."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

from trackteroid.errors import RecordingUnreadableError
from trackteroid.operations.containers.container import MAX_RECORDS
from trackteroid.operations.containers.copying import private_copies

__all__ = ["available", "read"]


def available() -> ModuleType | None:
    """Return the module that reads this flavour, None where the interpreter was built without it."""
    try:
        return importlib.import_module("dbm.ndbm")
    except ImportError:
        return None


def read(files: Mapping[str, Path]) -> dict[bytes, bytes]:
    """Return the records of an ndbm database, given its files by suffix. A copy is opened.

    Raises:
        RecordingUnreadableError: It is damaged, or this interpreter cannot read the flavour.
        TemporaryFolderError: It cannot be copied.
    """
    library = available()
    if library is None:
        raise RecordingUnreadableError(
            "It is an ndbm database, and this Python was built without the module dbm.ndbm. Read it with one that has it "
            "(`python -c 'import dbm.ndbm'` tells)."
        )
    with private_copies({f"recording{suffix}": path for suffix, path in files.items()}) as folder:
        try:
            with library.open(str(folder / "recording"), "r") as database:
                keys = database.keys()
                if len(keys) > MAX_RECORDS:
                    raise RecordingUnreadableError(f"It holds more than {MAX_RECORDS} records.")
                return {bytes(key): bytes(database[key]) for key in keys}
        except (library.error, KeyError) as error:
            raise RecordingUnreadableError(
                f"It is an ndbm database that is damaged, or of a library that this Python does not use "
                f"({library.library}): {error}."
            ) from error
