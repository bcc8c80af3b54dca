"""Sending pending operations or dropping them, at a cost in proportion to them.

The batch, the errors and the state afterwards are those of `ftrack_api.session.Session.commit` and `rollback`. The client
clears the local values of everything cached by going through all attributes of all entities, on a commit even twice; here
the entities that have some are known (`trackteroid.loading.local_values`).
"""

from __future__ import annotations

import contextlib
import datetime
import threading
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any

import arrow
import ftrack_api.entity.base
import ftrack_api.operation
from ftrack_api.symbol import NOT_SET

from trackteroid.loading.loader import Loader
from trackteroid.loading.local_values import LocalValues
from trackteroid.loading.plans import oddity
from trackteroid.loading.stored import cells, primary_key

__all__ = ["Commits", "batch_of"]


def batch_of(operations: Iterable[Any]) -> list[dict[str, Any]]:
    """Return the payloads that the client sends for these operations, in its order.

    Nothing of an entity that is both created and deleted; of several updates of an attribute the last; updates joined to
    the payload just before where that writes the same entity. References stand in place of entities, and what the protocol
    has for dates in place of those, which the client does while it encodes; it takes most of the time of a large commit for
    the payloads' own class.

    Raises:
        ValueError: An operation is of an unknown class.
        KeyError: A part of the primary key of an entity that is referred to is not set.
    """
    pending = [(operation, _identity(operation)) for operation in operations]
    last, passing = _overview(pending)
    batch: list[dict[str, Any]] = []
    # Of the last payload, if updates can join it.
    open_identity = None
    for operation, identity in pending:
        if identity in passing:
            continue
        if isinstance(operation, _UPDATE):
            name, value = operation.attribute_name, operation.new_value
            if value is NOT_SET or last[identity, name] is not operation:
                continue
            value = value if value.__class__ in _PLAIN else _wire_value(value)
            if identity == open_identity:
                batch[-1]["entity_data"][name] = value
                continue
            action, data = "update", {name: value}
        elif isinstance(operation, _CREATE):
            data = _wire({**operation.entity_key, **operation.entity_data})
            if not data:
                continue
            action = "create"
        else:
            batch.append({"action": "delete", "entity_type": identity[0], "entity_key": list(identity[1:])})
            open_identity = None
            continue
        batch.append(
            {
                "action": action,
                "entity_type": identity[0],
                "entity_key": list(identity[1:]),
                "entity_data": {"__entity_type__": identity[0], **data},
            }
        )
        open_identity = identity
    return batch


_CREATE = ftrack_api.operation.CreateEntityOperation
_UPDATE = ftrack_api.operation.UpdateEntityOperation
_KNOWN = (_CREATE, _UPDATE, ftrack_api.operation.DeleteEntityOperation)


def _identity(operation: Any) -> tuple[Any, ...]:
    if not isinstance(operation, _KNOWN):
        raise ValueError(f"Cannot commit. Unrecognised operation type {type(operation)} detected.")
    return (operation.entity_type, *operation.entity_key.values())


def _overview(pending: Sequence[tuple[Any, Any]]) -> tuple[dict[Any, Any], Set[Any]]:
    """Return the last update of each attribute, and the identities that are both created and deleted."""
    last = {}
    created, deleted = [], set()
    for operation, identity in pending:
        if isinstance(operation, _UPDATE):
            last[identity, operation.attribute_name] = operation
        elif isinstance(operation, _CREATE):
            created.append(identity)
        else:
            deleted.add(identity)
    return last, deleted.intersection(created)


def _wire(data: dict[str, Any]) -> dict[str, Any]:
    """Return values as the protocol has them, without what is not set; what is neither entity nor date stays."""
    for value in data.values():
        if value.__class__ not in _PLAIN:
            break
    else:
        return data
    return {
        name: value if value.__class__ in _PLAIN else _wire_value(value)
        for name, value in data.items()
        if value is not NOT_SET
    }


def _wire_value(value: Any) -> Any:
    if isinstance(value, ftrack_api.entity.base.Entity):
        return {"__entity_type__": value.entity_type, **primary_key(value)}
    if isinstance(value, datetime.date | arrow.Arrow):
        return {"__type__": "datetime", "value": value.isoformat()}
    return value


# The client's classes take long to say that something is no instance of theirs.
_PLAIN = frozenset({str, int, float, bool, type(None)})


def _held_as(entity: Any) -> tuple[str, tuple[str, ...]]:
    """Return the identity under which a deferred block holds an entity."""
    return str(entity.entity_type), tuple(ftrack_api.inspection.primary_key(entity).values())


class Commits:
    """Commits and rollbacks for one session.

    Args:
        session: The session.
        loader: Merges what the server returns.
        local_values: Knows which entities have local values.
    """

    def __init__(self, session: Any, loader: Loader, local_values: LocalValues) -> None:
        self._session = session
        self._loader = loader
        self._local_values = local_values
        # Two threads that commit at once would both send what is pending.
        self._lock = threading.RLock()
        self._plain: dict[Any, bool] = {}

    def commit(self) -> bool:
        """Send what is pending; False if the client's own code has to, then nothing has been done."""
        session = self._session
        with self._lock:
            if not self._knows_all():
                return False
            with session._thread_lock, session.auto_populating(False):
                operations = list(session.recorded_operations)
                batch = batch_of(operations)
            if not batch:
                # As the client, which leaves operations without effect pending.
                return True
            results = self._loader.commit(batch)
            self._take_off(len(operations))
            self._merge(results)
        return True

    def rollback(self) -> bool:
        """Drop what is pending and all local values; False if the client's own code has to, then nothing has been done."""
        session = self._session
        with self._lock:
            if not self._knows_all():
                return False
            pending = session.recorded_operations
            with session._thread_lock, session.auto_populating(False), session.operation_recording(False):
                for operation in pending:
                    if isinstance(operation, ftrack_api.operation.CreateEntityOperation):
                        key = str((str(operation.entity_type), list(operation.entity_key.values())))
                        with contextlib.suppress(KeyError):
                            session.cache.remove(key)
                cached = self._cached()
                for entity in cached:
                    self._clear(entity, keys=False)
                    self._clear(entity, keys=True)
            pending.clear()
            self._local_values.forget(cached)
        return True

    def _knows_all(self) -> bool:
        """Whether all entities with local values are known; False where the client's own code has to look for them."""
        session = self._session
        if not self._loader.usable():
            return False
        if not self._local_values.watch(session.types.values()):
            # A class was put there since; its entities may have local values already.
            self._local_values.catch_up(session._local_cache.values())
        return True

    def _cached(self) -> list[Any]:
        """Return what is cached and may have local values, but for what a block in another thread holds.

        What that has created or changed is not pending, and not for a commit or rollback to clear.
        """
        held = self._session.held_identities
        memory = self._loader.cached_by_identity()
        return [
            entity
            for entity in self._local_values.noted()
            if self._is_cached(entity, memory) and not (held and _held_as(entity) in held)
        ]

    def _take_off(self, count: int) -> None:
        """Remove what was sent; another thread may have recorded more meanwhile, which stays pending."""
        pending = self._session.recorded_operations
        later = list(pending)[count:]
        pending.clear()
        for operation in later:
            pending.push(operation)

    def _merge(self, results: Sequence[Any]) -> None:
        session = self._session
        with session.auto_populating(False), session.operation_recording(False):
            cached = self._cached()
            # The keys of created entities are local until the server's answer is merged, and that finds them by key.
            for entity in cached:
                self._clear(entity, keys=False)
            self._loader.merge_results(
                [result["data"] for result in results if result["action"] in ("create", "update")]
            )
            for entity in cached:
                self._clear(entity, keys=True)
        self._local_values.forget(cached)

    def _is_cached(self, entity: Any, memory: Mapping[Any, Any] | None) -> bool:
        """Whether an entity is the one in the session's memory cache.

        Args:
            entity: It.
            memory: What the cache holds, by texts of identities; None: the cache has other keys.
        """
        stored = cells(entity)
        names = entity.primary_key_attributes
        keys = [stored[name] for name in names if name in stored]
        if len(keys) < len(names):
            return False
        values = [cell["remote"] if cell["local"] is NOT_SET else cell["local"] for cell in keys]
        if memory is not None and len(values) == 1:
            # What the client's key maker makes of it, five times as fast.
            if memory.get(f"({str(entity.entity_type)!r}, [{str(values[0])!r}])") is entity:
                return True
        elif self._finds(entity, values):
            return True
        # A key that was changed locally: the cache still has the entity under the other one.
        return self._finds(entity, [cell["remote"] for cell in keys])

    def _finds(self, entity: Any, key: Sequence[Any]) -> bool:
        session = self._session
        try:
            cached = session._local_cache.get(
                session.cache_key_maker.key((str(entity.entity_type), [str(value) for value in key]))
            )
        except KeyError:
            return False
        return cached is entity

    def _clear(self, entity: Any, *, keys: bool) -> None:
        """Take an entity's local values away: those of its primary key, or all others."""
        stored = cells(entity)
        of_key = entity.primary_key_attributes
        entity_class = type(entity)
        plain = self._plain.get(entity_class)
        if plain is None:
            plain = self._plain[entity_class] = oddity(entity_class) is None
        if plain and not keys:
            for name, cell in stored.items():
                if cell["local"] is not NOT_SET and name not in of_key:
                    cell["local"] = NOT_SET
            return
        for name in of_key if keys else list(stored):
            if name not in stored:
                continue
            cell = stored[name]
            if cell["local"] is NOT_SET or (name in of_key and not keys):
                continue
            if plain:
                cell["local"] = NOT_SET
            else:
                del entity[name]
