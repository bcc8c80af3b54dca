"""Members of sequence components, made from what the release found, as the official client makes them from files. Pure.

Source: `ftrack_api.session.Session.create_component`: one `FileComponent` per frame, named as the frame is written, with its own
size and the sequence's file type; the container's size is the sum.
"""

from __future__ import annotations

import ntpath
import posixpath
import uuid
from collections.abc import Iterable, Iterator, Mapping

from trackteroid.operations.effects import Identity, identity_of, references_in
from trackteroid.operations.frames import parse_frames
from trackteroid.operations.manifest import Ensure
from trackteroid.operations.operation import JSON, CreateOperation, Operation, UpdateOperation, key_text
from trackteroid.path_roots import is_windows_path

__all__ = ["SEQUENCE", "file_type_of", "frame_sizes", "member_create", "member_ensure", "recorded_members"]

SEQUENCE = "SequenceComponent"
_MEMBER = "FileComponent"
_CONTAINER = ("container", "container_id")

# Namespace of the ids of members: the same frame of the same component has the same id at every attempt.
_NAMESPACE = uuid.UUID("0b9a5d06-70f1-5e0e-8d52-3d8f6f0b7c11")


def frame_sizes(facts: Mapping[str, JSON]) -> dict[str, int]:
    """Return the bytes of each member by its name, which is the frame as it is written; empty without members.

    Args:
        facts: What the release found of one output (`OutputReport.facts`).
    """
    members = facts.get("members")
    frames = facts.get("frames")
    if not isinstance(members, Mapping) or not isinstance(frames, str) or not frames:
        return {}
    padding, sizes = members["padding"], members["sizes"]
    return {f"{frame:0{padding}d}": int(size) for frame, size in zip(parse_frames(frames), sizes, strict=True)}


def file_type_of(facts: Mapping[str, JSON]) -> str:
    """Return the suffix of an output's files, `.exr` for example; empty if they have none."""
    path = facts.get("path")
    if not isinstance(path, str):
        return ""
    # As the machine writes it that released, which need not be of this one's kind.
    _, suffix = ntpath.splitext(path) if is_windows_path(path) else posixpath.splitext(path)
    return suffix


def member_create(container: Identity, name: str, size: int, file_type: str) -> CreateOperation:
    """Return the operation that makes one member."""
    container_id = container[1][0]
    member_id = str(uuid.uuid5(_NAMESPACE, f"{container_id}/{name}"))
    data: dict[str, JSON] = {"id": member_id, "name": name, "size": size, "container_id": container_id}
    if file_type:
        data["file_type"] = file_type
    return CreateOperation(entity_type=_MEMBER, entity_key={"id": member_id}, entity_data=data)


def member_ensure(member: CreateOperation) -> Ensure:
    """Return how a member is recognised that is there already; it gets the size and the file type of the new files.

    Args:
        member: From `member_create`.
    """
    data = member.entity_data
    return Ensure(
        entity=key_text(*identity_of(member)),
        by={"name": data["name"], "container_id": data["container_id"]},
        given=tuple(name for name in ("size", "file_type") if name in data),
    )


def recorded_members(operations: Iterable[Operation], containers: Iterable[str]) -> dict[Identity, tuple[str, str]]:
    """Return the created components that the block put into one of these containers: to container id and name.

    Args:
        operations: As recorded.
        containers: Ids of the sequences that matter.
    """
    wanted = set(containers)
    names: dict[Identity, str] = {}
    found: dict[Identity, str] = {}
    for operation in operations:
        key = identity_of(operation)
        for attribute, value in _values(operation):
            if attribute == "name" and isinstance(value, str):
                names[key] = value
            elif attribute in _CONTAINER:
                told = value if isinstance(value, str) else next((it[0][1][0] for it in references_in(value)), None)
                if told in wanted:
                    found[key] = told
                else:
                    found.pop(key, None)
    return {key: (container, names.get(key, "")) for key, container in found.items()}


def _values(operation: Operation) -> Iterator[tuple[str, JSON]]:
    if isinstance(operation, CreateOperation):
        yield from operation.entity_data.items()
    elif isinstance(operation, UpdateOperation):
        yield operation.attribute_name, operation.new_value
