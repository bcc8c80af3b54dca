"""`SCHEMA`: relations between entity types that a studio adds to those that the server's schema implies.

The configuration entry `RELATIONSHIPS_RESOLVER(api_version=...)` is called once, when `SCHEMA` is first needed, and returns

    {"entities": {"Source": {"Target": "path" or ["path", "path"]}},
     "overrides": [{"name": str, "entities": {...}, "inherit": bool}]}

Types are given by name or class. Nothing is checked against a server here: the paths are, when a query first needs them
(`relations`).
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from trackteroid import configuration
from trackteroid.errors import ConfigurationError, UnknownNameError
from trackteroid.query.loggers import logger

__all__ = ["SCHEMA", "RelationSchema", "Schemas"]

RelationSchema = dict[str, Any]
"""`{"name": str, "entities": {source: {target: path or paths}}}`, without `entities` where nothing was added."""


class Schemas(Mapping[str, RelationSchema]):
    """The relation schemas by name: as attributes (`SCHEMA.default`) or items (`SCHEMA["default"]`).

    Args:
        load: Returns what the resolver returns; called once, on first use.

    Raises:
        ConfigurationError: On first use, if that is not of the form above.
    """

    def __init__(self, load: Callable[[], Any]) -> None:
        self._load = load
        # Re-entrant, so that a resolver that asks for relations is told so, rather than left to wait for itself.
        self._lock = threading.RLock()
        self._loading = False
        self._schemas: dict[str, RelationSchema] | None = None

    def _loaded(self) -> dict[str, RelationSchema]:
        if self._schemas is None:
            with self._lock:
                if self._loading:
                    raise ConfigurationError(
                        "The configuration file or its RELATIONSHIPS_RESOLVER uses queries or relation schemas, which need "
                        "what the resolver returns."
                    )
                if self._schemas is None:
                    self._loading = True
                    try:
                        self._schemas = _build(self._load())
                    finally:
                        self._loading = False
        return self._schemas

    def __getitem__(self, name: str) -> RelationSchema:
        try:
            return self._loaded()[name]
        except KeyError:
            raise UnknownNameError(f"There is no relation schema {name!r}; there are: {', '.join(self)}.") from None

    def __getattr__(self, name: str) -> RelationSchema:
        if name.startswith("_"):
            raise AttributeError(name)
        return self[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._loaded())

    def __len__(self) -> int:
        return len(self._loaded())

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self]

    def __repr__(self) -> str:
        return "<SCHEMA, not loaded yet>" if self._schemas is None else f"<SCHEMA: {', '.join(self._schemas)}>"


def _resolved() -> Any:
    # Reading what is installed takes a fiftieth of importing the library.
    from trackteroid.constants import __VERSION__

    try:
        return configuration.RELATIONSHIPS_RESOLVER(api_version=__VERSION__)
    except ConfigurationError:
        raise
    except Exception:
        logger("configuration").exception(
            "RELATIONSHIPS_RESOLVER failed; going on with what the server's schema implies."
        )
        return {}


def _build(resolved: Any) -> dict[str, RelationSchema]:
    if not isinstance(resolved, Mapping):
        raise ConfigurationError(f"RELATIONSHIPS_RESOLVER must return a dictionary, not {resolved!r}.")
    base = _entities(resolved.get("entities", {}), "entities")
    default: RelationSchema = {"name": "default"}
    if resolved:
        default["entities"] = base
    schemas = {"default": default}
    overrides = resolved.get("overrides", [])
    if not isinstance(overrides, (list, tuple)):
        raise ConfigurationError("RELATIONSHIPS_RESOLVER: 'overrides' must be a list.")
    for position, override in enumerate(overrides):
        where = f"overrides[{position}]"
        if not isinstance(override, Mapping) or not isinstance(override.get("name"), str):
            raise ConfigurationError(f"RELATIONSHIPS_RESOLVER: {where} must be a dictionary with a 'name'.")
        own = _entities(override.get("entities", {}), f"{where}['entities']")
        entities = copy.deepcopy(base) if override.get("inherit", True) else {}
        for source, targets in own.items():
            entities.setdefault(source, {}).update(targets)
        schemas[override["name"]] = {"name": override["name"], "entities": entities}
    return schemas


def _entities(value: Any, where: str) -> dict[str, dict[str, Any]]:
    if not isinstance(value, Mapping) or not all(isinstance(targets, Mapping) for targets in value.values()):
        raise ConfigurationError(f"RELATIONSHIPS_RESOLVER: {where} must be {{source: {{target: path}}}}.")
    entities: dict[str, dict[str, Any]] = {}
    for source, targets in value.items():
        for target, paths in targets.items():
            listed = [paths] if isinstance(paths, str) else paths
            if not isinstance(listed, (list, tuple)) or not all(isinstance(path, str) for path in listed) or not listed:
                raise ConfigurationError(
                    f"RELATIONSHIPS_RESOLVER: {where}[{_name(source)!r}][{_name(target)!r}] must be a path or a list of "
                    f"paths, not {paths!r}."
                )
            entities.setdefault(_name(source), {})[_name(target)] = paths if isinstance(paths, str) else list(listed)
    return entities


def _name(type_or_name: Any) -> str:
    return type_or_name.__name__ if isinstance(type_or_name, type) else str(type_or_name)


SCHEMA = Schemas(_resolved)
