"""Handing a recording to the ledger, or to the spool while Redis cannot take it; releasing one that is held.

Needs neither the ftrack client nor Celery: a farm node has the file and the Redis, nothing else.
"""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

from trackteroid.commits.actor import current_actor
from trackteroid.commits.flushing import FlushReport, flush
from trackteroid.commits.handle import CommitHandle, CommitLink
from trackteroid.commits.ledger import Enqueued, Ledger, check_priority
from trackteroid.commits.payload import compress
from trackteroid.commits.reaching import (
    address,
    fit_ledger,
    kept_ledger,
    ledger_policy,
    open_ledger,
    other_addresses,
    server_of,
    soon,
)
from trackteroid.commits.releasing import release_commit
from trackteroid.commits.signing import seal
from trackteroid.commits.spool import SpooledRecording, open_spool
from trackteroid.commits.state import CommitState
from trackteroid.commits.submission import PLAIN, Terms, facts_of, submit
from trackteroid.commits.wakeups import WakeupSender
from trackteroid.errors import BadInputError, LedgerError, LedgerUnavailableError, SpoolError
from trackteroid.operations.manifest import COMMIT_AS
from trackteroid.operations.recording import Recording, read_recording
from trackteroid.settings import Settings

__all__ = [
    "EnqueueResult",
    "check_terms",
    "enqueue",
    "facts_of",
    "flush_spool",
    "handle_of",
    "ledger_policy",
    "open_ledger",
    "packed",
    "spooled_handle",
    "spooled_recording",
    "wake_worker",
    "with_identity",
]

logger = logging.getLogger(__name__)

#: For how long an enqueue delivers what waits in the spool before it delivers its own.
FLUSH_SECONDS = 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class EnqueueResult:
    """What became of a recording that was enqueued.

    Attributes:
        commit_id: The commit's id, which is the recording's.
        state: Its state now: `queued` or `held` for a new one; a dead one stays dead.
        already_known: Whether it had been accepted before, in which case nothing was changed.
        wakeup_sent: Whether a worker was woken; if not, the sweep finds it within seconds.
        accepted_in: `"ledger"`, or `"spool"`: Redis could not take it, so it waits on this node's disk (or the shared folder that
            `TRACKTEROID_SPOOL` names) and is delivered by the next enqueue there, or by `trackteroid spool flush`.
        reason: Why it is in the spool; empty otherwise.
        commit: Handle of the commit: its state, waiting for it, retrying and cancelling it.
    """

    commit_id: str
    state: CommitState
    already_known: bool
    wakeup_sent: bool
    commit: CommitHandle = field(compare=False, repr=False)
    accepted_in: Literal["ledger", "spool"] = "ledger"
    reason: str = ""


def flush_spool(
    settings: Settings | None = None,
    *,
    any_redis: bool = False,
    seconds: float | None = None,
    on_entry: Callable[[int, int], None] | None = None,
) -> FlushReport:
    """Deliver what waits in the spool of `settings` to the Redis of `settings`.

    Args:
        settings: Default: the environment's.
        any_redis: Also what was meant for another Redis: after it has moved.
        seconds: For how long new deliveries are begun; None: until it is empty or Redis takes nothing.
        on_entry: Told, before each delivery, how many are behind and how many there are.

    Raises:
        SpoolError: The spool cannot be read.
    """
    settings = settings or Settings.from_environment()
    return flush(
        open_spool(settings),
        lambda server_url: fit_ledger(settings, server_url),
        redis_url=None if any_redis else address(settings),
        also_at=lambda server_url: other_addresses(settings, server_url),
        payload_limit=settings.payload_limit,
        seconds=seconds,
        on_entry=on_entry,
    )


def enqueue(
    recording: str | os.PathLike[str] | Recording,
    *,
    ledger: Ledger | None = None,
    settings: Settings | None = None,
    server_url: str | None = None,
    wake: bool = True,
    recovered: bool = False,
    hold: bool = False,
    priority: int = 0,
    depends_on: Iterable[str] = (),
    commit_as: str | None = None,
) -> EnqueueResult:
    """Accept a recording: from here on it is committed exactly once or stands in the ledger with its reason.

    Delivers first what waits in this node's spool, for half a second at most. When Redis cannot be reached, hangs, is full or
    would evict, the recording goes to the spool instead: `accepted_in` says which. Either takes less than two seconds.
    Enqueueing the same recording again, from anywhere at any time, changes nothing.

    A new one that expects files and is not held is committed without a look at them, which is logged as a warning.

    Args:
        recording: A recording or the path of one.
        ledger: Where to, and nowhere else: without the spool. Default: the ledger of the recording's server in the Redis of
            `settings`.
        settings: Default: the environment's.
        server_url: Server of a recording that does not name one (files of the original library); default: `FTRACK_SERVER`.
        wake: Whether to wake a worker if Celery is installed. Without it the sweep finds the commit within seconds.
        recovered: The recording may have been committed, but the ledger that knew was lost: the worker asks ftrack first what is
            there, and sends only what is not. Needs `ledger`: a spool does not keep it.
        hold: Make it known, but do not commit it before `release`.
        priority: Commits of higher ones go first, between -100 and 100.
        depends_on: Ids of commits that must be committed before this one.
        commit_as: `worker`: ftrack's history names the user of the worker's key. `recorder`: it names who recorded, which needs
            workers with a global key. Default: what the recording says, else `TRACKTEROID_COMMIT_AS`.

    Raises:
        RecordingError: The file is missing or cannot be read.
        TemporaryFolderError: It cannot be copied to be read; try again.
        RecordingChangedError: Its id is known with another content.
        BadInputError: No server is known, the recording is too large, or an argument cannot be used.
        LedgerUnavailableError: The given `ledger` cannot be reached.
        SpoolError: Redis takes nothing and the spool is full or cannot be written to; the recording was not accepted.
    """
    settings = settings or Settings.from_environment()
    check_terms(priority, depends_on, commit_as)
    terms = Terms(hold=hold, priority=priority, depends_on=tuple(depends_on), actor=current_actor())
    if not isinstance(recording, Recording):
        recording = read_recording(recording)
    recording = with_identity(recording, commit_as, settings)
    if recording.recording_id in terms.depends_on:
        raise BadInputError(f"Recording {recording.recording_id} cannot depend on itself.")
    if ledger is not None:
        payload = packed(recording, ledger.server_url, settings)
        accepted = submit(ledger, recording, payload, recovered=recovered, terms=terms)
        if not recovered:
            _warn_of_outputs(recording, terms, known=accepted.known)
        return _accepted(accepted, settings, _sender(settings.redis_url, ledger.server_url) if wake else None, ledger)
    if recovered:
        raise BadInputError("enqueue(recovered=True) needs the ledger to enqueue to.")
    url = server_of(settings, recording.server_url, server_url)
    payload = packed(recording, url, settings)
    try:
        accepted = soon(settings, lambda: _hand_over(recording, payload, url, settings, terms))
    except LedgerUnavailableError as error:
        return _spooled(recording, payload, url, settings, error, terms)
    _warn_of_outputs(recording, terms, known=accepted.known)
    sender = _sender(settings.redis_url, url) if wake else None
    result = _accepted(accepted, settings, sender, kept_ledger(settings, url))
    if terms.depends_on and not result.already_known:
        _warn_of_unknown(result, settings)
    return result


def _warn_of_outputs(recording: Recording, terms: Terms, *, known: bool) -> None:
    """Say that nobody looks for the files that a newly accepted recording expects."""
    outputs = () if recording.manifest is None else recording.manifest.outputs
    if outputs and not terms.hold and not known:
        logger.warning(
            "Recording %s expects files (%d patterns) and is committed without a look at them, as it is not held. To wait for "
            "them: `trackteroid enqueue --hold`, and `trackteroid release` when they are there.",
            recording.recording_id,
            len(outputs),
            extra={"action": "outputs_unchecked"},
        )


def _warn_of_unknown(result: EnqueueResult, settings: Settings) -> None:
    """Say that a newly accepted commit waits for one that the ledger has never heard of: a slip, perhaps."""
    if result.state is not CommitState.WAITING:
        return
    try:
        waiting = soon(settings, lambda: result.commit.commit.waiting)
    except LedgerError:
        # It is accepted, whatever cannot be told of it.
        return
    if waiting is not None and waiting.state == "unknown" and waiting.kind == "depends":
        logger.warning(
            "Commit %s waits for %s, and no commit of that id is known yet: it waits until one is enqueued and committed. If "
            "that is a slip: `trackteroid commits cancel`, and record again.",
            result.commit_id,
            waiting.commit_id,
            extra={"action": "dependency_unknown"},
        )


def check_terms(priority: int, depends_on: Iterable[str], commit_as: str | None) -> None:
    """Check arguments of `enqueue`.

    Raises:
        BadInputError: One of them cannot be used.
    """
    check_priority(priority)
    if isinstance(depends_on, str):
        raise BadInputError(f"depends_on takes a list of commit ids, not the text {depends_on!r}.")
    if commit_as is not None and commit_as not in COMMIT_AS:
        raise BadInputError(f"commit_as must be one of {', '.join(COMMIT_AS)}, not {commit_as!r}.")


def with_identity(recording: Recording, commit_as: str | None, settings: Settings) -> Recording:
    """Return the recording with the identity under which it is to be committed."""
    manifest = recording.manifest
    # A file of the original library does not say who recorded it.
    if manifest is None:
        return recording
    wanted = commit_as or manifest.commit_as or settings.commit_as
    if wanted == (manifest.commit_as or "worker"):
        return recording
    return replace(recording, manifest=replace(manifest, commit_as=wanted))


def packed(recording: Recording, server_url: str, settings: Settings) -> bytes:
    """Return a recording as the ledger of a (normalised) server stores it: compressed, and signed if there is a key.

    Raises:
        BadInputError: It is too large.
    """
    payload = compress(recording.to_payload(), limit=settings.payload_limit)
    return seal(payload, keys=settings.signing_keys, commit_id=recording.recording_id, server_url=server_url)


def _hand_over(recording: Recording, payload: bytes, server_url: str, settings: Settings, terms: Terms) -> Enqueued:
    """Deliver what waits in the spool, as it was enqueued before, then this."""
    unusable: SpoolError | None = None
    try:
        report = flush_spool(settings, seconds=FLUSH_SECONDS)
    except SpoolError as error:
        # Whether the spool can be used matters only when Redis cannot.
        unusable = error
    else:
        if report.error is not None:
            raise LedgerUnavailableError(report.error)
    accepted = submit(fit_ledger(settings, server_url), recording, payload, terms=terms)
    if unusable is not None:
        logger.warning("%s", unusable)
    return accepted


def _accepted(accepted: Enqueued, settings: Settings, sender: WakeupSender | None, ledger: Ledger) -> EnqueueResult:
    woken = sender is not None and accepted.state is CommitState.QUEUED and sender.send()
    return EnqueueResult(
        commit_id=accepted.commit_id,
        state=accepted.state,
        already_known=accepted.known,
        wakeup_sent=woken,
        commit=handle_of(ledger, accepted.commit_id, settings),
    )


def _spooled(
    recording: Recording,
    payload: bytes,
    server_url: str,
    settings: Settings,
    why: LedgerUnavailableError,
    terms: Terms,
) -> EnqueueResult:
    item = spooled_recording(recording, payload, server_url, settings, why, terms)
    try:
        accepted = open_spool(settings).accept(item)
    except SpoolError as error:
        # Both reasons, as a person has to repair one of them.
        raise type(error)(f"{error} ({why})") from why
    logger.warning("Recording %s waits in the spool: %s", item.commit_id, why, extra={"action": "spooled"})
    _warn_of_outputs(recording, terms, known=accepted.known)
    return EnqueueResult(
        commit_id=item.commit_id,
        state=CommitState.HELD if terms.hold else CommitState.QUEUED,
        already_known=accepted.known,
        wakeup_sent=False,
        accepted_in="spool",
        reason=str(why),
        commit=spooled_handle(item.commit_id, server_url, settings),
    )


def spooled_recording(
    recording: Recording,
    payload: bytes,
    server_url: str,
    settings: Settings,
    why: LedgerUnavailableError,
    terms: Terms = PLAIN,
) -> SpooledRecording:
    """Return what a spool keeps of a recording while Redis cannot take it."""
    return SpooledRecording(
        commit_id=recording.recording_id,
        digest=recording.digest,
        server_url=server_url,
        redis_url=address(settings),
        payload=payload,
        reason=str(why),
        terms=terms,
    )


def handle_of(ledger: Ledger, commit_id: str, settings: Settings) -> CommitHandle:
    """Return the handle of a commit that a ledger knows."""
    return CommitHandle(
        CommitLink(
            commit_id=commit_id,
            open_ledger=lambda: ledger,
            in_spool=lambda: False,
            deliver=lambda: None,
            release=lambda partial: release_commit(ledger, commit_id, settings=settings, partial=partial),
        )
    )


def spooled_handle(commit_id: str, server_url: str, settings: Settings) -> CommitHandle:
    """Return the handle of a commit whose recording waits in the spool."""
    spool = open_spool(settings)

    def waiting() -> dict[str, SpooledRecording]:
        # Others of this id are meant for another server or Redis, and may wait for ever.
        items = spool.items(commit_id, server_url)
        return {item.kind: item for item in items if item.redis_url == address(settings)}

    def state() -> CommitState:
        kinds = waiting()
        held = "recording" in kinds and kinds["recording"].terms.hold and "release" not in kinds
        return CommitState.HELD if held else CommitState.QUEUED

    return CommitHandle(
        CommitLink(
            commit_id=commit_id,
            open_ledger=lambda: kept_ledger(settings, server_url),
            in_spool=lambda: bool(waiting()),
            deliver=lambda: flush_spool(settings, seconds=FLUSH_SECONDS),
            spooled_state=state,
            release=lambda partial: release_commit(
                kept_ledger(settings, server_url), commit_id, settings=settings, partial=partial
            ),
        )
    )


def wake_worker(settings: Settings, server_url: str) -> bool:
    """Wake a worker of a (normalised) server if Celery is installed; whether that worked."""
    return _sender(settings.redis_url, server_url).send()


@functools.lru_cache(maxsize=8)
def _sender(broker_url: str, server_url: str) -> WakeupSender:
    return WakeupSender(broker_url, server_url)
