"""Enqueueing recordings again after Redis was lost: from the files they were written to, or a spool's sent copies."""

from __future__ import annotations

import os
import stat
from collections.abc import Container, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from trackteroid.commits.ledger import Ledger
from trackteroid.commits.outputs import expected_outputs
from trackteroid.commits.payload import decompress
from trackteroid.commits.servers import normalise_server_url
from trackteroid.commits.signing import unseal
from trackteroid.commits.spool import Entry, Spool, SpooledRecording, SpoolLimits
from trackteroid.commits.submission import PLAIN, Terms
from trackteroid.errors import (
    LedgerDataError,
    RecordingFormatError,
    RecordingNotFoundError,
    RecordingUnreadableError,
    TemporaryFolderError,
    TrackteroidError,
    UnknownCommitError,
)
from trackteroid.operations.recording import Recording, read_recording
from trackteroid.settings import Settings

__all__ = ["Found", "find_recordings", "unknown_dependencies"]

_SPOOLED = ".spooled"
_TEMPORARY = (".tmp", ".part")


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """A recording in a folder. What it holds is read again when it is asked for: a year's publishes do not fit into memory.

    Attributes:
        path: Its file.
        recording_id: Its id.
        recorded_at: When, ISO 8601 in UTC; empty where it does not say.
        server_url: The ftrack server it is for; None if neither the file nor the caller say.
        terms: As its copies in a spool say. It must not be committed before somebody releases it (`hold`) if it was held, and no
            order to release it lies beside it; or if it expects files, and nobody knows whether they were looked for.
    """

    path: Path
    recording_id: str
    recorded_at: str
    server_url: str | None
    terms: Terms
    payload_limit: int

    @property
    def recording(self) -> Recording:
        """What it holds.

        Raises:
            RecordingError, SpoolError: It cannot be read any more.
        """
        try:
            if self.path.suffix == _SPOOLED:
                return _unpacked(_spooled(self.path, self.payload_limit), self.payload_limit)
            return read_recording(self.path)
        except FileNotFoundError as error:
            raise RecordingNotFoundError(f"There is no recording at {self.path} any more.") from error


def find_recordings(
    folder: Path,
    *,
    settings: Settings,
    server_url: str | None = None,
    passed_over: list[tuple[Path, str]] | None = None,
    unreadable: list[tuple[Path, str]] | None = None,
) -> list[Found]:
    """Return the recordings below a folder, each id once, in the order in which they were recorded.

    Args:
        folder: Searched with its subfolders; links to folders are not followed.
        settings: The largest payload, aliases.
        server_url: Server of recordings that do not name one.
        passed_over: Takes the files that are no recordings, with the reason: people keep other things beside them.
        unreadable: Takes the files and folders that may hold recordings and cannot be read, with the reason; damaged recordings
            are among them.

    Raises:
        RecordingNotFoundError: There is no such folder.
        TemporaryFolderError: Recordings cannot be copied to be read.
    """
    if not folder.is_dir():
        raise RecordingNotFoundError(f"There is no folder {folder}.")
    found: dict[tuple[str, str | None], Found] = {}
    released: set[tuple[str, str | None]] = set()
    closed: list[tuple[Path, str]] = [] if unreadable is None else unreadable
    for path in _files(folder, closed):
        try:
            one = _read(path, settings, server_url)
        except RecordingFormatError as error:
            if path.suffix == _SPOOLED or isinstance(error, RecordingUnreadableError):
                # It was accepted, or recorded, and is no longer what was written.
                closed.append((path, str(error)))
            elif passed_over is not None:
                passed_over.append((path, str(error)))
            continue
        except TemporaryFolderError:
            # It would be the same for the others, and says nothing of any.
            raise
        except (TrackteroidError, OSError) as error:
            closed.append((path, str(error)))
            continue
        if isinstance(one, SpooledRecording):
            released.add((one.commit_id, one.server_url))
            continue
        slot = (one.recording_id, one.server_url)
        # Any copy that says so: the file that it was submitted from does not know that it was held, or what goes before it.
        found[slot] = replace(found[slot], terms=_joined(found[slot].terms, one.terms)) if slot in found else one
    for slot in released & found.keys():
        found[slot] = replace(found[slot], terms=replace(found[slot].terms, hold=False))
    return sorted(found.values(), key=_moment)


def unknown_dependencies(one: Found, ids: Container[str], ledger: Ledger) -> list[str]:
    """Return the commits that one was to wait for and of which nobody knows any more: it would wait for ever.

    Args:
        one: The recording.
        ids: Of everything that is recovered together with it.
        ledger: Of its server.

    Raises:
        LedgerUnavailableError: The ledger cannot be reached.
    """
    return [each for each in one.terms.depends_on if each not in ids and not _is_known(ledger, each)]


def _is_known(ledger: Ledger, commit_id: str) -> bool:
    try:
        ledger.get(commit_id)
    except UnknownCommitError:
        return False
    except LedgerDataError:
        # It is there, whatever it says.
        return True
    return True


def _joined(one: Terms, other: Terms) -> Terms:
    return Terms(
        hold=one.hold or other.hold,
        priority=one.priority or other.priority,
        depends_on=tuple(dict.fromkeys((*one.depends_on, *other.depends_on))),
    )


def _files(folder: Path, unreadable: list[tuple[Path, str]]) -> Iterator[Path]:
    def note(error: OSError) -> None:
        unreadable.append((Path(error.filename or folder), f"It cannot be read: {error.strerror or error}."))

    for parent, folders, names in os.walk(folder, onerror=note):
        folders.sort()
        for name in sorted(names):
            path = Path(parent, name)
            try:
                # Reading a pipe would wait for whoever writes into it. (Not `is_file`: from Python 3.14 on it says no for a file
                # that it may not look at.)
                if not name.endswith(_TEMPORARY) and stat.S_ISREG(path.stat().st_mode):
                    yield path
            except FileNotFoundError:
                # Gone by now, or a link to nowhere.
                continue
            except OSError as error:
                # The folder lets us list it, and no more.
                note(error)


def _read(path: Path, settings: Settings, server_url: str | None) -> Found | SpooledRecording:
    """Return what is to be known of the recording in a file, or the order to release one."""
    limit = settings.payload_limit
    if path.suffix == _SPOOLED:
        item = _spooled(path, limit)
        if item.kind != "recording":
            return item
        recording, url, terms = _unpacked(item, limit), item.server_url or None, item.terms
    else:
        recording, terms = read_recording(path), PLAIN
        given = recording.server_url or server_url
        url = normalise_server_url(given, settings.server_aliases) if given else None
    manifest = recording.manifest
    return Found(
        path=path,
        recording_id=recording.recording_id,
        recorded_at="" if manifest is None else manifest.created_at,
        server_url=url,
        # Who says so is whoever recovers it.
        terms=replace(terms, hold=terms.hold or bool(expected_outputs(recording)), actor=None),
        payload_limit=limit,
    )


def _spooled(path: Path, payload_limit: int) -> SpooledRecording:
    facts = path.stat()
    spool = Spool(path.parent, limits=SpoolLimits(item_bytes=payload_limit))
    return spool.read(Entry(path=path, size=facts.st_size, accepted_at=facts.st_mtime))


def _unpacked(item: SpooledRecording, payload_limit: int) -> Recording:
    return Recording.from_payload(decompress(unseal(item.payload)[0], limit=payload_limit))


def _moment(found: Found) -> tuple[str, str]:
    # ISO 8601 in UTC sorts as text. Files of the original library do not say; they come first, in the order of their names.
    return found.recorded_at, str(found.path)
