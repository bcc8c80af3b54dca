"""What the release of a held recording knows and its operations do not: when it was published, and what the render made.

The operations stay as they were recorded (their digest says so); these facts stand beside them in the ledger's row, and the
worker merges both just before it makes its batch. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from trackteroid.commits.sequences import (
    SEQUENCE,
    file_type_of,
    frame_sizes,
    member_create,
    member_ensure,
    recorded_members,
)
from trackteroid.errors import LedgerDataError
from trackteroid.operations.effects import Identity, identity_of
from trackteroid.operations.operation import JSON, CreateOperation, Operation, UpdateOperation, parse_key_text
from trackteroid.operations.recording import Recording

__all__ = ["DATE_ATTRIBUTES", "METADATA_FACTS", "ReleaseFacts", "apply_facts", "with_facts_of_ensured"]

#: Entity type to the attribute that the server fills with the time of the commit if a create leaves it out (source: spec
#: ftrack-server 2.11). `created_at` is not among them: clients cannot write it.
DATE_ATTRIBUTES: Mapping[str, str] = {
    "AssetVersion": "date",
    "AssetVersionList": "date",
    "List": "date",
    "Note": "date",
    "TypedContextList": "date",
}

#: Facts about an output that become metadata of its component, and their keys there. `size` is an attribute of components.
METADATA_FACTS: Mapping[str, str] = {"frames": "frames", "missing": "missing_frames"}

#: As many digits as the number of a frame may have; file names have 255 characters.
MOST_PADDING = 255


@dataclass(frozen=True, kw_only=True, slots=True)
class ReleaseFacts:
    """Facts that the release adds to a recording.

    Attributes:
        released_at: When, ISO 8601 in UTC; None: not to be written anywhere.
        released_by: Who, as the tool says that did it.
        outputs: Id of a created component to what was found of its files: `size` (bytes, a number), `frames` and `missing` (frame
            ranges as text, `1001-1100`), `path` (its suffix becomes the file type), `members` (`padding`, and `sizes` in
            the order of the frames), and whatever else people want to see, which is kept but not written to ftrack.
        gaps: Sentences about what was missing when it was released all the same.
    """

    released_at: str | None = None
    released_by: str | None = None
    outputs: Mapping[str, Mapping[str, JSON]] = field(default_factory=dict)
    gaps: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the facts as plain JSON values."""
        return {
            "released_at": self.released_at,
            "released_by": self.released_by,
            "outputs": {component: dict(facts) for component, facts in self.outputs.items()},
            "gaps": list(self.gaps),
        }

    def to_json(self) -> str:
        """Return the text that the ledger stores."""
        return json.dumps(self.as_dict())

    @classmethod
    def from_json(cls, text: str) -> ReleaseFacts:
        """Return the facts stored as `text`; names that a newer release added are left out.

        Raises:
            LedgerDataError: They cannot be read.
        """
        try:
            data = json.loads(text)
            moment = data.get("released_at")
            if moment is not None:
                datetime.fromisoformat(moment)
            return cls(
                released_at=moment,
                released_by=data.get("released_by"),
                outputs={str(component): _checked(facts) for component, facts in dict(data.get("outputs", {})).items()},
                gaps=tuple(str(gap) for gap in data.get("gaps", ())),
            )
        except (AttributeError, TypeError, ValueError, RecursionError) as error:
            raise LedgerDataError(f"The facts of a release cannot be read ({error}).") from error


def _checked(facts: Mapping[str, JSON]) -> dict[str, JSON]:
    """Return what is known of one output: nothing in it may take a worker's memory, whoever has written it."""
    members = facts.get("members")
    if members is not None:
        padding = members["padding"] if isinstance(members, Mapping) and "padding" in members else None
        if (
            padding.__class__ is not int
            or not 0 <= padding <= MOST_PADDING
            or not isinstance(members.get("sizes"), list)
        ):
            raise ValueError("members need a padding and a list of sizes")
    return dict(facts)


def apply_facts(operations: Sequence[Operation], facts: ReleaseFacts) -> tuple[Operation, ...]:
    """Return the operations with the facts in the data of what they create. Linear in the operations.

    Nothing that was recorded is overwritten: a date that the block set stays, and so does a size or metadata of a component. A
    size or padding of 0 is what the client writes where nobody said anything. A sequence gets a member for each frame, as when
    the client makes it from files; those that the block made itself get their sizes.

    Args:
        operations: As recorded.
        facts: The release's.
    """
    dated = set(_undated(operations)) if facts.released_at is not None else set()
    if not dated and not facts.outputs:
        return tuple(operations)
    written = {
        (identity_of(operation), operation.attribute_name)
        for operation in operations
        if isinstance(operation, UpdateOperation)
    }
    known = {identity_of(operation) for operation in operations if isinstance(operation, CreateOperation)}
    members = recorded_members(operations, facts.outputs)
    sizes = {component: frame_sizes(found) for component, found in facts.outputs.items()}
    there: dict[str, set[str]] = {}
    for container, name in members.values():
        there.setdefault(container, set()).add(name)
    merged: list[Operation] = []
    added: list[Operation] = []
    for operation in operations:
        if isinstance(operation, CreateOperation):
            key = identity_of(operation)
            data: dict[str, JSON] = {}
            if key in dated:
                data[DATE_ATTRIBUTES[key[0]]] = {"__type__": "datetime", "value": facts.released_at}
            found = facts.outputs.get(key[1][0]) if len(key[1]) == 1 else None
            if found is not None:
                data.update(_of_files(operation, found))
                added += (row for row in _metadata(key, found) if identity_of(row) not in known)
                if operation.entity_type == SEQUENCE:
                    added += (
                        member_create(key, name, size, file_type_of(found))
                        for name, size in sizes[key[1][0]].items()
                        if name not in there.get(key[1][0], ())
                    )
            elif key in members:
                container, name = members[key]
                size = sizes[container].get(name)
                if size is not None and not operation.entity_data.get("size"):
                    data["size"] = size
            data = {name: value for name, value in data.items() if (key, name) not in written}
            if data:
                operation = replace(operation, entity_data={**operation.entity_data, **data})
        merged.append(operation)
    # At the end: between a create and the updates that follow it they would keep the batch from joining these.
    return (*merged, *added)


def with_facts_of_ensured(recording: Recording, facts: ReleaseFacts | None) -> Recording:
    """Return a recording in which what was found of files also reaches components that it ensures and that are there already.

    To be used before it is decided what is there (`get_or_create`): the facts become values that the recording gives besides,
    and members of a sequence are ensured like it. Everything else of the release is left to `apply_facts`. When something was
    published is not written to what was there before.

    Args:
        recording: As recorded.
        facts: The release's, if there was one.
    """
    manifest = recording.manifest
    if facts is None or manifest is None:
        return recording
    keys = {ensure.entity: parse_key_text(ensure.entity) for ensure in manifest.ensures}
    ensured = {key[1][0] for key in keys.values() if key is not None}
    outputs = {component: found for component, found in facts.outputs.items() if component in ensured}
    if not outputs:
        return recording
    operations = apply_facts(recording.operations, ReleaseFacts(outputs=outputs))
    told: dict[Identity | None, list[str]] = {}
    for before, after in zip(recording.operations, operations, strict=False):
        if isinstance(before, CreateOperation) and isinstance(after, CreateOperation) and before is not after:
            names = after.entity_data.items()
            told[identity_of(after)] = [name for name, value in names if before.entity_data.get(name) != value]
    ensures = [
        replace(ensure, given=tuple(dict.fromkeys((*ensure.given, *told.get(keys[ensure.entity], ())))))
        for ensure in manifest.ensures
    ]
    # What facts add is rows of metadata, which are found with what they belong to, and members.
    added = operations[len(recording.operations) :]
    ensures += (
        member_ensure(each) for each in added if isinstance(each, CreateOperation) and len(each.entity_key) == 1
    )
    return replace(recording, operations=operations, manifest=replace(manifest, ensures=tuple(ensures)))


def _of_files(operation: CreateOperation, found: Mapping[str, JSON]) -> Iterator[tuple[str, JSON]]:
    recorded = operation.entity_data
    if found.get("size") is not None and not recorded.get("size"):
        yield "size", found["size"]
    if file_type_of(found) and not recorded.get("file_type"):
        yield "file_type", file_type_of(found)
    members = found.get("members")
    if operation.entity_type == SEQUENCE and isinstance(members, Mapping) and not recorded.get("padding"):
        yield "padding", members["padding"]


def _undated(operations: Iterable[Operation]) -> Iterator[Identity]:
    lacking: dict[Identity, None] = {}
    for operation in operations:
        name = DATE_ATTRIBUTES.get(operation.entity_type)
        if isinstance(operation, CreateOperation) and name is not None and name not in operation.entity_data:
            lacking[identity_of(operation)] = None
        elif isinstance(operation, UpdateOperation) and operation.attribute_name == name:
            lacking.pop(identity_of(operation), None)
    return iter(lacking)


def _metadata(component: Identity, facts: Mapping[str, JSON]) -> Iterator[CreateOperation]:
    """Yield the rows that the client would create for `component["metadata"][key] = value`."""
    entity_type, (component_id,) = component
    for fact, name in METADATA_FACTS.items():
        if facts.get(fact) in (None, ""):
            continue
        key = {"parent_id": component_id, "key": name}
        yield CreateOperation(
            entity_type="Metadata",
            entity_key=key,
            entity_data={**key, "parent_type": entity_type, "value": str(facts[fact])},
        )
