"""The one step in which a recording enters a ledger, straight from `enqueue` or later from a spool."""

from __future__ import annotations

from trackteroid.commits.commit import CommitFacts
from trackteroid.commits.ledger import Enqueued, Ledger
from trackteroid.commits.order import order_of
from trackteroid.operations.recording import Recording

__all__ = ["facts_of", "submit"]


def facts_of(recording: Recording, *, recovered: bool = False) -> CommitFacts:
    """Return what people search by, from the recording's manifest."""
    manifest = recording.manifest
    operations = len(recording.operations)
    if manifest is None:
        return CommitFacts(operations=operations, recovered=recovered)
    return CommitFacts(
        operations=operations,
        user=manifest.user or manifest.system_user,
        host=manifest.host,
        application=manifest.application,
        recorded_at=manifest.created_at,
        context=dict(manifest.context),
        labels=dict(manifest.labels),
        recovered=recovered,
    )


def submit(ledger: Ledger, recording: Recording, payload: bytes, *, recovered: bool = False) -> Enqueued:
    """Hand a recording to a ledger.

    Args:
        ledger: Of the recording's server.
        recording: What was recorded.
        payload: The same as the ledger stores it.
        recovered: Whether it may have been committed before, as far as an earlier ledger knew that was lost.

    Raises:
        RecordingChangedError: Its id is known with another content.
        LedgerUnavailableError: The ledger cannot be reached.
    """
    return ledger.enqueue(
        recording.recording_id,
        digest=recording.digest,
        payload=payload,
        facts=facts_of(recording, recovered=recovered),
        order=order_of(recording),
    )
