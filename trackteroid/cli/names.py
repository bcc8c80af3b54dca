"""Names for the entities that a recording speaks of: from the recording itself, and from the server where one is at hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from trackteroid.operations.effects import references_in
from trackteroid.operations.operation import CreateOperation, Operation, UpdateOperation, parse_key_text
from trackteroid.operations.recording import Recording

__all__ = ["names_in", "names_on_server"]

# The first of these that a type has tells people what an entity is called.
_TELLING = ("name", "full_name", "username", "label", "resource_identifier", "subject", "content", "key")
_CHUNK = 200
_LONGEST = 60


def names_in(recording: Recording) -> dict[str, str]:
    """Return id to name of the entities whose name stands in the recording: created ones, and those it has records of."""
    names: dict[str, str] = {}
    for text, record in recording.entities.items():
        parsed = parse_key_text(text)
        if parsed is not None and len(parsed[1]) == 1:
            _note(names, parsed[1][0], record)
    for operation in recording.operations:
        if isinstance(operation, CreateOperation) and len(operation.entity_key) == 1:
            _note(names, str(next(iter(operation.entity_key.values()))), operation.entity_data)
    return names


def names_on_server(
    recording: Recording,
    schemas: Iterable[Mapping[str, Any]],
    ask: Callable[[str], Iterable[Mapping[str, Any]]],
    *,
    known: Iterable[str] = (),
) -> dict[str, str]:
    """Return id to name of the entities that the server knows.

    Args:
        recording: Whose entities.
        schemas: The server's schema list.
        ask: Takes the text of a query, returns the entities.
        known: Ids that need not be asked for.
    """
    by_name = {str(schema["id"]): schema for schema in schemas}
    wanted: dict[str, dict[str, None]] = {}
    skip = set(known)
    for entity_type, identifier in _mentioned(recording.operations, by_name):
        if identifier not in skip and entity_type in by_name:
            wanted.setdefault(entity_type, {})[identifier] = None
    names: dict[str, str] = {}
    for entity_type, ids in wanted.items():
        told = _projection(entity_type, by_name[entity_type].get("properties", {}))
        if told is None:
            continue
        everything = list(ids)
        for start in range(0, len(everything), _CHUNK):
            listed = ", ".join(f'"{identifier}"' for identifier in everything[start : start + _CHUNK])
            for entity in ask(f"select id, {', '.join(told)} from {entity_type} where id in ({listed})"):
                names[str(entity["id"])] = _cut(_called(entity, told))
    return names


def _mentioned(operations: Iterable[Operation], schemas: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for operation in operations:
        keys = list(operation.entity_key.values())
        if not isinstance(operation, CreateOperation) and len(keys) == 1:
            yield from _if_id(operation.entity_type, str(keys[0]))
        for name, value in _values(operation):
            for (entity_type, key), _ in references_in(value):
                if len(key) == 1:
                    yield from _if_id(entity_type, key[0])
            if isinstance(value, str):
                yield from _of_text(operation.entity_type, name, value, schemas)


def _of_text(entity_type: str, name: str, value: str, schemas: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    parsed = parse_key_text(value) if value.startswith("(") else None
    if parsed is not None and len(parsed[1]) == 1:
        # A reference as the original library writes it.
        yield from _if_id(parsed[0], parsed[1][0])
    elif name.endswith("_id"):
        properties = schemas.get(entity_type, {}).get("properties", {})
        relation = properties.get(name.removesuffix("_id"), {}).get("$ref")
        if isinstance(relation, str):
            yield from _if_id(relation, value)


def _if_id(entity_type: str, identifier: str) -> Iterator[tuple[str, str]]:
    # It becomes part of a query's text.
    if identifier.replace("-", "").isalnum():
        yield entity_type, identifier


def _values(operation: Operation) -> Iterator[tuple[str, Any]]:
    if isinstance(operation, CreateOperation):
        yield from operation.entity_data.items()
    elif isinstance(operation, UpdateOperation):
        yield operation.attribute_name, operation.old_value
        yield operation.attribute_name, operation.new_value


def _projection(entity_type: str, properties: Mapping[str, Any]) -> tuple[str, ...] | None:
    if entity_type == "AssetVersion":
        return ("asset.name", "version")
    return next(((name,) for name in _TELLING if name in properties), None)


def _called(entity: Mapping[str, Any], told: tuple[str, ...]) -> str:
    if told == ("asset.name", "version"):
        asset = entity["asset"]
        return f"{asset['name'] if asset else '?'} v{entity['version']}"
    return str(entity[told[0]])


def _note(names: dict[str, str], identifier: str, record: Mapping[str, Any]) -> None:
    name = next((record[name] for name in _TELLING if isinstance(record.get(name), str) and record[name]), None)
    if name is not None:
        names[identifier] = _cut(name)


def _cut(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _LONGEST else f"{flat[: _LONGEST - 1]}…"
