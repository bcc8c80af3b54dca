"""The database below the protocol: what writing costs, and what happens when it fails."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.sandbox.conftest import Ask
from trackteroid.sandbox.api import Api
from trackteroid.sandbox.schema_text import load_schema
from trackteroid.sandbox.seeds.rows import Rows

ROWS = Rows("demo", load_schema())
SHOT = ROWS.identifier("Shot", "demo/bc0040")
TASK = ROWS.identifier("Task", "demo/bc0040/compositing")
ASSET = ROWS.identifier("Asset", "bc0040_comp")
VERSION = ROWS.identifier("AssetVersion", "bc0040_comp/2")
FSTART = ROWS.identifier("CustomAttributeConfiguration", "fstart")


def new(entity_type: str, **data: Any) -> dict[str, Any]:
    return {"action": "create", "entity_type": entity_type, "entity_data": data}


def change(entity_type: str, *key: str, **data: Any) -> dict[str, Any]:
    return {"action": "update", "entity_type": entity_type, "entity_key": list(key), "entity_data": data}


def gone(entity_type: str, key: str) -> dict[str, Any]:
    return {"action": "delete", "entity_type": entity_type, "entity_key": [key]}


def looked_through(api: Api, act: Callable[[], Any]) -> set[str]:
    """The tables that statements of an action went through from end to end, as SQLite plans them."""
    statements: set[str] = set()
    api.storage._connection.set_trace_callback(statements.add)
    act()
    api.storage._connection.set_trace_callback(None)
    plans = [
        row[3]
        for statement in statements
        if statement.startswith(("SELECT", "UPDATE", "DELETE", "INSERT", "WITH", "\n"))
        for row in api.storage.execute(f"EXPLAIN QUERY PLAN {statement}")
    ]
    assert len(plans) > 5
    # Lists of values that a statement brings along are no tables.
    return {
        plan for plan in plans if plan.startswith("SCAN") and "VIRTUAL TABLE" not in plan and "CONSTANT" not in plan
    }


@pytest.mark.parametrize(
    "operations",
    [
        [new("Shot", name="bc0060", parent_id=SHOT)],
        [
            new("Task", name="roto", parent_id=SHOT),
            new("Metadata", parent_id=SHOT, parent_type="Shot", key="k", value="v"),
        ],
        [new("Asset", id="a", name="plate", context_id=SHOT), new("AssetVersion", asset_id="a")],
        [new("Note", parent_id=SHOT, parent_type="Shot", content="Look.")],
        [change("Task", TASK, name="comp", status_id=ROWS.identifier("Status", "Done"))],
        [change("ContextCustomAttributeValue", FSTART, SHOT, value=5)],
        [gone("AssetVersion", VERSION)],
        [gone("Shot", SHOT)],
        [gone("User", ROWS.identifier("User", "ben"))],
    ],
    ids=lambda operations: f"{operations[0]['action']} {operations[0]['entity_type']}",
)
def test_writing_looks_through_no_table(api: Api, call: Ask, operations: list[dict[str, Any]]) -> None:
    assert looked_through(api, lambda: call(*operations)) == set()


def test_a_sibling_is_found_without_looking_at_the_others(api: Api) -> None:
    # With many tasks, an index on any one of the columns finds thousands of them.
    sql = 'SELECT COUNT(*) FROM "Context" WHERE "parent_id" = ? AND "object_type_id" = ? AND "name" = ? AND 1'
    (plan,) = api.storage.execute(f"EXPLAIN QUERY PLAN {sql}", ("a", "b", "c"))
    assert "(parent_id=? AND object_type_id=? AND name=?)" in plan[3]
