"""A folder in which recordings wait while Redis cannot take them.

Scope: one node, or many if the folder is shared; any number of writers and flushers at once, without locks. Rules: design 5.2.

A recording is accepted once `accept` returns: its file was flushed to the disk under a temporary name, renamed, and the folder
flushed. Whoever flushes hands it to the ledger, where a second delivery changes nothing, and then moves the file to `sent/`,
where it is kept for a while. What the ledger refuses for good is moved to `refused/` with the reason beside it: it was
accepted, so it is never thrown away.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from trackteroid.commits.spool_index import Count, SpoolIndex
from trackteroid.commits.spooled_recording import (
    HEADER_LIMIT,
    SUFFIX,
    SpooledRecording,
    decode,
    encode,
    file_name,
    safe_id,
)
from trackteroid.errors import BadInputError, RecordingChangedError, SpoolDataError, SpoolError, SpoolFullError
from trackteroid.operations.containers.writing import flush_folder, publish_bytes, replace_file
from trackteroid.settings import Settings

__all__ = [
    "Accepted",
    "Entry",
    "Spool",
    "SpoolLimits",
    "SpoolStatus",
    "SpooledRecording",
    "default_folder",
    "open_spool",
]

_SENT = "sent"
_REFUSED = "refused"
# A writer needs seconds; what is older was left by one that was killed, which therefore accepted nothing.
_ABANDONED_SECONDS = 86400.0
_FULL_DISK = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EFBIG}


@dataclass(frozen=True, kw_only=True, slots=True)
class SpoolLimits:
    """How much a spool holds. Many writers at once may exceed the first two by what they write within a few minutes.

    Attributes:
        total_bytes: Of all waiting recordings.
        count: Of waiting recordings.
        item_bytes: Of one recording, as stored.
        keep_seconds: How long a copy of a sent recording is kept.
    """

    total_bytes: int = 1024**3
    count: int = 10_000
    item_bytes: int = 8 * 1024**2
    keep_seconds: float = 86400.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """A waiting file.

    Attributes:
        path: Where.
        size: Bytes.
        accepted_at: When it was accepted, seconds since the epoch.
    """

    path: Path
    size: int
    accepted_at: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Accepted:
    """What `Spool.accept` found: `known` if the same recording was waiting already."""

    path: Path
    known: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class SpoolStatus:
    """What a spool holds: numbers of files, bytes of waiting ones, and when the oldest waiting one was accepted."""

    folder: str
    waiting: int
    waiting_bytes: int
    oldest_accepted_at: float | None
    sent: int
    refused: int

    def as_dict(self) -> dict[str, Any]:
        """Return the status as plain JSON values."""
        return asdict(self)


def default_folder() -> Path:
    """Return the per-user folder for state that is kept, as the platform has it."""
    if os.name == "nt":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local", "trackteroid", "spool")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "trackteroid" / "spool"
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state", "trackteroid", "spool")


def open_spool(settings: Settings) -> Spool:
    """Return the spool that the settings name; touches nothing."""
    try:
        folder = Path(settings.spool_folder) if settings.spool_folder else default_folder()
    except RuntimeError as error:
        raise SpoolError(f"This user has no home folder for a spool ({error}); set TRACKTEROID_SPOOL.") from error
    return Spool(
        folder,
        limits=SpoolLimits(
            total_bytes=settings.spool_size_limit,
            count=settings.spool_count_limit,
            item_bytes=settings.payload_limit,
            keep_seconds=settings.spool_keep_seconds,
        ),
    )


class Spool:
    """See the module.

    Args:
        folder: Made on the first use that writes.
        limits: How much it holds.
        clock: Seconds since the epoch.
    """

    def __init__(
        self, folder: Path, *, limits: SpoolLimits | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self._folder = folder
        self._limits = limits or SpoolLimits()
        self._clock = clock
        self._index = SpoolIndex(folder, self._make, clock)

    @property
    def folder(self) -> Path:
        """Where it is."""
        return self._folder

    def accept(self, item: SpooledRecording) -> Accepted:
        """Keep a recording so that no crash of this process or machine loses it.

        How much waits already makes no difference, but for a look at all of it every few minutes.

        Raises:
            SpoolFullError: A limit is reached, or the disk is full; the text says what to do.
            SpoolError: The folder cannot be written to.
            RecordingChangedError: A recording of this id with another content waits here.
            BadInputError: The recording is larger than the spool takes.
        """
        data = encode(item)
        if len(item.payload) > self._limits.item_bytes + HEADER_LIMIT:
            raise BadInputError(f"The recording has {len(item.payload):,} bytes, more than the spool takes.")
        target = self._folder / file_name(item)
        try:
            self._make(self._folder)
            if target.exists() and self._is_whole(target):
                return Accepted(path=target, known=True)
            commit_id = safe_id(item.commit_id)
            for name in self._index.names(commit_id):
                self._check_namesake(item, self._folder / name)
            self._check_room(len(data))
            self._index.add(commit_id, target.name)
            publish_bytes(data, target)
            self._stamp(target)
            self._index.changed(1, len(data))
        except OSError as error:
            if isinstance(error, SpoolError):
                raise
            raise self._failure(error) from error
        return Accepted(path=target, known=False)

    def waiting(self) -> list[Entry]:
        """Return what waits, in the order in which it was accepted.

        Raises:
            SpoolError: The folder cannot be read.
        """
        found = sorted(self._scan(self._folder), key=lambda pair: (pair[1].st_mtime_ns, pair[0].name))
        return [Entry(path=path, size=facts.st_size, accepted_at=facts.st_mtime) for path, facts in found]

    def find(self, commit_id: str) -> list[Entry]:
        """Return what waits under this id: a recording per server it is for, and orders to release it."""
        prefix = f"{safe_id(commit_id)}."
        return [entry for entry in self.waiting() if entry.path.name.startswith(prefix)]

    def items(self, commit_id: str, server_url: str) -> Iterator[SpooledRecording]:
        """Yield what waits under this id for a (normalised) server. Left out: what somebody else flushes at this moment, and what
        is damaged, which whoever flushes finds out."""
        for entry in self.find(commit_id):
            try:
                item = self.read(entry)
            except (FileNotFoundError, SpoolDataError):
                continue
            if item.server_url == server_url:
                yield item

    def read(self, entry: Entry) -> SpooledRecording:
        """Return a waiting recording.

        Raises:
            SpoolDataError: The file is damaged or no file of a spool.
            FileNotFoundError: Somebody else has flushed it.
            SpoolError: It cannot be read, or a newer release has written it.
        """
        return self._read(entry.path)

    def mark_sent(self, entry: Entry) -> None:
        """Put a delivered recording with the sent ones. Somebody else may have done that."""
        moved = self._move(entry, _SENT)
        if moved is not None:
            self._note_gone(entry, moved)

    def refuse(self, entry: Entry, reason: str) -> bool:
        """Put a recording that can never be delivered aside, with the reason in a text file beside it.

        Returns:
            False if it waits again, as somebody has accepted it anew since it was looked at.
        """
        moved = self._move(entry, _REFUSED)
        if moved is None:
            return True
        if not _is_that_of(entry, moved) and _put_back(moved, entry.path):
            flush_folder(self._folder)
            return False
        self._note_gone(entry, moved)
        with contextlib.suppress(OSError):
            moved.with_suffix(".reason.txt").write_text(f"{reason}\n", encoding="utf-8")
        return True

    def tidy(self) -> None:
        """Remove copies of recordings sent long ago, and what writers that were killed have left."""
        now = self._clock()
        with contextlib.suppress(SpoolError):
            for path, facts in self._scan(self._folder / _SENT):
                if facts.st_mtime < now - self._limits.keep_seconds:
                    _remove(path)
            for path, facts in self._scan(self._folder, suffix=".tmp"):
                if facts.st_mtime < now - _ABANDONED_SECONDS:
                    _remove(path)
        self._index.tidy(now - _ABANDONED_SECONDS)

    @property
    def has_old_copies(self) -> bool:
        """Whether everything in `sent/` is older than it is kept; costs one look at the folder's own date."""
        try:
            return (self._folder / _SENT).stat().st_mtime < self._clock() - self._limits.keep_seconds
        except OSError:
            return False

    def status(self) -> SpoolStatus:
        """Return what it holds.

        Raises:
            SpoolError: The folder cannot be read.
        """
        waiting = self.waiting()
        return SpoolStatus(
            folder=str(self._folder),
            waiting=len(waiting),
            waiting_bytes=sum(entry.size for entry in waiting),
            oldest_accepted_at=waiting[0].accepted_at if waiting else None,
            sent=sum(1 for _ in self._scan(self._folder / _SENT)),
            refused=sum(1 for _ in self._scan(self._folder / _REFUSED)),
        )

    def _read(self, path: Path) -> SpooledRecording:
        try:
            with path.open("rb") as file:
                return decode(file.read(self._limits.item_bytes + 2 * HEADER_LIMIT + 1), self._limits.item_bytes)
        except FileNotFoundError:
            raise
        except OSError as error:
            if isinstance(error, SpoolError):
                raise
            raise SpoolError(f"{path} cannot be read: {error.strerror}.") from error

    def _check_room(self, size: int) -> None:
        limits = self._limits

        def is_full(count: Count) -> bool:
            return count.recordings >= limits.count or count.size + size > limits.total_bytes

        known = self._index.count()
        if known is not None and not is_full(known):
            return
        sizes = [facts.st_size for _, facts in self._scan(self._folder)]
        found = self._index.counted(len(sizes), sum(sizes))
        if is_full(found):
            raise SpoolFullError(
                f"The spool {self._folder} is full: {found.recordings:,} recordings, {found.size:,} bytes wait in it. This one "
                "was NOT accepted. Bring Redis back and run `trackteroid spool flush`, or raise TRACKTEROID_SPOOL_COUNT_LIMIT "
                "or TRACKTEROID_SPOOL_SIZE_LIMIT."
            )

    def _is_whole(self, path: Path) -> bool:
        try:
            self._read(path)
        except (SpoolDataError, FileNotFoundError):
            # Damaged, or flushed at this moment: it must be there when we say that it was accepted.
            return False
        except SpoolError:
            # Another user's, whose files only the workers read, or a newer release's: whoever wrote it has accepted it.
            return True
        return True

    def _check_namesake(self, item: SpooledRecording, path: Path) -> None:
        try:
            other = self._read(path)
        except (SpoolError, FileNotFoundError):
            # Nothing is known of it; whoever flushes it finds out.
            return
        same = (other.commit_id, other.server_url, other.kind) == (item.commit_id, item.server_url, item.kind)
        if same and other.digest != item.digest:
            raise RecordingChangedError(
                f"Recording {item.commit_id} waits in the spool with another content. Record again instead of changing a file."
            )

    def _scan(self, folder: Path, *, suffix: str = SUFFIX) -> Iterator[tuple[Path, os.stat_result]]:
        try:
            with os.scandir(folder) as found:
                for item in found:
                    if item.name.endswith(suffix):
                        # Somebody may have moved it since.
                        with contextlib.suppress(FileNotFoundError):
                            facts = item.stat()
                            # Reading a pipe would wait for whoever writes into it.
                            if stat.S_ISREG(facts.st_mode):
                                yield Path(item.path), facts
        except FileNotFoundError:
            return
        except OSError as error:
            raise SpoolError(f"The spool {folder} cannot be read: {error.strerror}.") from error

    def _move(self, entry: Entry, name: str) -> Path | None:
        folder = self._folder / name
        target = folder / entry.path.name
        try:
            self._make(folder)
            replace_file(entry.path, target)
        except FileNotFoundError:
            return None
        except OSError as error:
            # It stays where it is and is delivered again, which changes nothing.
            raise SpoolError(f"{entry.path} cannot be moved to {folder}: {error.strerror}.") from error
        return target

    def _note_gone(self, entry: Entry, target: Path) -> None:
        self._stamp(target)
        flush_folder(target.parent)
        flush_folder(self._folder)
        self._index.changed(-1, -entry.size)
        self._index.drop(entry.path.name.partition(".")[0])

    def _stamp(self, path: Path) -> None:
        # The order of flushing; file systems' own stamps are milliseconds apart. Whoever flushes may be faster than we are.
        moment = int(self._clock() * 1e9)
        with contextlib.suppress(OSError):
            os.utime(path, ns=(moment, moment))

    def _make(self, folder: Path) -> None:
        if folder.is_dir():
            return
        if folder != self._folder:
            # Made by whoever flushes first, used by everybody who uses the spool.
            folder.mkdir(exist_ok=True)
            with contextlib.suppress(OSError):
                folder.chmod(self._folder.stat().st_mode & 0o7777)
            flush_folder(folder.parent)
        else:
            missing = [each for each in (folder, *folder.parents) if not each.exists()]
            # Recordings tell what a show is working on.
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            # Each name on the way: what lies in a folder is lost with the folder's own.
            for made in reversed(missing):
                flush_folder(made.parent)

    def _failure(self, error: OSError) -> SpoolError:
        reason = error.strerror or str(error)
        if error.errno in _FULL_DISK:
            return SpoolFullError(
                f"The spool {self._folder} is full ({reason}). The recording was NOT accepted; make room."
            )
        return SpoolError(
            f"The spool {self._folder} cannot be written to ({reason}). The recording was NOT accepted. "
            "Make it writable for everybody who publishes here, or set TRACKTEROID_SPOOL to a folder of this user."
        )


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()


def _is_that_of(entry: Entry, path: Path) -> bool:
    """Whether a file that was moved is the one that was found waiting: a damaged one is replaced if its recording comes again."""
    try:
        facts = path.stat()
    except OSError:
        return False
    return (facts.st_size, facts.st_mtime) == (entry.size, entry.accepted_at)


def _put_back(moved: Path, path: Path) -> bool:
    """Let a file wait again; whether the recording does."""
    try:
        try:
            # Never over one that has come since.
            os.link(moved, path)
        except (FileNotFoundError, FileExistsError):
            # Somebody else who moved it has put it back, or it has come once more: what is left here is a copy.
            return True
        except OSError:
            # No links on this file system. What has come since is the same recording.
            replace_file(moved, path)
        else:
            _remove(moved)
    except OSError:
        return False
    return True
