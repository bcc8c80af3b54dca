"""Random queries on a world with something of everything in it, and random changes of that world.

Everything is drawn from one `random.Random`, so that a failure is found again by its number.
"""

from __future__ import annotations

import itertools
import json
import sqlite3
from collections.abc import Iterator
from random import Random
from typing import Any

from tests.unit.sandbox.private_world import OUTSIDER, add_people, crossing_rows, project_rows
from trackteroid.sandbox.api import Api
from trackteroid.sandbox.credentials import add_key
from trackteroid.sandbox.errors import ApiError
from trackteroid.sandbox.schema import Attribute, EntityType, Kind
from trackteroid.sandbox.schema_text import load_schema
from trackteroid.sandbox.seeds import API_KEY, API_USER, plant
from trackteroid.sandbox.storage import Storage

__all__ = ["USERS", "Mutations", "Queries", "World"]

SCHEMA = load_schema()
TYPES = sorted(each.name for each in SCHEMA.types.values() if not each.hidden)
KEY = "outsider-key"
#: Who sees everything, and who does not see the private project.
USERS = ((API_USER, API_KEY), (OUTSIDER, KEY))

_NOW = "2024-03-01 09:30:00"


class World:
    """A sandbox in this process that can be put back as it was."""

    def __init__(self) -> None:
        storage = Storage(SCHEMA, now=lambda: _NOW)
        plant(storage, "empty")
        numbers = itertools.count()
        self.api = Api(
            storage, clock=lambda: 1709285400.0, new_id=lambda: f"made-{next(numbers)}", url="http://sandbox"
        )
        add_people(self.api)
        for batch in (
            project_rows("open", private=False),
            project_rows("closed", private=True),
            crossing_rows(seen=True),
        ):
            self.api.handle(batch, username=API_USER, api_key=API_KEY)
        with storage.transaction():
            add_key(storage, KEY, "common-outsider")
        storage.keep_copy("made")

    def ask(self, expression: str, user: tuple[str, str]) -> str | None:
        """The answer as text; None if it is an error."""
        try:
            return json.dumps(self._handle([{"action": "query", "expression": expression}], user)[0]["data"])
        except ApiError:
            return None

    def change(self, batch: list[dict[str, Any]], user: tuple[str, str] = USERS[0]) -> bool:
        """Whether the batch was applied."""
        try:
            self._handle(json.loads(json.dumps(batch)), user)
        except (ApiError, sqlite3.IntegrityError):
            return False
        return True

    def _handle(self, batch: list[Any], user: tuple[str, str]) -> Any:
        return self.api.handle(batch, username=user[0], api_key=user[1])

    def restore(self) -> None:
        self.api.storage.restore_copy("made")

    def close(self) -> None:
        self.api.storage.close()

    def keys(self) -> dict[str, list[tuple[str, ...]]]:
        """The keys of all rows by concrete type."""
        found: dict[str, list[tuple[str, ...]]] = {}
        for name in TYPES:
            entity_type = SCHEMA.type(name)
            answer = self._handle([{"action": "query", "expression": f"select id from {name}"
                                    if entity_type.primary_key == ("id",)
                                    else f"select {', '.join(entity_type.primary_key)} from {name}"}], USERS[0])  # fmt: skip
            for row in answer[0]["data"]:
                found.setdefault(row["__entity_type__"], []).append(
                    tuple(row[part] for part in entity_type.primary_key)
                )
        return {name: sorted(set(keys), key=str) for name, keys in found.items()}


class Queries:
    """Makes up queries that the world can answer."""

    def __init__(self, random: Random, ids: list[str]) -> None:
        self._random = random
        self._ids = ids

    def make(self) -> str:
        random = self._random
        # What farms ask is about these; the rest must be right too.
        common = (
            "Task",
            "Shot",
            "AssetVersion",
            "Asset",
            "Component",
            "ComponentLocation",
            "Project",
            "Note",
            "TypedContext",
        )
        name = random.choice(common) if random.random() < 0.5 else random.choice(TYPES)
        entity_type = SCHEMA.type(name)
        chosen = [self._path(entity_type, shown=True) for _ in range(random.randint(1, 3))]
        text = f"select {', '.join(chosen)} from {name}"
        if random.random() < 0.6:
            text += f" where {self._criterion(entity_type, 0)}"
        if random.random() < 0.2:
            text += f" order by {self._path(entity_type)}"
        if random.random() < 0.1:
            text += f" limit {random.randint(1, 3)}"
        return text

    def _path(self, entity_type: EntityType, *, shown: bool = False) -> str:
        steps = []
        for _ in range(self._random.choice((1, 1, 2, 2, 3))):
            attribute = self._random.choice(self._attributes(entity_type))
            step = attribute.name
            if attribute.is_relation and attribute.target:
                entity_type = SCHEMA.type(attribute.target)
                if len(entity_type.family) > 1 and self._random.random() < 0.3:
                    entity_type = SCHEMA.type(self._random.choice(entity_type.family))
                    step += f"[{entity_type.name}]"
            steps.append(step)
            if not attribute.is_relation:
                break
        return ".".join(steps)

    def _attributes(self, entity_type: EntityType) -> list[Attribute]:
        found = {}
        for each in SCHEMA.types[entity_type.name].family:
            found.update(SCHEMA.type(each).attributes)
        return sorted((each for each in found.values() if not each.hidden), key=lambda each: each.name)

    def _criterion(self, entity_type: EntityType, depth: int) -> str:
        random = self._random
        choice = random.random()
        if choice < 0.15 and depth < 2:
            word = random.choice((" and ", " or "))
            return f"({self._criterion(entity_type, depth + 1)}{word}{self._criterion(entity_type, depth + 1)})"
        if choice < 0.25 and depth < 2:
            return f"not {self._criterion(entity_type, depth + 1)}"
        relations = [each for each in self._attributes(entity_type) if each.is_relation and each.target]
        if choice < 0.5 and depth < 2 and relations:
            relation = random.choice(relations)
            inner = self._criterion(SCHEMA.type(relation.target or ""), depth + 1) if random.random() < 0.7 else ""
            return f"{relation.name} {random.choice(('any', 'has'))} ({inner})"
        path = self._path(entity_type)
        if choice < 0.6 and depth < 2:
            inside = SCHEMA.type(random.choice(TYPES))
            where = f" where {self._criterion(inside, 2)}" if random.random() < 0.5 else ""
            return f"{path} {random.choice(('in', 'not_in'))} (select {self._path(inside)} from {inside.name}{where})"
        if choice < 0.7:
            listed = ", ".join(f'"{random.choice(self._ids)}"' for _ in range(2))
            return f"{path} in ({listed})"
        return f"{path} {random.choice(_COMPARISONS)}"


_COMPARISONS = (
    "is none", "is_not none", 'like "%"', 'like "open%"', 'like "%closed%"', 'is "common-outsider"', "is true", "> 0", "is 1",
    'is "open-task"', 'not_like "open%"', 'is_not "x"', 'like "%changed%"', "!= 2",
)  # fmt: skip


class Mutations:
    """Makes up batches; many are refused by the server, and the caller tries the next."""

    def __init__(self, random: Random, keys: dict[str, list[tuple[str, ...]]]) -> None:
        self._random = random
        self._keys = keys
        self._numbers = itertools.count()

    def make(self) -> list[dict[str, Any]]:
        return [self._operation() for _ in range(self._random.choice((1, 1, 1, 2)))]

    def _operation(self) -> dict[str, Any]:
        choice = self._random.random()
        name = self._random.choice(sorted(self._keys))
        key = self._random.choice(self._keys[name])
        entity_type = SCHEMA.type(name)
        if choice < 0.25:
            return {"action": "delete", "entity_type": name, "entity_key": list(key)}
        if choice < 0.55:
            name = self._random.choice(TYPES)
            return {"action": "create", "entity_type": name, "entity_data": self._created(SCHEMA.type(name))}
        attributes = [each for each in entity_type.attributes.values() if not each.hidden]
        chosen = self._random.sample(attributes, min(len(attributes), self._random.choice((1, 1, 2))))
        data = {each.name: self._value(each) for each in chosen}
        return {"action": "update", "entity_type": name, "entity_key": list(key), "entity_data": data}

    def _created(self, entity_type: EntityType) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for attribute in entity_type.attributes.values():
            if attribute.hidden or attribute.derived:
                continue
            if attribute.name == "id":
                data["id"] = 1000 + next(self._numbers) if attribute.kind is Kind.INT else f"new-{next(self._numbers)}"
            elif not attribute.is_relation and (
                attribute.required or attribute.name in entity_type.primary_key or self._random.random() < 0.3
            ):
                data[attribute.name] = self._value(attribute)
            elif attribute.is_collection and self._random.random() < 0.05:
                data[attribute.name] = self._value(attribute)
            elif attribute.name in ("asset_id", "parent_id", "context_id", "version_id", "project_id"):
                data[attribute.name] = self._value(attribute)
        return data

    def _value(self, attribute: Attribute) -> Any:
        random = self._random
        kind = attribute.kind
        if attribute.is_collection:
            return self._references(attribute, random.randint(0, 2))
        if kind is Kind.REF:
            return (self._references(attribute, 1) or [None])[0] if random.random() < 0.9 else None
        if kind is Kind.KEY:
            return self._key(attribute.target) if random.random() < 0.9 else None
        if attribute.name in ("parent_id", "entity_id", "from_id", "to_id", "owner_id"):
            return self._key(random.choice(("Context", "AssetVersion", "Asset", "Component", "Note", "List")))
        if attribute.choices:
            return random.choice(attribute.choices)
        if kind is Kind.BOOL:
            return random.random() < 0.5
        if kind in (Kind.INT, Kind.NUMBER):
            return random.randint(0, 5)
        if kind is Kind.TIME:
            return random.choice(("2024-03-01T00:00:00", "2024-04-01T00:00:00", "2020-01-01T00:00:00"))
        if attribute.name.endswith("_type") or attribute.name == "type":
            return random.choice(("task", "assignment", "allocation", "show", "assetversion", "Shot", "AssetVersion"))
        return f"changed-{next(self._numbers)}"

    def _key(self, type_name: str | None) -> Any:
        if type_name is None or type_name not in SCHEMA:
            return "x"
        found = [key for name in SCHEMA.type(type_name).family for key in self._keys.get(name, ())]
        # The ends of what is looked at, more often than the seed's many small rows.
        ours = [key for key in found if str(key[0]).startswith(("open", "closed", "common", "crossing"))]
        return self._random.choice(ours or found or [("x",)])[0]

    def _references(self, attribute: Attribute, count: int) -> list[dict[str, Any]]:
        target = SCHEMA.type(attribute.target or "")
        found = [(name, key) for name in target.family for key in self._keys.get(name, ())]
        chosen = self._random.sample(found, min(count, len(found)))
        return [
            {"__entity_type__": name, **dict(zip(SCHEMA.type(name).primary_key, key, strict=True))}
            for name, key in chosen
        ]


def batches(mutations: Mutations) -> Iterator[list[dict[str, Any]]]:
    """Batches without end."""
    while True:
        yield mutations.make()
