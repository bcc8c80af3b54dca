"""Which entity took the place of one that a recording ensures, for the ledger in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from trackteroid.commits.order import may_stand_for_another

__all__ = ["MemoryStandIns"]


class MemoryStandIns:
    """Remembers it for a while.

    Args:
        seconds: For how long.
        clock: The ledger's.
    """

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._seconds = seconds
        self._clock = clock
        self._known: dict[str, tuple[str, float]] = {}

    def remember(self, stands_for: Mapping[str, str | None]) -> None:
        """See `Ledger.remember_stand_ins`."""
        until = self._clock() + self._seconds
        for entity_id, other in stands_for.items():
            if other is None:
                self._known.pop(entity_id, None)
            else:
                self._known[entity_id] = (other, until)

    def of(self, entity_ids: Sequence[str]) -> dict[str, str]:
        """See `Ledger.stand_ins`."""
        now = self._clock()
        known = ((each, self._known.get(each, ("", now))) for each in entity_ids)
        return {entity_id: other for entity_id, (other, until) in known if until > now}

    def of_needed(self, needed: Sequence[str]) -> dict[str, str | None]:
        """Return, of what commits refer to, each that may stand for another, and for which it does; None: for itself."""
        wanted = [entity for entity in needed if may_stand_for_another(entity)]
        known = self.of(wanted)
        return {entity: known.get(entity) for entity in wanted}
