"""What is kept of commits that have ended, and for how long, for the ledger in memory: `finish` of `lua/common/5_ends.lua`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trackteroid.commits.commit import Commit, CommitFacts
from trackteroid.commits.ledger import LedgerPolicy
from trackteroid.commits.state import CommitState

__all__ = ["MemoryEnds"]


@dataclass(frozen=True, slots=True)
class _Tombstone:
    digest: str
    state: CommitState
    ended_at: float
    expires_at: float


class MemoryEnds:
    """When rows expire, and the tombstones.

    Args:
        policy: The ledger's numbers.
        server_url: The ledger's.
    """

    def __init__(self, policy: LedgerPolicy, server_url: str) -> None:
        self._policy = policy
        self._server_url = server_url
        self._expiry: dict[str, float] = {}
        self._tombstones: dict[str, _Tombstone] = {}

    def note(self, row: Commit, state: CommitState, now: float) -> None:
        """A commit has ended."""
        self._expiry[row.id] = now + self._policy.retention_seconds
        self._tombstones[row.id] = _Tombstone(row.digest, state, now, now + self._policy.tombstone_seconds)

    def remembered(self, commit_id: str, now: float) -> Commit | None:
        """Return what its tombstone tells of a commit, None if there is none."""
        tombstone = self._tombstones.get(commit_id)
        if tombstone is None or tombstone.expires_at <= now:
            return None
        return Commit(
            id=commit_id,
            state=tombstone.state,
            digest=tombstone.digest,
            server_url=self._server_url,
            facts=CommitFacts(operations=0),
            created_at=tombstone.ended_at,
            updated_at=tombstone.ended_at,
            committed_at=tombstone.ended_at if tombstone.state is CommitState.COMMITTED else None,
        )

    def expired(self, now: float, *, limit: int) -> Sequence[str]:
        """Return commits whose row is to be removed, and forget that they have one."""
        ids = [commit_id for commit_id, moment in self._expiry.items() if moment <= now][:limit]
        for commit_id in ids:
            del self._expiry[commit_id]
        return ids
