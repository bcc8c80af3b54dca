"""The one step in which a recording enters a ledger, straight from `enqueue` or later from a spool."""

from __future__ import annotations

from dataclasses import dataclass

from trackteroid.commits.commit import CommitFacts
from trackteroid.commits.ledger import Enqueued, Ledger, check_priority
from trackteroid.commits.order import order_of
from trackteroid.operations.recording import Recording

__all__ = ["PLAIN", "Terms", "facts_of", "submit"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Terms:
    """How a recording is to be committed; not part of the recording itself.

    Attributes:
        hold: Known from now on, but not committed before somebody releases it.
        priority: Higher ones are committed first, between -100 and 100.
        depends_on: Ids of commits that must be committed before.
        actor: Who says so.
    """

    hold: bool = False
    priority: int = 0
    depends_on: tuple[str, ...] = ()
    actor: str | None = None

    def __post_init__(self) -> None:
        check_priority(self.priority)

    @property
    def are_plain(self) -> bool:
        """Whether they are those of an ordinary enqueue."""
        return not self.hold and not self.priority and not self.depends_on


PLAIN = Terms()


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


def submit(
    ledger: Ledger, recording: Recording, payload: bytes, *, recovered: bool = False, terms: Terms = PLAIN
) -> Enqueued:
    """Hand a recording to a ledger.

    Args:
        ledger: Of the recording's server.
        recording: What was recorded.
        payload: The same as the ledger stores it.
        recovered: Whether it may have been committed before, as far as an earlier ledger knew that was lost.
        terms: Whether it is held, and what goes before it.

    Raises:
        RecordingChangedError: Its id is known with another content.
        LedgerUnavailableError: The ledger cannot be reached.
    """
    return ledger.enqueue(
        recording.recording_id,
        digest=recording.digest,
        payload=payload,
        facts=facts_of(recording, recovered=recovered),
        order=order_of(recording, depends_on=terms.depends_on),
        hold=terms.hold,
        priority=terms.priority,
        actor=terms.actor,
    )
