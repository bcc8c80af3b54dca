"""A worker's hold on a commit, and what it gets with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from trackteroid.commits.commit import Commit

__all__ = ["Claim", "Companion"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Companion:
    """A commit that is committed together with a claimed one, as one batch, because each needs what the other creates.

    Attributes:
        commit: As it is; `waiting` until the claimed one is committed.
        payload: The compressed recording; None if Redis has lost it.
        overtaken: As of `Claim`.
    """

    commit: Commit
    payload: bytes | None
    overtaken: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """A worker's hold on a commit.

    Attributes:
        commit: As it is after the claim.
        payload: The compressed recording; None if Redis has lost it.
        token: Fencing token; grows with each claim of the commit.
        now: The ledger's clock at the claim.
        probe: Whether the breaker is open and this is to find out whether the trouble is over.
        overtaken: (entity, attribute) whose committed value was recorded later than this one's: not to be written any more.
        companions: What is to be committed with it, in the order of acceptance.
        stand_ins: Of what they refer to, each id that may stand for another entity (`order.may_stand_for_another`), and that
            entity's id as `Ledger.stand_ins` has it; None: itself.
    """

    commit: Commit
    payload: bytes | None
    token: int
    now: float
    overtaken: frozenset[tuple[str, str]] = frozenset()
    probe: bool = False
    companions: tuple[Companion, ...] = ()
    stand_ins: Mapping[str, str | None] = field(default_factory=dict)
