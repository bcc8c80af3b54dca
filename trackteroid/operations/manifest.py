"""What a recording says about itself, beside its operations.

Stands in a table of its own in the file, invisible to `dbm`. A file of the original library has none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

from trackteroid.errors import RecordingFormatError
from trackteroid.operations.operation import JSON

__all__ = ["COMMIT_AS", "FORMAT", "VERSION", "Ancestor", "Base", "Delta", "Ensure", "Manifest", "condition"]

FORMAT = "trackteroid recording"

#: Raised when a reader of an older version could misunderstand a file; additions do not raise it.
VERSION = 1

#: Under whose name a recording may be committed.
COMMIT_AS = ("worker", "recorder")

# An attribute's; what is pasted into a query must not say more.
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

# What is the same as a plain JSON value; others are looked into.
_PLAIN = frozenset({str, int, float, bool, type(None)})

_OPTIONAL_TEXTS = ("predecessor", "user", "system_user", "host", "application", "server_url", "schema_hash")


@dataclass(frozen=True, kw_only=True)
class Base:
    """The remote value that the session had loaded before an update; the client's own `old_value` is the local one.

    Attributes:
        entity: Textual key of the entity.
        attribute: Which attribute.
        known: Whether the session had loaded it; if not, `value` is null and means nothing.
        value: The value.
        also: Values that earlier blocks of the same session recorded: if those are committed first, the server has one of them.
    """

    entity: str
    attribute: str
    known: bool
    value: JSON = None
    also: tuple[JSON, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Delta:
    """What a block did to a collection. The client sends the whole list, and two recordings would undo each other.

    Attributes:
        entity: Textual key of the owner.
        attribute: The collection's attribute.
        added: Textual keys of new members.
        removed: Textual keys of former members.
    """

    entity: str
    attribute: str
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Ancestor:
    """A recording to which this one was appended (`clear=False`), so that it begins with its operations.

    Attributes:
        recording_id: Its id.
        operations: How many of the operations, from the first on, are those that it had.
    """

    recording_id: str
    operations: int


@dataclass(frozen=True, kw_only=True)
class Ensure:
    """An entity that is created only if there is none like it when the recording is committed (`Session.ensure`).

    Attributes:
        entity: Textual key of the entity that the operations create; its id stands for whatever is found instead.
        by: Attribute to value: how it is recognised.
        given: Other attributes that the call gave; an entity that is found gets these values too.
    """

    entity: str
    by: Mapping[str, JSON]
    given: tuple[str, ...] = ()


def condition(attribute: str, value: JSON) -> str:
    """Return the condition of ftrack's query language that an attribute has a (recorded) value.

    Raises:
        RecordingFormatError: There is no such condition: the value is a list or a dictionary.
    """
    if value is None:
        return f"{attribute} is none"
    if isinstance(value, bool):
        return f"{attribute} is {'true' if value else 'false'}"
    if isinstance(value, Mapping):
        if value.get("__type__") in ("datetime", "date"):
            # The server keeps neither fractions of a second nor time zones.
            return condition(attribute, str(value.get("value"))[:19])
        names = [name for name in value if name != "__entity_type__"]
        if "__entity_type__" in value and len(names) == 1 and _NAME.fullmatch(names[0]):
            return condition(f"{attribute}.{names[0]}", str(value[names[0]]))
    if isinstance(value, str | int | float):
        text = str(value).replace("\\", "\\\\").replace('"', '\\"')
        return f'{attribute} is "{text}"'
    raise RecordingFormatError(f"Nothing can be looked up by {attribute}={value!r:.100}.")


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a recording says about itself.

    Attributes:
        recording_id: UUID, the idempotency key: a recording of this id is committed once.
        digest: SHA-256 over the operations, hexadecimal.
        predecessor: Id of the recording that this one was appended to (`clear=False`).
        ancestors: That one and those before it, the oldest first: what of this is theirs may be committed already.
        created_at: When the block ended, ISO 8601, UTC.
        user: ftrack's name of the recording user.
        system_user, host, application: Who and where, as the operating system says.
        server_url: The ftrack server it was recorded against.
        schema_hash: Digest of that server's schema.
        library_versions: Versions of trackteroid, the client and Python.
        created, deleted, referenced: Textual keys of entities.
        updated: Textual key to the attributes that are written.
        recorded_before: Of the updated and deleted ones those that an earlier block of the session created: they may not be
            on the server yet.
        bases: See `Base`.
        deltas: See `Delta`.
        context: Facts in plain text for people who search, such as project, asset and task.
        labels: What the block was labelled with.
        outputs: Files that must exist before this may be published.
        ensures: See `Ensure`.
        stamped: Whether what it creates is to be dated by its release, and names its recording user; False: as ftrack does.
        commit_as: Under whose name it is to be committed: `worker`, or `recorder` (`user`); None: not said.
        unstamped: Textual keys of created entities whose user the server will fill with the committing one, because the
            recording user's id was not in memory, to the attribute; `user` names that user.
    """

    recording_id: str
    digest: str
    created_at: str
    predecessor: str | None = None
    ancestors: tuple[Ancestor, ...] = ()
    user: str | None = None
    system_user: str | None = None
    host: str | None = None
    application: str | None = None
    server_url: str | None = None
    schema_hash: str | None = None
    library_versions: Mapping[str, str] = field(default_factory=dict)
    created: tuple[str, ...] = ()
    updated: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    deleted: tuple[str, ...] = ()
    referenced: tuple[str, ...] = ()
    recorded_before: tuple[str, ...] = ()
    bases: tuple[Base, ...] = ()
    deltas: tuple[Delta, ...] = ()
    context: Mapping[str, JSON] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    outputs: tuple[Mapping[str, JSON], ...] = ()
    unstamped: Mapping[str, str] = field(default_factory=dict)
    ensures: tuple[Ensure, ...] = ()
    stamped: bool = True
    commit_as: str | None = None

    def to_json(self) -> dict[str, JSON]:
        """Return the manifest as plain JSON values, with format and version."""
        return {"format": FORMAT, "version": VERSION, **_plain(vars(self))}

    @classmethod
    def from_json(cls, data: JSON) -> Manifest:
        """Return the manifest in `data`. Names that a newer version of the same format added are left out.

        Raises:
            RecordingFormatError: It is no manifest, or one of a version that we cannot read.
        """
        if not isinstance(data, Mapping) or data.get("format") != FORMAT:
            raise RecordingFormatError("The recording's manifest is not one of ours.")
        version = data.get("version")
        if not isinstance(version, int) or not 1 <= version <= VERSION:
            raise RecordingFormatError(
                f"The recording has format version {version!r}; this version of trackteroid reads up to {VERSION}. "
                "Update trackteroid where it is read."
            )
        values: dict[str, Any] = {name: value for name, value in data.items() if name in _NAMES}
        try:
            for name in ("recording_id", "digest", "created_at"):
                if not isinstance(values[name], str) or not values[name]:
                    raise RecordingFormatError(f"The manifest's {name} must be text.")
            # Half characters, which JSON may hold, name nothing.
            values["recording_id"].encode()
            for name in _OPTIONAL_TEXTS:
                if not isinstance(values.get(name), str | None):
                    raise RecordingFormatError(f"The manifest's {name} must be text.")
            values["bases"] = tuple(_base(item) for item in values.get("bases", ()))
            values["ancestors"] = tuple(_ancestor(item) for item in values.get("ancestors", ()))
            values["ensures"] = tuple(_ensure(item) for item in values.get("ensures", ()))
            values["deltas"] = tuple(_delta(item) for item in values.get("deltas", ()))
            values["updated"] = {str(key): _texts(names) for key, names in dict(values.get("updated", {})).items()}
            for name in ("created", "deleted", "referenced", "recorded_before"):
                values[name] = _texts(values.get(name, ()))
            values["outputs"] = tuple(dict(item) for item in values.get("outputs", ()))
            values["context"] = dict(values.get("context", {}))
            for name in ("library_versions", "labels", "unstamped"):
                values[name] = _named_texts(values.get(name, {}))
            _check_choices(values)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            if isinstance(error, RecordingFormatError):
                raise
            raise RecordingFormatError(f"The recording's manifest is damaged: {error}.") from error
        return cls(**values)


_NAMES = frozenset(item.name for item in fields(Manifest))


def _ancestor(data: Mapping[str, JSON]) -> Ancestor:
    ancestor = Ancestor(recording_id=str(data["recording_id"]), operations=int(data["operations"]))
    if ancestor.operations < 0:
        raise ValueError("an ancestor cannot have less than no operations")
    return ancestor


def _ensure(data: Mapping[str, JSON]) -> Ensure:
    ensure = Ensure(entity=str(data["entity"]), by=dict(data["by"]), given=_texts(data.get("given", ())))
    if not ensure.by or not all(_NAME.fullmatch(name) for name in (*ensure.by, *ensure.given)):
        raise ValueError(f"an ensure names attributes, not {data!r:.100}")
    return ensure


def _check_choices(values: Mapping[str, Any]) -> None:
    if not isinstance(values.get("stamped", True), bool):
        raise ValueError("stamped must be true or false")
    if values.get("commit_as") not in (None, *COMMIT_AS):
        raise ValueError(f"commit_as must be one of {', '.join(COMMIT_AS)}")


def _base(data: Mapping[str, JSON]) -> Base:
    values = {item.name: data[item.name] for item in fields(Base) if item.name in data}
    base = Base(**{**values, "also": tuple(values.get("also", ()))})
    if not (isinstance(base.entity, str) and isinstance(base.attribute, str) and isinstance(base.known, bool)):
        raise ValueError(f"a base names an entity, an attribute and whether it is known, not {data!r:.100}")
    return base


def _delta(data: Mapping[str, JSON]) -> Delta:
    return Delta(
        entity=str(data["entity"]),
        attribute=str(data["attribute"]),
        added=_texts(data.get("added", ())),
        removed=_texts(data.get("removed", ())),
    )


def _texts(values: Sequence[JSON]) -> tuple[str, ...]:
    if isinstance(values, str):
        raise ValueError(f"a list was expected, not {values!r}")
    return tuple(map(str, values))


def _named_texts(values: Mapping[str, JSON]) -> dict[str, str]:
    if not all(isinstance(value, str) for value in dict(values).values()):
        raise ValueError(f"names with texts were expected, not {values!r:.100}")
    return {str(key): str(value) for key, value in values.items()}


def _plain(value: Any) -> Any:
    kind = value.__class__
    if kind in _PLAIN:
        return value
    if kind is tuple or kind is list:
        return [item if item.__class__ is str else _plain(item) for item in value]
    if is_dataclass(value):
        return {name: _plain(item) for name, item in vars(value).items()}
    if isinstance(value, Mapping):
        return {str(key): item if item.__class__ is str else _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
