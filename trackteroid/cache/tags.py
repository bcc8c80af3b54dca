"""What a query depends on, and what a batch of operations changes, as tags.

Tags: `Asset.name` a column, raised by updates; `Asset+` which rows a table has, raised by creates and deletes; `Asset@` what
its rows hang below, which decides who may see them, raised by moves; `Asset*` anything of the above; `*` anything at all;
`server` is raised instead of all of them where rights change. Which table and column an attribute stands for says the module
`storage`; what it does not list depends on everything and, written, changes everything. Too many tags cost hits; a missing
one would be a wrong answer.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from trackteroid.cache.following import ExpiringError, Reader, UnlistedError, expiring, names
from trackteroid.cache.query_text import parse_question
from trackteroid.cache.storage import Collection, Table, anything, column, decides_access, rows, storage
from trackteroid.relationships import schema_index

__all__ = ["EVERYTHING", "SERVER", "Tags"]

#: What depends on everything; raised with every tag.
EVERYTHING = "*"

#: Raised where every answer of the server may be another one.
SERVER = "server"

# Who may see what hangs on these.
_ACCESS_TABLES = frozenset(
    {
        "ConfigurationReadRole", "ConfigurationWriteRole", "Membership", "Resource", "SecurityRole", "UserSecurityRole",
        "UserSecurityRoleProject",
    }
)  # fmt: skip
_ACCESS_OF_PROJECTS = frozenset({"is_private", "is_global", "status"})

# What the server changes by itself (spec: ftrack-server 2.6, 2.10, 2.11).
_BY_UPDATE: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("AssetVersion", "asset_id"): ("AssetVersion.version",),
    ("AssetVersion", "status_id"): ("StatusChange+",),
    ("Context", "parent_id"): ("Context.project_id",),
    ("Context", "project_id"): ("Context.parent_id",),
    ("Context", "status_id"): ("StatusChange+",),
    ("CustomAttributeValue", "value"): ("CustomAttributeValue+",),
    ("Job", "status"): ("Job.finished_at",),
    ("Note", "category_id"): ("NoteLabelLink+",),
}
_BY_CREATE: Mapping[str, tuple[str, ...]] = {
    "AssetVersion": ("StatusChange+",),
    "Context": ("StatusChange+",),
    "Note": ("Recipient+", "NoteLabelLink+", "Note.thread_activity"),
    "NoteLabelLink": ("Note.category_id",),
}
_BY_DELETE: Mapping[str, tuple[str, ...]] = {"Timer": ("Timelog+",)}

# What actions other than create, update and delete change; one that is not listed changes everything.
_ACTIONS: Mapping[str, tuple[str, ...] | None] = {
    "_track_usage": None,
    "complete_multipart_upload": None,
    "compute_rollups": None,
    "generate_signed_url": None,
    "get_upload_metadata": None,
    "get_widget_url": None,
    "permissions": None,
    "query": None,
    "query_schemas": None,
    "query_server_information": None,
    "search": None,
    "send_review_session_invite": ("ReviewSessionInvitee.last_sent_at",),
    # The job and what it makes; the versions' pictures come when it is done, at no moment of ours (see `listening`).
    "encode_media": (
        "Job+",
        "JobComponent+",
        "Component+",
        "ComponentLocation+",
        "AssetVersion.thumbnail_id",
        "Metadata+",
    ),
}

_EVENT_ACTIONS: Mapping[str, str] = {"add": "create", "move": "update", "remove": "delete", "update": "update"}

# Attributes that may show a picture which somebody sees only thereby.
_PICTURES = frozenset({"component", "component_id", "thumbnail", "thumbnail_id"})
_NONE: frozenset[str] = frozenset()

# A question with more tags than this depends on whole tables instead: every look-up compares each of them.
_MOST_TAGS = 100

# Texts longer than this hold lists of ids, which hardly ever come twice.
_LONGEST_KEPT = 4000


class Tags:
    """The tags of one server schema's queries and operations.

    Args:
        schemas: The server's, as `query_schemas` returns them.
    """

    def __init__(self, schemas: Sequence[Mapping[str, Any]]) -> None:
        self._index = schema_index(schemas)
        self._storage = storage()
        self._aliases = _aliases(schemas)
        self._events = _event_types(schemas)
        self._system = {
            str(schema["id"]): self._system_attributes(schema) for schema in schemas if schema.get("system_projections")
        }
        # A method under a cache of its own, which goes with the object.
        self._read_kept = lru_cache(maxsize=1024)(self._read)
        self._shapes: dict[Any, frozenset[str]] = {}
        self._rows: dict[frozenset[str], frozenset[str]] = {}

    def read(self, expression: str) -> frozenset[str] | None:
        """Return the tags that a query's answer depends on; None if the answer must never be stored."""
        return self._read_kept(expression) if len(expression) <= _LONGEST_KEPT else self._read(expression)

    def written(self, batch: Iterable[Mapping[str, Any]]) -> frozenset[str]:
        """Return the tags that a batch raises: none if it only reads, `SERVER` alone if it may change every answer.

        Args:
            batch: Operations of the server's protocol. A malformed one counts as one that may do anything.
        """
        operations = list(batch)
        created = _Created(operations)
        raised: set[str] = set()
        # Of a batch of thousands most items are like one before.
        seen: set[Any] = set()
        for item in operations:
            alike = _alike(item, created)
            if alike in seen:
                continue
            raised |= self._written(item, created)
            if SERVER in raised:
                return frozenset({SERVER})
            if alike is not None:
                seen.add(alike)
        return frozenset(raised | {EVERYTHING}) if raised else frozenset()

    def told(self, entities: Iterable[Mapping[str, Any]]) -> frozenset[str]:
        """Return the tags that an `ftrack.update` event raises (spec: ftrack-server 7.6).

        Args:
            entities: What its data lists under that name.
        """
        raised: set[str] = set()
        for entity in entities:
            raised |= self._told(entity)
            if SERVER in raised:
                return frozenset({SERVER})
        return frozenset(raised | {EVERYTHING}) if raised else frozenset()

    # Reading

    def _read(self, expression: str) -> frozenset[str] | None:
        question = parse_question(expression)
        if question is None:
            return frozenset({EVERYTHING})
        reader = Reader(self._index, self._storage, self._system, self._rows)
        try:
            reader.question(question, is_whole=True)
        except UnlistedError:
            # What could not be followed any further may hide a value that expires.
            return None if names(question) & expiring(self._storage) else frozenset({EVERYTHING})
        except ExpiringError:
            return None
        if len(reader.tags) <= _MOST_TAGS:
            return frozenset(reader.tags)
        whole = {anything(tag.rstrip("+@*").partition(".")[0]) for tag in reader.tags}
        return frozenset(whole | {tag for tag in reader.tags if decides_access(tag)})

    def _system_attributes(self, schema: Mapping[str, Any]) -> tuple[str, ...]:
        known = self._aliases.get(str(schema["id"]), {})
        names = (known.get(str(name).lower()) for name in schema["system_projections"])
        return tuple(name for name in names if name is not None)

    # Writing

    def _written(self, item: Mapping[str, Any], created: Container[Any]) -> frozenset[str]:
        action = item.get("action")
        if action not in ("create", "update", "delete"):
            tags = _ACTIONS.get(str(action), (SERVER,))
            return frozenset(self._with_anything(tags or ()))
        entity_type = str(item.get("entity_type"))
        data = item.get("entity_data") or {}
        if not isinstance(data, Mapping):
            return frozenset({SERVER})
        is_new = action == "update" and any(identity in created for identity in _identities(item))
        # Only what is looked at is part of it.
        loose = _loose(data, created)
        shape = (
            action,
            entity_type,
            tuple(data),
            is_new,
            loose,
            data.get("type") if entity_type == "Appointment" else None,
        )
        try:
            found = self._shapes.get(shape)
        except TypeError:
            return frozenset({SERVER})
        if found is None:
            found = frozenset(self._shape(action, entity_type, data, is_new, loose))
            if SERVER in found:
                found = frozenset({SERVER})
            if len(self._shapes) > 4096:
                self._shapes.clear()
            self._shapes[shape] = found
        return found

    def _shape(
        self, action: str, entity_type: str, data: Mapping[str, Any], is_new: bool, loose: frozenset[str]
    ) -> Iterator[str]:
        table = self._table(entity_type)
        if table is None or table.name in _ACCESS_TABLES or _gives_access(table, action, entity_type, data):
            yield SERVER
            return
        if action == "delete":
            yield from self._with_anything(self._storage.deleted(table.name))
            yield from self._with_anything(_BY_DELETE.get(table.name, ()))
            return
        if action == "create":
            yield from self._with_anything((rows(table.name), *_BY_CREATE.get(table.name, ())))
        for name in data:
            if name != "__entity_type__":
                yield from self._with_anything(self._attribute(table, entity_type, action, name, is_new, loose))

    def _attribute(
        self, table: Table, entity_type: str, action: str, name: str, is_new: bool, loose: frozenset[str]
    ) -> Iterator[str]:
        real = table.real(name)
        targets = table.collections.get(real)
        if targets is not None and self._is_plural(table, entity_type, name):
            for target in targets:
                yield from self._members(target, self._is_link(target, entity_type, name))
            return
        columns = table.references.get(real, ()) if self._is_reference(table, entity_type, name) else ()
        if not columns and table.has_column(real):
            columns = (real,)
        if not columns:
            # Not listed; what the server works out itself cannot be written, and who tries is not believed.
            yield SERVER
            return
        is_moved = action == "update" and not is_new
        for each in columns:
            if action == "update":
                if not is_new:
                    yield column(table.name, each)
                if each in self._index.primary_key(entity_type):
                    # It has become another row.
                    yield rows(table.name)
                yield from _BY_UPDATE.get((table.name, each), ())
            key = table.keys.get(each)
            if is_moved and key is not None and key.places:
                yield from self._storage.moved(table.name)
            if is_moved or name in loose:
                yield from self._storage.shown(table, [each])

    def _members(self, target: Collection, is_link: bool) -> Iterator[str]:
        """What changes where the members of a collection are listed anew."""
        yield rows(target.table)
        if target.table in _ACCESS_TABLES:
            yield SERVER
        if is_link:
            # Its rows are made and removed.
            return
        table = self._storage.tables[target.table]
        for each in target.columns:
            yield column(target.table, each)
            yield from _BY_UPDATE.get((target.table, each), ())
        yield from self._storage.shown(table, table.keys)
        if any(each in table.keys and table.keys[each].places for each in target.columns):
            yield from self._storage.moved(target.table)

    def _table(self, entity_type: str) -> Table | None:
        schema = self._index.types.get(entity_type)
        if schema is None:
            return None
        return self._storage.table_of(entity_type, is_object_type=schema.is_object_type)

    def _kinds(self, table: Table, entity_type: str, name: str) -> set[str]:
        # The type given may be the base of the row's.
        found = (self._index.attribute(each, name) for each in self._index.subtypes(entity_type))
        return {attribute.kind.value for attribute in found if attribute is not None}

    def _is_plural(self, table: Table, entity_type: str, name: str) -> bool:
        return bool(self._kinds(table, entity_type, name) & {"array", "mapped_array", "mapped"})

    def _is_link(self, target: Collection, entity_type: str, name: str) -> bool:
        """Whether a collection's rows are between this entity and its members, rather than the members themselves."""
        found = (self._index.attribute(each, name) for each in self._index.subtypes(entity_type))
        members = {attribute.target for attribute in found if attribute is not None and attribute.target is not None}
        tables = {self._table(each) for each in members}
        return all(table is not None and table.name != target.table for table in tables)

    def _is_reference(self, table: Table, entity_type: str, name: str) -> bool:
        return "reference" in self._kinds(table, entity_type, name)

    @staticmethod
    def _with_anything(tags: Iterable[str]) -> Iterator[str]:
        for tag in tags:
            yield tag
            if tag != SERVER:
                yield anything(tag.rstrip("+@*").partition(".")[0])

    # Events

    def _told(self, entity: Mapping[str, Any]) -> frozenset[str]:
        word = str(entity.get("action"))
        action = _EVENT_ACTIONS.get(word)
        entity_type = entity.get("entity_type")
        if entity_type not in self._index.types:
            entity_type = self._events.get(str(entity.get("entityType")).lower())
        keys = entity.get("keys") or list(entity.get("changes") or ())
        if action is None or entity_type is None or (action == "update" and not keys):
            return frozenset({SERVER})
        data: dict[str, Any] = {}
        tags: set[str] = set()
        if action == "update":
            known = self._aliases.get(str(entity_type), {})
            for key in keys:
                name = known.get(str(key).lower())
                if name is None:
                    # A column that the type does not have is the key of a custom attribute.
                    tags.update(self._with_anything(("CustomAttributeValue+",)))
                else:
                    data[name] = None
            if word == "move" and "parent_id" in known.values():
                data["parent_id"] = None
        elif entity_type == "Appointment":
            data["type"] = ((entity.get("changes") or {}).get("type") or {}).get("new")
        return frozenset(tags) | self._written(
            {"action": action, "entity_type": entity_type, "entity_data": data}, set()
        )


def _aliases(schemas: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, str]]:
    """By type: storage name in lower case -> attribute; of several the one that is a plain column."""
    found: dict[str, dict[str, str]] = {}
    for schema in schemas:
        names: dict[str, str] = {}
        for name, attribute in schema["properties"].items():
            alias = str(attribute.get("alias_for") or name).lower()
            if alias not in names or attribute.get("type", "array") not in ("array", "mapped_array"):
                names[alias] = name
        for name in schema["properties"]:
            names.setdefault(name.lower(), name)
        found[str(schema["id"])] = names
    return found


def _event_types(schemas: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The type of a whole table by the name that events give it."""
    found: dict[str, str] = {}
    for schema in schemas:
        alias = schema.get("alias_for")
        if not isinstance(alias, Mapping):
            found.setdefault(str(alias or schema["id"]).lower(), str(schema["id"]))
    return found


def _identity(value: Any) -> Any:
    """The id that a reference or a key stands for."""
    if value.__class__ is dict or isinstance(value, Mapping):
        return value.get("id")
    return value if isinstance(value, str) else None


def _identities(item: Mapping[str, Any]) -> list[str]:
    key = item.get("entity_key")
    if isinstance(key, (list, tuple)):
        key = key[0] if len(key) == 1 else None
    found = [] if key is None else [str(key)]
    if item.get("action") == "create":
        data = item.get("entity_data")
        if (data.__class__ is dict or isinstance(data, Mapping)) and data.get("id") is not None:
            found.append(str(data["id"]))
    return found


class _Created:
    """The identities of what a batch creates, collected when one is looked for."""

    def __init__(self, batch: Sequence[Mapping[str, Any]]) -> None:
        self._batch = batch
        self._found: set[Any] | None = None

    def __contains__(self, identity: object) -> bool:
        if self._found is None:
            self._found = {each for item in self._batch if item.get("action") == "create" for each in _identities(item)}
        return identity in self._found


def _alike(item: Mapping[str, Any], created: Container[Any]) -> Any:
    """Return what two creates or updates that raise the same tags have in common; None if that takes a closer look."""
    action, entity_type, data = item.get("action"), item.get("entity_type"), item.get("entity_data")
    if data.__class__ is not dict or entity_type.__class__ is not str:
        return None
    if entity_type == "Appointment" or action not in ("create", "update"):
        return None
    is_new = action == "update" and any(identity in created for identity in _identities(item))
    return (action, entity_type, is_new, _loose(data, created), *data)


def _loose(data: Mapping[str, Any], created: Container[Any]) -> frozenset[str]:
    """Return the attributes that may show a picture which this batch does not create."""
    if _PICTURES.isdisjoint(data):
        return _NONE
    return frozenset(name for name in _PICTURES if data.get(name) and _identity(data[name]) not in created)


def _gives_access(table: Table, action: str, entity_type: str, data: Mapping[str, Any]) -> bool:
    if table.name == "Appointment":
        # Whoever is allocated to a project is in its team.
        return action != "delete" and data.get("type") != "assignment" and (action == "create" or bool(data))
    if entity_type == "Project" and action == "delete":
        return True
    # An object type has a status too, which says nothing of who may see it.
    return action == "update" and entity_type in ("Project", "Context") and not _ACCESS_OF_PROJECTS.isdisjoint(data)
