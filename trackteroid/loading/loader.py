"""Rows become entities in the session's memory cache.

The client makes each entity twice: a detached one on decoding, then one in the cache into which the first is merged, all
attributes of the class compared one by one; and again for what hangs on it. The rules here are its rules
(`ftrack_api.session.Session._merge_recursive`, `ftrack_api.entity.base.Entity.merge`), applied to what a row holds:

- Of several rows of one entity in a page the first counts, in the order in which the client comes by.
- A remote value is replaced where the new one differs; equal is what has the same identity, or the same members.
- A local copy of a collection follows the remote one if it was not changed. All other local values stay.
- An entity enters the cache after those it refers to.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ftrack_api.cache
import ftrack_api.collection
import ftrack_api.entity.base
import ftrack_api.exception
import ftrack_api.inspection
from ftrack_api.symbol import NOT_SET

from trackteroid import fast_json
from trackteroid.loading import rows as row_format
from trackteroid.loading.plans import Plan, Relation, Unusual, make_storage, oddity, plan_for
from trackteroid.loading.rows import Row, is_row

__all__ = ["Loader"]

_LOGGER = logging.getLogger("trackteroid.loading")

_STORAGE = "_ftrack_attribute_storage"

# Where a subclass of the session, or somebody's patch, may want to see the client's own objects pass.
_PASSED = (
    "call",
    "encode",
    "_encode",
    "entity_reference",
    "decode",
    "_decode",
    "_create",
    "merge",
    "_merge",
    "_merge_recursive",
    "_merge_entity",
)

_Collection = ftrack_api.collection.Collection
_KeyValueProxy = ftrack_api.collection.KeyValueMappedCollectionProxy
_CustomAttributeProxy = ftrack_api.collection.CustomAttributeCollectionProxy


class Loader:
    """Loads for one session.

    Args:
        session: The session.
        session_class: The class whose methods `session` has where nobody interferes.

    The logger `trackteroid.loading` is told, at debug level, when and why the client's own code loads instead.
    """

    def __init__(self, session: Any, session_class: type) -> None:
        self._session = session
        self._session_class = session_class
        self._plans: dict[Any, Plan] = {}
        self._fitting: dict[tuple[Any, Any], bool] = {}
        self._thread = threading.local()

    # Asking

    def query(self, expression: str) -> tuple[list[Any], Mapping[str, Any]] | None:
        """Ask the server for one page; return the entities and what it said about them.

        None if the session is not one to load for: nothing has been asked then.
        """
        if not self.usable():
            return None
        results = self.call([{"action": "query", "expression": expression}])
        return self.merge_page(results[0]["data"]), results[0]["metadata"]

    def call(self, batch: Sequence[Any]) -> Any:
        """Make `session.call(batch)` return rows in place of entities where that is possible."""
        if not self.usable():
            return self._session.call(batch)
        self._thread.expecting = True
        try:
            return self._session.call(batch)
        finally:
            self._thread.expecting = False

    def encode(self, batch: Any, client_encode: Callable[[], str]) -> str | bytes:
        """Encode a batch: at once while `commit` sends it, else as the client does."""
        if batch is None or getattr(self._thread, "sending", None) is not batch:
            return client_encode()
        try:
            return fast_json.dumps(batch)
        except (TypeError, ValueError):
            # Collections, for example.
            return client_encode()

    def commit(self, batch: Sequence[Any]) -> Any:
        """As `call`, of payloads that hold no entities (see `trackteroid.committing.batch_of`)."""
        self._thread.sending = batch
        try:
            return self.call(batch)
        finally:
            self._thread.sending = None

    def decode(self, text: str, client_decode: Callable[[str], Any]) -> Any:
        """Decode a response: to rows while `call` waits for it, else as the client does."""
        if not getattr(self._thread, "expecting", False):
            return client_decode(text)
        self._thread.expecting = False
        try:
            return row_format.decode(text, self._plan_of)
        except Unusual as reason:
            self._fall_back(reason)
            return client_decode(text)

    def read(self, text: str) -> Any:
        """Decode a response that somebody kept as `call` decodes the server's.

        Raises:
            ValueError: It is no JSON.
        """
        self._thread.expecting = self.usable()
        try:
            return self._session.decode(text)
        finally:
            self._thread.expecting = False

    def read_parsed(self, entities: Sequence[Mapping[str, Any]]) -> list[Any]:
        """Decode entities of a parsed response as `call` decodes those of the server's. They stay as they are."""
        if self.usable():
            try:
                return row_format.decode_parsed(entities, self._plan_of)
            except Unusual as reason:
                self._fall_back(reason)
        # As what the server returns for creates: each is merged on its own.
        response = [{"action": "create", "data": entity} for entity in entities]
        return [answer["data"] for answer in self._session.decode(json.dumps(response))]

    def fits(self, value: Any) -> bool:
        """Whether `merge_page` takes a decoded value."""
        return is_row(value) or isinstance(value, ftrack_api.entity.base.Entity)

    def usable(self) -> bool:
        """Whether nothing about the session needs the client's own code."""
        session = self._session
        own_class = type(session)
        for name in _PASSED:
            if name in session.__dict__ or getattr(own_class, name) is not getattr(self._session_class, name):
                self._fall_back(f"{name}() of this session is not the usual one")
                return False
        cache = session.cache
        if (
            type(cache) is not ftrack_api.cache.LayeredCache
            or type(cache.caches[0]) is not ftrack_api.cache.MemoryCache
        ):
            self._fall_back("the session's cache is not the client's")
            return False
        return True

    def _fall_back(self, reason: object) -> None:
        _LOGGER.debug("The client's own code loads this answer: %s.", reason)

    def _plan_of(self, entity_type: str) -> Plan:
        try:
            entity_class = self._session.types[entity_type]
        except KeyError:
            raise ftrack_api.exception.UnrecognisedEntityTypeError(entity_type) from None
        plan = self._plans.get(entity_class)
        if plan is None:
            plan = self._plans[entity_class] = plan_for(entity_class)
        return plan

    # Merging

    def merge_page(self, rows: Sequence[Any]) -> list[Any]:
        """Merge a page of results and return the cached entities."""
        session = self._session
        if rows and not is_row(rows[0]):
            merged: dict[Any, Any] = {}
            return [session._merge_recursive(entity, merged) for entity in rows]
        with session._thread_lock, session.operation_recording(False), session.auto_populating(False):
            page = _Page(session, self._fits)
            return [page.merge_deep(row) for row in rows]

    def merge_results(self, results: Sequence[Any]) -> None:
        """Merge what the server returned for creates and updates, each on its own."""
        session = self._session
        with session._thread_lock, session.operation_recording(False), session.auto_populating(False):
            page = _Page(session, self._fits)
            for result in results:
                if is_row(result):
                    page.begin()
                    page.merge(result)
                else:
                    session.merge(result)

    def cached_by_identity(self) -> Mapping[str, Any] | None:
        """Return what the memory cache of a usable session holds, by texts of identities; None if it has other keys."""
        return self._session.cache.caches[0]._cache if _has_text_keys(self._session) else None

    def _fits(self, entity_class: Any, plan: Plan) -> bool:
        """Whether cached entities of another class than the plan's can be merged into all the same (mixins can)."""
        fits = self._fitting.get((entity_class, plan.entity_class))
        if fits is None:
            fits = entity_class.attributes is plan.entity_class.attributes and oddity(entity_class) is None
            self._fitting[entity_class, plan.entity_class] = fits
        return fits


class _Page:
    """What has been merged since the page began."""

    def __init__(self, session: Any, fits: Callable[[Any, Plan], bool]) -> None:
        self._session = session
        self._fits = fits
        self._merged: dict[Any, Any] = {}
        caches = session.cache.caches
        self._memory: dict[Any, Any] | None = caches[0]._cache if len(caches) == 1 else None
        self._text_keys = _has_text_keys(session)

    def begin(self) -> None:
        """Begin another page."""
        self._merged = {}

    def merge_deep(self, row: Row) -> Any:
        """Merge a row, then what is below it as far as that was not reached."""
        entity = self.merge(row)
        shape, _, values = row
        for relation in shape.relations:
            value = values[relation.name]
            if value is None:
                continue
            if relation.single:
                self.merge_deep(value)
            else:
                for member in value:
                    self.merge_deep(member)
        return entity

    def merge(self, row: Row) -> Any:
        """Merge a row into its entity, which is made if there is none; return the entity."""
        key = row[1] if self._text_keys else self._key(row)
        entity = self._merged.get(key)
        if entity is not None:
            return entity
        entity = self._memory.get(key) if self._memory is not None else self._cached(key)
        if entity is None:
            plan = row[0].plan
            entity = self._merged[key] = plan.make(self._session)
            self._fill(entity, row)
            self._store(key, entity)
            return entity
        if entity.__class__ is not row[0].plan.entity_class and not self._fits(entity.__class__, row[0].plan):
            return self._session._merge_entity(self._detached(row), merged=self._merged)
        self._merged[key] = entity
        if self._update(entity, row) and self._memory is None:
            self._store(key, entity)
        return entity

    def _fill(self, entity: Any, row: Row) -> None:
        """Give a new entity its values."""
        shape, _, values = row
        storage = entity._ftrack_attribute_storage = make_storage()
        for name in shape.scalars:
            storage[name] = {"local": NOT_SET, "remote": values[name]}
        for relation in shape.relations:
            value = values[relation.name]
            if not relation.single:
                self._set_collection(entity, relation, value or ())
            else:
                remote = None if value is None else self.merge(value)
                storage[relation.name] = {"local": NOT_SET, "remote": remote}

    def _update(self, entity: Any, row: Row) -> bool:
        """Give a cached entity the values that differ; return whether there were any."""
        shape, _, values = row
        storage = getattr(entity, _STORAGE, None)
        if storage is None:
            storage = entity._ftrack_attribute_storage = make_storage()
        changed = False
        for name in shape.scalars:
            cell = storage.get(name)
            if cell is None:
                storage[name] = {"local": NOT_SET, "remote": values[name]}
                changed = True
                continue
            value = values[name]
            if cell["remote"] is NOT_SET or cell["remote"] != value:
                cell["remote"] = value
                changed = True
        for relation in shape.relations:
            cell = storage[relation.name]
            value = values[relation.name]
            if relation.single:
                if cell["remote"] is NOT_SET or not _same_reference(cell["remote"], value):
                    cell["remote"] = None if value is None else self.merge(value)
                    changed = True
            elif not _same_members(cell["remote"], value or ()):
                self._replace_collection(entity, relation, cell, value or ())
                changed = True
        return changed

    def _replace_collection(self, entity: Any, relation: Relation, cell: dict[str, Any], rows: Sequence[Row]) -> None:
        former = cell["remote"]
        members = self._set_collection(entity, relation, rows)
        local = cell["local"]
        # The client's own comparison and setter: a collection that can't be changed may refuse here.
        if local is not NOT_SET and local == former:
            relation.attribute.set_local_value(entity, members)

    def _set_collection(self, entity: Any, relation: Relation, rows: Sequence[Row]) -> list[Any]:
        members = [self.merge(row) for row in rows]
        collection = _Collection.__new__(_Collection)
        collection.entity = entity
        collection.attribute = relation.attribute
        collection._data = list(members)
        collection._identities = {row[1] for row in rows}
        collection.mutable = False
        # Wraps it where the attribute is a mapped one.
        relation.attribute.set_remote_value(entity, collection)
        return members

    def _detached(self, row: Row) -> Any:
        """Return the entity that the client would have decoded."""
        return self._session._create(
            row[2]["__entity_type__"], {name: self._plain(value) for name, value in row[2].items()}, reconstructing=True
        )

    def _plain(self, value: Any) -> Any:
        if is_row(value):
            return self._detached(value)
        return [self._plain(part) for part in value] if value.__class__ is list else value

    def _key(self, row: Row) -> Any:
        plan = row[0].plan
        return self._session.cache_key_maker.key((plan.entity_type, [str(row[2][name]) for name in plan.keys]))

    def _cached(self, key: Any) -> Any:
        try:
            return self._session.cache.get(key)
        except KeyError:
            return None

    def _store(self, key: Any, entity: Any) -> None:
        if self._memory is not None:
            self._memory[key] = entity
        else:
            self._session.cache.set(key, entity)


def _has_text_keys(session: Any) -> bool:
    """Whether entities are cached by the texts of their identities."""
    maker = session.cache_key_maker
    return type(maker) is ftrack_api.cache.StringKeyMaker and not maker.item_separator


def _same_reference(remote: Any, row: Row | None) -> bool:
    if row is None or not isinstance(remote, ftrack_api.entity.base.Entity):
        return remote is row
    try:
        return str(ftrack_api.inspection.identity(remote)) == row[1]
    except (AttributeError, KeyError):
        return False


def _same_members(remote: Any, rows: Sequence[Row]) -> bool:
    if remote is NOT_SET:
        return False
    if isinstance(remote, _KeyValueProxy):
        # As mappings: two rows of one key count once, and rows of other entities with equal values are the same.
        names = (remote.key_attribute, remote.value_attribute)
        return _mapping([[entity[name] for name in names] for entity in remote.collection]) == _mapping(
            [[row[2].get(name, NOT_SET) for name in names] for row in rows]
        )
    collection = remote.collection if isinstance(remote, _CustomAttributeProxy) else remote
    identities: set[str] = collection._identities
    return identities == {row[1] for row in rows}


def _mapping(pairs: Sequence[Sequence[Any]]) -> dict[Any, Any]:
    mapping: dict[Any, Any] = {}
    for key, value in pairs:
        mapping.setdefault(key, value)
    return mapping
