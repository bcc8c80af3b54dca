"""What committing a recording brought."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeGuard

from trackteroid.commits.batch import Payload
from trackteroid.commits.reconciliation import Found

__all__ = ["CommitResult", "Skipped", "result_of"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Skipped:
    """A recorded value that was not written, or was written without being checked.

    Attributes:
        entity_type: Of the entity.
        key: Its key values, joined by slashes.
        attribute: Which attribute.
        reason: `superseded` (a value recorded later is there, or somebody changed it after we did), `conflict` (somebody changed
            it since it was recorded) or `unchecked` (written; what it was when it was recorded is not known).
        wanted: The recorded value.
        base: What the server had when it was recorded, None if that is not known.
        current: What it has now, None if it was not asked.
    """

    entity_type: str
    key: str
    attribute: str
    reason: str
    wanted: Any = None
    base: Any = None
    current: Any = None

    def as_dict(self) -> dict[str, Any]:
        """Return the facts as plain JSON values."""
        return {
            "entity_type": self.entity_type,
            "key": self.key,
            "attribute": self.attribute,
            "reason": self.reason,
            "wanted": self.wanted,
            "base": self.base,
            "current": self.current,
        }

    @property
    def text(self) -> str:
        """One sentence for a person."""
        name = f"{self.entity_type} {self.key}.{self.attribute}"
        return {
            "superseded": f"{name} was not written: a later value is there (superseded).",
            "conflict": f"{name} was not written: it has been changed since it was recorded (conflict).",
            "unchecked": f"{name} was written without knowing what it was when it was recorded (unchecked).",
        }[self.reason]


@dataclass(frozen=True, kw_only=True, slots=True)
class CommitResult:
    """The effect of a commit.

    Attributes:
        created: Entity type to the ids that exist because of the recording (parts of composite keys joined by a slash).
        versions: Id of each created AssetVersion to the number the server gave it.
        sent_operations: Operations of the batch that was sent; 0 if there was nothing to send.
        already_there: Whether nothing was sent because it had been committed before. False too where nothing was sent because
            all of it was left out, and nobody knows whether it was ever written; `notes` say what.
        notes: What was left out, and why; for people.
        skipped: The values among that, and those that could not be checked.
        stands_for: Id in the recording to the id of the entity that was there instead ("get or create").
        sent_as: The user in whose name it was sent; None: the workers' own, or nothing was sent.
    """

    created: Mapping[str, Sequence[str]] = field(default_factory=dict)
    versions: Mapping[str, int] = field(default_factory=dict)
    sent_operations: int = 0
    already_there: bool = False
    notes: Sequence[str] = ()
    skipped: Sequence[Skipped] = ()
    sent_as: str | None = None
    stands_for: Mapping[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the result as plain JSON values."""
        return {
            "created": {entity_type: list(ids) for entity_type, ids in self.created.items()},
            "versions": dict(self.versions),
            "sent_operations": self.sent_operations,
            "already_there": self.already_there,
            "notes": list(self.notes),
            "skipped": [each.as_dict() for each in self.skipped],
            "sent_as": self.sent_as,
            "stands_for": dict(self.stands_for),
        }


def result_of(
    batch: Iterable[Payload],
    sent: Sequence[Payload],
    answers: Iterable[Any],
    found: Found,
    notes: Sequence[str],
    skipped: Sequence[Skipped] = (),
    *,
    has_untold: bool = False,
) -> CommitResult:
    """Return the result of a commit.

    Args:
        batch: Everything recorded.
        sent: What was sent of it.
        answers: The server's results for `sent`.
        found: What was there before.
        notes: From planning.
        skipped: From planning.
        has_untold: From planning: whether something was left out of which nobody knows whether it was ever written.
    """
    created = _created(batch, sent, found)
    versions: dict[str, int] = {}
    wanted = set(created.get("AssetVersion", ()))
    if wanted:
        rows = [answer.get("data") for answer in answers if _is_object(answer)]
        rows.extend(row for (entity_type, _), row in found.items() if entity_type == "AssetVersion")
        for row in rows:
            if _is_object(row) and row.get("__entity_type__") == "AssetVersion":
                version_id, number = row.get("id"), row.get("version")
                # Whatever the server tells: from here on the commit is done, and nothing may fail any more.
                if isinstance(version_id, str) and version_id in wanted and isinstance(number, int):
                    versions[version_id] = number
    return CommitResult(
        created=created,
        versions=versions,
        sent_operations=len(sent),
        already_there=not sent and not has_untold and all(each.reason == "unchecked" for each in skipped),
        notes=(*(each.text for each in skipped), *notes),
        skipped=tuple(skipped),
    )


def _created(batch: Iterable[Payload], sent: Sequence[Payload], found: Found) -> dict[str, list[str]]:
    """Return the ids of what the batch creates and is there now, by entity type."""
    there: set[tuple[str, ...]] | None = None
    if sent is not batch:
        there = {(entity_type, *key) for entity_type, key in found}
        there.update((payload["entity_type"], *payload["entity_key"]) for payload in sent)
    created: dict[str, list[str]] = {}
    for payload in batch:
        if payload["action"] == "create":
            entity_type, key = payload["entity_type"], payload["entity_key"]
            if there is None or (entity_type, *key) in there:
                ids = created.get(entity_type)
                if ids is None:
                    ids = created[entity_type] = []
                ids.append("/".join(map(str, key)))
    return created


def _is_object(value: Any) -> TypeGuard[Mapping[str, Any]]:
    # Asked of thousands, which are all of this class.
    return value.__class__ is dict or isinstance(value, Mapping)
