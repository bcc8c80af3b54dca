"""From a held recording over its release to the server: who published, and when."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from tests.integration.recording.blocks import one, rows
from tests.support.local_session import LocalSession
from trackteroid.commits.committer import Committer
from trackteroid.commits.enqueueing import enqueue
from trackteroid.commits.holds import release
from trackteroid.commits.memory_ledger import MemoryLedger
from trackteroid.commits.state import CommitState
from trackteroid.settings import Settings

RELEASED = datetime(2031, 5, 6, 7, 8, 9, tzinfo=timezone.utc)


def published(session: LocalSession, path: Path, *, stamp: bool | None, **data: Any) -> str:
    """Record a version and hold it, release it at `RELEASED`, commit it; return the date that the server has."""
    asset = one(session, 'select name from Asset where name is "bc0040_comp"')
    task = one(session, "select name from Task order by id")
    with session.deferred_operations(path, stamp=stamp):
        version = session.create("AssetVersion", {"asset": asset, "task": task, **data})
    ledger = MemoryLedger(session.server_url)
    enqueue(path, ledger=ledger, settings=Settings(), wake=False, hold=True)
    done = release(path, ledger=ledger, settings=Settings(), wake=False, clock=lambda: RELEASED)
    outcome = Committer(session, ledger).commit_next()
    assert outcome is not None and outcome.state is CommitState.COMMITTED, outcome
    assert done.commit.state is CommitState.COMMITTED
    (row,) = rows(session, f"select date from AssetVersion where id is {version['id']}")
    return str(row["date"]["value"] if isinstance(row["date"], dict) else row["date"])


def test_a_version_is_dated_by_its_release(session: LocalSession, path: Path) -> None:
    assert published(session, path, stamp=None).startswith("2031-05-06T07:08:09")


def test_a_date_that_was_recorded_stays(session: LocalSession, path: Path) -> None:
    assert published(session, path, stamp=None, date=datetime(2030, 1, 1)).startswith("2030-01-01")


@pytest.mark.parametrize("way", ["argument", "setting"])
def test_turned_off_the_server_dates_it(
    session: LocalSession, path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    if way == "setting":
        monkeypatch.setenv("TRACKTEROID_STAMP", "0")
    assert not published(session, path, stamp=False if way == "argument" else None).startswith("2031")


@pytest.mark.parametrize("kind", ["FileComponent", "SequenceComponent"])
def test_a_component_that_was_there_already_gets_what_its_files_are(
    session: LocalSession, path: Path, tmp_path: Path, kind: str
) -> None:
    version = one(session, "select id from AssetVersion order by id")
    with session.deferred_operations(path) as recording:
        ensured = session.ensure(kind, {"name": "ensured", "version": version})
        files = tmp_path / ("out.%04d.exr" if kind == "SequenceComponent" else "out.exr")
        recording.expects(ensured, str(files), **({"frames": "1-2"} if kind == "SequenceComponent" else {}))
    for name in ("out.exr", "out.0001.exr", "out.0002.exr"):
        (tmp_path / name).write_bytes(b"x" * 1234)
    there = session.create(kind, {"name": "ensured", "version": version})
    session.commit()
    if kind == "SequenceComponent":
        session.create("FileComponent", {"name": "0001", "container": there})
        session.commit()
    ledger = MemoryLedger(session.server_url)
    enqueue(path, ledger=ledger, settings=Settings(), wake=False, hold=True)
    release(path, ledger=ledger, settings=Settings(), wake=False)
    outcome = Committer(session, ledger).commit_next()
    assert outcome is not None and outcome.state is CommitState.COMMITTED, outcome
    (row,) = rows(session, f"select size, file_type from {kind} where id is {there['id']}")
    count = 2 if kind == "SequenceComponent" else 1
    assert (row["size"], row["file_type"]) == (count * 1234, ".exr")
    members = rows(session, f"select name, size from FileComponent where container_id is {there['id']}")
    expected = [("0001", 1234), ("0002", 1234)] if kind == "SequenceComponent" else []
    assert sorted((member["name"], member["size"]) for member in members) == expected
