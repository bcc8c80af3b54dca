"""Facts in plain text for people who search for a recording: project, shot, asset, task, version, files.

Told from what the session has in memory; the server is not asked.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ftrack_api.symbol import NOT_SET

from trackteroid.operations.loaded import Held, Identity, cells, follow, identity, is_entity, value_in
from trackteroid.operations.operation import JSON

__all__ = ["facts_about"]

# The way up from anything that is published to the project that it belongs to.
_WAYS = ("component", "version", "asset", "task", "context", "parent", "project")

# A conform touches thousands of shots; nobody searches by the hundredth name, and the ledger indexes words.
_MOST = 20
_LONGEST = 300

_ORDER = ("project", "parents", "asset", "task", "version", "component", "paths")

_KINDS = {
    "Project": ("project", ("full_name", "name")),
    "Asset": ("asset", ("name",)),
    "Task": ("task", ("name",)),
    "AssetVersion": ("version", ("version",)),
    "ComponentLocation": ("paths", ("resource_identifier",)),
}


def facts_about(session: Any, entities: Mapping[Identity, Held], *, paths: Iterable[str] = ()) -> dict[str, JSON]:
    """Return what `entities`, and what they belong to, are called.

    Text for each of project, parents, asset, task, version and component that is known, several names joined by commas;
    `paths` is a list. Linear in the number of entities.

    Args:
        session: Whose memory to look in.
        entities: By their identities.
        paths: Files that are known besides.
    """
    names: dict[str, dict[str, None]] = {}
    waiting = deque([held.entity for held in entities.values()])
    seen = set(entities)
    # Most lead to the few that everything belongs to, which `id` tells quickest. Kept alive, so that no other object gets it.
    visited = {id(entity): entity for entity in waiting}
    kinds: dict[type[Any], _Kind] = {}
    while waiting:
        entity = waiting.popleft()
        stored = cells(entity)
        kind = kinds.get(type(entity))
        if kind is None:
            kind = kinds[type(entity)] = _kind_of(entity)
        if len(names.get(kind.name, ())) < _MOST:
            _name(stored, kind, names)
        if kind.has_trail:
            _trail(stored, names)
        for way in kind.ways:
            value = value_in(stored, way)
            if id(value) in visited:
                continue
            found = follow(session, entity, way)
            if is_entity(value):
                visited[id(value)] = value
            key = None if found is None else identity(found)
            if key is not None and key not in seen:
                seen.add(key)
                waiting.append(found)
    for path in paths:
        names.setdefault("paths", {})[path[:_LONGEST]] = None
    return {
        kind: list(found) if kind == "paths" else ", ".join(found)
        for kind in _ORDER
        if (found := list(names.get(kind, ()))[:_MOST])
    }


@dataclass(frozen=True)
class _Kind:
    """What entities of one class say: under which of the names, by which attributes, and which lead on."""

    name: str
    attributes: tuple[str, ...]
    ways: tuple[str, ...]
    has_trail: bool


def _kind_of(entity: Any) -> _Kind:
    name, attributes = _KINDS.get(entity.entity_type, ("", ()))
    if not name and entity.entity_type.endswith("Component"):
        name, attributes = "component", ("name",)
    elif not name and entity.attributes.get("object_type_id") is not None:
        name, attributes = "parents", ("name",)
    ways = tuple(way for way in _WAYS if entity.attributes.get(way) is not None)
    return _Kind(name, attributes, ways, entity.attributes.get("link") is not None)


def _name(stored: Mapping[str, Mapping[str, Any]], kind: _Kind, names: dict[str, dict[str, None]]) -> None:
    for attribute in kind.attributes:
        value = value_in(stored, attribute)
        if value is not NOT_SET and value not in (None, ""):
            names.setdefault(kind.name, {})[str(value)[:_LONGEST]] = None
            return


def _trail(stored: Mapping[str, Mapping[str, Any]], names: dict[str, dict[str, None]]) -> None:
    """Read `link`, which tells the whole way from the project down, where it was loaded."""
    link = value_in(stored, "link")
    if not isinstance(link, list):
        return
    # The last one is the entity itself.
    for step in link[:-1]:
        if isinstance(step, dict) and isinstance(step.get("name"), str):
            kind = "project" if step.get("type") == "Project" else "parents"
            names.setdefault(kind, {})[step["name"][:_LONGEST]] = None
