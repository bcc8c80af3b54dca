"""Sending pending operations, at a cost in proportion to them.

The batch, the errors and the state afterwards are those of `ftrack_api.session.Session.commit`. The client clears the
local values of everything cached by going through all attributes of all entities, and does so twice; here the entities
that have some are known (`trackteroid.loading.local_values`).
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import ftrack_api.inspection
import ftrack_api.operation
import ftrack_api.session
from ftrack_api.symbol import NOT_SET

from trackteroid.loading.loader import Loader
from trackteroid.loading.local_values import LocalValues
from trackteroid.loading.plans import oddity

__all__ = ["Commits", "batch_of"]


def batch_of(operations: Iterable[Any]) -> list[dict[str, Any]]:
    """Return the payloads that the client sends for these operations, in its order.

    Raises:
        ValueError: An operation is of an unknown class.
    """
    batch = _without_passing([_payload(operation) for operation in operations])
    _drop_early_updates(batch)
    for payload in batch:
        data = payload.get("entity_data")
        if data is not None and any(value is NOT_SET for value in data.values()):
            payload["entity_data"] = {name: value for name, value in data.items() if value is not NOT_SET}
    return _collapsed(
        payload for payload in batch if "entity_data" not in payload or payload["entity_data"].keys() - _TYPE
    )


_TYPE = frozenset({"__entity_type__"})


def _payload(operation: Any) -> dict[str, Any]:
    if isinstance(operation, ftrack_api.operation.CreateEntityOperation):
        action = "create"
        data = {"__entity_type__": operation.entity_type, **operation.entity_key, **operation.entity_data}
    elif isinstance(operation, ftrack_api.operation.UpdateEntityOperation):
        action = "update"
        data = {"__entity_type__": operation.entity_type, operation.attribute_name: operation.new_value}
    elif isinstance(operation, ftrack_api.operation.DeleteEntityOperation):
        return _addressed("delete", operation)
    else:
        raise ValueError(f"Cannot commit. Unrecognised operation type {type(operation)} detected.")
    return {**_addressed(action, operation), "entity_data": data}


def _addressed(action: str, operation: Any) -> dict[str, Any]:
    return {
        "action": action,
        "entity_type": operation.entity_type,
        "entity_key": list(operation.entity_key.values()),
    }


def _identity(payload: Mapping[str, Any]) -> tuple[str, str]:
    return payload["entity_type"], str(payload["entity_key"])


def _without_passing(batch: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave out entities that are both created and deleted in this batch."""
    deleted = {_identity(payload) for payload in batch if payload["action"] == "delete"}
    if not deleted:
        return batch
    passing = deleted & {_identity(payload) for payload in batch if payload["action"] == "create"}
    return [payload for payload in batch if _identity(payload) not in passing] if passing else batch


def _drop_early_updates(batch: Sequence[dict[str, Any]]) -> None:
    """Keep only the last update of each attribute."""
    seen = set()
    for payload in reversed(batch):
        if payload["action"] == "update":
            identity = _identity(payload)
            for name in payload["entity_data"].keys() - _TYPE:
                if (identity, name) in seen:
                    del payload["entity_data"][name]
                else:
                    seen.add((identity, name))


def _collapsed(batch: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Join updates to the payload just before where that writes the same entity."""
    collapsed: list[dict[str, Any]] = []
    for payload in batch:
        previous = collapsed[-1] if collapsed else None
        if (
            previous is not None
            and payload["action"] == "update"
            and previous["action"] != "delete"
            and previous["entity_type"] == payload["entity_type"]
            and previous["entity_key"] == payload["entity_key"]
        ):
            previous["entity_data"].update(payload["entity_data"])
        else:
            collapsed.append(payload)
    return collapsed


class Commits:
    """Commits for one session.

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
            # First, as a class that comes to be watched only now may have entities with local values already.
            if not self._local_values.watch(session.types.values()) or not self._loader.usable():
                return False
            with session._thread_lock, session.auto_populating(False):
                operations = list(session.recorded_operations)
                batch = [ftrack_api.session.OperationPayload(payload) for payload in batch_of(operations)]
            if not batch:
                # As the client, which leaves operations without effect pending.
                return True
            results = self._loader.call(batch)
            self._take_off(len(operations))
            self._merge(results)
        return True

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
            cached = [entity for entity in self._local_values.noted() if self._is_cached(entity)]
            # The keys of created entities are local until the server's answer is merged, and that finds them by key.
            for entity in cached:
                self._clear(entity, entity.primary_key_attributes)
            self._loader.merge_results(
                [result["data"] for result in results if result["action"] in ("create", "update")]
            )
            for entity in cached:
                self._clear(entity, ())
        self._local_values.forget(cached)

    def _is_cached(self, entity: Any) -> bool:
        """Whether an entity is the one in the session's memory cache."""
        session = self._session
        keys: list[list[str]] = []
        attributes = [entity.attributes.get(name) for name in entity.primary_key_attributes]
        for read in ("get_value", "get_remote_value"):
            # A key that was changed locally: the cache still has the entity under the other one.
            values = [getattr(attribute, read)(entity) for attribute in attributes]
            if not any(value is NOT_SET for value in values):
                keys.append([str(value) for value in values])
        for key in keys:
            try:
                found = session._local_cache.get(session.cache_key_maker.key((str(entity.entity_type), key)))
            except KeyError:
                continue
            if found is entity:
                return True
        return False

    def _clear(self, entity: Any, but: Sequence[str]) -> None:
        """Take an entity's local values away, `but` those of these attributes."""
        entity_class = type(entity)
        plain = self._plain.get(entity_class)
        if plain is None:
            plain = self._plain[entity_class] = oddity(entity_class) is None
        cells: Mapping[str, dict[str, Any]] = getattr(entity, "_ftrack_attribute_storage", None) or {}
        for name, cell in list(cells.items()):
            if cell["local"] is NOT_SET or name in but:
                continue
            if plain:
                cell["local"] = NOT_SET
            else:
                del entity[name]
