"""Rows about the sandbox: its own times against what they may be. The client's share is not in them."""

from __future__ import annotations

import statistics
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests

from benchmarks.measure import Row
from trackteroid.sandbox.seeds import SeedCache
from trackteroid.sandbox.server import SandboxServer

__all__ = ["sandbox_rows"]

BATCHES = 50
_UNMANAGED = "cb268ecc-8809-11e3-a7e2-20c9d081909b"


def sandbox_rows() -> Iterator[Row]:
    """The `farm` seed from nothing and from a kept file, then a long query and short batches on it."""
    with tempfile.TemporaryDirectory(prefix="trackteroid-bench-") as folder:
        cache = SeedCache(Path(folder))
        yield Row("sandbox: farm seed from nothing", "a minute", _start(cache), 60.0, 1.0)
        yield Row("sandbox: farm seed from a kept file", "5 s", _start(cache), 5.0, 1.0)
        with SandboxServer(seed="farm", cache=cache) as server, requests.Session() as connection:
            connection.headers.update(
                {
                    "ftrack-user": server.env["FTRACK_API_USER"],
                    "ftrack-api-key": server.env["FTRACK_API_KEY"],
                }
            )
            asset_id = _ask(server, connection, _query("Asset limit 1"))[0]["data"][0]["id"]
            yield Row("sandbox: 10,000 rows in pages, server's time", "0.25 s", _pages(server, connection), 0.25, 1.0)
            yield Row("sandbox: batch of 4, server's time", "5 ms", _batches(server, connection, asset_id), 0.005, 1.0)


def _start(cache: SeedCache) -> float:
    started = time.perf_counter()
    with SandboxServer(seed="farm", cache=cache):
        return time.perf_counter() - started


def _query(expression: str) -> dict[str, Any]:
    return {"action": "query", "expression": expression}


def _ask(server: SandboxServer, connection: requests.Session, *operations: dict[str, Any]) -> Any:
    answer = connection.post(f"{server.url}/api", json=list(operations)).json()
    if isinstance(answer, dict):
        raise RuntimeError(f"The sandbox answered {answer}.")
    return answer


def _pages(server: SandboxServer, connection: requests.Session) -> float:
    """Seconds in the server for all pages together, the best of three rounds."""
    rounds = []
    for _ in range(3):
        server.requests.clear()
        offset: int | None = 0
        while offset is not None:
            query = _query(f"select id, asset.name, version from AssetVersion offset {offset} limit 500")
            offset = _ask(server, connection, query)[0]["metadata"]["next"]["offset"]
        rounds.append(sum(entry["milliseconds"] for entry in server.requests) / 1000)
    return min(rounds)


def _batches(server: SandboxServer, connection: requests.Session, asset_id: str) -> float:
    """Seconds in the server for one publish: three entities and an update; the middle of many."""

    def new(entity_type: str, **data: Any) -> dict[str, Any]:
        return {"action": "create", "entity_type": entity_type, "entity_data": data}

    server.requests.clear()
    for _ in range(BATCHES):
        version, component = str(uuid.uuid4()), str(uuid.uuid4())
        _ask(
            server,
            connection,
            new("AssetVersion", id=version, asset_id=asset_id),
            new("FileComponent", id=component, version_id=version),
            new("ComponentLocation", component_id=component, location_id=_UNMANAGED, resource_identifier="/x"),
            {
                "action": "update",
                "entity_type": "AssetVersion",
                "entity_key": [version],
                "entity_data": {"comment": "x"},
            },
        )
    return statistics.median(entry["milliseconds"] for entry in server.requests) / 1000
