"""The rows of the table: each measures ours and what it is compared with, in this run."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import ftrack_api

from benchmarks.collection_rows import collection_rows
from benchmarks.loading_rows import loading_rows
from benchmarks.measure import Row, process_seconds, seconds
from benchmarks.sandbox_rows import sandbox_rows
from trackteroid.commits.enqueueing import enqueue, open_ledger
from trackteroid.embedded_redis import EmbeddedRedis
from trackteroid.operations.recording import read_recording
from trackteroid.sandbox.server import SandboxServer
from trackteroid.session import Session
from trackteroid.settings import Settings

PUBLISHES = 300


def rows() -> Iterator[Row]:
    """Measure everything, one row after the other."""
    with SandboxServer(seed="demo") as server, EmbeddedRedis(use_environment=False) as redis:
        os.environ.update(server.env)
        os.environ["TRACKTEROID_REDIS_URL"] = redis.url
        os.environ["FTRACK_API_SCHEMA_CACHE_PATH"] = tempfile.mkdtemp(prefix="trackteroid-bench-")
        with tempfile.TemporaryDirectory() as folder:
            many, one = Path(folder, "many.dbm"), Path(folder, "one.dbm")
            with Session() as session, session.deferred_operations(one):
                _publishes(session, 1)
            yield record_publishes(many)
            yield importing()
            yield enqueue_cold(one)
            yield enqueue_warm(one)
            yield commit_file(many)
            yield shared_hit()
            yield from loading_rows()
            yield from collection_rows()
    yield from sandbox_rows()


def _publishes(session: Session, count: int) -> None:
    asset = session.query("select id, versions.task from Asset").first()
    task = asset["versions"][0]["task"]
    for number in range(count):
        version = session.create("AssetVersion", {"asset": asset, "task": task})
        component = session.create("Component", {"name": "main", "version": version})
        session.create(
            "ComponentLocation",
            {"component": component, "resource_identifier": f"/{number}", "location_id": _UNMANAGED},
        )
        version["comment"] = "x"


_UNMANAGED = ftrack_api.symbol.UNMANAGED_LOCATION_ID


def record_publishes(file: Path) -> Row:
    """Recording against creating without deferral."""

    def deferred() -> None:
        with Session() as session, session.deferred_operations(file):
            _publishes(session, PUBLISHES)

    def direct() -> None:
        with Session() as session:
            _publishes(session, PUBLISHES)
            session.rollback()

    return Row(f"record {PUBLISHES} publishes", "the same without deferral", seconds(deferred), seconds(direct), 1.3)


def importing() -> Row:
    """`import trackteroid` with what a submitter uses of it."""
    ours = process_seconds(["-c", "from trackteroid import Query, SESSION, Shot"], os.environ)
    theirs = process_seconds(["-c", "import ftrack_api"], os.environ)
    return Row("import", "import ftrack_api", ours, theirs, 1.2)


def enqueue_cold(file: Path) -> Row:
    """The farm's command in a fresh process."""
    ours = process_seconds(["-m", "trackteroid", "enqueue", str(file)], os.environ)
    theirs = process_seconds(["-c", "import redis"], os.environ)
    return Row("trackteroid enqueue FILE, cold", 'python -c "import redis"', ours, theirs, 2.5)


def enqueue_warm(file: Path) -> Row:
    """Ledger and wake-up against one Celery message with the same payload."""
    import dataclasses
    import uuid

    from celery import Celery

    settings = Settings.from_environment()
    recording = read_recording(file)
    ledger = open_ledger(settings, os.environ["FTRACK_SERVER"])
    app = Celery(broker=settings.redis_url)

    def ours() -> None:
        for _ in range(50):
            manifest = dataclasses.replace(recording.manifest, recording_id=str(uuid.uuid4()))
            enqueue(dataclasses.replace(recording, manifest=manifest), ledger=ledger, settings=settings)

    payload = recording.to_payload().decode()

    def theirs() -> None:
        for _ in range(50):
            app.send_task("nothing", args=[payload], queue="bench", ignore_result=True)

    theirs()
    ours()
    return Row("enqueue, warm", "Celery send_task, same payload", seconds(ours), seconds(theirs), 1.5)


def commit_file(file: Path) -> Row:
    """Reading and committing a file against the client's commit of the same operations."""

    def ours() -> None:
        with Session() as session, session.deferred_operations(file):
            _publishes(session, PUBLISHES)
        with Session() as session:
            started()
            session.reconnect_and_commit(file)

    import time

    begun = [0.0]

    def started() -> None:
        begun[0] = time.perf_counter()

    def measured(work: object) -> float:
        times = []
        for _ in range(3):
            work()  # type: ignore[operator]
            times.append(time.perf_counter() - begun[0])
        return sorted(times)[1]

    def theirs() -> None:
        with ftrack_api.Session(auto_populate=False) as session:
            _publishes(session, PUBLISHES)
            started()
            session.commit()

    return Row(
        f"file of {3 * PUBLISHES} creates, read and committed",
        "client's commit()",
        measured(ours),
        measured(theirs),
        0.2,
    )


def shared_hit() -> Row:
    """An answer from the shared cache against the same query by the client."""
    question = "select id, asset.name, version from AssetVersion"
    with Session() as first, Session() as second, ftrack_api.Session(auto_populate=False) as client:
        with first.reusing_query_results(shared=True):
            count = len(first.fetch_entities(question, limit=1000))

        def ours() -> None:
            second._local_cache.clear()
            with second.reusing_query_results(shared=True):
                second.fetch_entities(question, limit=1000)

        def theirs() -> None:
            client._local_cache.clear()
            client.query(question + " limit 1000").all()

        return Row(
            f"shared-cache hit, {count} rows", "the same query by ftrack_api", seconds(ours), seconds(theirs), 0.1
        )
