"""What is left to do of a batch that may have been applied: ask the server what is there, then decide. Deciding is pure.

Rules: design section 5, "Uncertain attempts". ftrack applies a batch wholly or not at all; a server that stops half-way has
applied a first part of it. So of the creates that are missing those before one that exists were there and were removed since:
they are not made again. Those after the last that exists are sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from trackteroid.commits.batch import Payload
from trackteroid.commits.evidence import evidence_in, is_row, update_of
from trackteroid.commits.members import Deltas, merge_members
from trackteroid.commits.schemas import Schemas

__all__ = ["UNKNOWN_BASE", "AlsoOf", "Found", "Plan", "plan_remaining", "questions", "read_answers"]

#: Ids in one query. The client asks for 500 rows a page, and its ids make a text of 20 kB then; half of that is known to be fine.
CHUNK = 250

Key: TypeAlias = "tuple[str, ...]"
#: By entity type and key: the row as the server has it now. What is not there is missing.
Found: TypeAlias = "dict[tuple[str, Key], Mapping[str, Any]]"
#: (entity type, key, attribute) to the value the server had when it was recorded, or UNKNOWN_BASE.
BaseOf: TypeAlias = "Callable[[str, Key, str], Any]"

#: The same to values that are as good as the base.
AlsoOf: TypeAlias = "Callable[[str, Key, str], Sequence[Any]]"

#: A base that nobody noted: not the same as a base of None.
UNKNOWN_BASE = object()


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """One query about entities of one type."""

    entity_type: str
    expression: str


@dataclass(slots=True)
class Plan:
    """What is left of a batch.

    Attributes:
        send: Payloads to send, in order; empty if everything is there.
        done: How many payloads are on the server already, or were and are gone.
        notes: For the result: what was left out and why.
        has_untold: Whether something was left out of which nobody knows whether it was ever written.
    """

    send: list[Payload] = field(default_factory=list)
    done: int = 0
    notes: list[str] = field(default_factory=list)
    has_untold: bool = False

    def note(self, text: str) -> None:
        self.notes.append(text)


def questions(batch: Iterable[Payload], schemas: Schemas, *, creates_only: bool = False) -> list[Question]:
    """Return the queries that tell which effects of `batch` are on the server.

    Args:
        batch: Payloads.
        schemas: The server's.
        creates_only: Ask only whether created entities exist.
    """
    keys: dict[str, dict[Key, None]] = {}
    attributes: dict[str, dict[str, None]] = {}
    for payload in batch:
        action, entity_type = payload["action"], payload["entity_type"]
        if creates_only and action != "create":
            continue
        if entity_type not in keys:
            keys[entity_type], attributes[entity_type] = {}, {}
        keys[entity_type][_key(payload)] = None
        if action == "update":
            attributes[entity_type].update((name, None) for name in payload["entity_data"] if name != "__entity_type__")
        elif action == "create" and entity_type == "AssetVersion":
            # The server numbers versions; the result tells the number.
            attributes[entity_type]["version"] = None
        elif action == "create" and is_row(payload) and not creates_only:
            # Somebody else's perhaps: then its values tell what is left to do.
            given = update_of(payload, schemas.primary_key(entity_type)) or {"entity_data": {}}
            attributes[entity_type].update((name, None) for name in given["entity_data"] if name != "__entity_type__")
    asked = []
    for entity_type, found in keys.items():
        names = schemas.primary_key(entity_type)
        projected = ", ".join(dict.fromkeys((*names, *attributes[entity_type])))
        wanted_keys = list(found)
        for start in range(0, len(wanted_keys), CHUNK):
            condition = _condition(names, wanted_keys[start : start + CHUNK])
            asked.append(
                Question(entity_type=entity_type, expression=f"select {projected} from {entity_type} where {condition}")
            )
    return asked


def read_answers(asked: Sequence[Question], answers: Sequence[Any], schemas: Schemas) -> Found:
    """Return the rows that the server gave for `asked`, by the type asked for and key."""
    found: Found = {}
    for question, answer in zip(asked, answers, strict=True):
        names = schemas.primary_key(question.entity_type)
        for row in answer["data"]:
            found[question.entity_type, tuple(str(row[name]) for name in names)] = row
    return found


def plan_remaining(
    batch: Sequence[Payload],
    found: Found,
    schemas: Schemas,
    base_of: BaseOf,
    deltas: Deltas | None = None,
    *,
    also_of: AlsoOf = lambda *_: (),
    ensured: Set[str] = frozenset(),
    long_ago: bool = False,
) -> Plan:
    """Return what is left to do of a batch that may have been applied wholly, half-way or not at all.

    Args:
        batch: What was, or was about to be, sent.
        found: What is there now; from `read_answers`.
        schemas: For comparing values.
        base_of: What the server had when it was recorded.
        deltas: What the recording does to collections.
        also_of: Values that are as good as the base.
        ensured: Ids of what it ensures.
        long_ago: Whether it may have been applied days ago (the ledger that knew is lost), so that people may have changed
            anything since: what nothing tells of is left alone then. Otherwise it was moments ago, and is sent.
    """
    planner = _Planner(
        batch, found, schemas, base_of, deltas or {}, also_of=also_of, ensured=ensured, long_ago=long_ago
    )
    return planner.plan()


class _Planner:
    def __init__(
        self,
        batch: Sequence[Payload],
        found: Found,
        schemas: Schemas,
        base_of: BaseOf,
        deltas: Deltas,
        *,
        also_of: AlsoOf,
        ensured: Set[str],
        long_ago: bool,
    ) -> None:
        self._deltas = deltas
        self._also_of = also_of
        self._batch = batch
        self._found = found
        self._schemas = schemas
        self._base_of = base_of
        creates = [place for place, payload in enumerate(batch) if payload["action"] == "create"]
        self._own = evidence_in(batch, ensured)
        evidence = [place for place in creates if _flat(batch[place]) in self._own]
        there = [place for place in evidence if _identity(batch[place]) in found]
        # Of what nobody else can have created the server tells whether it was applied.
        self._has_evidence = bool(evidence)
        self._untold = long_ago and not evidence
        self._deleted = {_identity(payload) for payload in batch if payload["action"] == "delete"}
        self._created = {_identity(batch[place]): batch[place] for place in creates}
        # Up to here the batch was certainly applied.
        self._applied_until = max(there, default=-1)
        self._all_there = bool(evidence) and all(_identity(batch[place]) in found for place in creates)
        self._removed: set[tuple[str, Key]] = set()
        self._sent: set[tuple[str, Key]] = set()
        self._plan = Plan()

    def plan(self) -> Plan:
        for place, payload in enumerate(self._batch):
            decide = {"create": self._create, "update": self._update, "delete": self._delete}[payload["action"]]
            left = decide(place, payload)
            if left is None:
                self._plan.done += 1
            else:
                self._plan.send.append(left)
        return self._plan

    def _create(self, place: int, payload: Payload) -> Payload | None:
        identity = _identity(payload)
        if identity in self._found:
            if not is_row(payload) or _flat(payload) in self._own:
                return None
            # Perhaps it is somebody else's: then it gets our values, as an update gives them.
            update = update_of(payload, self._schemas.primary_key(identity[0]))
            return None if update is None else self._update(place, update)
        if place < self._applied_until:
            self._removed.add(identity)
            self._plan.note(f"{_name(identity)} was created and has been removed since; it is not created again.")
            return None
        self._sent.add(identity)
        return payload

    def _delete(self, place: int, payload: Payload) -> Payload | None:
        return payload if _identity(payload) in self._found else None

    def _update(self, place: int, payload: Payload) -> Payload | None:
        identity = _identity(payload)
        if identity in self._sent:
            return payload
        if identity in self._removed:
            return None
        row = self._found.get(identity)
        if row is None:
            if identity in self._deleted:
                # By this batch: whoever did it, nothing is left to be written.
                return None
            if self._was_applied(place):
                self._plan.note(f"{_name(identity)} was updated and has been removed since.")
                return None
            if self._untold:
                self._plan.has_untold = True
                self._plan.note(f"{_name(identity)} is gone; nobody knows whether it had been updated before.")
                return None
            # Not there and perhaps never was: the server's refusal says so better than we can.
            return payload
        data = {}
        for attribute, value in payload["entity_data"].items():
            if attribute != "__entity_type__" and self._is_left(place, identity, attribute, value, row):
                data[attribute] = value
        if not data:
            return None
        return {**payload, "entity_data": {"__entity_type__": payload["entity_type"], **data}}

    def _is_left(self, place: int, identity: tuple[str, Key], attribute: str, target: Any, row: Any) -> bool:
        entity_type, key = identity
        delta = self._deltas.get((entity_type, key, attribute))
        if delta is not None:
            # Applied once more it would take back what a person did to the collection since.
            if self._was_applied(place) or merge_members(row.get(attribute), target, delta, self._schemas) is None:
                return False
            if self._untold:
                self._leave_untold(identity, attribute)
            return not self._untold
        current = self._schemas.comparable(entity_type, attribute, row.get(attribute))
        if current == self._schemas.comparable(entity_type, attribute, target):
            return False
        base = self._base_of(entity_type, key, attribute)
        created = self._created.get(identity)
        if base is UNKNOWN_BASE and created is not None:
            # Made by this batch: before its update it had what the create gave it, or nothing.
            base = created["entity_data"].get(attribute)
        fine = () if base is UNKNOWN_BASE else (base, *self._also_of(entity_type, key, attribute))
        if any(current == self._schemas.comparable(entity_type, attribute, each) for each in fine):
            return True
        was_applied = self._was_applied(place)
        if was_applied or (not self._has_evidence and base is not UNKNOWN_BASE):
            self._plan.has_untold |= not was_applied
            self._plan.note(
                f"{_name(identity)}.{attribute} was not written: it has been changed by somebody else since (superseded)."
            )
            return False
        if self._untold:
            self._leave_untold(identity, attribute)
            return False
        # Nothing says that the batch was applied, so this is a first write; ftrack overwrites.
        return True

    def _leave_untold(self, identity: tuple[str, Key], attribute: str) -> None:
        self._plan.has_untold = True
        self._plan.note(
            f"{_name(identity)}.{attribute} was not written: it has another value now, and nobody knows whether it had been "
            "written before the ledger was lost (superseded). `trackteroid recording commit FILE` writes it."
        )

    def _was_applied(self, place: int) -> bool:
        return self._all_there or place < self._applied_until


def _key(payload: Payload) -> Key:
    return tuple(map(str, payload["entity_key"]))


def _identity(payload: Payload) -> tuple[str, Key]:
    return payload["entity_type"], _key(payload)


def _flat(payload: Payload) -> tuple[str, ...]:
    return (payload["entity_type"], *_key(payload))


def _name(identity: tuple[str, Key]) -> str:
    return f"{identity[0]} {'/'.join(identity[1])}"


def _condition(names: Sequence[str], keys: Sequence[Key]) -> str:
    if len(names) == 1:
        return f"{names[0]} in ({', '.join(_quoted(key[0]) for key in keys)})"
    return " or ".join(
        "(" + " and ".join(f"{name} is {_quoted(part)}" for name, part in zip(names, key, strict=True)) + ")"
        for key in keys
    )


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
