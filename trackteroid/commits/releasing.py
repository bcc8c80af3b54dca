"""Releasing a commit that is held: its files are looked for, and what was found goes to the worker with the order."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import Protocol, TypeVar

from trackteroid.commits.actor import current_actor
from trackteroid.commits.commit import Commit
from trackteroid.commits.ledger import Ledger
from trackteroid.commits.outputs import OutputsReport, check_outputs, expected_outputs
from trackteroid.commits.payload import decompress
from trackteroid.commits.release_facts import ReleaseFacts
from trackteroid.commits.signing import unseal
from trackteroid.commits.state import CommitState
from trackteroid.errors import LedgerDataError, OutputsMissingError, RecordingChangedError
from trackteroid.operations.recording import Recording
from trackteroid.settings import Settings

__all__ = ["Clock", "InTime", "check", "recording_in", "release_commit"]

Clock = Callable[[], datetime]
T = TypeVar("T")


class InTime(Protocol):
    """Runs a conversation with the ledger, perhaps within a time."""

    def __call__(self, call: Callable[[], T], /) -> T: ...


def _at_once(call: Callable[[], T], /) -> T:
    return call()


def _now() -> datetime:
    return datetime.now(timezone.utc)


def check(recording: Recording, *, settings: Settings, partial: bool = False, clock: Clock = _now) -> ReleaseFacts:
    """Look for the files that a recording expects and return what its release adds to it. Asks neither Redis nor ftrack.

    Args:
        recording: What is to be released.
        settings: What folders are called on each platform.
        partial: Whether missing and empty files are noted instead of refused.
        clock: Returns the time, with a time zone.

    Raises:
        OutputsMissingError: Files are missing or empty; names them.
        OutputsError: A folder cannot be read.
        BadInputError: A path belongs to another platform and no root says where it is here.
    """
    expected = expected_outputs(recording)
    found = check_outputs(expected, roots=settings.path_roots) if expected else OutputsReport()
    if not found.complete and not partial:
        raise OutputsMissingError(
            f"{recording.recording_id} stays held. {' '.join(found.complaints)} Render them, then release it again; "
            "`--partial` (partial=True) publishes what is there."
        )
    manifest = recording.manifest
    stamped = manifest is None or manifest.stamped
    return ReleaseFacts(
        released_at=clock().astimezone(timezone.utc).isoformat() if stamped else None,
        released_by=current_actor(),
        outputs=found.facts(),
        gaps=found.complaints,
    )


def release_commit(
    ledger: Ledger,
    commit_id: str,
    *,
    settings: Settings,
    recording: Recording | None = None,
    partial: bool = False,
    clock: Clock = _now,
    in_time: InTime = _at_once,
) -> Commit:
    """Release a commit that the ledger knows. One that was released before is returned as it is, its files unseen.

    Args:
        ledger: Where it is.
        commit_id: Which.
        settings: As for `check`.
        recording: What it holds, if that is at hand; else it is read from the ledger.
        partial, clock: As for `check`.
        in_time: Runs each conversation with the ledger; looking for files takes the time that it takes.

    Raises:
        UnknownCommitError: There is none of this id.
        LedgerError: It is dead or cancelled.
        RecordingChangedError: The recording at hand is not the one that was enqueued.
        OutputsError, BadInputError: As for `check`; it is still held.
    """
    commit = in_time(lambda: ledger.get(commit_id))
    if recording is not None and recording.digest != commit.digest:
        raise RecordingChangedError(f"Recording {commit_id} was enqueued with another content than this one.")
    if commit.state is not CommitState.HELD:
        return in_time(lambda: ledger.release(commit_id, actor=current_actor()))
    if recording is None:
        recording = in_time(lambda: _stored(ledger, commit_id, settings))
    facts = check(recording, settings=settings, partial=partial, clock=clock)
    return in_time(lambda: ledger.release(commit_id, actor=facts.released_by, facts=facts))


def _stored(ledger: Ledger, commit_id: str, settings: Settings) -> Recording:
    stored = ledger.payload(commit_id)
    if stored is None:
        raise LedgerDataError(f"The ledger has lost the recording of commit {commit_id} (does its Redis evict?).")
    return recording_in(stored, settings)


def recording_in(stored: bytes, settings: Settings) -> Recording:
    """Return the recording that a ledger or a spool has stored; whether it is signed is for the worker to judge.

    Raises:
        RecordingFormatError: It is no recording.
        BadInputError: It is larger than the settings allow.
    """
    payload, _ = unseal(stored)
    return Recording.from_payload(decompress(payload, limit=settings.payload_limit))
