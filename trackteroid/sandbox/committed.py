"""What a request changed, as it is handed on once it is in the database."""

from __future__ import annotations

from dataclasses import dataclass

from trackteroid.sandbox.changes import Change
from trackteroid.sandbox.credentials import Caller

__all__ = ["Committed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    """One committed request.

    Attributes:
        changes: Every change in the order in which it was made; a row may be in it several times.
        caller: Who asked for it.
        client_token, push_token: Opaque marks of the client (specification 1.2), None if it sent none.
    """

    changes: tuple[Change, ...]
    caller: Caller
    client_token: str | None = None
    push_token: str | None = None
