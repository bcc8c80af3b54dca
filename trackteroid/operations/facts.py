"""Facts in plain text for people who search for a recording: project, shot, asset, task, version, files.

Told from what the session has in memory; the server is not asked.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ftrack_api.symbol import NOT_SET

from trackteroid.operations.loaded import follow, identity, loaded
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


def facts_about(session: Any, entities: Iterable[Any], *, paths: Iterable[str] = ()) -> dict[str, JSON]:
    """Return what `entities`, and what they belong to, are called.

    Text for each of project, parents, asset, task, version and component that is known, several names joined by commas;
    `paths` is a list. Linear in the number of entities.

    Args:
        session: Whose memory to look in.
        entities: The client's entities.
        paths: Files that are known besides.
    """
    names: dict[str, dict[str, None]] = {}
    waiting = deque(entities)
    # By `id` besides, which is quicker to tell. Kept alive, so that no other object gets the id.
    visited: dict[int, Any] = {}
    seen = set()
    kinds: dict[type[Any], _Kind] = {}
    while waiting:
        entity = waiting.popleft()
        if id(entity) in visited:
            continue
        visited[id(entity)] = entity
        key = identity(entity)
        if key is None or key in seen:
            continue
        seen.add(key)
        kind = kinds.get(type(entity))
        if kind is None:
            kind = kinds[type(entity)] = _kind_of(entity)
        _name(entity, kind, names)
        _trail(entity, names)
        for way in kind.ways:
            # Most lead to the few that everything belongs to.
            if id(loaded(entity, way)) not in visited and (found := follow(session, entity, way)) is not None:
                waiting.append(found)
    for path in paths:
        names.setdefault("paths", {})[path[:_LONGEST]] = None
    return {
        kind: list(found) if kind == "paths" else ", ".join(found)
        for kind in _ORDER
        if (found := [name for name in list(names.get(kind, ()))[:_MOST]])
    }


@dataclass(frozen=True)
class _Kind:
    """What entities of one class say: under which of the names, by which attributes, and which lead on."""

    name: str
    attributes: tuple[str, ...]
    ways: tuple[str, ...]


def _kind_of(entity: Any) -> _Kind:
    name, attributes = _KINDS.get(entity.entity_type, ("", ()))
    if not name and entity.entity_type.endswith("Component"):
        name, attributes = "component", ("name",)
    elif not name and entity.attributes.get("object_type_id") is not None:
        name, attributes = "parents", ("name",)
    return _Kind(name, attributes, tuple(way for way in _WAYS if entity.attributes.get(way) is not None))


def _name(entity: Any, kind: _Kind, names: dict[str, dict[str, None]]) -> None:
    for attribute in kind.attributes:
        value = loaded(entity, attribute)
        if value is not NOT_SET and value not in (None, ""):
            names.setdefault(kind.name, {})[str(value)[:_LONGEST]] = None
            return


def _trail(entity: Any, names: dict[str, dict[str, None]]) -> None:
    """Read `link`, which tells the whole way from the project down, where it was loaded."""
    link = loaded(entity, "link")
    if not isinstance(link, list):
        return
    # The last one is the entity itself.
    for step in link[:-1]:
        if isinstance(step, dict) and isinstance(step.get("name"), str):
            kind = "project" if step.get("type") == "Project" else "parents"
            names.setdefault(kind, {})[step["name"][:_LONGEST]] = None
