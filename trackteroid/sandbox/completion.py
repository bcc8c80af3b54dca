"""Serialises each entity of an answer once, at its first place, with what any place asks for (specification 2.3).

Later places hold a reference. That is what a real server does, and it matters: the Python client merges each entity only
once per answer, at its first occurrence, and ignores what later ones add; and an answer that repeated collections everywhere
would grow with the square of its rows. "First" is the client's order of merging: depth first, scalars before relations,
relations by name. References keep the scalars, so that rows can be read on their own in simple cases.
"""

from __future__ import annotations

from typing import Any

from trackteroid.sandbox.schema import Schema

__all__ = ["completed"]

Entity = dict[str, Any]

# A chain of links would nest as deep as it is long, and decoders give up on that: it goes on at the next occurrence.
_DEEPEST = 20


def completed(schema: Schema, entities: list[Entity]) -> list[Entity]:
    """The same entities, each written out at its first place only."""
    completion = _Completion(schema)
    completion.collect(entities)
    return [completion.write(entity, 0) for entity in entities]


class _Completion:
    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._known: dict[tuple[Any, ...], Entity] = {}
        self._walked: set[int] = set()
        self._written: set[tuple[Any, ...]] = set()

    def _key(self, entity: Entity) -> tuple[Any, ...]:
        name = entity["__entity_type__"]
        return (name, *(entity[key] for key in self._schema.types[name].primary_key))

    def collect(self, entities: list[Entity]) -> None:
        """Gather the attributes of each entity from everywhere."""
        for entity in entities:
            # Loading shares one value between all owners of a related entity.
            if id(entity) in self._walked:
                continue
            self._walked.add(id(entity))
            known = self._known.setdefault(self._key(entity), {})
            for name, value in entity.items():
                related = _related(value)
                # A cast may have emptied a relation in one place only.
                if name not in known or (related and not _is_relation(known[name])):
                    known[name] = value
                if related:
                    self.collect(related)

    def write(self, entity: Entity, depth: int) -> Entity:
        """What stands in this place: everything, or a reference."""
        key = self._key(entity)
        known = self._known[key]
        if depth >= _DEEPEST or key in self._written:
            return {name: value for name, value in known.items() if not _is_relation(value)}
        self._written.add(key)
        result: Entity = {}
        for name, value in sorted(known.items()):
            if not _is_relation(value):
                result[name] = value
            elif isinstance(value, list):
                result[name] = [self.write(each, depth + 1) for each in value]
            else:
                result[name] = self.write(value, depth + 1)
        return result


def _is_entity(value: Any) -> bool:
    return isinstance(value, dict) and "__entity_type__" in value


def _is_relation(value: Any) -> bool:
    # An empty collection and an empty reference have nothing to write below them: they count as scalars.
    return _is_entity(value) or (isinstance(value, list) and bool(value) and _is_entity(value[0]))


def _related(value: Any) -> list[Entity]:
    if not _is_relation(value):
        return []
    return value if isinstance(value, list) else [value]
