"""The rows of the table on loading and committing; the server answers prepared bytes in no time."""

from __future__ import annotations

import datetime
import gc
import itertools
import json
import os
import re
import statistics
import time
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import ftrack_api
import requests

from benchmarks.measure import Row, middle_pair, seconds
from benchmarks.sandbox_process import running_sandbox
from trackteroid.committing import batch_of
from trackteroid.entities import AssetVersion
from trackteroid.session import Session

ROWS = 10_000
PAGE = 500
CREATES = 3_000

_QUESTION = "select id, asset.name, version from AssetVersion"


def loading_rows() -> Iterator[Row]:
    """Measure loading and committing against the client; server, user and key come from the environment."""
    with Session() as ours, ftrack_api.Session(auto_populate=False) as theirs:
        for session in (ours, theirs):
            session._managed_request.post = _Prepared()
        yield cold_query(ours, theirs)
        yield populate(ours, theirs)
        yield fetch_attributes(ours, theirs)
        yield from commit_few(ours, theirs)
        yield commit_many(ours, theirs)
        yield memory_per_entity(ours, theirs)


def cold_query_of_sandbox() -> Row:
    """All rows of a server in a process of its own, its time and the waiting included."""
    with running_sandbox("farm:shots=20,versions=10000") as sandbox:
        os.environ.update(sandbox.env)
        with Session() as ours, ftrack_api.Session(auto_populate=False) as theirs:
            times = [
                min(seconds(_asking(session), repeats=1) for _ in range(runs))
                for session, runs in ((ours, 4), (theirs, 1))
            ]
            count = len(ours.query(_QUESTION).all())
        return Row(f"cold query, {count} rows of the sandbox", "ftrack_api session.query().all()", *times, 0.15)


class _Prepared:
    """Stands in for `requests.Session.post`."""

    def __init__(self) -> None:
        rows = [_version(number) for number in range(ROWS)]
        self._pages = {start: _page(rows, start) for start in range(0, ROWS, PAGE)}
        # The pages for chunks of ids, by the first id; the client asks for all and gets the same pages.
        self._chunks = {rows[start]["id"]: _answer(rows[start : start + PAGE], None) for start in range(0, ROWS, PAGE)}
        self._prepared: bytes | None = None

    def __call__(self, url: str, *, data: str | bytes, **_: Any) -> requests.Response:
        response = requests.Response()
        response.status_code = 200
        response.encoding = "utf-8"
        response.elapsed = datetime.timedelta(0)
        response._content = self._body(data if isinstance(data, str) else data.decode())
        return response

    def prepare(self, batch: list[dict[str, Any]]) -> None:
        """Make the answer to what is sent next, which is this batch."""
        self._prepared = json.dumps([_written(item) for item in batch]).encode()

    def _body(self, data: str) -> bytes:
        if data.startswith('[{"action": "query"'):
            start = int(re.search(r" offset (\d+) limit \d+\"}\]$", data).group(1))  # type: ignore[union-attr]
            chunk = re.search(r' in \((?:\\")?([-0-9a-f]+)', data)
            if chunk and data.count(",") <= PAGE + 10:
                return self._chunks[chunk.group(1)]
            return self._pages[start]
        answer, self._prepared = self._prepared, None
        return answer or json.dumps([_written(item) for item in json.loads(data)]).encode()


def _version(number: int) -> dict[str, Any]:
    asset = {"__entity_type__": "Asset", "id": f"a5e7{number // 5:08x}-1b5e-11ef-8c1b", "name": f"asset {number // 5}"}
    return {"__entity_type__": "AssetVersion", "id": _id(number), "version": number, "asset": asset}


def _id(number: int) -> str:
    return f"0f1e{number:08x}-1b5e-11ef-8c1b"


def _page(rows: list[Any], start: int) -> bytes:
    following = start + PAGE
    return _answer(rows[start:following], following if following < len(rows) else None)


def _answer(rows: list[Any], following: int | None) -> bytes:
    return json.dumps([{"action": "query", "data": rows, "metadata": {"next": {"offset": following}}}]).encode()


def _written(item: dict[str, Any]) -> dict[str, Any]:
    """Return what the server answers: what was sent, and of a new version what the server fills in."""
    (key,) = item["entity_key"]
    data = {**item["entity_data"], "id": key}
    if item["action"] == "create":
        data.update(
            asset_id=data["asset"]["id"],
            date={"__type__": "datetime", "value": "2024-03-01T09:30:00"},
            user_id="7d7a6e03-e16e-53b0-8ef9-850b1ffb5cb3",
            status_id="97fbd5ff-757b-501d-a038-8e81336c6807",
        )
    return {"action": item["action"], "data": data}


def _forget(session: Any) -> None:
    session.recorded_operations.clear()
    session._local_cache.clear()


def cold_query(ours: Any, theirs: Any) -> Row:
    """All rows, nothing cached."""
    return Row(
        f"cold query, {ROWS} rows",
        "ftrack_api session.query().all()",
        _timed(_asking(ours), 5),
        _timed(_asking(theirs)),
        0.08,
    )


def _asking(session: Any) -> Callable[[], object]:
    def run() -> object:
        _forget(session)
        return session.query(_QUESTION).all()

    return run


def populate(ours: Any, theirs: Any) -> Row:
    """An attribute and a path for entities that are there."""
    loaded = {id(session): [_bare(session, number) for number in range(ROWS)] for session in (ours, theirs)}

    def run(session: Any) -> Callable[[], object]:
        return lambda: session.populate(loaded[id(session)], "version, asset.name")

    return Row(
        f"populate {ROWS} entities",
        "the client's populate",
        _timed(run(ours)),
        _timed(run(theirs)),
        0.08,
    )


def fetch_attributes(ours: Any, theirs: Any) -> Row:
    """A path by the method of collections."""
    for number in range(ROWS):
        _bare(ours, number)
    entities = [_bare(theirs, number) for number in range(ROWS)]
    versions = ours.get_cached_collections()[AssetVersion]
    return Row(
        f"fetch_attributes of a path, {ROWS} entities",
        "the client's populate",
        _timed(lambda: versions.fetch_attributes("asset.name")),
        _timed(lambda: theirs.populate(entities, "asset.name")),
        0.08,
    )


def _bare(session: Any, number: int) -> Any:
    if number == 0:
        _forget(session)
    return session.create("AssetVersion", {"id": _id(number)}, reconstructing=True)


def commit_few(ours: Any, theirs: Any) -> Iterator[Row]:
    """Three updates with everything cached: the time, and how much more memory is used afterwards."""

    def prepare(session: Any) -> None:
        _forget(session)
        versions = session.query(_QUESTION).all()
        for number in range(3):
            versions[number]["comment"] = f"comment {number}"

    def work(session: Any) -> float:
        prepare(session)
        return _timed(session.commit)

    def growth(session: Any) -> float:
        prepare(session)
        gc.collect()
        tracemalloc.start()
        session.commit()
        gc.collect()
        used, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return used / 1e6

    what, against = f"commit of 3 operations, {ROWS} cached", "the client's commit()"
    yield Row(what, against, sorted(work(ours) for _ in range(3))[1], work(theirs), 0.01)
    yield Row(f"{what}, memory (kB, not ms)", against, growth(ours), growth(theirs), 0.01)


def commit_many(ours: Any, theirs: Any) -> Row:
    """Creates with little cached."""
    numbers = itertools.count()

    def work(session: Any) -> float:
        _forget(session)
        asset = session.create("Asset", {"id": "a5e7", "name": "asset"}, reconstructing=True)
        for number in range(CREATES):
            session.create(
                "AssetVersion", {"id": f"{next(numbers)}", "asset": asset, "comment": "new", "version": number}
            )
        # What the server will say is prepared before the clock runs.
        with session.auto_populating(False):
            session._managed_request.post.prepare(batch_of(session.recorded_operations))
        return _timed(session.commit)

    # The first one also makes the query cache's tables.
    work(ours)
    times = middle_pair([(work(ours), work(theirs)) for _ in range(5)])
    return Row(f"commit of {CREATES} operations", "the client's commit()", *times, 0.1)


def memory_per_entity(ours: Any, theirs: Any) -> Row:
    """Bytes that a loaded entity holds, in place of seconds."""

    def work(session: Any) -> float:
        _forget(session)
        session.query(_QUESTION).all()
        _forget(session)
        gc.collect()
        tracemalloc.start()
        kept = session.query(_QUESTION).all()
        gc.collect()
        used, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        # Microseconds for bytes, as the table prints milliseconds.
        return used / len(kept) / 1e6

    return Row("memory per row loaded (kB, not ms)", "the client's", work(ours), work(theirs), 1.0)


def _timed(work: Callable[[], object], repeats: int = 1) -> float:
    """Return the median of the processor's time: nothing here waits, and other processes don't matter."""
    times = []
    for _ in range(repeats):
        gc.collect()
        gc.disable()
        started = time.process_time()
        work()
        times.append(time.process_time() - started)
        gc.enable()
    return statistics.median(times)
