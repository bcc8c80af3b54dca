from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.recordings import create, recorded
from trackteroid.commits.enqueueing import enqueue, open_ledger
from trackteroid.commits.memory_ledger import MemoryLedger
from trackteroid.commits.payload import decompress
from trackteroid.commits.spool import open_spool
from trackteroid.commits.state import CommitState
from trackteroid.errors import (
    BadInputError,
    LedgerUnavailableError,
    RecordingChangedError,
    RecordingNotFoundError,
    SpoolFullError,
)
from trackteroid.operations.recording import Recording, write_recording
from trackteroid.settings import Settings

SERVER = "https://studio.example"
PUBLISH = recorded(create("AssetVersion", "v1"), create("AssetVersion", "v2"))


def ledger() -> MemoryLedger:
    return MemoryLedger(SERVER)


def test_a_recording_is_accepted_whole() -> None:
    where = ledger()
    result = enqueue(PUBLISH, ledger=where, settings=Settings(), wake=False)
    assert (result.commit_id, result.state, result.already_known) == ("rec-1", CommitState.QUEUED, False)
    assert not result.wakeup_sent
    commit = where.get("rec-1")
    assert (commit.facts.operations, commit.facts.user, commit.facts.host) == (2, "anna", "node7")
    payload = where.payload("rec-1")
    assert payload is not None
    assert Recording.from_payload(decompress(payload, limit=10**6)) == PUBLISH


def test_a_file_is_read_and_the_second_time_known(tmp_path: Path) -> None:
    path = tmp_path / "publish.dbm"
    write_recording(path, PUBLISH)
    where = ledger()
    assert not enqueue(path, ledger=where, settings=Settings(), wake=False).already_known
    assert enqueue(str(path), ledger=where, settings=Settings(), wake=False).already_known


def test_a_known_id_with_another_content_is_refused() -> None:
    where = ledger()
    enqueue(PUBLISH, ledger=where, settings=Settings(), wake=False)
    with pytest.raises(RecordingChangedError):
        enqueue(recorded(create("AssetVersion", "other")), ledger=where, settings=Settings(), wake=False)


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(RecordingNotFoundError):
        enqueue(tmp_path / "none.dbm", ledger=ledger(), settings=Settings())


def test_a_recording_too_large_is_refused() -> None:
    with pytest.raises(BadInputError, match="at most 10 are taken"):
        enqueue(PUBLISH, ledger=ledger(), settings=Settings(payload_limit=10))


def test_without_any_server_it_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FTRACK_SERVER", raising=False)
    with pytest.raises(BadInputError, match="set FTRACK_SERVER"):
        enqueue(recorded(create("AssetVersion", "v1"), server_url=None), settings=Settings())


def away(folder: Path, **more: object) -> Settings:
    """Settings with a Redis that is not there."""
    values = {"redis_url": "redis://user:secret@127.0.0.1:1/0", "spool_folder": str(folder), **more}
    return Settings(**values)  # type: ignore[arg-type]


def test_a_recordings_own_server_wins_over_a_given_one(tmp_path: Path) -> None:
    settings = away(tmp_path, server_aliases=("other.example=https://studio.example",))
    enqueue(PUBLISH, settings=settings, server_url="https://third.example")
    spool = open_spool(settings)
    assert [spool.read(entry).server_url for entry in spool.waiting()] == [SERVER]
    assert open_ledger(settings, "other.example").server_url == SERVER


def test_without_redis_it_is_accepted_in_the_spool_with_the_reason_and_without_the_password(tmp_path: Path) -> None:
    result = enqueue(PUBLISH, settings=away(tmp_path))
    assert (result.commit_id, result.state, result.accepted_in) == ("rec-1", CommitState.QUEUED, "spool")
    assert not result.wakeup_sent
    assert not result.already_known
    assert "redis://127.0.0.1:1/0 cannot be reached" in result.reason
    assert "set TRACKTEROID_REDIS_URL" in result.reason
    assert b"secret" not in b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def test_enqueueing_what_waits_in_the_spool_again_says_so(tmp_path: Path) -> None:
    enqueue(PUBLISH, settings=away(tmp_path))
    again = enqueue(PUBLISH, settings=away(tmp_path))
    assert (again.accepted_in, again.already_known) == ("spool", True)


def test_without_redis_and_with_a_full_spool_both_reasons_are_given_loudly(tmp_path: Path) -> None:
    settings = away(tmp_path, spool_count_limit=1)
    enqueue(PUBLISH, settings=settings)
    with pytest.raises(SpoolFullError, match=r"NOT accepted.*cannot be reached") as caught:
        enqueue(recorded(create("AssetVersion", "v3"), recording_id="rec-2"), settings=settings)
    assert "secret" not in str(caught.value)


def test_a_given_ledger_is_not_replaced_by_the_spool(tmp_path: Path) -> None:
    settings = away(tmp_path)
    with pytest.raises(LedgerUnavailableError):
        enqueue(PUBLISH, ledger=open_ledger(settings, SERVER), settings=settings)
    assert list(tmp_path.iterdir()) == []


def test_enqueueing_imports_neither_the_client_nor_celery() -> None:
    source = (
        "import sys; import trackteroid.commits.enqueueing, trackteroid.commits.redis_ledger;"
        "print([name for name in ('ftrack_api', 'celery', 'kombu', 'requests', 'lark') if name in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
