"""The server's JSON as rows: what stands in the way of loading is found here, before anything is merged.

A row is a tuple (shape, identity, values); JSON itself has no tuples, so that is how one is told from other values.
`identity` is the text `str(ftrack_api.inspection.identity(entity))`. Values are as the client decodes them, nested
entities being rows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from trackteroid import fast_json
from trackteroid.loading.moments import moment
from trackteroid.loading.plans import Plan, Shape, Unusual

__all__ = ["Row", "decode", "decode_parsed", "is_row"]

Row = tuple[Shape, str, dict[str, Any]]


def is_row(value: Any) -> bool:
    """Whether a decoded value is a row."""
    return value.__class__ is tuple


def decode(text: str | bytes, plan_of: Callable[[str], Plan]) -> Any:
    """Return a response of the server, its entities as rows.

    Args:
        text: JSON.
        plan_of: Returns the plan for the name of an entity type.

    Raises:
        ValueError: It is no JSON.
        Unusual: It holds something that the client's code has to load.
    """
    rows = _Rows(plan_of)
    if fast_json.is_fast():
        response = rows.read_in_place(fast_json.loads(text))
    else:
        # One pass, where parsing takes most of the time.
        response = json.loads(text, object_hook=rows.read)
    rows.check(response)
    return response


def decode_parsed(entities: Iterable[Mapping[str, Any]], plan_of: Callable[[str], Plan]) -> list[Any]:
    """Return entities of a response that was parsed already, as rows; they are not changed.

    Raises:
        Unusual: As of `decode`.
    """
    rows = _Rows(plan_of)
    found = [rows.read_copied(entity) for entity in entities]
    rows.check([{"data": row} for row in found])
    return found


_CONTAINERS: frozenset[Any] = frozenset({dict, list})


class _Rows:
    """Reads objects of one response, innermost first, as a JSON decoder's `object_hook`."""

    def __init__(self, plan_of: Callable[[str], Plan]) -> None:
        self._plan_of = plan_of
        self._plans: dict[str, Plan] = {}
        # A row that ends up anywhere but in a relation or at the top is found by counting.
        self._made = 0
        self._placed = 0

    def read_in_place(self, value: Any) -> Any:
        """Apply `read` to the objects in a parsed value, innermost first, in their order, as a JSON decoder does."""
        if isinstance(value, dict):
            for name, part in value.items():
                if part.__class__ in _CONTAINERS:
                    # Under a name that is there, which does not disturb the loop.
                    value[name] = self.read_in_place(part)
            return self.read(value)
        if isinstance(value, list):
            return [self.read_in_place(part) if part.__class__ in _CONTAINERS else part for part in value]
        return value

    def read_copied(self, value: Any) -> Any:
        """As `read_in_place`, but the value stays as it is."""
        if isinstance(value, dict):
            if "__entity_type__" in value and _CONTAINERS.isdisjoint(map(type, value.values())):
                # Nothing in it becomes anything else, and of a row only the values go anywhere.
                return self.read(value)
            return self.read(
                {
                    name: self.read_copied(part) if part.__class__ in _CONTAINERS else part
                    for name, part in value.items()
                }
            )
        if isinstance(value, list):
            return [self.read_copied(part) if part.__class__ in _CONTAINERS else part for part in value]
        return value

    def read(self, item: dict[str, Any]) -> Any:
        if "__type__" in item:
            return moment(item["value"]) if item["__type__"] in ("datetime", "date") else item
        if "__entity_type__" not in item:
            return item
        name = item["__entity_type__"]
        plan = self._plans.get(name)
        if plan is None:
            plan = self._plans[name] = self._plan_of(name)
        names = tuple(item)
        shape = plan.shapes.get(names) or plan.shape(names)
        if shape.key is None:
            identity = f"{plan.prefix}{', '.join([repr(_key_text(item[key])) for key in plan.keys])}])"
        else:
            key = item[shape.key]
            identity = f"{plan.prefix}{key if key.__class__ is str else _key_text(key)!r}])"
        for relation in shape.relations:
            value = item[relation.name]
            if value.__class__ is tuple and relation.single:
                self._placed += 1
            elif value is not None:
                self._place(relation.single, value)
        for unknown in shape.unknown:
            self._placed += _count(item[unknown])
        self._made += 1
        return (shape, identity, item)

    def _place(self, single: bool, value: Any) -> None:
        if single:
            raise Unusual("a reference that is no entity")
        if value.__class__ is not list or not all(is_row(member) for member in value):
            raise Unusual("a collection that is no list of entities")
        if len({member[1] for member in value}) != len(value):
            raise Unusual("a collection with an entity twice")
        self._placed += len(value)

    def check(self, response: Any) -> None:
        """Raise `Unusual` unless every row stands where the client looks for entities."""
        if response.__class__ is not list:
            return
        for entry in response:
            data = entry.get("data") if entry.__class__ is dict else None
            if is_row(data):
                self._placed += 1
            elif data.__class__ is list and entry.get("action", "query") == "query":
                if not all(is_row(row) for row in data):
                    raise Unusual("a result that is no entity")
                self._placed += len(data)
        if self._made != self._placed:
            raise Unusual("an entity where none is expected")


def _key_text(value: Any) -> str:
    if value.__class__ in {dict, list, tuple}:
        raise Unusual("a primary key that is no plain value")
    return str(value)


def _count(value: Any) -> int:
    """Return how many rows stand somewhere in a value that no attribute takes."""
    if value.__class__ is list:
        return sum(_count(part) for part in value)
    if value.__class__ is dict:
        return sum(_count(part) for part in value.values())
    # What stands inside a row has been placed by that row.
    return 1 if is_row(value) else 0
