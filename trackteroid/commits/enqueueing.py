"""Handing a recording to the ledger, or to the spool while Redis cannot take it.

Needs neither the ftrack client nor Celery: a farm node has the file and the Redis, nothing else.
"""

from __future__ import annotations

import functools
import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from trackteroid.commits.bounded import within
from trackteroid.commits.flushing import FlushReport, flush
from trackteroid.commits.handle import CommitHandle, CommitLink
from trackteroid.commits.ledger import Enqueued, Ledger, LedgerPolicy
from trackteroid.commits.payload import compress
from trackteroid.commits.servers import normalise_server_url
from trackteroid.commits.signing import seal
from trackteroid.commits.spool import SpooledRecording, open_spool
from trackteroid.commits.state import CommitState
from trackteroid.commits.submission import facts_of, submit
from trackteroid.commits.wakeups import WakeupSender
from trackteroid.errors import BadInputError, LedgerUnavailableError, SpoolError
from trackteroid.operations.recording import Recording, read_recording
from trackteroid.settings import Settings

if TYPE_CHECKING:
    from trackteroid.commits.redis_ledger import RedisLedger

__all__ = ["EnqueueResult", "enqueue", "facts_of", "flush_spool", "ledger_policy", "open_ledger"]

logger = logging.getLogger(__name__)

#: For how long an enqueue delivers what waits in the spool before it delivers its own.
FLUSH_SECONDS = 0.5
#: How long both together may take. The wake-up has half a second more: two seconds in all.
LEDGER_SECONDS = 1.5
#: For how long a Redis that was seen not to evict is trusted not to.
_FIT_SECONDS = 30.0
#: A Redis that took this long to fail hangs, and for that long after nobody waits for it again: five hundred files in a row must
#: not take a second and a half each.
_HANGING_SECONDS = 0.5
_PAUSE_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True, slots=True)
class EnqueueResult:
    """What became of a recording that was enqueued.

    Attributes:
        commit_id: The commit's id, which is the recording's.
        state: Its state now: `queued` for a new one; a dead one stays dead.
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


def ledger_policy(settings: Settings) -> LedgerPolicy:
    """Return what the settings say about the ledger."""
    return LedgerPolicy(
        max_claims=settings.max_claims,
        retention_seconds=settings.retention_seconds,
        tombstone_seconds=settings.tombstone_seconds,
        concurrency=settings.concurrency,
        probe_seconds=settings.probe_seconds,
        streak=settings.breaker_streak,
    )


def open_ledger(settings: Settings, server_url: str) -> RedisLedger:
    """Return the ledger of an ftrack server; connects on first use.

    Args:
        settings: Which Redis, and the ledger's numbers.
        server_url: The server's URL in any spelling.

    Raises:
        BadInputError: `server_url` is no URL.
        SettingsError: The Redis URL or an alias cannot be used.
    """
    from trackteroid.commits.redis_client import connect
    from trackteroid.commits.redis_ledger import RedisLedger

    return RedisLedger(
        connect(settings.redis_url),
        normalise_server_url(server_url, settings.server_aliases),
        policy=ledger_policy(settings),
        address=settings.redis_url,
    )


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
        lambda server_url: _fit_ledger(settings, server_url),
        redis_url=None if any_redis else _address(settings),
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
) -> EnqueueResult:
    """Accept a recording: from here on it is committed exactly once or stands in the ledger with its reason.

    Delivers first what waits in this node's spool, for half a second at most. When Redis cannot be reached, hangs, is full or
    would evict, the recording goes to the spool instead: `accepted_in` says which. Either takes less than two seconds.
    Enqueueing the same recording again, from anywhere at any time, changes nothing.

    Args:
        recording: A recording or the path of one.
        ledger: Where to, and nowhere else: without the spool. Default: the ledger of the recording's server in the Redis of
            `settings`.
        settings: Default: the environment's.
        server_url: Server of a recording that does not name one (files of the original library); default: `FTRACK_SERVER`.
        wake: Whether to wake a worker if Celery is installed. Without it the sweep finds the commit within seconds.
        recovered: The recording may have been committed, but the ledger that knew was lost: the worker asks ftrack first what is
            there, and sends only what is not. Needs `ledger`: a spool does not keep it.

    Raises:
        RecordingError: The file is missing or cannot be read.
        RecordingChangedError: Its id is known with another content.
        BadInputError: No server is known, or the recording is too large.
        LedgerUnavailableError: The given `ledger` cannot be reached.
        SpoolError: Redis takes nothing and the spool is full or cannot be written to; the recording was not accepted.
    """
    settings = settings or Settings.from_environment()
    if not isinstance(recording, Recording):
        recording = read_recording(recording)
    if ledger is not None:
        accepted = submit(ledger, recording, _packed(recording, ledger.server_url, settings), recovered=recovered)
        return _accepted(accepted, settings, _sender(settings.redis_url, ledger.server_url) if wake else None, ledger)
    if recovered:
        raise BadInputError("enqueue(recovered=True) needs the ledger to enqueue to.")
    url = recording.server_url or server_url or os.environ.get("FTRACK_SERVER", "")
    url = normalise_server_url(url, settings.server_aliases)
    payload = _packed(recording, url, settings)
    started = time.monotonic()
    try:
        _refuse_hanging(settings, started)
        accepted = within(LEDGER_SECONDS, lambda: _hand_over(recording, payload, url, settings))
    except LedgerUnavailableError as error:
        if time.monotonic() - started > _HANGING_SECONDS:
            _hung[settings.redis_url] = (time.monotonic() + _PAUSE_SECONDS, str(error))
        return _spooled(recording, payload, url, settings, error)
    sender = _sender(settings.redis_url, url) if wake else None
    return _accepted(accepted, settings, sender, _kept_ledger(settings, url))


def _packed(recording: Recording, server_url: str, settings: Settings) -> bytes:
    payload = compress(recording.to_payload(), limit=settings.payload_limit)
    return seal(payload, keys=settings.signing_keys, commit_id=recording.recording_id, server_url=server_url)


def _hand_over(recording: Recording, payload: bytes, server_url: str, settings: Settings) -> Enqueued:
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
    accepted = submit(_fit_ledger(settings, server_url), recording, payload)
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
        commit=CommitHandle(
            CommitLink(
                commit_id=accepted.commit_id,
                open_ledger=lambda: ledger,
                in_spool=lambda: False,
                deliver=lambda: None,
            )
        ),
    )


def _spooled(
    recording: Recording, payload: bytes, server_url: str, settings: Settings, why: LedgerUnavailableError
) -> EnqueueResult:
    item = SpooledRecording(
        commit_id=recording.recording_id,
        digest=recording.digest,
        server_url=server_url,
        redis_url=_address(settings),
        payload=payload,
        reason=str(why),
    )
    spool = open_spool(settings)
    try:
        accepted = spool.accept(item)
    except SpoolError as error:
        # Both reasons, as a person has to repair one of them.
        raise type(error)(f"{error} ({why})") from why
    logger.warning("Recording %s waits in the spool: %s", item.commit_id, why, extra={"action": "spooled"})
    return EnqueueResult(
        commit_id=item.commit_id,
        state=CommitState.QUEUED,
        already_known=accepted.known,
        wakeup_sent=False,
        accepted_in="spool",
        reason=str(why),
        commit=CommitHandle(
            CommitLink(
                commit_id=item.commit_id,
                open_ledger=lambda: _kept_ledger(settings, server_url),
                in_spool=accepted.path.exists,
                deliver=lambda: flush_spool(settings, seconds=FLUSH_SECONDS),
            )
        ),
    )


def _refuse_hanging(settings: Settings, now: float) -> None:
    until, why = _hung.get(settings.redis_url, (now, ""))
    if now < until:
        raise LedgerUnavailableError(why)


# Redis URL to the moment (monotonic) until which it is not waited for, and why.
_hung: dict[str, tuple[float, str]] = {}


def _address(settings: Settings) -> str:
    from trackteroid.commits.redis_client import without_password

    return without_password(settings.redis_url)


def _fit_ledger(settings: Settings, server_url: str) -> RedisLedger:
    """Return the ledger if its Redis may hold one.

    Raises:
        LedgerUnavailableError: It evicts, or cannot be reached.
    """
    from trackteroid.commits.redis_client import refuse_eviction

    ledger = _kept_ledger(settings, server_url)
    now = time.monotonic()
    if now >= _fit_until.get(settings.redis_url, now):
        refuse_eviction(ledger.client, settings.redis_url)
        _fit_until[settings.redis_url] = now + _FIT_SECONDS
    return ledger


# Redis URL to the moment (monotonic) until which it is not asked again whether it evicts.
_fit_until: dict[str, float] = {}


# Kept, so that the second recording of a process does not pay for connecting again. redis-py notices a fork and a
# closed connection.
@functools.lru_cache(maxsize=8)
def _kept_ledger(settings: Settings, server_url: str) -> RedisLedger:
    return open_ledger(settings, server_url)


@functools.lru_cache(maxsize=8)
def _sender(broker_url: str, server_url: str) -> WakeupSender:
    return WakeupSender(broker_url, server_url)
