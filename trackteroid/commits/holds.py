"""What a farm does with a publish that was held at submission: release it after the render, cancel it with the job.

By the recording's file, or by the commit's id alone. Needs neither the ftrack client nor Celery.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Literal, TypeVar

from trackteroid.commits.actor import current_actor
from trackteroid.commits.addresses import normal_address
from trackteroid.commits.commit import Commit
from trackteroid.commits.enqueueing import (
    FLUSH_SECONDS,
    enqueue,
    flush_spool,
    handle_of,
    packed,
    spooled_handle,
    spooled_recording,
    wake_worker,
    with_identity,
)
from trackteroid.commits.handle import CommitHandle
from trackteroid.commits.ledger import Ledger
from trackteroid.commits.reaching import address, fit_ledger, other_addresses, server_of, soon
from trackteroid.commits.release_facts import ReleaseFacts
from trackteroid.commits.releasing import Clock, InTime, check, recording_in, release_commit
from trackteroid.commits.spool import SpooledRecording, open_spool
from trackteroid.commits.state import CommitState
from trackteroid.commits.submission import Terms
from trackteroid.errors import LedgerUnavailableError, RecordingNotFoundError, SpoolError, UnknownCommitError
from trackteroid.operations.recording import Recording, read_recording
from trackteroid.settings import Settings

__all__ = ["ReleaseResult", "cancel", "meant", "release"]

T = TypeVar("T")

# What a commit's id may look like, as opposed to a path that leads nowhere. (Files without a manifest and our own have UUIDs.)
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, kw_only=True, slots=True)
class ReleaseResult:
    """What became of a release.

    Attributes:
        commit_id: The commit's id.
        state: Its state now: `queued`, or `waiting` for another one; whatever it is if it was released before.
        accepted_in: `ledger`; or `spool`: Redis takes nothing, so the order waits where recordings wait then, and is carried out
            when it is flushed.
        reason: Why it is in the spool; empty otherwise.
        gaps: Sentences about the files that were missing (only with `partial=True`).
        commit: Handle of the commit.
    """

    commit_id: str
    state: CommitState
    commit: CommitHandle = field(compare=False, repr=False)
    accepted_in: Literal["ledger", "spool"] = "ledger"
    reason: str = ""
    gaps: tuple[str, ...] = ()


def _now() -> datetime:
    return datetime.now(timezone.utc)


def release(
    commit: str | os.PathLike[str] | Recording,
    *,
    ledger: Ledger | None = None,
    settings: Settings | None = None,
    server_url: str | None = None,
    partial: bool = False,
    wake: bool = True,
    clock: Clock = _now,
) -> ReleaseResult:
    """Set a held commit going, after looking for the files that its recording expects. Doing it again changes nothing.

    A recording that the ledger does not know yet (it waits in another node's spool, or was never enqueued) is enqueued on the
    way. While Redis takes nothing, the recording and the order to release it go to the spool, which needs the recording: its
    file, or a copy in this spool.

    Args:
        commit: The recording, its path, or the commit's id.
        ledger: Where it is, and nowhere else: without the spool. Default: the ledger of its server in the Redis of `settings`.
        settings: Default: the environment's.
        server_url: Server of an id, or of a recording that does not name one; default: `FTRACK_SERVER`.
        partial: Publish although files are missing or empty, and note which.
        wake: Whether to wake a worker if Celery is installed.
        clock: Returns the time, with a time zone: what is published is dated by its release.

    Raises:
        RecordingNotFoundError: There is no such file.
        OutputsMissingError: Files are missing or empty; it is still held, and the text names them.
        OutputsError: A folder cannot be read; it is still held.
        UnknownCommitError: The ledger knows no commit of this id.
        LedgerError: It is dead or cancelled.
        LedgerUnavailableError: Redis takes nothing, and only the id is known, or a `ledger` was given.
        SpoolError: Redis takes nothing, and the spool neither.
    """
    settings = settings or Settings.from_environment()
    commit_id, recording = meant(commit)
    url = ledger.server_url if ledger else server_of(settings, recording.server_url if recording else None, server_url)

    def in_time(call: Callable[[], T], /) -> T:
        return call() if ledger else soon(settings, call)

    try:
        found = ledger or _fetched(commit_id, url, settings)
        if recording is not None:
            _make_known(found, recording, settings, in_time)
        done = release_commit(
            found, commit_id, settings=settings, recording=recording, partial=partial, clock=clock, in_time=in_time
        )
    except LedgerUnavailableError as error:
        if ledger is not None:
            raise
        return _order(commit_id, recording, url, settings, error, partial, clock)
    if wake and done.state is CommitState.QUEUED:
        wake_worker(settings, url)
    return ReleaseResult(
        commit_id=commit_id,
        state=done.state,
        gaps=done.release.gaps if done.release else (),
        commit=handle_of(found, commit_id, settings),
    )


def cancel(
    commit: str | os.PathLike[str] | Recording,
    *,
    ledger: Ledger | None = None,
    settings: Settings | None = None,
    server_url: str | None = None,
) -> Commit:
    """End a commit that is not on the server: it will never be committed. Doing it again changes nothing.

    Args:
        commit: The recording, its path, or the commit's id.
        ledger: Where it is; default: the ledger of its server in the Redis of `settings`.
        settings: Default: the environment's.
        server_url: Server of an id, or of a recording that does not name one; default: `FTRACK_SERVER`.

    Raises:
        RecordingNotFoundError: There is no such file.
        UnknownCommitError: The ledger knows no commit of this id.
        LedgerError: A worker is committing it, or it is committed.
        LedgerUnavailableError: Redis cannot be reached: nobody could say whether it is committed meanwhile, so no order is left.
    """
    settings = settings or Settings.from_environment()
    commit_id, recording = meant(commit)
    actor = current_actor()
    if ledger is not None:
        return ledger.cancel(commit_id, actor=actor)
    url = server_of(settings, recording.server_url if recording else None, server_url)
    found = _fetched(commit_id, url, settings)
    return soon(settings, lambda: found.cancel(commit_id, actor=actor))


def meant(commit: str | os.PathLike[str] | Recording) -> tuple[str, Recording | None]:
    """Return the id of the commit that is meant by its recording, that one's path, or the id; and the recording if at hand.

    Raises:
        RecordingNotFoundError: It is text that is neither a recording's path nor can be an id.
        RecordingError: The file is something else.
    """
    if isinstance(commit, Recording):
        return commit.recording_id, commit
    try:
        recording = read_recording(commit)
    except RecordingNotFoundError as error:
        if isinstance(commit, str) and _ID.fullmatch(commit):
            return commit, None
        raise RecordingNotFoundError(f"{error} (Nor is it a commit's id.)") from error
    return recording.recording_id, recording


def _fetched(commit_id: str, server_url: str, settings: Settings) -> Ledger:
    """Return the ledger. A commit that it does not know may wait in this node's spool: then what waits there is delivered first.

    Raises:
        LedgerUnavailableError: The ledger cannot be reached, or the commit still waits, behind others.
    """
    ledger, waits = soon(settings, lambda: _delivered(commit_id, server_url, settings))
    if waits:
        # Said out here: nobody is to believe that this Redis hangs.
        raise LedgerUnavailableError(
            f"Commit {commit_id} waits in this node's spool behind others: trackteroid spool flush."
        )
    return ledger


def _delivered(commit_id: str, server_url: str, settings: Settings) -> tuple[Ledger, bool]:
    """Return the ledger, and whether a commit's recording still waits for it in this node's spool."""
    ledger = fit_ledger(settings, server_url)
    try:
        ledger.get(commit_id)
    except UnknownCommitError:
        with contextlib.suppress(SpoolError):
            spool = open_spool(settings)
            if any(spool.items(commit_id, server_url)):
                report = flush_spool(settings, seconds=FLUSH_SECONDS)
                # An order waits for its recording, wherever that is: it keeps nobody who has the recording.
                left = [item for item in spool.items(commit_id, server_url) if item.kind == "recording"]
                if left and report.error is not None:
                    raise LedgerUnavailableError(report.error) from None
                # What was meant for another Redis stays, and is none of ours.
                ours = {address(settings), *(other_addresses(settings, server_url) if left else ())}
                return ledger, any(normal_address(item.redis_url) in ours for item in left)
    return ledger, False


def _make_known(ledger: Ledger, recording: Recording, settings: Settings, in_time: InTime) -> None:
    def known() -> None:
        try:
            ledger.get(recording.recording_id)
        except UnknownCommitError:
            enqueue(recording, ledger=ledger, settings=settings, wake=False, hold=True)

    in_time(known)


def _order(
    commit_id: str,
    recording: Recording | None,
    server_url: str,
    settings: Settings,
    why: LedgerUnavailableError,
    partial: bool,
    clock: Clock,
) -> ReleaseResult:
    """Leave the recording and the order to release it in the spool."""
    spool = open_spool(settings)
    if recording is None:
        recording = _in_spool(commit_id, server_url, settings)
    if recording is None:
        raise LedgerUnavailableError(
            f"{why} Only the recording says which files to look for: give its file instead of its id, and the order waits in the "
            "spool; or release it when Redis is back."
        ) from why
    facts = check(recording, settings=settings, partial=partial, clock=clock)
    terms = Terms(hold=True, actor=facts.released_by)
    recording = with_identity(recording, None, settings)
    payload = packed(recording, server_url, settings)
    kept = spooled_recording(recording, payload, server_url, settings, why, terms)
    try:
        # Once accepted, it is not looked at again whether this was held at all: what the ledger knows counts.
        waiting = spool.items(commit_id, server_url)
        if not any(item.kind == "recording" and item.redis_url == kept.redis_url for item in waiting):
            spool.accept(kept)
        spool.accept(_release_order(commit_id, server_url, settings, facts, str(why)))
    except SpoolError as error:
        raise type(error)(f"{error} ({why})") from why
    return ReleaseResult(
        commit_id=commit_id,
        state=CommitState.QUEUED,
        accepted_in="spool",
        reason=str(why),
        gaps=facts.gaps,
        commit=spooled_handle(commit_id, server_url, settings),
    )


def _release_order(
    commit_id: str, server_url: str, settings: Settings, facts: ReleaseFacts, reason: str
) -> SpooledRecording:
    return SpooledRecording(
        commit_id=commit_id,
        digest="",
        server_url=server_url,
        redis_url=address(settings),
        payload=facts.to_json().encode(),
        reason=reason,
        kind="release",
        terms=Terms(actor=facts.released_by),
    )


def _in_spool(commit_id: str, server_url: str, settings: Settings) -> Recording | None:
    for item in open_spool(settings).items(commit_id, server_url):
        if item.kind == "recording":
            return recording_in(item.payload, settings)
    return None
