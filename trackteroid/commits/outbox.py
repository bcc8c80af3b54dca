"""What somebody is to be told, kept with the ledger until a channel has passed it on.

The ledger writes it in the very step in which a commit dies or the breaker moves, so that no crash loses it; a channel takes a
line away after it was delivered, so that it is delivered at least once. Each channel has lines of its own: a receiver that is
down does not repeat what the other one has heard. Every ledger has one; they pass the ledger's suite (`tests/conformance`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from trackteroid.commits.commit import CommitError

__all__ = ["CHANNELS", "MOST_NOTICES", "Notice", "Outbox"]

#: The names in `lua/common/1_telling.lua`.
CHANNELS = ("hook", "webhook")

#: Looked at in one step; twice as many are kept at most, the newest.
MOST_NOTICES = 5000


@dataclass(frozen=True, kw_only=True, slots=True)
class Notice:
    """One thing that happened.

    Attributes:
        event: `dead`, `overdue`, `breaker_open` or `breaker_closed`.
        commit_id: Which commit; empty for the breaker.
        at: When, seconds since the epoch on the ledger's clock.
        error: Why; None for an overdue one.
        line: As it is stored.
    """

    event: str
    commit_id: str
    at: float
    error: CommitError | None
    line: bytes

    @classmethod
    def from_line(cls, line: bytes) -> Notice:
        """Return the notice that is stored as `line`."""
        data = json.loads(line)
        error = data.get("error")
        return cls(
            event=data["event"],
            commit_id=data["id"],
            at=float(data["at"]),
            error=None if error is None else CommitError.from_json(json.dumps(error)),
            line=line,
        )


class Outbox(Protocol):
    """Scope: one server's ledger, all workers. Raises `LedgerUnavailableError` where the ledger cannot be reached."""

    def notices(self, channel: str, *, limit: int = MOST_NOTICES) -> Sequence[Notice]:
        """Return what waits for a channel, oldest first."""

    def dismiss(self, channel: str, notices: Iterable[Notice]) -> None:
        """Take away what was delivered."""

    def states(self, commit_ids: Sequence[str]) -> dict[str, str]:
        """Return the state of each of these commits that the ledger still knows; one round trip."""

    def lock(self, channel: str, *, seconds: float) -> bool:
        """Take a channel for this outbox's holder, for `seconds` at most; whether nobody else has it."""

    def unlock(self, channel: str) -> None:
        """Give it back if it is still ours."""

    def remembered(self, channel: str) -> dict[str, float]:
        """Return the numbers that the channel's teller has remembered."""

    def remember(self, channel: str, numbers: Mapping[str, float | None], *, seconds: float) -> None:
        """Change some of these numbers (None: forget it); all are forgotten if none is changed for `seconds`."""
