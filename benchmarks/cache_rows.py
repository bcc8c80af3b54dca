"""Rows about the shared query cache: what a hit and a miss cost, and how often ftrack is asked."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import ftrack_api

from benchmarks.busy_farm import busy_farm
from benchmarks.measure import Row, seconds
from benchmarks.sandbox_process import RunningSandbox, running_sandbox
from tests.support.askers import Askers, started_together
from trackteroid.embedded_redis import EmbeddedRedis
from trackteroid.session import Session

__all__ = ["cache_rows"]

_QUESTION = "select id, asset.name, version from AssetVersion"
_ROWS = 1000


def cache_rows() -> Iterator[Row | str]:
    """Rows of the table; the busy farm is told in lines of its own."""
    with (
        running_sandbox("farm:projects=5,sequences=25,shots=250") as sandbox,
        EmbeddedRedis(use_environment=False) as redis,
    ):
        os.environ.update(sandbox.env)
        os.environ["TRACKTEROID_QUERY_CACHE_URL"] = redis.url
        os.environ.setdefault("FTRACK_API_SCHEMA_CACHE_PATH", tempfile.mkdtemp(prefix="trackteroid-bench-"))
        try:
            yield shared_hit()
            yield miss()
            yield askers(sandbox, redis)
            yield from busy_farm(sandbox)
        finally:
            del os.environ["TRACKTEROID_QUERY_CACHE_URL"]


def shared_hit() -> Row:
    """An answer from the shared cache against the same query by the client."""
    with Session() as first, Session() as second, ftrack_api.Session(auto_populate=False) as client:
        with first.reusing_query_results(shared=True):
            count = len(first.fetch_entities(_QUESTION, limit=_ROWS))

        def ours() -> None:
            second._local_cache.clear()
            with second.reusing_query_results(shared=True):
                second.fetch_entities(_QUESTION, limit=_ROWS)

        def theirs() -> None:
            client._local_cache.clear()
            client.query(f"{_QUESTION} limit {_ROWS}").all()

        ours()
        row = Row(
            f"shared-cache hit, {count} rows", "the same query by ftrack_api", seconds(ours), seconds(theirs), 0.1
        )
        if second.query_cache.statistics.misses:
            raise RuntimeError("What was to be measured as a hit was a miss.")
        return row


def miss() -> Row:
    """The same query of ours through the cache, which has no answer, and without it, turn by turn."""
    with Session() as session:
        times: dict[bool, list[float]] = {True: [], False: []}

        def once(shared: bool) -> None:
            session._local_cache.clear()
            session.query_cache.clear()
            began = time.perf_counter()
            if shared:
                with session.reusing_query_results(shared=True):
                    session.fetch_entities(_QUESTION, limit=_ROWS)
            else:
                session.fetch_entities(_QUESTION, limit=_ROWS)
            times[shared].append(time.perf_counter() - began)

        for number in range(40):
            once(number % 2 == 0)
        ours, theirs = statistics.median(times[True]), statistics.median(times[False])
        return Row(f"shared-cache miss, {_ROWS} rows", "the same query without a cache", ours, theirs, 1.05)


def askers(sandbox: RunningSandbox, redis: EmbeddedRedis) -> Row:
    """Eight processes of 25 threads ask the same at once; both columns are numbers of queries, not times."""
    question = "select id, name, parent.name from Shot"
    with tempfile.TemporaryDirectory(prefix="trackteroid-bench-") as folder, ExitStack() as stack:
        env = {**os.environ, "TRACKTEROID_QUERY_CACHE_URL": redis.url}
        processes = [Askers(Path(folder, f"{number}"), question, threads=25, env=env) for number in range(8)]
        for process in processes:
            stack.callback(process.stop)
        sandbox.requests(clear=True)
        started_together(processes)
        answers = [process.answers() for process in processes]
    asked = sum(question in expression for entry in sandbox.requests() for expression in entry["expressions"])
    if len({digest for answer in answers for digest in answer["digests"]}) != 1:
        raise RuntimeError("Askers of one question got different answers.")
    return Row("200 askers of one uncached query: queries", "one query", asked / 1000, 1 / 1000, 1.0)
