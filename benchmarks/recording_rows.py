"""The rows of the table on recordings: making one, and committing it; the server answers in no time."""

from __future__ import annotations

import contextlib
import gc
import random
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import ftrack_api

from benchmarks.canned import CannedServer, canned_server
from benchmarks.measure import Row, middle_pair
from trackteroid.session import Session

__all__ = ["record", "recording_rows"]

PUBLISHES = 1_000
TURNS = 9

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
    """Recording against creating without deferral."""

    def deferred() -> None:
        with session.deferred_operations(folder / "recorded.dbm"):
            record(session, PUBLISHES)

    def direct() -> None:
        record(session, PUBLISHES)
        session.recorded_operations.clear()

    ours, theirs = _in_turns(server, (session.reset, deferred), (session.reset, direct))
    return Row(f"record {PUBLISHES:,} publishes", "the same without deferral", ours, theirs, 1.3)


def commit_file(ours: Any, theirs: Any, folder: Path, server: CannedServer) -> Row:
    """Reading and committing a file against the client's commit of the same operations, which are in its memory.

    Ours is all that a user waits for: reading and checking the file, connecting again, asking which of it exists (the answer:
    nothing), the batch, its result, telling the query cache in Redis, and putting what was recorded into the session's
    memory. Theirs is `commit()` alone, right after the operations were made. What either asks is the same in every turn, so that
    no turn that counts has a real server at work beside it.
    """
    file = folder / "committed.dbm"
    with ours.deferred_operations(file):
        record(ours, PUBLISHES)

    def prepare() -> None:
        theirs.recorded_operations.clear()
        theirs._local_cache.clear()
        with _same_ids():
            record(theirs, PUBLISHES)

    mine, clients = _in_turns(server, (lambda: None, lambda: ours.reconnect_and_commit(file)), (prepare, theirs.commit))
    return Row(
        f"file of {3 * PUBLISHES:,} creates, read and committed",
        "the client's commit() of the same",
        mine,
        clients,
        0.2,
    )


@contextlib.contextmanager
def _same_ids() -> Iterator[None]:
    """Let the entities that are created inside have the ids that those of the last time had."""
    numbers = random.Random(0)

    def made() -> uuid.UUID:
        return uuid.UUID(int=numbers.getrandbits(128), version=4)

    with mock.patch("uuid.uuid4", made):
        yield


_Side = tuple[Callable[[], object], Callable[[], object]]


def _in_turns(server: CannedServer, ours: _Side, theirs: _Side) -> tuple[float, float]:
    """Return the seconds of the processor of both sides: (what is done before, what is measured).

    Turn by turn, so that what else the machine does meets both. The first turn prepares the server's answers and builds what
    either side needs only once; it does not count.
    """
    turns = [(_seconds(server, *ours), _seconds(server, *theirs)) for _ in range(1 + TURNS)]
    return middle_pair(turns[1:])


def _seconds(server: CannedServer, prepare: Callable[[], object], work: Callable[[], object]) -> float:
    """Return the seconds of the processor that `work` takes with the garbage collector off, the server's not counted."""
    prepare()
    gc.collect()
    gc.disable()
    spent, started = server.spent, time.process_time()
    work()
    seconds = time.process_time() - started - (server.spent - spent)
    gc.enable()
    return seconds
