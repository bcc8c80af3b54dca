"""What a recording has to do with other recordings: what it creates, needs and writes. Pure.

The ledger keeps these keys to decide what waits for what (rules: design section 5, "Order"). Entities are named by
their key values alone: ids are unique over all types, and a reference may name a base type of what another recording creates.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from trackteroid.operations.effects import references_in
from trackteroid.operations.operation import (
    CreateOperation,
    DeleteOperation,
    Operation,
    UpdateOperation,
    parse_key_text,
)
from trackteroid.operations.recording import Recording

__all__ = ["Order", "column", "entities_in", "entity_name", "may_stand_for_another", "order_of"]

_UUID_LENGTH, _UUID_VERSION_AT = 36, 14

# Half characters, as names of files in an old encoding have them, and the sign that stands for them.
_HALF = re.compile("[\ufffd\ud800-\udfff]")


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """The keys by which recordings wait for each other.

    Attributes:
        created: Entities it creates.
        needed: Entities it refers to, updates or deletes and does not create.
        written: (entity, attribute) that it sets on entities it does not create; the last one recorded wins.
        changed: (entity, attribute) of collections it adds to or removes from: in order, but none makes another void.
        deleted: Entities it deletes and does not create.
        assets: Assets of which it creates versions, and entities that it creates only if there are none like them.
        depends_on: Commits that must be committed before.
        recorded_at: When it was recorded, seconds since the epoch; None if it does not say. A ledger takes its acceptance instead
            if that was earlier.
    """

    created: tuple[str, ...] = ()
    needed: tuple[str, ...] = ()
    written: tuple[tuple[str, str], ...] = ()
    changed: tuple[tuple[str, str], ...] = ()
    deleted: tuple[str, ...] = ()
    assets: tuple[str, ...] = ()
    depends_on: tuple[str, ...] = ()
    recorded_at: float | None = None

    def to_json(self) -> str:
        """Return the text the ledger stores; empty if there is nothing that others could have to do with."""
        keys = {
            "c": self.created,
            "n": self.needed,
            "w": [(*pair, 1) for pair in self.written] + [(*pair, 0) for pair in self.changed],
            "d": self.deleted,
            "v": self.assets,
            "o": self.depends_on,
        }
        return json.dumps(keys, separators=(",", ":")) if any(keys.values()) else ""


def entity_name(key: Iterable[str]) -> str:
    """Return how the ledger names an entity: its key values, joined by slashes, as text that Redis takes."""
    return _storable("/".join(key))


def may_stand_for_another(entity: str) -> bool:
    """Whether an entity's name is of the kind that recordings give to what they ensure: a UUID made from a name, version 5
    (see `operations.ensuring`). The claim script has the same rule."""
    return len(entity) == _UUID_LENGTH and entity[_UUID_VERSION_AT] == "5"


def column(attribute: str) -> str:
    """Return the name under which an attribute is ordered: `status` and `status_id` are two names of one column."""
    return _storable(
        attribute[: -len("_id")] if attribute.endswith("_id") and len(attribute) > len("_id") else attribute
    )


def order_of(recording: Recording, *, depends_on: Sequence[str] = ()) -> Order:
    """Return the keys of a recording. Linear in its operations.

    From the operations themselves, so that files of the original library are ordered too; the manifest adds what only the
    recording session knew.

    Args:
        recording: What was recorded.
        depends_on: Ids of commits that it shall wait for.
    """
    created = dict.fromkeys(
        _name(operation) for operation in recording.operations if isinstance(operation, CreateOperation)
    )
    needed: dict[str, None] = {}
    written: dict[tuple[str, str], None] = {}
    deleted: dict[str, None] = {}
    assets: dict[str, None] = {}
    for operation in recording.operations:
        name = _name(operation)
        if name not in created:
            needed[name] = None
            if isinstance(operation, UpdateOperation):
                written[name, column(operation.attribute_name)] = None
            elif isinstance(operation, DeleteOperation):
                deleted[name] = None
        for attribute, value in _values(operation):
            found = list(entities_in(attribute, value))
            needed.update(dict.fromkeys(found))
            if operation.entity_type == "AssetVersion" and column(attribute) == "asset":
                assets.update(dict.fromkeys(found))
    manifest = recording.manifest
    changed: dict[tuple[str, str], None] = {}
    if manifest is not None:
        # Get-or-create is decided one at a time, like the numbers of versions.
        assets.update(dict.fromkeys(name for ensure in manifest.ensures for name in _of_text(ensure.entity)))
        # A collection's former members may be gone; those added must be there, and they are among the references.
        needed.update(dict.fromkeys(name for text in manifest.referenced for name in _of_text(text)))
        pairs = ((name, column(delta.attribute)) for delta in manifest.deltas for name in _of_text(delta.entity))
        changed.update(dict.fromkeys(pair for pair in pairs if pair in written))
    return Order(
        created=tuple(created),
        needed=tuple(name for name in needed if name not in created),
        written=tuple(pair for pair in written if pair not in changed),
        changed=tuple(changed),
        deleted=tuple(deleted),
        assets=tuple(assets),
        depends_on=tuple(dict.fromkeys(depends_on)),
        recorded_at=None if manifest is None else _moment(manifest.created_at),
    )


def _name(operation: Operation) -> str:
    return entity_name(operation.entity_key.values())


def _values(operation: Operation) -> Iterable[tuple[str, Any]]:
    if isinstance(operation, CreateOperation):
        return ((name, value) for name, value in operation.entity_data.items() if name not in operation.entity_key)
    if isinstance(operation, UpdateOperation):
        return ((operation.attribute_name, operation.new_value),)
    return ()


def entities_in(attribute: str, value: Any) -> Iterator[str]:
    """Yield the names of the entities that an attribute's value refers to."""
    if isinstance(value, str):
        # A foreign key, or a reference as the original library writes it.
        if attribute.endswith("_id"):
            yield entity_name((value,))
        else:
            yield from _of_text(value)
    elif isinstance(value, Mapping | list):
        for (_, key), _ in references_in(value):
            yield entity_name(key)


def _of_text(text: str) -> Iterator[str]:
    parsed = parse_key_text(text) if text.startswith("(") else None
    if parsed is not None:
        yield entity_name(parsed[1])


def _storable(text: str) -> str:
    # Redis takes no half characters. Names that differ still do: who shares one waits for the other, or has its value overtaken.
    return text if text.isascii() else _HALF.sub(lambda found: f"\ufffd{ord(found[0]):04x}", text)


def _moment(text: str) -> float | None:
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()
