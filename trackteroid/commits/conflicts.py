"""Updates of what existed before: what to do where somebody else has changed it since it was recorded. Pure.

Rules: design section 5, "Conflicts". A conflict is an update where the server holds neither what it held when it was recorded
(the base) nor the recorded value. Changes of collections are never conflicts: what was added and removed is applied to who is
there now.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from trackteroid.commits.batch import Payload
from trackteroid.commits.members import Deltas, merge_members
from trackteroid.commits.order import column
from trackteroid.commits.reconciliation import UNKNOWN_BASE, AlsoOf, BaseOf, Found
from trackteroid.commits.result import Skipped
from trackteroid.commits.schemas import Schemas
from trackteroid.errors import RecordingRefusedError, SettingsError

__all__ = ["ConflictPolicy", "Resolved", "resolve", "to_look_at"]

CHOICES = ("overwrite", "skip", "fail")


@dataclass(frozen=True)
class ConflictPolicy:
    """What becomes of a conflict, by attribute.

    Attributes:
        rules: `Type.attribute`, `attribute` or `*` to `overwrite`, `skip` or `fail`; the most particular one counts.
    """

    rules: Mapping[str, str] = field(default_factory=lambda: {"status": "skip"})

    @classmethod
    def from_words(cls, words: Iterable[str]) -> ConflictPolicy:
        """Return the policy that a setting describes.

        Args:
            words: `name=choice` each.

        Raises:
            SettingsError: One of them is no such pair.
        """
        rules = {}
        for word in words:
            name, separator, choice = (part.strip() for part in word.partition("="))
            if not separator or not name or choice not in CHOICES:
                raise SettingsError(
                    f"TRACKTEROID_CONFLICT_POLICY has {word!r}; each entry must read attribute=choice, with one of "
                    f"{', '.join(CHOICES)}."
                )
            rules[column(name)] = choice
        return cls(rules)

    def choice(self, entity_type: str, attribute: str) -> str:
        """Return `overwrite`, `skip` or `fail`."""
        name = column(attribute)
        for rule in (f"{entity_type}.{name}", name, "*"):
            if rule in self.rules:
                return self.rules[rule]
        return "overwrite"


@dataclass(slots=True)
class Resolved:
    """What is to be sent after all.

    Attributes:
        send: Payloads.
        skipped: What is not, or could not be checked.
    """

    send: list[Payload] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)


def to_look_at(
    sent: Iterable[Payload], created: Callable[[Payload], bool], policy: ConflictPolicy, deltas: Deltas
) -> list[Payload]:
    """Return the updates of `sent`, reduced to the attributes whose present value decides what to do.

    What is overwritten anyway is not asked for: in the good case a commit is one request.

    Args:
        sent: What is to be sent.
        created: Whether a payload is about an entity that the same batch creates.
        policy: What becomes of conflicts.
        deltas: What the recording does to collections.
    """
    found = []
    for payload in sent:
        if payload["action"] != "update" or created(payload):
            continue
        names = [
            name
            for name in payload["entity_data"]
            if name != "__entity_type__"
            and (_identity(payload, name) in deltas or policy.choice(payload["entity_type"], name) != "overwrite")
        ]
        if names:
            data = {"__entity_type__": payload["entity_type"], **{name: payload["entity_data"][name] for name in names}}
            found.append({**payload, "entity_data": data})
    return found


def resolve(
    sent: Sequence[Payload],
    looked_at: Sequence[Payload],
    found: Found,
    schemas: Schemas,
    *,
    base_of: BaseOf,
    policy: ConflictPolicy,
    deltas: Deltas,
    also_of: AlsoOf = lambda *_: (),
) -> Resolved:
    """Return what to send, given what the server holds now.

    Args:
        sent: What is to be sent.
        looked_at: From `to_look_at`.
        found: What the server says about them.
        schemas: For comparing values.
        base_of: What it held when it was recorded.
        policy: What becomes of conflicts.
        deltas: What the recording does to collections.
        also_of: What it may hold besides without anybody else having changed it: values of earlier recordings of that session.

    Raises:
        RecordingRefusedError: There is a conflict whose attribute's policy is `fail`; lists all of them.
    """
    resolved = Resolved()
    asked = {_identity(payload, name) for payload in looked_at for name in payload["entity_data"]}
    failed: list[str] = []
    for payload in sent:
        row = found.get((payload["entity_type"], _key(payload)))
        if payload["action"] != "update" or row is None:
            # What is not there is left to the server's refusal.
            resolved.send.append(payload)
            continue
        data = {}
        for name, wanted in payload["entity_data"].items():
            identity = _identity(payload, name)
            if identity not in asked or name == "__entity_type__":
                data[name] = wanted
                continue
            current = row.get(name)
            if identity in deltas:
                members = merge_members(current, wanted, deltas[identity], schemas)
                if members is not None:
                    data[name] = members
                continue
            trouble = _conflict(payload, name, current, schemas, base_of, also_of)
            choice = policy.choice(payload["entity_type"], name)
            if trouble is None or trouble.reason == "unchecked" or choice == "overwrite":
                data[name] = wanted
            elif choice == "fail":
                failed.append(
                    f"{payload['entity_type']} {'/'.join(_key(payload))}.{name} was {trouble.base!r}, is {current!r} and should "
                    f"become {wanted!r}"
                )
            if trouble is not None and choice != "overwrite":
                resolved.skipped.append(trouble)
        if data.keys() - {"__entity_type__"}:
            resolved.send.append({**payload, "entity_data": data})
    if failed:
        raise RecordingRefusedError(
            f"Somebody has changed what is to be written, nothing was sent: {'; '.join(failed)}."
        )
    return resolved


def _conflict(
    payload: Payload, name: str, current: Any, schemas: Schemas, base_of: BaseOf, also_of: AlsoOf
) -> Skipped | None:
    entity_type, key = payload["entity_type"], _key(payload)
    wanted, base = payload["entity_data"][name], base_of(entity_type, key, name)
    now = schemas.comparable(entity_type, name, current)
    if now == schemas.comparable(entity_type, name, wanted):
        return None
    facts = {"entity_type": entity_type, "key": "/".join(key), "attribute": name, "wanted": wanted, "current": current}
    if base is UNKNOWN_BASE:
        return Skipped(reason="unchecked", **facts)
    fine = (base, *also_of(entity_type, key, name))
    if any(now == schemas.comparable(entity_type, name, each) for each in fine):
        return None
    return Skipped(reason="conflict", base=base, **facts)


def _key(payload: Payload) -> tuple[str, ...]:
    return tuple(str(part) for part in payload["entity_key"])


def _identity(payload: Payload, name: str) -> tuple[str, tuple[str, ...], str]:
    return payload["entity_type"], _key(payload), name
