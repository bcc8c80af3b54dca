"""Handing a recording to the ledger.

Needs neither the ftrack client nor Celery: a farm node has the file and the Redis, nothing else.
"""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trackteroid.commits.commit import CommitFacts
from trackteroid.commits.ledger import Ledger, LedgerPolicy
from trackteroid.commits.payload import compress
from trackteroid.commits.servers import normalise_server_url
from trackteroid.commits.state import CommitState
from trackteroid.commits.wakeups import WakeupSender
from trackteroid.operations.recording import Recording, read_recording
from trackteroid.settings import Settings

if TYPE_CHECKING:
    from trackteroid.commits.redis_ledger import RedisLedger

__all__ = ["EnqueueResult", "enqueue", "facts_of", "ledger_policy", "open_ledger"]


@dataclass(frozen=True, kw_only=True, slots=True)
class EnqueueResult:
    """What became of a recording that was enqueued.

    Attributes:
        commit_id: The commit's id, which is the recording's.
        state: Its state now: `queued` for a new one; a dead one stays dead.
        already_known: Whether it had been accepted before, in which case nothing was changed.
        wakeup_sent: Whether a worker was woken; if not, the sweep finds it within seconds.
    """

    commit_id: str
    state: CommitState
    already_known: bool
    wakeup_sent: bool


def ledger_policy(settings: Settings) -> LedgerPolicy:
    """Return what the settings say about the ledger."""
    return LedgerPolicy(
        max_claims=settings.max_claims,
        retention_seconds=settings.retention_seconds,
        tombstone_seconds=settings.tombstone_seconds,
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


def facts_of(recording: Recording) -> CommitFacts:
    """Return what people search by, from the recording's manifest."""
    manifest = recording.manifest
    operations = len(recording.operations)
    if manifest is None:
        return CommitFacts(operations=operations)
    return CommitFacts(
        operations=operations,
        user=manifest.user or manifest.system_user,
        host=manifest.host,
        application=manifest.application,
        recorded_at=manifest.created_at,
        context=dict(manifest.context),
        labels=dict(manifest.labels),
    )


def enqueue(
    recording: str | os.PathLike[str] | Recording,
    *,
    ledger: Ledger | None = None,
    settings: Settings | None = None,
    server_url: str | None = None,
    wake: bool = True,
) -> EnqueueResult:
    """Accept a recording: from here on it is committed exactly once or stands in the ledger with its reason.

    Enqueueing the same recording again, from anywhere at any time, changes nothing.

    Args:
        recording: A recording or the path of one.
        ledger: Where to; default: the ledger of the recording's server in the Redis of `settings`.
        settings: Default: the environment's.
        server_url: Server of a recording that does not name one (files of the original library); default: `FTRACK_SERVER`.
        wake: Whether to wake a worker if Celery is installed. Without it the sweep finds the commit within seconds.

    Raises:
        RecordingError: The file is missing or cannot be read.
        RecordingChangedError: Its id is known with another content.
        BadInputError: No server is known, or the recording is too large.
        LedgerUnavailableError: The ledger cannot be reached; after two seconds at most.
    """
    settings = settings or Settings.from_environment()
    if not isinstance(recording, Recording):
        recording = read_recording(recording)
    if ledger is None:
        url = recording.server_url or server_url or os.environ.get("FTRACK_SERVER", "")
        ledger = _kept_ledger(settings, url)
    accepted = ledger.enqueue(
        recording.recording_id,
        digest=recording.digest,
        payload=compress(recording.to_payload(), limit=settings.payload_limit),
        facts=facts_of(recording),
    )
    wakes = wake and accepted.state is CommitState.QUEUED
    return EnqueueResult(
        commit_id=accepted.commit_id,
        state=accepted.state,
        already_known=accepted.known,
        wakeup_sent=wakes and _sender(settings.redis_url, ledger.server_url).send(),
    )


# Kept, so that the second recording of a process does not pay for connecting again. redis-py notices a fork and a
# closed connection.
@functools.lru_cache(maxsize=8)
def _kept_ledger(settings: Settings, server_url: str) -> RedisLedger:
    return open_ledger(settings, server_url)


@functools.lru_cache(maxsize=8)
def _sender(broker_url: str, server_url: str) -> WakeupSender:
    return WakeupSender(broker_url, server_url)
