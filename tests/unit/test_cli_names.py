"""Names instead of ids in `recording show --names`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.support.recordings import create, delete, recorded, update
from trackteroid.cli.names import names_in, names_on_server
from trackteroid.cli.recording import operation_rows

SCHEMAS: list[Mapping[str, Any]] = [
    {"id": "Task", "properties": {"id": {}, "name": {}, "status": {"$ref": "Status"}, "status_id": {}}},
    {"id": "Status", "properties": {"id": {}, "name": {}}},
    {"id": "AssetVersion", "properties": {"id": {}, "version": {}, "asset": {"$ref": "Asset"}}},
    {"id": "Odd", "properties": {"id": {}}},
]


class Server:
    def __init__(self, rows: Mapping[str, Mapping[str, Any]]) -> None:
        self.rows = rows
        self.asked: list[str] = []

    def ask(self, text: str) -> list[Mapping[str, Any]]:
        self.asked.append(text)
        return [row for key, row in self.rows.items() if f'"{key}"' in text]


def reference(kind: str, key: str) -> dict[str, str]:
    return {"__entity_type__": kind, "id": key}


def test_the_recording_tells_what_it_creates() -> None:
    recording = recorded(create("Task", "t1", name="anim"), create("Odd", "o1"), create("User", "u1", username="anna"))
    assert names_in(recording) == {"t1": "anim", "u1": "anna"}


def test_references_foreign_keys_and_what_is_changed_are_asked_for_once_per_type() -> None:
    recording = recorded(
        create("Task", "new", name="x", status_id="s1", parent=reference("Task", "t1")),
        update("Task", "t2", "status", reference("Status", "s2")),
        update("Task", "t2", "parent", "('Task', ['t3'])"),
        delete("AssetVersion", "v1"),
        update("Odd", "o1", "a", 1),
        update("Unknown", "z1", "a", 1),
    )
    server = Server(
        {
            "s1": {"id": "s1", "name": "Open"},
            "s2": {"id": "s2", "name": "Done"},
            "t1": {"id": "t1", "name": "sc010"},
            "t2": {"id": "t2", "name": "anim"},
            "t3": {"id": "t3", "name": "sc020"},
            "v1": {"id": "v1", "version": 7, "asset": {"name": "hero"}},
        }
    )
    names = names_on_server(recording, SCHEMAS, server.ask, known=names_in(recording))
    assert names == {"s1": "Open", "s2": "Done", "t1": "sc010", "t2": "anim", "t3": "sc020", "v1": "hero v7"}
    assert len(server.asked) == 3
    rows = operation_rows(recording.operations, names)
    assert rows[1] == ["2", "update", "Task anim", "status: null -> Status Done"]
    assert rows[3] == ["4", "delete", "AssetVersion hero v7", ""]
    assert 'status_id="Open"' in rows[0][3]


def test_what_is_no_id_never_gets_into_a_query() -> None:
    recording = recorded(
        update("Task", 't") or (id is "x', "name", "n"),
        create("Task", "new", status_id='" or 1', parent=reference("Task", 'a"b')),
    )
    server = Server({})
    assert names_on_server(recording, SCHEMAS, server.ask) == {}
    assert server.asked == []


def test_many_are_asked_for_in_chunks() -> None:
    recording = recorded(*(update("Task", f"t{number}", "name", "n") for number in range(450)))
    server = Server({})
    names_on_server(recording, SCHEMAS, server.ask)
    assert len(server.asked) == 3


def test_what_is_created_only_if_there_is_none_like_it_is_told_from_the_rest() -> None:
    operations = (create("Asset", "a1", name="beauty"), create("Note", "n1"))
    rows = operation_rows(operations, ensured=frozenset({"('Asset', ['a1'])"}))
    assert [row[1] for row in rows] == ["get or create", "create"]
