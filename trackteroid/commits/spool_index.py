"""What waits in a spool, told without looking through it: how much, and under which ids.

Kept in a folder of its own beside what waits, without locks. It may be wrong (two writers at the same moment, one of an older
release, one that was killed) and nothing may depend on it that could lose a recording: a spool looks itself before it refuses
anything, and counts anew from time to time.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Count", "SpoolIndex"]

#: The folder's name.
FOLDER = "index"

# A name holds a dot, an id none.
_COUNT = "count.json"
_COUNT_LIMIT = 1000
# An id has one recording, and an order or two to release it.
_NAMES_LIMIT = 16 * 1024
# By then what went by unnoticed is counted.
_RECOUNT_SECONDS = 300.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Count:
    """How many recordings wait, how many bytes they have, and when they were last counted, seconds since the epoch."""

    recordings: int
    size: int
    counted_at: float


class SpoolIndex:
    """See the module. Errors of the file system are nobody's business: what cannot be kept is not known.

    Args:
        spool: The spool's folder.
        make: Makes a folder in it, if it isn't there.
        clock: Seconds since the epoch.
    """

    def __init__(self, spool: Path, make: Callable[[Path], None], clock: Callable[[], float]) -> None:
        self._spool = spool
        self._folder = spool / FOLDER
        self._make = make
        self._clock = clock

    def count(self) -> Count | None:
        """Return what was counted and what has come and gone since; None if that is not known or too long ago."""
        try:
            with (self._folder / _COUNT).open("rb") as file:
                data = json.loads(file.read(_COUNT_LIMIT))
            found = Count(
                recordings=int(data["recordings"]), size=int(data["size"]), counted_at=float(data["counted_at"])
            )
        except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
            return None
        # Of a clock that is ahead of ours too: nobody could tell when it is too old.
        return found if abs(self._clock() - found.counted_at) < _RECOUNT_SECONDS else None

    def counted(self, recordings: int, size: int) -> Count:
        """Keep what was counted just now."""
        found = Count(recordings=recordings, size=size, counted_at=self._clock())
        self._write(found)
        return found

    def changed(self, recordings: int, size: int) -> None:
        """Add what has come, or gone (negative)."""
        known = self.count()
        if known is not None:
            self._write(
                Count(
                    recordings=max(0, known.recordings + recordings),
                    size=max(0, known.size + size),
                    counted_at=known.counted_at,
                )
            )

    def names(self, commit_id: str) -> list[str]:
        """Return the names of files that were said to wait under an id; some may have gone.

        Args:
            commit_id: As it stands in their names.
        """
        try:
            with (self._folder / commit_id).open("rb") as file:
                text = file.read(_NAMES_LIMIT).decode("utf-8", "replace")
        except OSError:
            return []
        # Whoever can write there names files, which are looked up beside it and nowhere else.
        return [
            name for name in text.splitlines() if name.startswith(f"{commit_id}.") and os.path.basename(name) == name
        ]

    def add(self, commit_id: str, name: str) -> None:
        """Note that a file waits under an id."""
        with contextlib.suppress(OSError):
            self._make(self._folder)
            handle = os.open(self._folder / commit_id, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
            try:
                os.write(handle, f"{name}\n".encode())
            finally:
                os.close(handle)

    def drop(self, commit_id: str) -> None:
        """Forget an id under which nothing waits any more."""
        if not any((self._spool / name).exists() for name in self.names(commit_id)):
            with contextlib.suppress(OSError):
                (self._folder / commit_id).unlink()

    def tidy(self, before: float) -> None:
        """Forget the ids noted before a time (seconds since the epoch) under which nothing waits any more."""
        with contextlib.suppress(OSError), os.scandir(self._folder) as found:
            for item in found:
                with contextlib.suppress(OSError):
                    if item.stat().st_mtime < before:
                        if "." in item.name:
                            # The count is written anew; others of such names were left by a killed writer.
                            os.unlink(item.path)
                        else:
                            self.drop(item.name)

    def _write(self, count: Count) -> None:
        data = {"recordings": count.recordings, "size": count.size, "counted_at": count.counted_at}
        temporary = self._folder / f"{_COUNT}.{secrets.token_hex(6)}.tmp"
        try:
            self._make(self._folder)
            temporary.write_text(json.dumps(data), encoding="ascii")
            os.replace(temporary, self._folder / _COUNT)
        except OSError:
            with contextlib.suppress(OSError):
                temporary.unlink()
