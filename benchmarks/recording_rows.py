"""The rows of the table on recordings: making one, and committing it; the server answers in no time."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ftrack_api

from benchmarks.canned import CannedServer, canned_server
from benchmarks.measure import Row
from trackteroid.session import Session

__all__ = ["record", "recording_rows"]

PUBLISHES = 1_000
RUNS = 3
TURNS = 6

_UNMANAGED = ftrack_api.symbol.UNMANAGED_LOCATION_ID


def recording_rows(folder: Path) -> Iterator[Row]:
    """Measure making a recording and committing it; server, user and key come from the environment."""
    with canned_server() as server, Session() as ours, ftrack_api.Session(auto_populate=False) as theirs:
        yield record_publishes(ours, folder, server)
        yield commit_file(ours, theirs, folder, server)


def record(session: Any, publishes: int) -> None:
    """Create versions with a component and its place, and change each."""
    asset = session.query("select id, versions.task from Asset").first()
    task = asset["versions"][0]["task"]
    for number in range(publishes):
        version = session.create("AssetVersion", {"asset": asset, "task": task})
        component = session.create("Component", {"name": "main", "version": version})
        session.create(
            "ComponentLocation",
            {"component": component, "resource_identifier": f"/{number}", "location_id": _UNMANAGED},
        )
        version["comment"] = "x"


def record_publishes(session: Any, folder: Path, server: CannedServer) -> Row:
    """Recording against creating without deferral, in turns: what else the machine does meets both."""

    def deferred() -> None:
        with session.deferred_operations(folder / "recorded.dbm"):
            record(session, PUBLISHES)

    def direct() -> None:
        record(session, PUBLISHES)
        session.recorded_operations.clear()

    # The first turns build what either needs only once.
    turns = [
        (_best(server, session.reset, deferred, runs=1), _best(server, session.reset, direct, runs=1))
        for _ in range(TURNS)
    ][1:]
    ours, theirs = (min(times) for times in zip(*turns, strict=True))
    return Row(f"record {PUBLISHES:,} publishes", "the same without deferral", ours, theirs, 1.3)


def commit_file(ours: Any, theirs: Any, folder: Path, server: CannedServer) -> Row:
    """Reading and committing a file, which includes connecting again, against the client's commit of the same."""
    file = folder / "committed.dbm"
    with ours.deferred_operations(file):
        record(ours, PUBLISHES)

    def prepare() -> None:
        theirs.recorded_operations.clear()
        theirs._local_cache.clear()
        record(theirs, PUBLISHES)

    # The answers to what connecting asks are prepared by the first run.
    ours.reconnect_and_commit(file)
    return Row(
        f"file of {3 * PUBLISHES:,} creates, read and committed",
        "the client's commit() of the same",
        _best(server, lambda: None, lambda: ours.reconnect_and_commit(file)),
        _best(server, prepare, theirs.commit, runs=2),
        0.2,
    )


def _best(
    server: CannedServer, prepare: Callable[[], object], work: Callable[[], object], *, runs: int = RUNS
) -> float:
    """Return the least seconds of the processor that `work` took, the server's not counted."""
    times = []
    for _ in range(runs):
        prepare()
        gc.collect()
        gc.disable()
        spent, started = server.spent, time.process_time()
        work()
        times.append(time.process_time() - started - (server.spent - spent))
        gc.enable()
    return min(times)
