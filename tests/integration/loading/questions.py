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
