"""Generated queries over the demo project, generated edits of what they load."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

TYPES = (
    "Asset AssetBuild AssetVersion AssetVersionList Appointment Component ComponentLocation Context FileComponent Folder "
    "Location Note Project Sequence Shot Task TypedContext User Group Resource Status Timelog Metadata Milestone "
    "NoteLabelLink ProjectSchema Setting UserSecurityRole ContextCustomAttributeValue Recipient"
).split()

Schemas = Mapping[str, Mapping[str, Any]]


def relation_target(fragment: Mapping[str, Any]) -> str | None:
    """Return the entity type that a property of a schema leads to."""
    target = fragment.get("$ref") or fragment.get("items", {}).get("$ref")
    return str(target) if target else None


def path(random: Random, schemas: Schemas, entity_type: str, depth: int) -> str:
    """Return a projection: through relations, ending anywhere."""
    properties = schemas[entity_type]["properties"]
    name = random.choice(sorted(properties))
    target = relation_target(properties[name])
    if target not in schemas or depth == 0 or random.random() < 0.2:
        return name
    return f"{name}.{path(random, schemas, target, depth - 1)}"


def query(random: Random, schemas: Schemas) -> str:
    """Return a query of any type with a few projections."""
    entity_type = random.choice(TYPES)
    count = random.randint(1, 6)
    text = f"select {', '.join(path(random, schemas, entity_type, 3) for _ in range(count))} from {entity_type}"
    if random.random() < 0.1:
        text = entity_type
    if random.random() < 0.3:
        text += f" limit {random.randint(1, 12)}"
    return text


def overlapping(random: Random, schemas: Schemas, first: str) -> str:
    """Return another query of the same type."""
    entity_type = first.split(" from ")[-1].split()[0]
    count = random.randint(1, 5)
    return f"select {', '.join(path(random, schemas, entity_type, 2) for _ in range(count))} from {entity_type}"


SCALARS = {"string": ("one", "two", ""), "integer": (0, 7), "number": (0.5, 3.0), "boolean": (True, False)}


def edits(random: Random, session: Any, count: int) -> list[tuple[str, ...]]:
    """Return steps for `edit` on what a session has in memory."""
    keys = sorted(key for key in session._local_cache._cache if "Location'" not in key)
    steps: list[tuple[str, ...]] = []
    for _ in range(count if keys else 0):
        key = random.choice(keys)
        entity = session._local_cache._cache[key]
        name = random.choice(sorted(entity.keys()))
        steps.append((random.choice(_EDITS), key, name, random.choice(keys), str(random.randint(0, 5))))
    return steps


_EDITS = (
    "read",
    "read",
    "set",
    "set",
    "refer",
    "refer",
    "append",
    "remove",
    "map",
    "unset",
    "clear",
    "quiet",
    "delete",
)


def edit(session: Any, step: tuple[str, ...]) -> Any:
    """Do one step: on an attribute of an entity, whatever that is."""
    action, key, name, other, number = step
    entity = session._local_cache._cache[key]
    if action == "quiet":
        with session.operation_recording(False):
            return edit(session, (("set", "refer", "append", "remove", "map", "unset")[int(number)], *step[1:]))
    if action == "clear":
        return entity.clear()
    if action == "delete":
        return session.delete(entity)
    if action == "unset":
        del entity[name]
    elif action == "set" and name not in entity.primary_key_attributes:
        data_type = getattr(entity.attributes.get(name), "data_type", None)
        values = SCALARS.get(str(data_type), ())
        if values:
            entity[name] = values[int(number) % len(values)]
    elif action in {"refer", "append", "remove", "map"}:
        _relate(entity, name, session._local_cache._cache[other], action, number)
    value = entity[name]
    return len(value) if hasattr(value, "__len__") else None


def _relate(entity: Any, name: str, other: Any, action: str, number: str) -> None:
    attribute = type(entity.attributes.get(name)).__name__
    if attribute == "ReferenceAttribute" and action == "refer":
        if entity.attributes.get(name).entity_type == other.entity_type:
            entity[name] = other
    elif attribute == "CollectionAttribute" and action == "append":
        members = entity[name]
        if not len(members) or members[0].entity_type == other.entity_type:
            members.append(other)
    elif attribute == "CollectionAttribute" and action == "remove":
        members = entity[name]
        del members[int(number) % max(1, len(members))]
    elif attribute == "KeyValueMappedCollectionAttribute" and action == "map":
        entity[name][("fps", "note", "new")[int(number) % 3]] = number
