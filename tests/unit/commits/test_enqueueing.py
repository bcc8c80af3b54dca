from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.recordings import create, recorded
from trackteroid.commits.enqueueing import enqueue, open_ledger
from trackteroid.commits.memory_ledger import MemoryLedger
from trackteroid.commits.payload import decompress
from trackteroid.commits.state import CommitState
from trackteroid.errors import BadInputError, LedgerUnavailableError, RecordingChangedError, RecordingNotFoundError
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


def test_a_recordings_own_server_wins_over_a_given_one() -> None:
    settings = Settings(redis_url="redis://127.0.0.1:1/0", server_aliases=("other.example=https://studio.example",))
    with pytest.raises(LedgerUnavailableError):
        enqueue(PUBLISH, settings=settings, server_url="https://third.example")
    assert open_ledger(settings, "other.example").server_url == SERVER


def test_an_absent_redis_is_named_without_its_password() -> None:
    settings = Settings(redis_url="redis://user:secret@127.0.0.1:1/0")
    with pytest.raises(LedgerUnavailableError) as caught:
        enqueue(PUBLISH, settings=settings)
    message = str(caught.value)
    assert "redis://127.0.0.1:1/0 cannot be reached" in message
    assert "set TRACKTEROID_REDIS_URL" in message
    assert "secret" not in message


def test_enqueueing_imports_neither_the_client_nor_celery() -> None:
    source = (
        "import sys; import trackteroid.commits.enqueueing, trackteroid.commits.redis_ledger;"
        "print([name for name in ('ftrack_api', 'celery', 'kombu', 'requests', 'lark') if name in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
