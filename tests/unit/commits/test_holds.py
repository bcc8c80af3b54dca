"""Releasing and cancelling what was held at submission, with and without Redis."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import pytest

import trackteroid
from tests.support.recordings import create, recorded
from trackteroid.cli import commits as commands
from trackteroid.cli.exit_codes import ExitCode
from trackteroid.cli.main import main
from trackteroid.commits import enqueueing, holds, reaching
from trackteroid.commits.actor import current_actor
from trackteroid.commits.commit import Commit
from trackteroid.commits.enqueueing import enqueue, packed, spooled_recording
from trackteroid.commits.flushing import FlushReport, flush
from trackteroid.commits.holds import ReleaseResult, cancel, release
from trackteroid.commits.memory_ledger import MemoryLedger
from trackteroid.commits.recovering import find_recordings
from trackteroid.commits.releasing import recording_in
from trackteroid.commits.spool import Entry, Spool, SpooledRecording, open_spool
from trackteroid.commits.state import CommitState
from trackteroid.errors import (
    BadInputError,
    LedgerError,
    LedgerUnavailableError,
    OutputsMissingError,
    RecordingChangedError,
    RecordingNotFoundError,
    UnknownCommitError,
)
from trackteroid.operations.manifest import Manifest
from trackteroid.operations.recording import Recording, write_recording
from trackteroid.settings import Settings

SERVER = "https://studio.example"
PUBLISH = recorded(create("AssetVersion", "v1"))
MOMENT = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)


def expecting(path: Path, **facts: object) -> Recording:
    """A recording that expects one file."""
    assert PUBLISH.manifest is not None
    manifest = PUBLISH.manifest.to_json() | {
        "outputs": [{"component": None, "pattern": str(path), "frames": None, "name": "beauty"}],
        **facts,
    }
    return Recording(PUBLISH.operations, {}, Manifest.from_json(manifest))


class Farm:
    """A ledger in memory, and a spool for when it is away."""

    def __init__(self, folder: Path) -> None:
        self.ledger = MemoryLedger(SERVER)
        self.settings = Settings()
        self.away = Settings(redis_url="redis://127.0.0.1:1/0", spool_folder=str(folder / "spool"))

    def submit(self, recording: Recording = PUBLISH) -> None:
        enqueue(recording, ledger=self.ledger, settings=self.settings, wake=False, hold=True)

    def release(self, what: str | Path | Recording, *, partial: bool = False) -> ReleaseResult:
        return release(
            what, ledger=self.ledger, settings=self.settings, wake=False, partial=partial, clock=lambda: MOMENT
        )

    def flush(self) -> FlushReport:
        return flush(open_spool(self.away), lambda _: self.ledger, redis_url=None, payload_limit=10**6)


@pytest.fixture
def farm(tmp_path: Path) -> Farm:
    return Farm(tmp_path)


def test_the_library_offers_them() -> None:
    assert (trackteroid.enqueue, trackteroid.release, trackteroid.cancel) == (enqueue, release, cancel)


def test_a_held_recording_waits_for_its_release_by_id(farm: Farm) -> None:
    farm.submit()
    assert farm.ledger.get("rec-1").state is CommitState.HELD
    assert farm.ledger.get("rec-1").actions[0].actor == current_actor()
    done = farm.release("rec-1")
    assert (done.commit_id, done.state, done.accepted_in) == ("rec-1", CommitState.QUEUED, "ledger")
    facts = farm.ledger.get("rec-1").release
    assert facts is not None
    assert (facts.released_at, facts.released_by) == (MOMENT.isoformat(), current_actor())
    assert done.commit.state is CommitState.QUEUED


def test_a_file_is_released_like_its_id_and_again_without_effect(farm: Farm, tmp_path: Path) -> None:
    path = tmp_path / "publish.dbm"
    write_recording(path, PUBLISH)
    farm.submit()
    farm.release(path)
    before = farm.ledger.get("rec-1")
    assert farm.release(str(path)).state is CommitState.QUEUED
    assert farm.ledger.get("rec-1") == before


def test_a_file_that_was_never_enqueued_is_enqueued_on_the_way(farm: Farm) -> None:
    assert farm.release(PUBLISH).state is CommitState.QUEUED
    assert [action.name for action in farm.ledger.get("rec-1").actions] == ["hold", "release"]


def test_missing_files_keep_it_held_and_are_named(farm: Farm, tmp_path: Path) -> None:
    expected = tmp_path / "beauty.exr"
    farm.submit(expecting(expected))
    with pytest.raises(OutputsMissingError, match=r"rec-1 stays held.*beauty\.exr: the file is missing"):
        farm.release("rec-1")
    assert farm.ledger.get("rec-1").state is CommitState.HELD
    expected.write_bytes(b"pixels")
    assert farm.release("rec-1").gaps == ()


def test_what_expects_files_and_is_not_held_is_accepted_with_a_warning(
    farm: Farm, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recording = expecting(tmp_path / "beauty.exr")
    plain, spooled = MemoryLedger(SERVER), farm.away

    def warnings() -> list[str]:
        told = [record.getMessage() for record in caplog.records if "expects files" in record.getMessage()]
        caplog.clear()
        return told

    farm.submit(recording)
    enqueue(PUBLISH, ledger=MemoryLedger(SERVER), settings=Settings(), wake=False)
    enqueue(recording, ledger=MemoryLedger(SERVER), settings=Settings(), wake=False, recovered=True)
    assert warnings() == []
    assert enqueue(recording, ledger=plain, settings=Settings(), wake=False).state is CommitState.QUEUED
    (told,) = warnings()
    assert "rec-1 expects files (1 patterns)" in told and "enqueue --hold" in told and "release" in told
    enqueue(recording, ledger=plain, settings=Settings(), wake=False)
    assert warnings() == []
    assert enqueue(recording, settings=spooled, wake=False).accepted_in == "spool"
    assert len(warnings()) == 1


def test_partial_publishes_and_notes_the_gaps(farm: Farm, tmp_path: Path) -> None:
    farm.submit(expecting(tmp_path / "beauty.exr"))
    done = farm.release("rec-1", partial=True)
    assert done.state is CommitState.QUEUED
    assert "beauty.exr: the file is missing" in done.gaps[0]
    facts = farm.ledger.get("rec-1").release
    assert facts is not None and facts.gaps == done.gaps


def test_what_was_released_before_needs_its_files_no_more(farm: Farm, tmp_path: Path) -> None:
    expected = tmp_path / "beauty.exr"
    expected.write_bytes(b"pixels")
    farm.submit(expecting(expected))
    farm.release("rec-1")
    expected.unlink()
    assert farm.release("rec-1").state is CommitState.QUEUED


def test_dates_are_left_to_the_server_where_stamping_is_off(farm: Farm, tmp_path: Path) -> None:
    expected = tmp_path / "beauty.exr"
    expected.write_bytes(b"pixels")
    farm.submit(expecting(expected, stamped=False))
    farm.release("rec-1")
    facts = farm.ledger.get("rec-1").release
    assert facts is not None
    assert (facts.released_at, facts.released_by) == (None, current_actor())


def test_what_can_not_be_released_says_why(farm: Farm, tmp_path: Path) -> None:
    with pytest.raises(UnknownCommitError, match="nobody-knows"):
        farm.release("nobody-knows")
    with pytest.raises(RecordingNotFoundError, match="Nor is it a commit's id"):
        farm.release(str(tmp_path / "none.dbm"))
    farm.submit()
    with pytest.raises(RecordingChangedError, match="another content"):
        farm.release(recorded(create("AssetVersion", "v2")))
    farm.ledger.cancel("rec-1")
    with pytest.raises(LedgerError, match="cancelled"):
        farm.release("rec-1")


def test_the_handle_releases_and_looks_for_files_too(farm: Farm, tmp_path: Path) -> None:
    recording = expecting(tmp_path / "beauty.exr")
    handle = enqueue(recording, ledger=farm.ledger, settings=farm.settings, wake=False, hold=True).commit
    assert handle.state is CommitState.HELD
    with pytest.raises(OutputsMissingError):
        handle.release()
    assert handle.release(partial=True) is CommitState.QUEUED


# Without Redis


def test_a_held_recording_in_the_spool_stays_held_when_it_is_delivered(farm: Farm) -> None:
    result = enqueue(PUBLISH, settings=farm.away, hold=True, priority=7, depends_on=["other"])
    assert (result.accepted_in, result.state, result.commit.state) == ("spool", CommitState.HELD, CommitState.HELD)
    assert farm.flush().delivered == 1
    commit = farm.ledger.get("rec-1")
    assert (commit.state, commit.priority) == (CommitState.HELD, 7)
    farm.ledger.release("rec-1")
    waiting = farm.ledger.get("rec-1").waiting
    assert waiting is not None and (waiting.kind, waiting.commit_id) == ("depends", "other")


def test_a_release_without_redis_waits_behind_its_recording(farm: Farm, tmp_path: Path) -> None:
    enqueue(PUBLISH, settings=farm.away, hold=True)
    done = release("rec-1", settings=farm.away, server_url=SERVER, clock=lambda: MOMENT)
    assert (done.accepted_in, done.state, done.commit.state) == ("spool", CommitState.QUEUED, CommitState.QUEUED)
    assert "cannot be reached" in done.reason
    assert release("rec-1", settings=farm.away, server_url=SERVER).accepted_in == "spool"
    report = farm.flush()
    assert (report.delivered, report.left, report.refused) == (2, 0, 0)
    commit = farm.ledger.get("rec-1")
    assert commit.state is CommitState.QUEUED
    # The time of the release, not of the delivery, and of the first one.
    assert commit.release is not None and commit.release.released_at == MOMENT.isoformat()


def test_a_file_is_released_without_redis_wherever_it_was_submitted(farm: Farm, tmp_path: Path) -> None:
    path = tmp_path / "publish.dbm"
    write_recording(path, PUBLISH)
    farm.submit()
    assert release(path, settings=farm.away).accepted_in == "spool"
    report = farm.flush()
    assert (report.known, report.delivered) == (1, 1)
    assert farm.ledger.get("rec-1").state is CommitState.QUEUED


def test_without_redis_an_id_alone_is_not_enough(farm: Farm) -> None:
    with pytest.raises(LedgerUnavailableError, match="give its file instead of its id"):
        release("rec-1", settings=farm.away, server_url=SERVER)


def test_missing_files_are_missing_without_redis_too(farm: Farm, tmp_path: Path) -> None:
    with pytest.raises(OutputsMissingError, match="stays held"):
        release(expecting(tmp_path / "beauty.exr"), settings=farm.away)
    assert open_spool(farm.away).waiting() == []


def test_the_order_of_a_release_takes_its_recording_along_for_each_server(farm: Farm) -> None:
    """Production and staging may share a spool, and a recording of the original library may go to both."""
    without_server = expecting(Path("/nowhere"), outputs=[], server_url=None)
    for server in ("https://staging.example", SERVER):
        release(without_server, settings=farm.away, server_url=server)
    spool = open_spool(farm.away)
    waiting = sorted((item.server_url, item.kind) for item in map(spool.read, spool.waiting()))
    assert waiting == [
        (server, kind) for server in ("https://staging.example", SERVER) for kind in ("recording", "release")
    ]
    # The node has moved to another Redis, which is away too.
    release(without_server, settings=replace(farm.away, redis_url="redis://127.0.0.1:2/0"), server_url=SERVER)
    assert [spool.read(entry).kind for entry in spool.waiting()[4:]] == ["recording", "release"]


def test_a_handle_looks_for_its_own_commit_in_the_spool(farm: Farm) -> None:
    without_server = expecting(Path("/nowhere"), outputs=[], server_url=None)
    handle = enqueue(without_server, settings=farm.away, server_url=SERVER).commit
    enqueue(without_server, settings=farm.away, server_url="https://staging.example")
    assert handle.state is CommitState.QUEUED
    spool = open_spool(farm.away)
    (mine,) = [entry for entry in spool.waiting() if spool.read(entry).server_url == SERVER]
    spool.mark_sent(mine)
    # Delivered: the ledger is asked, not the other one's copy.
    with pytest.raises(LedgerUnavailableError):
        print(handle.state)


def test_a_release_without_redis_is_committed_in_the_name_that_the_node_says(farm: Farm) -> None:
    release(PUBLISH, settings=replace(farm.away, commit_as="recorder"))
    farm.flush()
    stored = farm.ledger.payload("rec-1")
    assert stored is not None
    manifest = recording_in(stored, farm.settings).manifest
    assert manifest is not None and manifest.commit_as == "recorder"


def test_somebody_who_flushes_at_the_same_moment_is_no_error(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    handle = enqueue(PUBLISH, settings=farm.away, hold=True).commit
    read = Spool.read

    def overtaken(spool: Spool, entry: Entry) -> SpooledRecording:
        spool.mark_sent(entry)
        return read(spool, entry)

    monkeypatch.setattr(Spool, "read", overtaken)
    with pytest.raises(LedgerUnavailableError):
        # It is delivered, and the ledger is asked.
        print(handle.state)
    assert release(PUBLISH, settings=farm.away).accepted_in == "spool"


def test_what_waits_for_another_redis_is_not_waited_for(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    """The node has moved to another Redis; what it spooled for the old one waits for that."""
    enqueue(PUBLISH, settings=farm.away, hold=True)
    moved = replace(farm.away, redis_url="redis://new.example/0")
    reach(farm, monkeypatch)
    with pytest.raises(UnknownCommitError):
        release("rec-1", settings=moved, server_url=SERVER)
    assert release(PUBLISH, settings=moved, wake=False).state is CommitState.QUEUED
    assert len(open_spool(farm.away).waiting()) == 1


def reach(farm: Farm, monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """Every Redis is the farm's, which has been reached by these addresses too."""
    monkeypatch.setattr(reaching, "_hung", {})
    for module in (holds, enqueueing):
        monkeypatch.setattr(module, "fit_ledger", lambda settings, url: farm.ledger)
        monkeypatch.setattr(module, "other_addresses", lambda settings, url: frozenset(addresses))


@pytest.mark.parametrize("spelling", ["redis://busy.example:6379/0", "redis://10.0.0.5:6379/0"])
def test_who_waits_behind_others_does_not_take_redis_for_hanging(
    spelling: str, farm: Farm, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(farm.away, redis_url="redis://busy.example/0")
    open_spool(settings).accept(
        spooled_recording(
            PUBLISH,
            packed(PUBLISH, SERVER, settings),
            SERVER,
            replace(settings, redis_url=spelling),
            LedgerUnavailableError("away"),
        )
    )
    reach(farm, monkeypatch, spelling)
    monkeypatch.setattr(reaching, "_HANGING_SECONDS", -1.0)
    # So many others that time is up.
    monkeypatch.setattr(holds, "flush_spool", lambda settings, seconds: FlushReport(left=5000))
    with pytest.raises(LedgerUnavailableError, match="rec-1 waits in this node's spool behind others"):
        cancel("rec-1", settings=settings, server_url=SERVER)
    other = recorded(create("AssetVersion", "v2"), recording_id="rec-2")
    assert enqueue(other, settings=settings, server_url=SERVER, wake=False).accepted_in == "ledger"


def test_one_that_waits_behind_others_does_not_keep_those_from_being_cancelled(
    farm: Farm, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    farm.submit()

    def waits(commit_id: str, *, server_url: str) -> Commit:
        raise LedgerUnavailableError(f"Commit {commit_id} waits in this node's spool behind others.")

    monkeypatch.setattr(commands, "ledger_of", lambda options, commits: farm.ledger)
    monkeypatch.setattr(holds, "cancel", waits)
    assert main(["commits", "cancel", "rec-0", "rec-1"]) == ExitCode.FAILED
    assert farm.ledger.get("rec-1").state is CommitState.CANCELLED
    assert "rec-0 waits in this node's spool" in capsys.readouterr().err


def test_an_order_without_its_recording_keeps_no_release(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    release(PUBLISH, settings=farm.away)
    spool = open_spool(farm.away)
    spool.refuse(spool.waiting()[0], "for the test")
    reach(farm, monkeypatch)
    assert release(PUBLISH, settings=farm.away, wake=False).accepted_in == "ledger"
    assert farm.ledger.get("rec-1").state is CommitState.QUEUED
    assert farm.flush().delivered == 1


def test_an_order_whose_recording_is_elsewhere_waits_for_it_and_one_that_is_void_is_put_aside(farm: Farm) -> None:
    release(PUBLISH, settings=farm.away)
    spool = open_spool(farm.away)
    (recording,) = [entry for entry in spool.waiting() if spool.read(entry).kind == "recording"]
    spool.mark_sent(recording)
    assert farm.flush().left == 1
    farm.submit()
    farm.ledger.cancel("rec-1")
    assert farm.flush().refused == 1
    assert spool.waiting() == []


# Cancelling


def test_cancelling_ends_it_and_again_changes_nothing(farm: Farm, tmp_path: Path) -> None:
    path = tmp_path / "publish.dbm"
    write_recording(path, PUBLISH)
    farm.submit()
    first = cancel(path, ledger=farm.ledger, settings=farm.settings)
    assert (first.state, first.actions[-1].actor) == (CommitState.CANCELLED, current_actor())
    assert cancel("rec-1", ledger=farm.ledger, settings=farm.settings) == first


def test_cancelling_without_redis_leaves_no_order(farm: Farm) -> None:
    with pytest.raises(LedgerUnavailableError):
        cancel(PUBLISH, settings=farm.away)


def test_terms_that_make_no_sense_are_refused(farm: Farm) -> None:
    for terms, text in (
        ({"depends_on": "rec-0"}, "depends_on takes a list"),
        ({"depends_on": ["other", PUBLISH.recording_id]}, "cannot depend on itself"),
        ({"priority": 101}, "between -100 and 100"),
        ({"commit_as": "somebody"}, "commit_as must be one of worker, recorder"),
    ):
        with pytest.raises(BadInputError, match=text):
            enqueue(PUBLISH, ledger=farm.ledger, settings=farm.settings, **terms)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("said", "setting", "argument", "expected"),
    [
        (None, "worker", None, None),
        (None, "recorder", None, "recorder"),
        (None, "recorder", "worker", None),
        ("recorder", "worker", None, "recorder"),
        ("recorder", "worker", "worker", "worker"),
    ],
)
def test_under_whose_name_it_is_committed_is_recorded(
    farm: Farm, said: str | None, setting: str, argument: str | None, expected: str | None
) -> None:
    assert PUBLISH.manifest is not None
    recording = replace(PUBLISH, manifest=replace(PUBLISH.manifest, commit_as=said))
    enqueue(recording, ledger=farm.ledger, settings=Settings(commit_as=setting), commit_as=argument, wake=False)
    stored = farm.ledger.payload("rec-1")
    assert stored is not None
    manifest = recording_in(stored, farm.settings).manifest
    assert manifest is not None and manifest.commit_as == expected


def test_a_user_name_in_an_old_encoding_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "j\udcf6rg")
    assert current_actor().startswith("j?rg@")


# After Redis was lost


def test_what_was_held_in_a_spool_is_recovered_held_unless_it_was_released(farm: Farm, tmp_path: Path) -> None:
    enqueue(PUBLISH, settings=farm.away, hold=True)
    assert [one.terms.hold for one in find_recordings(tmp_path / "spool", settings=farm.settings)] == [True]
    release(PUBLISH, settings=farm.away)
    assert [one.terms.hold for one in find_recordings(tmp_path / "spool", settings=farm.settings)] == [False]


def test_what_expects_files_is_recovered_held(farm: Farm, tmp_path: Path) -> None:
    for name, recording in (("a.dbm", expecting(tmp_path / "beauty.exr")), ("b.dbm", PUBLISH)):
        (tmp_path / name[0]).mkdir()
        write_recording(tmp_path / name[0] / name, recording)
    assert [one.terms.hold for one in find_recordings(tmp_path / "a", settings=farm.settings)] == [True]
    assert [one.terms.hold for one in find_recordings(tmp_path / "b", settings=farm.settings)] == [False]
