"""The manifest and the entity records of a block, told from its operations and from what the session has in memory."""

from __future__ import annotations

import functools
import getpass
import importlib.metadata
import platform
import socket
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Any, TypeAlias

from ftrack_api.symbol import NOT_SET as CLIENT_NOT_SET

from trackteroid.errors import RecordingRefusedError
from trackteroid.operations.effects import Effects, Identity, identity_of, references_in
from trackteroid.operations.encoding import PLAIN_TYPES, encode_value
from trackteroid.operations.loaded import Held, cached, cells, find, identity, is_collection, is_entity, loaded
from trackteroid.operations.local_state import Touch
from trackteroid.operations.manifest import Base, Delta
from trackteroid.operations.operation import JSON, NOT_SET, CreateOperation, Operation, UpdateOperation, key_text

__all__ = [
    "KeyTexts",
    "application",
    "bases_of",
    "deltas_of",
    "host",
    "library_versions",
    "records_of",
    "referenced_by",
    "remember_written",
    "system_user",
]

# A block that runs over and over in a long session must not make its recordings grow.
_MOST_WRITTEN = 20


class KeyTexts(dict[Identity, str]):
    """The textual keys of entities, each made when it is first asked for."""

    def __missing__(self, key: Identity) -> str:
        text = self[key] = key_text(*key)
        return text


_Touches = Mapping[tuple[Identity, str], Touch]


_Written: TypeAlias = "dict[tuple[Identity, str], tuple[JSON, ...]]"


def remember_written(memory: _Written, operations: Iterable[Operation], touches: _Touches) -> None:
    """Note the values that a block has recorded, for the bases of later ones.

    Not of entities that it created: their recorded values are the loaded ones when it has ended.

    Args:
        memory: Where to.
        operations: The block's.
        touches: What the attributes of other entities were when the block first changed them.
    """
    if not touches:
        return
    for operation in operations:
        if isinstance(operation, UpdateOperation) and not isinstance(operation.new_value, list):
            slot = (identity_of(operation), operation.attribute_name)
            if slot not in touches:
                continue
            earlier = [value for value in memory.get(slot, ()) if value != operation.new_value]
            memory[slot] = (*earlier, operation.new_value)[-_MOST_WRITTEN:]


def bases_of(session: Any, effects: Effects, touches: _Touches, written: _Written | None = None) -> Iterator[Base]:
    """Yield the base of each update of an entity that existed before the block.

    Args:
        session: Whose memory to look in.
        effects: Of the block's operations.
        touches: What the attributes were when the block first changed them.
        written: What earlier blocks have recorded.
    """
    created = set(effects.created)
    for key, names in effects.updated.items():
        if key in created:
            continue
        for name in names:
            touch = touches.get((key, name))
            value = NOT_SET if touch is None else _base(session, key, name, touch)
            known = value is not NOT_SET
            yield Base(
                entity=key_text(*key),
                attribute=name,
                known=known,
                value=value if known else None,
                also=(written or {}).get((key, name), ()) if known else (),
            )


def _base(session: Any, key: Identity, name: str, touch: Touch) -> JSON:
    value = touch.remote
    if value is CLIENT_NOT_SET and touch.entity is not None and touch.members is None:
        # Loaded later in the block; or its column was, under its other name.
        value = cells(touch.entity).get(name, {}).get("remote", CLIENT_NOT_SET)
        if value is CLIENT_NOT_SET:
            return _base_by_column(session, key, name, touch.entity)
    try:
        return encode_value(value, session, key[0], {}, name)
    except RecordingRefusedError:
        return NOT_SET


def _base_by_column(session: Any, key: Identity, name: str, entity: Any) -> JSON:
    """Return the base of `status` from a loaded `status_id`, or the other way round: two names of one column."""

    def remote(other: str) -> Any:
        return cells(entity).get(other, {}).get("remote", CLIENT_NOT_SET)

    if name.endswith("_id"):
        value = remote(name[: -len("_id")])
        if value is None:
            return None
        found = [] if value is CLIENT_NOT_SET else [loaded(value, part) for part in value.primary_key_attributes]
        return found[0] if len(found) == 1 and isinstance(found[0], str) else NOT_SET
    value = remote(f"{name}_id")
    if value is None:
        return None
    target = find(session, key[0], name, value) if isinstance(value, str) else None
    return NOT_SET if target is None else encode_value(target, session, key[0], {}, name)


def baselines_of(
    operations: Iterable[Operation], touches: _Touches, ensured: Set[Identity]
) -> dict[tuple[Identity, str], list[Identity]]:
    """Return the members that collections had when the block first changed them. Arguments: as of `deltas_of`."""
    found = {slot: touch.member_keys for slot, touch in touches.items() if touch.members is not None}
    if ensured:
        found.update(
            ((identity_of(operation), operation.attribute_name), [])
            for operation in operations
            if isinstance(operation, UpdateOperation) and identity_of(operation) in ensured
        )
    return found


def deltas_of(operations: Sequence[Operation], touches: _Touches, ensured: Set[Identity]) -> Iterator[Delta]:
    """Yield what the block did to each collection of an entity that existed before it, or may do so when it is committed.

    Args:
        operations: The block's; of each collection the last update holds all members.
        touches: What the collections held when the block first changed them.
        ensured: Entities that are created only if there is none like them. Their collections were empty in the block.
    """
    collections = baselines_of(operations, touches, ensured)
    if not collections:
        return
    last = {
        (identity_of(operation), operation.attribute_name): operation.new_value
        for operation in operations
        if isinstance(operation, UpdateOperation)
    }
    for (key, name), members in collections.items():
        value = last.get((key, name))
        if not isinstance(value, list):
            continue
        before = dict.fromkeys(members)
        after = {found: None for found, _ in references_in(value)}
        added = tuple(key_text(*member) for member in after if member not in before)
        removed = tuple(key_text(*member) for member in before if member not in after)
        if added or removed:
            yield Delta(entity=key_text(*key), attribute=name, added=added, removed=removed)


def referenced_by(session: Any, operations: Sequence[Operation], effects: Effects) -> tuple[Identity, ...]:
    """Return the entities that operations refer to and do not create: by references, and by foreign keys.

    Args:
        session: In whose memory the type of what a foreign key means is looked up; else it is that of the schema, which may be
            a base type.
        operations: The block's.
        effects: Theirs.
    """
    found = dict.fromkeys(effects.referenced)
    ids = {key[1][0] for key in (*effects.referenced, *effects.created) if len(key[1]) == 1}
    # Thousands of versions have few statuses.
    followed: set[tuple[str, str, str]] = set()
    for way in _foreign_keys(operations):
        entity_type, name, value = way
        if value in ids or way in followed:
            continue
        followed.add(way)
        relation = session.schema_index.attribute(entity_type, name[: -len("_id")])
        if relation is None or relation.target is None or relation.is_plural:
            continue
        target = find(session, entity_type, relation.name, value)
        found[(relation.target, (value,)) if target is None else identity(target) or (relation.target, (value,))] = None
    return tuple(found)


def _foreign_keys(operations: Iterable[Operation]) -> Iterator[tuple[str, str, str]]:
    """Yield what may be one: entity type, attribute and text."""
    for operation in operations:
        if isinstance(operation, UpdateOperation):
            name, value = operation.attribute_name, operation.new_value
            if name.endswith("_id") and isinstance(value, str):
                yield operation.entity_type, name, value
        elif isinstance(operation, CreateOperation):
            for name, value in operation.entity_data.items():
                if name.endswith("_id") and isinstance(value, str):
                    yield operation.entity_type, name, value


def records_of(
    session: Any, effects: Effects, entities: Mapping[Identity, Held], texts: Mapping[Identity, str]
) -> dict[str, Mapping[str, JSON]]:
    """Return a record of each entity that a block creates, updates, deletes or refers to: what is loaded of it.

    Collections are left out where an entity is only referred to: a project may have all its shots loaded.

    Args:
        session: Whose memory to look in.
        effects: Of the block's operations.
        entities: Those that the block creates, updates or deletes, as far as they are in memory.
        texts: Their textual keys.
    """
    stored = _Stored(session)
    records = {texts[key]: stored.record(key, held, collections=True) for key, held in entities.items()}
    for key, reference in effects.referenced.items():
        if key not in entities:
            entity = cached(session, key)
            records[texts[key]] = (
                dict(reference) if entity is None else stored.record(key, Held.of(entity), collections=False)
            )
    return records


class _Stored:
    """Reads what a session has loaded of entities.

    Args:
        session: The session.
    """

    def __init__(self, session: Any) -> None:
        self._session = session
        # By the class of an entity, the attributes that are not of the moment, such as addresses that expire.
        self._lasting: dict[type, frozenset[str]] = {}
        # By `id`: the entities are in memory, where others refer to them again and again.
        self._references: dict[int, dict[str, JSON]] = {}

    def record(self, key: Identity, held: Held, *, collections: bool) -> Mapping[str, JSON]:
        """Return what is loaded of an entity, of its collections only if asked for."""
        record: dict[str, JSON] = {"__entity_type__": key[0]}
        lasting = self._lasting_of(held.entity)
        for name, cell in held.cells:
            if name not in lasting:
                continue
            value = cell["local"]
            if value is CLIENT_NOT_SET:
                value = cell["remote"]
            # Most are plain.
            if type(value) not in PLAIN_TYPES:
                if is_entity(value):
                    value = self._reference(key[0], name, value)
                elif is_collection(value) and not collections:
                    continue
                else:
                    value = self._encoded(key[0], name, value)
                if value is NOT_SET:
                    continue
            record[name] = value
        return record

    def _lasting_of(self, entity: Any) -> frozenset[str]:
        kind = type(entity)
        lasting = self._lasting.get(kind)
        if lasting is None:
            lasting = frozenset(str(attribute.name) for attribute in entity.attributes if not attribute.computed)
            self._lasting[kind] = lasting
        return lasting

    def _reference(self, entity_type: str, name: str, value: Any) -> JSON:
        known = self._references.get(id(value))
        if known is None:
            encoded = self._encoded(entity_type, name, value)
            if encoded is NOT_SET:
                return NOT_SET
            known = self._references[id(value)] = encoded
        return dict(known)

    def _encoded(self, entity_type: str, name: str, value: Any) -> JSON:
        try:
            return encode_value(value, self._session, entity_type, {}, name)
        except RecordingRefusedError:
            # Not part of the recording: what merely happens to be loaded is left out.
            return NOT_SET


# Who and where


@functools.cache
def library_versions() -> Mapping[str, str]:
    """Return the versions of what takes part in recording."""
    versions = {"python": platform.python_version()}
    for name in ("trackteroid", "ftrack-python-api"):
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            # Vendored into an application without its metadata.
            versions[name] = "unknown"
    return versions


def application() -> str:
    """Return the name of the program that records."""
    script = Path(sys.argv[0]).name if sys.argv and sys.argv[0] not in ("", "-c", "-m") else ""
    return script or Path(sys.executable or "python").name


def host() -> str:
    """Return this machine's name."""
    return socket.gethostname()


def system_user() -> str | None:
    """Return the operating system's name of the user, None where it has none."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        # A container that runs under a number without an account.
        return None
