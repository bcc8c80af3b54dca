"""A server for unit tests of committing: rows in a dictionary, failures on order. Understands our own questions and
nothing else.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from trackteroid.commits import order
from trackteroid.errors import ServerCallError

__all__ = ["SCHEMAS", "SERVER_URL", "CannedServer", "refusal"]

SERVER_URL = "https://studio.example"

SCHEMAS: list[dict[str, Any]] = [
    {
        "id": "AssetVersion",
        "primary_key": ["id"],
        "properties": {
            "id": {"type": "string"},
            "comment": {"type": "string"},
            "version": {"type": "integer"},
            "is_published": {"type": "boolean"},
            "task": {"$ref": "Task"},
            "user": {"$ref": "User"},
            "asset_id": {"type": "string"},
        },
    },
    {
        "id": "Component",
        "primary_key": ["id"],
        "properties": {
            "id": {"type": "string"},
            "name": {"type": "string"},
            "version": {"$ref": "AssetVersion"},
            "version_id": {"type": "string"},
        },
    },
    {
        "id": "Task",
        "primary_key": ["id"],
        "properties": {
            "id": {"type": "string"},
            "bid": {"type": "number"},
            "status_id": {"type": "string"},
            "lists": {"type": "array", "items": {"$ref": "Component"}},
            "name": {"type": "string"},
        },
    },
]

_NUMBERS = re.compile(
    r"select .* from AssetVersion where asset_id in \((?P<assets>.*)\) and version in \((?P<numbers>.*)\)$"
)
_HIGHEST = re.compile(
    r'select .* from AssetVersion where asset_id is "(?P<asset>.*)" order by version descending limit 1$'
)
_USER = re.compile(r'select id from User where username is "(?P<name>.*)"$')
_QUESTION = re.compile(r"select (?P<names>.+) from (?P<type>\w+) where id in \((?P<ids>.*)\)$")


def refusal(
    exception: str, content: str = "text", *, status: int = 400, maybe_applied: bool = False
) -> ServerCallError:
    """Return the server's own error object as an exception."""
    return ServerCallError(
        f"Server reported error: {exception}({content})",
        kind="error_object",
        status=status,
        exception=exception,
        content=content,
        maybe_applied=maybe_applied,
    )


class CannedServer:
    """`server_url`, `schemas` and `exchange`, as committing needs them.

    `before` and `after` hold failures for the next writing batches: raised instead of applying, or after applying.
    `half_way`: apply only so many operations of the next writing batch, then raise what `after` holds.
    """

    def __init__(self, rows: Mapping[tuple[str, str], Mapping[str, Any]] | None = None) -> None:
        self.rows: dict[tuple[str, str], dict[str, Any]] = {key: dict(row) for key, row in (rows or {}).items()}
        self.before: list[BaseException] = []
        self.after: list[BaseException] = []
        self.half_way: int | None = None
        #: Whether what is written may refer only to what is there at that moment.
        self.checks_references = False
        self.on_query: Callable[[], None] | None = None
        self.writes: list[list[Any]] = []
        self.queries = 0
        self.timeouts: list[float | None] = []
        self.effects: list[tuple[str, str, str]] = []
        #: Ids of users, and of them whom the connection's key may speak for; in whose name each batch was sent.
        self.users: dict[str, str] = {}
        self.global_for: set[str] = set()
        self.senders: list[str | None] = []

    server_url = SERVER_URL
    schemas = SCHEMAS

    def exchange(self, batch: Sequence[Any], *, timeout: float | None = None, as_user: str | None = None) -> list[Any]:
        self.timeouts.append(timeout)
        if all(item["action"] == "query" for item in batch):
            self.queries += 1
            if self.on_query is not None:
                self.on_query()
            return [self._answer(item["expression"]) for item in batch]
        self.writes.append(copy.deepcopy(list(batch)))
        self.senders.append(as_user)
        if as_user is not None and as_user not in self.global_for:
            raise refusal("InvalidCredentialsError", "The supplied API key or user name is not valid.", status=200)
        if self.before:
            raise self.before.pop(0)
        saved = copy.deepcopy(self.rows)
        applied = batch if self.half_way is None else batch[: self.half_way]
        self.half_way = None
        try:
            results = [self._apply(item) for item in applied]
        except ServerCallError:
            self.rows = saved
            raise
        self.effects.extend((item["action"], item["entity_type"], item["entity_key"][0]) for item in applied)
        if self.after:
            raise self.after.pop(0)
        return results

    def _apply(self, item: Mapping[str, Any]) -> dict[str, Any]:
        entity_type, key = item["entity_type"], item["entity_key"][0]
        identity = (entity_type, key)
        for name, value in item.get("entity_data", {}).items() if self.checks_references else ():
            for other in order.entities_in(name, value):
                if other != key and all(other != known for _, known in self.rows):
                    raise refusal("IntegrityError", f"{entity_type}.{name} refers to {other}, which does not exist")
        if item["action"] == "create":
            if identity in self.rows:
                raise refusal("IntegrityError", f"Duplicate entry {key}")
            row = dict(item["entity_data"])
            if entity_type == "AssetVersion" and "version" not in row:
                row["version"] = 1 + sum(1 for kind, _ in self.rows if kind == "AssetVersion")
            self.rows[identity] = row
            return {"action": "create", "data": dict(row)}
        if identity not in self.rows:
            raise refusal("KeyError", f"No {entity_type} {key}")
        if item["action"] == "delete":
            del self.rows[identity]
            return {"action": "delete", "data": True}
        self.rows[identity].update(item["entity_data"])
        return {"action": "update", "data": dict(self.rows[identity])}

    def _answer(self, expression: str) -> dict[str, Any]:
        numbers = _NUMBERS.match(expression)
        if numbers is not None:
            assets = re.findall(r'"([^"]*)"', numbers["assets"])
            wanted = [int(number) for number in numbers["numbers"].split(", ")]
            found = [
                {"__entity_type__": "AssetVersion", "id": key, "version": row["version"], "asset_id": row["asset_id"]}
                for (kind, key), row in self.rows.items()
                if kind == "AssetVersion" and row.get("asset_id") in assets and row.get("version") in wanted
            ]
            return {"action": "query", "data": found, "metadata": {"next": {"offset": None}}}
        highest = _HIGHEST.match(expression)
        if highest is not None:
            versions = [
                {"__entity_type__": "AssetVersion", "id": key, "version": row["version"], "asset_id": row["asset_id"]}
                for (kind, key), row in self.rows.items()
                if kind == "AssetVersion" and row.get("asset_id") == highest["asset"]
            ]
            found = sorted(versions, key=lambda row: row["version"], reverse=True)[:1]
            return {"action": "query", "data": found, "metadata": {"next": {"offset": None}}}
        user = _USER.match(expression)
        if user is not None:
            known = self.users.get(user["name"])
            return {"action": "query", "data": [] if known is None else [{"__entity_type__": "User", "id": known}]}
        match = _QUESTION.match(expression)
        assert match is not None, expression
        ids = re.findall(r'"([^"]*)"', match["ids"])
        names = match["names"].split(", ")
        data = []
        for key in ids:
            row = self.rows.get((match["type"], key))
            if row is not None:
                known = {name: row.get(name) for name in names}
                data.append({"__entity_type__": match["type"], **known, "id": key})
        return {"action": "query", "data": data, "metadata": {"next": {"offset": None}}}
