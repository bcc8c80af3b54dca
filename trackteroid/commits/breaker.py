"""Trouble around the commits, as it is shown. When it opens and closes the ledgers decide (`lua/common/6_breaker.lua`)."""

from __future__ import annotations

from dataclasses import dataclass

from trackteroid.commits.commit import CommitError

__all__ = ["Breaker"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Breaker:
    """Why commits are not tried although they are due.

    Attributes:
        open_since: Since when the breaker is open; None if it is closed.
        kind: `environment` (a fault of the workers' surroundings) or `streak` (the same error on many commits in a row).
        error: That fault.
        probe_at: From when on one commit is tried.
        paused_until: The server asked everybody to wait until then; None if it did not.
    """

    open_since: float | None = None
    kind: str = ""
    error: CommitError | None = None
    probe_at: float | None = None
    paused_until: float | None = None

    @property
    def reason(self) -> str:
        """One sentence or two for a person: why nothing is committed; empty if nothing is in the way."""
        if self.open_since is not None:
            why = self.error.message if self.error is not None else "Nobody said why."
            kind = "many commits in a row met the same error" if self.kind == "streak" else "the trouble is around them"
            return f"Commits stand still, as {kind}; one at a time is tried until it passes. {why}"
        if self.paused_until is not None:
            return "Commits stand still for a while, because the ftrack server asked for it."
        return ""
