"""What was accepted long ago and has not ended: it waits for something that does not come, or is tried again and again.

Nothing is wrong with such a commit, so nobody is told of it as of a dead one; but somebody should look from time to time.
"""

from __future__ import annotations

from collections.abc import Sequence

from trackteroid.commits.commit import Commit
from trackteroid.commits.ledger import Ledger
from trackteroid.commits.state import CommitState

__all__ = ["REMEDY", "STUCK_SECONDS", "find_stuck", "stuck_text"]

#: A commit that has not ended after so long is worth a look; after as long a missing reference is given up.
STUCK_SECONDS = 86400.0
#: Which commands show them.
REMEDY = "trackteroid commits list --older-than 1d --state waiting --state retrying --state queued"

_STATES = (CommitState.QUEUED, CommitState.COMMITTING, CommitState.RETRYING, CommitState.WAITING)
_LOOKED_AT = 100
_NAMED = 3


def find_stuck(ledger: Ledger, *, now: float, seconds: float = STUCK_SECONDS) -> Sequence[Commit]:
    """Return commits that were accepted more than `seconds` ago and are neither held nor at an end; 100 at most.

    Args:
        ledger: Whose.
        now: Seconds since the epoch.
        seconds: Age.

    Raises:
        LedgerUnavailableError: The ledger cannot be reached.
    """
    return ledger.list(_STATES, limit=_LOOKED_AT, before=(now - seconds, ""))


def stuck_text(commits: Sequence[Commit]) -> str:
    """Return one line for a person about what `find_stuck` has found; empty if that is nothing."""
    if not commits:
        return ""
    count = f"{len(commits)}" if len(commits) < _LOOKED_AT else f"{_LOOKED_AT} or more"
    named = "; ".join(_named(commit) for commit in commits[:_NAMED])
    more = "; ..." if len(commits) > _NAMED else ""
    return f"{count} accepted more than a day ago and not at an end: {named}{more}"


def _named(commit: Commit) -> str:
    reason = ""
    if commit.waiting is not None:
        reason = commit.waiting.reason
    elif commit.error is not None:
        reason = commit.error.message
    flat = " ".join(reason.split()).rstrip(".")
    return f"{commit.id} {commit.state}" + (f" ({flat})" if flat else "")
