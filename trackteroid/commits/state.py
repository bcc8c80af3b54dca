"""The states of a commit."""

from __future__ import annotations

from enum import Enum

__all__ = ["DUE_STATES", "CommitState"]


class CommitState(str, Enum):
    """Where a commit stands. The value is what the ledger stores and what the command line prints."""

    #: Known, but not to be committed before somebody releases it.
    HELD = "held"
    #: To be committed as soon as a worker is free.
    QUEUED = "queued"
    #: A worker holds it.
    COMMITTING = "committing"
    #: Failed for a reason that may pass; due again later.
    RETRYING = "retrying"
    #: Needs something that another recording brings.
    WAITING = "waiting"
    #: On the server. Final.
    COMMITTED = "committed"
    #: Given up, with the reason; a person may retry it.
    DEAD = "dead"
    #: Ended by a person. Final.
    CANCELLED = "cancelled"

    def __str__(self) -> str:
        return self.value


#: States from which a worker may claim a commit once it is due.
DUE_STATES = (CommitState.QUEUED, CommitState.RETRYING, CommitState.WAITING)
