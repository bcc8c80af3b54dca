"""A recording: operations, records of the entities they touch, and a manifest; as a value, a file and a payload."""

from __future__ import annotations

import functools
import hashlib
import os
import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trackteroid import fast_json
from trackteroid.errors import RecordingFormatError, RecordingUnreadableError
from trackteroid.operations.containers import read_container, write_container
from trackteroid.operations.containers.container import check_size
from trackteroid.operations.manifest import Manifest
from trackteroid.operations.operation import (
    JSON,
    CreateOperation,
    Operation,
    key_text,
    operation_from_json,
    parse_key_text,
    usual_operation,
)
from trackteroid.operations.operations_text import OperationsText, digest_of

__all__ = ["Recording", "digest_of", "open_recording", "read_recording", "write_recording"]

#: The key under which files hold the operations (spec: library 3.3).
OPERATIONS_KEY = b"__operations__"

# A farm publish has tens of operations, a conform thousands; beyond this a file is broken or hostile.
_MAX_OPERATIONS = 200_000

# An operation and the record of its entity have some fifty values together.
_MAX_VALUES = 8_000_000

# JSON nests a handful of levels deep in real files; Python's parser recurses.
_MAX_DEPTH = 64

# A textual key that needs no escapes.
_USUAL_KEY = re.compile(r"\('[A-Za-z0-9_]{1,200}', \['[-A-Za-z0-9_.]{1,200}'\]\)")

# Namespace of the ids of files without a manifest: the same file has the same id everywhere.
_NAMESPACE = uuid.UUID("5a1c3a4e-2f6f-5d0b-9c55-0d3f1c8a7e21")


@dataclass(frozen=True)
class Recording:
    """What was recorded.

    Attributes:
        operations: In the order in which they were recorded.
        entities: Textual key to record (attribute name to value) of entities that the operations touch or refer to.
        manifest: None for a file of the original library.
        modified_ns: Modification time of a file without manifest, in nanoseconds; part of its identity if it creates
            nothing (two recordings that set the same value are two).
    """

    operations: tuple[Operation, ...]
    entities: Mapping[str, Mapping[str, JSON]] = field(default_factory=dict)
    manifest: Manifest | None = None
    modified_ns: int | None = None

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256 over the operations, hexadecimal."""
        return digest_of(self.operations)

    @property
    def recording_id(self) -> str:
        """The idempotency key: from the manifest, else made from the digest."""
        if self.manifest is not None:
            return self.manifest.recording_id
        creates = any(isinstance(operation, CreateOperation) for operation in self.operations)
        name = self.digest if creates else f"{self.digest}:{self.modified_ns}"
        return str(uuid.uuid5(_NAMESPACE, name))

    @property
    def server_url(self) -> str | None:
        """The ftrack server it was recorded against, None if it does not say."""
        return None if self.manifest is None else self.manifest.server_url

    def to_payload(self) -> bytes:
        """Return everything as canonical UTF-8 JSON.

        Raises:
            RecordingFormatError: It is more than `from_payload` would take.
        """
        _check_number(len(self.operations))
        head = {
            "manifest": None if self.manifest is None else self.manifest.to_json(),
            "modified_ns": self.modified_ns,
        }
        operations = OperationsText(self.operations).in_file(ours=self.manifest is not None)
        entities = fast_json.canonical({key: dict(record) for key, record in self.entities.items()}, sort=False)
        # As one object.
        payload = b'%s,"operations":%s,"entities":%s}' % (
            fast_json.canonical(head, sort=False)[:-1],
            operations,
            entities,
        )
        # Else it would be accepted, and end dead.
        check_size(len(payload))
        _check_values(payload, "the recording")
        return payload

    @classmethod
    def from_payload(cls, payload: bytes) -> Recording:
        """Return the recording in a payload.

        Raises:
            RecordingFormatError: It is no payload of ours, or its operations do not match its digest.
        """
        check_size(len(payload))
        data = _parsed(payload, "the payload")
        if not isinstance(data, Mapping) or "operations" not in data:
            raise RecordingFormatError("The payload is no recording.")
        if _too_deep({name: part for name, part in data.items() if name != "operations"}):
            raise _too_nested("the payload")
        manifest = data.get("manifest")
        modified = data.get("modified_ns")
        if modified is not None and not isinstance(modified, int):
            raise RecordingFormatError("The payload's modified_ns must be a number.")
        return _checked(
            cls(
                _operations(data["operations"], literal=manifest is not None),
                _records(data.get("entities") or {}),
                None if manifest is None else Manifest.from_json(manifest),
                modified,
            )
        )


def read_recording(path: str | os.PathLike[str]) -> Recording:
    """Return the recording at `path`, of any flavour: ours, and everything the original library wrote.

    The path is the one given when it was recorded; the files of some flavours have suffixes of their own. Nothing is
    written, and nothing in the file is evaluated.

    Raises:
        RecordingNotFoundError: There is nothing at `path`.
        RecordingFormatError: It cannot be read; the text says what the file looks like. A `RecordingUnreadableError` if that is a
            recording, though a damaged one.
        TemporaryFolderError: It is read from a copy, and that cannot be written; nothing is wrong with the recording.
    """
    container = read_container(Path(path))
    try:
        return _from_container(container.records, container.manifest, container.modified_ns)
    except RecordingFormatError as error:
        # Others keep databases with tables or files of these forms too, but none with operations in it.
        ours = container.manifest is not None or OPERATIONS_KEY in container.records
        kind = RecordingUnreadableError if ours else RecordingFormatError
        raise kind(f"{os.fspath(path)} cannot be used: {error}") from error


#: What users call it.
open_recording = read_recording


def write_recording(
    path: str | os.PathLike[str],
    recording: Recording,
    *,
    text: OperationsText | None = None,
    temporary_folder: str | os.PathLike[str] | None = None,
) -> None:
    """Write one file exactly at `path`: a SQLite database that Python's `dbm` opens from 3.13 on.

    Either the old file stands there or the new one, whatever happens in between.

    Args:
        path: Where to; an existing file is replaced.
        recording: What.
        text: The text of its operations, where that was needed before; used if it is of this very sequence.
        temporary_folder: A local folder in which the bytes are made; default: the system's.

    Raises:
        RecordingError: The file cannot be written.
    """
    records = {key.encode("ascii"): fast_json.canonical(dict(record)) for key, record in recording.entities.items()}
    # Encoded twice: the record is a JSON string whose content is a JSON list (spec: library 3.3). Of ASCII without control
    # characters a JSON string escapes just these.
    operations = (
        text if text is not None and text.operations is recording.operations else OperationsText(recording.operations)
    )
    encoded = operations.in_file(ours=recording.manifest is not None)
    records[OPERATIONS_KEY] = b'"%s"' % encoded.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    manifest = None if recording.manifest is None else fast_json.canonical(recording.manifest.to_json())
    write_container(Path(path), records, manifest, temporary_folder=temporary_folder)


def _from_container(records: Mapping[bytes, bytes], manifest: bytes | None, modified_ns: int) -> Recording:
    if not records and manifest is None:
        # What the original library leaves after a block that did nothing.
        return Recording((), {}, None, modified_ns)
    if OPERATIONS_KEY not in records:
        raise RecordingFormatError(
            f"It holds {len(records)} records but no operations. Was it written by deferred_operations?"
        )
    operations, digest = _parsed(records[OPERATIONS_KEY], "the operations"), None
    if isinstance(operations, str):
        text = operations.encode("utf-8", "surrogatepass")
        operations, digest = _parsed(text, "the operations"), hashlib.sha256(text).hexdigest()
    entities = _entities(records)
    return _checked(
        Recording(
            _operations(operations, literal=manifest is not None),
            _records(entities),
            None if manifest is None else Manifest.from_json(_parse(manifest, "the manifest")),
            None if manifest is not None else modified_ns,
        ),
        digest,
    )


def _entities(records: Mapping[bytes, bytes]) -> dict[str, JSON]:
    """Return what the records of a file hold, by textual keys."""
    keys = [key for key in records if key != OPERATIONS_KEY]
    values = _parsed_at_once([records[key] for key in keys])
    entities = {}
    for place, key in enumerate(keys):
        entity = name = key.decode("utf-8", "backslashreplace")
        # Most are word for word what `key_text` makes of them.
        if not _USUAL_KEY.fullmatch(name):
            parsed = parse_key_text(name)
            if parsed is None:
                raise RecordingFormatError(f"The key {name[:80]!r} stands for no entity.")
            entity = key_text(*parsed)
        entities[entity] = _parse(records[key], f"the record {name}") if values is None else values[place]
    return entities


def _parsed_at_once(texts: Sequence[bytes]) -> list[JSON] | None:
    """Return what JSON texts describe, in half the time that one after the other takes; None if one of them cannot be read.

    They become one list, with a mark between each two. No text holds this mark, as it is made from all of them; so where the
    marks are every second item of the list, each text is one value.
    """
    mark = hashlib.sha256(b"".join(texts)).hexdigest()
    together = b"[%s]" % (b',"%s",' % mark.encode()).join(texts)
    _check_values(together, "what the file says of entities")
    try:
        items = fast_json.loads_strictly(together)
    except (ValueError, RecursionError):
        return None
    if len(items) != 2 * len(texts) - 1 or items[1::2].count(mark) != len(texts) - 1:
        return None
    values: list[JSON] = items[::2]
    return None if _too_deep(values, _MAX_DEPTH + 1) else values


def _checked(recording: Recording, digest: str | None = None) -> Recording:
    """Return the recording if its operations are those that its manifest was made for.

    Args:
        recording: As it was read.
        digest: Of the operations' text. The text that we write for everyday operations is the one that their digest is taken
            over; where this is another one they are encoded anew.
    """
    if digest is not None and recording.manifest is not None and recording.manifest.digest == digest:
        return recording
    if recording.manifest is not None and recording.manifest.digest != recording.digest:
        raise RecordingFormatError(
            "The operations do not match the digest in the manifest: the recording was damaged or changed."
        )
    return recording


def _operations(data: JSON, *, literal: bool) -> tuple[Operation, ...]:
    if not isinstance(data, list):
        raise RecordingFormatError("The operations are no list.")
    _check_number(len(data))
    operations: list[Any] = [usual_operation(item, literal=literal) for item in data]
    unusual = [place for place, operation in enumerate(operations) if operation is None]
    if any(_is_deep_operation(data[place]) for place in unusual):
        raise _too_nested("the operations")
    for place in unusual:
        operations[place] = operation_from_json(data[place], literal=literal)
    return tuple(operations)


def _check_number(operations: int) -> None:
    if operations > _MAX_OPERATIONS:
        raise RecordingFormatError(f"There are {operations} operations; more than {_MAX_OPERATIONS} are not read.")


def _is_deep_operation(item: JSON) -> bool:
    """Whether a list with this in it nests too deeply. Most operations hold containers of plain values at most."""
    for value in item.values() if item.__class__ is dict else (item,):
        if value.__class__ in _CONTAINERS and not _CONTAINERS.isdisjoint(map(type, _parts(value))):
            return _too_deep(item, _MAX_DEPTH - 1)
    return False


def _parts(container: Any) -> Iterable[Any]:
    return container.values() if container.__class__ is dict else container


def _records(data: JSON) -> dict[str, Mapping[str, JSON]]:
    if data.__class__ is not dict or any(record.__class__ is not dict for record in data.values()):
        raise RecordingFormatError("The entity records are no objects.")
    records: dict[str, Mapping[str, JSON]] = data
    return records


def _parse(data: bytes, what: str) -> Any:
    """Return what JSON text describes, which may come from anybody.

    Raises:
        RecordingFormatError: It is no JSON, has numbers that JSON does not have, or nests too deeply.
    """
    value = _parsed(data, what)
    # What holds few brackets cannot be deep; looking costs as much as parsing.
    if data.count(b"{") + data.count(b"[") >= _MAX_DEPTH and _too_deep(value):
        raise _too_nested(what)
    return value


def _parsed(data: bytes, what: str) -> Any:
    """As `_parse`, however deep it nests."""
    _check_values(data, what)
    try:
        return fast_json.loads_strictly(data)
    except (ValueError, RecursionError) as error:
        raise RecordingFormatError(f"{what[0].upper()}{what[1:]} cannot be read: {error}.") from error


def _check_values(data: bytes, what: str) -> None:
    """Refuse text that holds far more values than a recording can have: each takes up to 64 bytes of memory, and two of text."""
    # Each costs a byte at least, so that small texts need not be looked through.
    if len(data) > _MAX_VALUES and data.count(b",") + data.count(b"[") + data.count(b"{") > _MAX_VALUES:
        raise RecordingFormatError(
            f"{what[0].upper()}{what[1:]} holds more than {_MAX_VALUES} values. Record in several blocks."
        )


def _too_nested(what: str) -> RecordingFormatError:
    return RecordingFormatError(f"{what[0].upper()}{what[1:]} nests more than {_MAX_DEPTH} levels deep.")


_CONTAINERS: frozenset[Any] = frozenset({dict, list})


def _too_deep(value: Any, levels: int = _MAX_DEPTH) -> bool:
    # Of parsed JSON, whose containers are just these two.
    level: list[Any] = [value] if value.__class__ in _CONTAINERS else []
    for _ in range(levels):
        if not level:
            return False
        level = [child for item in level for child in _parts(item) if child.__class__ in _CONTAINERS]
    return bool(level)
