"""Seeds that take long are kept as data files in the user's cache folder, never in a project's own."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from trackteroid.sandbox.json_schema import json_schemas, schema_hash
from trackteroid.sandbox.storage import Storage

__all__ = ["SeedCache", "user_cache_folder"]

_SOURCES = {".py", ".sql", ".schema", ".lark"}
# A seed of another size or of an older version is seldom wanted again, and each takes tens of megabytes.
_MOST = 4


def user_cache_folder(environ: Mapping[str, str], platform: str, home: Path) -> Path:
    """Where the platform wants caches to be.

    Args:
        environ: Environment variables; `XDG_CACHE_HOME` or, on Windows, `LOCALAPPDATA` decide if they are set.
        platform: As `sys.platform`.
        home: The user's home folder.
    """
    if platform == "win32":
        return Path(environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / "trackteroid" / "Cache"
    if platform == "darwin":
        return home / "Library" / "Caches" / "trackteroid"
    named = environ.get("XDG_CACHE_HOME", "")
    # The XDG specification tells to ignore what is no absolute path.
    return (Path(named) if os.path.isabs(named) else home / ".cache") / "trackteroid"


class SeedCache:
    """Data files of seeds. What can't be read or written is made anew: a cache never stops a sandbox.

    Args:
        folder: Where the files are; made when first needed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def of_user(cls) -> SeedCache:
        """The cache of the user that runs this process."""
        # Service users may have no home.
        home = Path(os.path.expanduser("~"))
        home = home if home.is_absolute() else Path(tempfile.gettempdir())
        return cls(user_cache_folder(os.environ, sys.platform, home) / "sandbox-seeds")

    def restore(self, storage: Storage, seed: str) -> bool:
        """Fill a new database with a kept seed. Returns whether there was one."""
        path = self._path(storage, seed)
        try:
            storage.load_copy(path)
        except (OSError, sqlite3.Error):
            return False
        # The age decides which file goes first.
        with contextlib.suppress(OSError):
            os.utime(path)
        return True

    def keep(self, storage: Storage, seed: str) -> None:
        """Keep a database for the next time. It appears under its name at once and whole."""
        path = self._path(storage, seed)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self.folder) as scratch:
                unfinished = Path(scratch) / path.name
                storage.save_copy(unfinished)
                os.replace(unfinished, path)
            self._prune()
        except (OSError, sqlite3.Error):
            # No place to write: the next start takes as long as this one.
            return

    def _path(self, storage: Storage, seed: str) -> Path:
        digest = hashlib.sha256(f"{seed}\n{schema_hash(json_schemas(storage.schema))}\n".encode())
        # Rows go in through the sandbox's own front door, so any line of it may change what comes out.
        package = Path(__file__).parent.parent
        for path in sorted(package.rglob("*")):
            if path.suffix in _SOURCES:
                digest.update(path.relative_to(package).as_posix().encode() + b"\0" + path.read_bytes())
        return self.folder / f"{seed.partition(':')[0]}-{digest.hexdigest()[:32]}.sqlite"

    def _prune(self) -> None:
        kept = sorted(self.folder.glob("*.sqlite"), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in kept[_MOST:]:
            path.unlink(missing_ok=True)
