"""The rows of the table: each measures ours and what it is compared with, in this run."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.cache_rows import cache_rows
from benchmarks.collection_rows import collection_rows
from benchmarks.commit_rows import commit_rows
from benchmarks.loading_rows import cold_query_of_sandbox, loading_rows
from benchmarks.measure import Row, least_process_seconds, process_seconds, seconds
from benchmarks.recording_rows import record, recording_rows
from benchmarks.sandbox_rows import sandbox_rows
from trackteroid.commits.enqueueing import enqueue, open_ledger
from trackteroid.embedded_redis import EmbeddedRedis
from trackteroid.operations.recording import read_recording
from trackteroid.sandbox.server import SandboxServer
from trackteroid.session import Session
from trackteroid.settings import Settings


def rows() -> Iterator[Row | str]:
    """Measure everything, one row after the other; what has more to tell than a ratio comes as a line of text."""
    with SandboxServer(seed="demo") as server, EmbeddedRedis(use_environment=False) as redis:
        os.environ.update(server.env)
        os.environ["TRACKTEROID_REDIS_URL"] = redis.url
        os.environ["FTRACK_API_SCHEMA_CACHE_PATH"] = tempfile.mkdtemp(prefix="trackteroid-bench-")
        with tempfile.TemporaryDirectory() as folder:
            one = Path(folder, "one.dbm")
            with Session() as session, session.deferred_operations(one):
                record(session, 1)
            yield importing()
            yield enqueue_cold(one)
            yield release_cold(one)
            yield enqueue_warm(one)
            yield from recording_rows(Path(folder))
            yield from commit_rows()
            yield from loading_rows()
            yield from collection_rows()
    yield cold_query_of_sandbox()
    yield from cache_rows()
    yield from sandbox_rows()


def importing() -> Row:
    """`import trackteroid` with what a submitter uses of it."""
    ours, theirs = least_process_seconds(
        (["-c", "from trackteroid import Query, SESSION, Shot"], ["-c", "import ftrack_api"]), os.environ
    )
    return Row("import", "import ftrack_api", ours, theirs, 1.2)


def enqueue_cold(file: Path) -> Row:
    """The farm's command in a fresh process."""
    ours = process_seconds(["-m", "trackteroid", "enqueue", str(file)], os.environ)
    theirs = process_seconds(["-c", "import redis"], os.environ)
    return Row("trackteroid enqueue FILE, cold", 'python -c "import redis"', ours, theirs, 2.5)


def release_cold(file: Path) -> Row:
    """What the farm runs after a render, in a fresh process."""
    ours = process_seconds(["-m", "trackteroid", "release", str(file)], os.environ)
    theirs = process_seconds(["-c", "import redis"], os.environ)
    return Row("trackteroid release FILE, cold", 'python -c "import redis"', ours, theirs, 2.5)


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
