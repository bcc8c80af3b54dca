"""Everything a session has in memory, in a form that two sessions can be compared by."""

from __future__ import annotations

from typing import Any

import ftrack_api.collection
import ftrack_api.entity.base
import ftrack_api.inspection
from ftrack_api.symbol import NOT_SET

# What every entity has, besides what its class adds.
_COMMON = frozenset({"logger", "session", "_inflated", "_ignore_data_keys", "_ftrack_attribute_storage"})


def snapshot(session: Any) -> list[tuple[str, Any]]:
    """Return the memory cache in its order: of each entity every attribute, local and remote, and what else it holds."""
    cache = session._local_cache._cache
    with session.auto_populating(False), session.operation_recording(False):
        return [(key, _entity(session, entity)) for key, entity in cache.items()]


def operations(session: Any) -> list[Any]:
    """Return the pending operations."""
    with session.auto_populating(False), session.operation_recording(False):
        return [
            {name: _value(session, value) for name, value in vars(operation).items()} | {"": type(operation).__name__}
            for operation in session.recorded_operations
        ]


def described(session: Any, value: Any) -> Any:
    """Return a value, its type, and for entities and collections who they are and what they belong to."""
    with session.auto_populating(False), session.operation_recording(False):
        return _value(session, value)


def _entity(session: Any, entity: Any) -> dict[str, Any]:
    storage = getattr(entity, "_ftrack_attribute_storage", {})
    names = {attribute.name for attribute in entity.attributes}
    assert set(storage) <= names
    values = {}
    for name, cell in storage.items():
        assert set(cell) == {"local", "remote"}
        if cell["local"] is not NOT_SET or cell["remote"] is not NOT_SET:
            values[name] = (
                _value(session, cell["local"]),
                _value(session, cell["remote"]),
                cell["local"] is cell["remote"],
            )
    return {
        "class": repr(type(entity)),
        "logger": entity.logger.name,
        "session": entity.session is session,
        "inflated": sorted(entity._inflated),
        "ignored": entity._ignore_data_keys,
        "values": values,
        "more": {name: type(value).__name__ for name, value in vars(entity).items() if name not in _COMMON},
    }


def _value(session: Any, value: Any) -> Any:
    if isinstance(value, ftrack_api.entity.base.Entity):
        return _who(session, value)
    if isinstance(value, ftrack_api.collection.Collection):
        return {
            "class": type(value).__name__,
            "of": _who(session, value.entity),
            "attribute": value.entity.attributes.get(value.attribute.name) is value.attribute and value.attribute.name,
            "mutable": value.mutable,
            "members": [_who(session, member) for member in value._data],
            "identities": sorted(value._identities),
        }
    if isinstance(value, ftrack_api.collection.MappedCollectionProxy):
        plain = {name: part for name, part in vars(value).items() if name not in {"collection", "creator", "logger"}}
        return {"proxy": type(value).__name__, **plain, "collection": _value(session, value.collection)}
    if isinstance(value, list):
        return [_value(session, part) for part in value]
    if isinstance(value, dict):
        return {name: _value(session, part) for name, part in value.items()}
    zone = repr(getattr(value, "tzinfo", None))
    # Each session has a server of its own.
    return type(value).__name__, repr(value).replace(session.server_url, "http://server"), zone


def _who(session: Any, entity: Any) -> tuple[str, str, bool]:
    """Return an entity's class and key, and whether it is the one in the cache."""
    key = session.cache_key_maker.key(ftrack_api.inspection.identity(entity))
    return type(entity).__name__, key, session._local_cache._cache.get(key) is entity
