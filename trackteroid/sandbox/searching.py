"""`search` (specification 2.4, inferred): the rows of a query whose name, or a name in their link, has every term."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from trackteroid.sandbox.call import Call, Operation, text_of
from trackteroid.sandbox.errors import MalformedRequestError, UnknownAttributeError, ValidationError
from trackteroid.sandbox.parser import parse
from trackteroid.sandbox.querying import Page, run_parsed
from trackteroid.sandbox.schema import EntityType, Schema
from trackteroid.sandbox.syntax import And, Criterion

__all__ = ["search"]

# By table: where the names stand that make up a row's link, and the ids of what it lies below.
_NAMES: Mapping[str, tuple[str, ...]] = {
    "Context": ("name", "full_name", "ancestors.name", "project.name", "project.full_name"),
    "Asset": (
        "name",
        "parent.name",
        "parent[TypedContext].ancestors.name",
        "parent[TypedContext].project.name",
        "parent[TypedContext].project.full_name",
    ),
    "AssetVersion": (
        "asset.name",
        "asset.parent.name",
        "asset.parent[TypedContext].ancestors.name",
        "asset.parent[TypedContext].project.name",
        "asset.parent[TypedContext].project.full_name",
    ),
    "Resource": ("username", "first_name", "last_name", "name"),
}
_PLACES: Mapping[str, tuple[str, ...]] = {
    "Context": ("ancestors.id", "project_id"),
    "Asset": ("context_id", "parent[TypedContext].ancestors.id", "parent.project_id"),
    "AssetVersion": ("asset.context_id", "asset.parent[TypedContext].ancestors.id", "asset.parent.project_id"),
}


def search(call: Call, operation: Operation) -> Page:
    """Run the operation's expression, narrowed by its terms, context and object types.

    Raises:
        ApiError: The expression is wrong, or what it asks for has no names.
    """
    schema = call.storage.schema
    expression = operation.get("expression")
    query = parse(text_of(operation, "expression" if expression else "entity_type"))
    entity_type = schema.served(query.entity_type)
    criteria = [*_criteria(schema, entity_type, operation)]
    if query.criterion is not None:
        criteria.insert(0, query.criterion)
    return run_parsed(call.rows, replace(query, criterion=And(tuple(criteria)) if criteria else None))


def _criteria(schema: Schema, entity_type: EntityType, operation: Operation) -> Iterator[Criterion]:
    for term in _texts(operation, "terms"):
        names = _available(schema, entity_type, _NAMES.get(entity_type.table, ("name",)))
        if not names:
            raise ValidationError(f"{entity_type.name} cannot be searched: it has no name.")
        # In a pattern one backslash does for both: the quotes and the wildcards.
        pattern = re.sub(r'([\\"%_])', r"\\\1", term)
        yield _any(entity_type, names, f'like "%{pattern}%"')
    if operation.get("context_id") is not None:
        context_id = text_of(operation, "context_id")
        places = _available(schema, entity_type, _PLACES.get(entity_type.table, ("context_id", "project_id")))
        # What hangs below nothing is not in any context.
        yield _any(entity_type, places or [entity_type.primary_key[0]], f"is {_quoted(context_id if places else '')}")
    object_types = _texts(operation, "object_type_ids")
    if object_types:
        listed = ", ".join(map(_quoted, object_types))
        yield _any(entity_type, ["object_type_id"], f"in ({listed})")


def _texts(operation: Operation, name: str) -> list[str]:
    value = operation.get(name) or []
    if not isinstance(value, list):
        raise MalformedRequestError(f'"{name}" must be a list of texts.')
    return [text_of({"action": "search", name: each}, name) for each in value]


def _available(schema: Schema, entity_type: EntityType, paths: Iterable[str]) -> list[str]:
    """The paths that begin with an attribute of the type; Projects have no ancestors, for example."""
    found = []
    for path in paths:
        try:
            schema.attribute(entity_type, path.split(".")[0].split("[")[0])
        except UnknownAttributeError:
            continue
        found.append(path)
    return found


def _any(entity_type: EntityType, paths: Iterable[str], condition: str) -> Criterion:
    text = " or ".join(f"{path} {condition}" for path in paths)
    criterion = parse(f"{entity_type.name} where {text}").criterion
    assert criterion is not None  # noqa: S101 - the text has one
    return criterion


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
