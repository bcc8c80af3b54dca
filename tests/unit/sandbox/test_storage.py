"""The database below the protocol: what writing costs, and what happens when it fails."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.processes import wait_until
from tests.unit.sandbox.conftest import Ask
from trackteroid.sandbox.api import Api
from trackteroid.sandbox.errors import DataFileError, SandboxStartError, ValidationError
from trackteroid.sandbox.json_schema import json_schemas
from trackteroid.sandbox.schema_text import load_schema
from trackteroid.sandbox.seeds import plant
from trackteroid.sandbox.seeds.rows import Rows
from trackteroid.sandbox.server import SandboxServer
from trackteroid.sandbox.storage import Storage

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
    # Lists of values that a statement brings along are no tables; there are no more keys than users.
    few = ("VIRTUAL TABLE", "CONSTANT", "__key")
    return {plan for plan in plans if plan.startswith("SCAN") and not any(word in plan for word in few)}


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


def steps(api: Api, act: Callable[[], Any]) -> int:
    """How much SQLite has to do for an action, in steps of its virtual machine, to the next hundred."""
    count = itertools.count()
    api.storage._connection.set_progress_handler(lambda: next(count) and None, 100)
    act()
    api.storage._connection.set_progress_handler(api.storage._is_too_long, 200_000)
    return next(count)


@pytest.mark.parametrize(
    "make",
    [
        lambda number: new("Task", name=f"t{number}", parent_id=SHOT),
        lambda number: new("AssetVersion", asset_id=ASSET),
        lambda number: new("Timelog", context_id=TASK, duration=number),
    ],
    ids=["Task", "AssetVersion", "Timelog"],
)
def test_a_new_row_costs_the_same_however_many_there_are(
    api: Api, call: Ask, make: Callable[[int], dict[str, Any]]
) -> None:
    numbers = itertools.count()

    def several() -> None:
        call(*(make(next(numbers)) for _ in range(50)))

    few = steps(api, several)
    for _ in range(20):
        several()
    assert steps(api, several) < 1.5 * few


# Failing and going on


def opened(path: Path) -> Storage:
    return Storage(load_schema(), path, now=lambda: "2024-01-01 00:00:00")


@pytest.mark.parametrize("last", [0, -2])
def test_a_start_that_is_broken_off_at_any_statement_can_be_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: int
) -> None:
    done: list[str] = []
    execute = Storage.execute

    def counted(storage: Storage, sql: str, parameters: Any = ()) -> Any:
        if len(done) == breaking_off:
            raise KeyboardInterrupt
        done.append(sql)
        return execute(storage, sql, parameters)

    monkeypatch.setattr(Storage, "execute", counted)
    breaking_off = -1
    whole = opened(tmp_path / "whole")
    plant(whole, "empty")
    whole.close()
    breaking_off = last if last >= 0 else len(done) + last
    done.clear()
    storage: Storage | None = None
    with pytest.raises(KeyboardInterrupt):
        storage = opened(tmp_path / "data")
        plant(storage, "empty")
    if storage is not None:
        storage.close()
    breaking_off = -1
    again = opened(tmp_path / "data")
    if again.recall("seed") is None:
        plant(again, "empty")
    assert Api(again, clock=lambda: 0.0).handle(
        [{"action": "query", "expression": "Location"}], username="sandbox", api_key="sandbox-key"
    )
    again.close()


def test_a_full_disk_is_not_the_requests_fault_and_the_next_request_may_fit(tmp_path: Path) -> None:
    storage = opened(tmp_path / "data")
    plant(storage, "empty")
    api = Api(storage, clock=lambda: 0.0)

    def send(count: int) -> Any:
        return api.handle([new("Scope", name="x" * 1000)] * count, username="sandbox", api_key="sandbox-key")

    (pages,) = storage.column("PRAGMA page_count")
    storage.execute(f"PRAGMA max_page_count = {pages + 30}")
    for _ in range(2):
        with pytest.raises(
            DataFileError, match=r"cannot use its data file, and nothing was changed: .* full\."
        ) as told:
            send(1000)
        assert told.value.status == 500
    assert len(send(1)) == 1
    assert storage.column('SELECT COUNT(*) FROM "Scope"') == [1]
    storage.close()


def test_a_transaction_inside_of_another_is_a_part_of_it(api: Api) -> None:
    storage = api.storage
    with pytest.raises(ZeroDivisionError), storage.transaction():
        with storage.transaction():
            storage.remember("inner", "1")
        assert storage.recall("inner") == "1"
        raise ZeroDivisionError
    assert storage.recall("inner") is None


def test_a_server_that_cannot_start_lets_its_data_file_go(tmp_path: Path) -> None:
    with pytest.raises(SandboxStartError, match="no seed") as told:
        SandboxServer(seed="spring", data=tmp_path / "data")
    # Not only by and by, when nobody remembers the error any more.
    assert told.value.__traceback__ is not None
    opened(tmp_path / "data").close()


def test_a_seed_that_a_schema_cannot_hold_is_one_clear_message() -> None:
    schemas = json.loads(json.dumps(json_schemas(load_schema())))
    status = next(each for each in schemas if each["id"] == "Status")
    status["properties"]["sort"] = {"type": "boolean"}
    with pytest.raises(SandboxStartError, match=r'^The seed "demo" does not fit this schema: Attribute "sort" must be'):
        SandboxServer(seed="demo", schema=schemas)


# Looks at every pair of rows, at every pair of those, and so on, a hundred times: nobody waits for that.
_ENDLESS = "Context where " + " or ".join(
    "descendants.ancestors." * 3 + f'descendants.name like "nobody {number}"' for number in range(100)
)


def test_a_query_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    storage = Storage(load_schema(), now=lambda: "2024-01-01 00:00:00", patience=0.2)
    plant(storage, "demo")
    api = Api(storage, clock=lambda: 0.0)
    batch = [new("Scope", id="s", name="s"), {"action": "query", "expression": _ENDLESS}]
    with pytest.raises(ValidationError, match=r"given up: one statement took longer than 0\.2 seconds\."):
        api.handle(batch, username="sandbox", api_key="sandbox-key")
    assert api.handle([{"action": "query", "expression": "Scope"}], username="sandbox", api_key="sandbox-key") == [
        {"action": "query", "data": [], "metadata": {"next": {"offset": None}}}
    ]
    storage.close()


def test_a_server_ends_although_a_query_has_no_end() -> None:
    with ThreadPoolExecutor(1) as pool:
        with SandboxServer(seed="demo") as server:
            asked = pool.submit(
                requests.post,
                server.url + "/api",
                json=[{"action": "query", "expression": _ENDLESS}],
                headers={"ftrack-user": "sandbox", "ftrack-api-key": "sandbox-key"},
                timeout=50,
            )

            def is_busy() -> bool:
                if server.api.storage.lock.acquire(blocking=False):
                    server.api.storage.lock.release()
                    return False
                return True

            wait_until(is_busy, what="the query")
            started = time.monotonic()
        # Far less than a query is given.
        assert time.monotonic() - started < 30
        assert "given up" in asked.result().json()["content"]
