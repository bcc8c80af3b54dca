"""`with session.enqueued_operations() as commit:`: recorded, enqueued, committed by a worker, and the handle tells."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.commits.conftest import Witness
from tests.support.sandbox import SandboxProcess
from tests.support.workers import SHORT_TIMES, worker_process
from trackteroid.commits.enqueueing import enqueue
from trackteroid.commits.redis_ledger import RedisLedger
from trackteroid.commits.state import CommitState
from trackteroid.embedded_redis import EmbeddedRedis
from trackteroid.errors import DeferredCommitError, RecordingRefusedError, SpoolError, UsageError
from trackteroid.operations.recording import Recording, read_recording
from trackteroid.session import Session, _lazy_session


@pytest.fixture(autouse=True)
def environment(redis_server: EmbeddedRedis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SHORT_TIMES.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("TRACKTEROID_REDIS_URL", redis_server.url)
    monkeypatch.setenv("TRACKTEROID_SPOOL", str(tmp_path / "spool"))
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))


@pytest.fixture
def session(sandbox: SandboxProcess, tmp_path: Path) -> Iterator[Session]:
    env = sandbox.env
    with Session(sandbox.url, env["FTRACK_API_KEY"], env["FTRACK_API_USER"], schema_cache_path=str(tmp_path)) as one:
        yield one


def version(session: Session, comment: str) -> Any:
    asset = session.query('Asset where name is "bc0040_comp"').one()
    return session.create("AssetVersion", {"asset": asset, "comment": comment})


def left(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "temporary").iterdir())


def test_a_worker_commits_what_the_block_did(
    session: Session, redis_server: EmbeddedRedis, sandbox: SandboxProcess, witness: Witness, tmp_path: Path
) -> None:
    with worker_process(redis_server.url, sandbox.env) as worker:
        with session.enqueued_operations(labels={"farm_job": "4711"}) as commit:
            made = version(session, "from a block")
            with pytest.raises(UsageError):
                _ = commit.state
        assert commit.wait(30) is CommitState.COMMITTED, commit.error
        worker.kill_group()
    assert commit.result is not None
    assert commit.result["created"] == {"AssetVersion": [made["id"]]}
    assert commit.commit.facts.labels == {"farm_job": "4711"}
    (row,) = witness.rows(f'select comment from AssetVersion where id is "{made["id"]}"')
    assert row["comment"] == "from a block"
    assert left(tmp_path) == []


def test_a_block_that_raises_enqueues_nothing(session: Session, ledger: RedisLedger, tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), session.enqueued_operations() as commit:
        version(session, "never")
        _ = 1 / 0
    assert list(ledger.list()) == []
    with pytest.raises(UsageError, match="raised"):
        commit.wait()
    assert left(tmp_path) == []
    assert not session.recorded_operations


def test_committing_in_the_block_is_refused(session: Session, ledger: RedisLedger) -> None:
    with pytest.raises(DeferredCommitError), session.enqueued_operations():
        session.commit()
    assert list(ledger.list()) == []


def test_an_inner_block_is_enqueued_with_its_outer_one_and_before_it(session: Session, ledger: RedisLedger) -> None:
    with session.enqueued_operations() as outer:
        version(session, "outer")
        with session.enqueued_operations() as inner:
            version(session, "inner")
            with session.enqueued_operations() as innermost:
                version(session, "innermost")
        with pytest.raises(UsageError):
            _ = inner.id
        assert list(ledger.list()) == []
    accepted = [commit.id for commit in reversed(ledger.list())]
    assert accepted == [innermost.id, inner.id, outer.id]


def test_when_the_outer_block_raises_the_inner_one_is_not_enqueued(
    session: Session, ledger: RedisLedger, tmp_path: Path
) -> None:
    with pytest.raises(ZeroDivisionError), session.enqueued_operations():
        with session.enqueued_operations() as inner:
            version(session, "inner")
        _ = 1 / 0
    assert list(ledger.list()) == []
    with pytest.raises(UsageError, match="raised"):
        inner.wait()
    assert left(tmp_path) == []


def test_an_inner_block_that_raises_keeps_the_outer_one_going(session: Session, ledger: RedisLedger) -> None:
    with session.enqueued_operations() as outer:
        version(session, "outer")
        with pytest.raises(ZeroDivisionError), session.enqueued_operations():
            version(session, "inner")
            _ = 1 / 0
    assert [commit.id for commit in ledger.list()] == [outer.id]


def test_a_block_that_cannot_be_recorded_enqueues_nothing(
    session: Session, ledger: RedisLedger, tmp_path: Path
) -> None:
    pending = version(session, "pending outside")
    with pytest.raises(RecordingRefusedError), session.enqueued_operations() as commit:
        session.create("Component", {"name": "main", "version": pending})
    session.rollback()
    assert list(ledger.list()) == []
    with pytest.raises(UsageError, match="could not be recorded"):
        _ = commit.id
    assert left(tmp_path) == []


def test_without_redis_the_block_ends_in_the_spool_and_the_handle_follows_it(
    session: Session, redis_server: EmbeddedRedis, ledger: RedisLedger, tmp_path: Path
) -> None:
    redis_server.kill()
    with session.enqueued_operations() as commit:
        version(session, "spooled")
    assert commit.state is CommitState.QUEUED
    assert len(list((tmp_path / "spool").glob("*.spooled"))) == 1
    redis_server.start()
    assert commit.cancel() is CommitState.CANCELLED
    assert [item.id for item in ledger.list()] == [commit.id]


def test_when_nothing_takes_it_the_recording_is_kept_and_named(
    session: Session,
    redis_server: EmbeddedRedis,
    ledger: RedisLedger,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    redis_server.kill()
    monkeypatch.setenv("TRACKTEROID_SPOOL", "/dev/null/spool")
    with pytest.raises(SpoolError, match=r"Nothing is lost: `trackteroid enqueue .*recording\.dbm`"):
        with session.enqueued_operations():
            version(session, "kept")
    (folder,) = left(tmp_path)
    kept: Recording = read_recording(tmp_path / "temporary" / folder / "recording.dbm")
    redis_server.start()
    assert enqueue(kept, ledger=ledger, wake=False).state is CommitState.QUEUED


def test_a_block_that_does_nothing_does_not_connect(
    sandbox: SandboxProcess, ledger: RedisLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FTRACK_SERVER", sandbox.url)
    session = _lazy_session()
    with session.enqueued_operations() as commit:
        assert session.generation == 0
    assert session.generation == 0
    assert [item.id for item in ledger.list()] == [commit.id]
