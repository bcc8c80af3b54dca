from __future__ import annotations

import contextlib
import dataclasses
import dbm.dumb
import gc
import os
import shutil
import sqlite3
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from tests.support.recordings import create, recorded, update
from tests.support.shared import shared_file
from trackteroid.commits.enqueueing import enqueue
from trackteroid.commits.memory_ledger import MemoryLedger
from trackteroid.commits.payload import compress
from trackteroid.commits.recovering import find_recordings, unknown_dependencies
from trackteroid.commits.release_facts import ReleaseFacts
from trackteroid.commits.spool import Spool, SpooledRecording
from trackteroid.commits.submission import PLAIN, Terms
from trackteroid.errors import BadInputError, RecordingNotFoundError
from trackteroid.operations.containers import read_container
from trackteroid.operations.recording import Recording, digest_of, write_recording
from trackteroid.settings import Settings


def publish(
    name: str, moment: str = "2026-01-01T00:00:00+00:00", server_url: str | None = "https://s.example"
) -> Recording:
    recording = recorded(create("AssetVersion", f"v-{name}"), recording_id=name, server_url=server_url)
    assert recording.manifest is not None
    return dataclasses.replace(recording, manifest=dataclasses.replace(recording.manifest, created_at=moment))


def spooled(recording: Recording, *, server_url: str = "https://s.example", terms: Terms = PLAIN) -> SpooledRecording:
    return SpooledRecording(
        commit_id=recording.recording_id,
        digest=recording.digest,
        server_url=server_url,
        redis_url="redis://gone/0",
        payload=compress(recording.to_payload(), limit=10**6),
        terms=terms,
    )


def test_recordings_are_found_in_subfolders_in_the_order_in_which_they_were_recorded(tmp_path: Path) -> None:
    (tmp_path / "shots" / "a").mkdir(parents=True)
    write_recording(tmp_path / "a.dbm", publish("late", "2026-03-01T00:00:00+00:00"))
    write_recording(tmp_path / "shots" / "z.dbm", publish("early", "2026-01-01T00:00:00+00:00"))
    write_recording(tmp_path / "shots" / "a" / "m.dbm", publish("middle", "2026-02-01T00:00:00+00:00"))
    found = find_recordings(tmp_path, settings=Settings())
    assert [one.recording.recording_id for one in found] == ["early", "middle", "late"]
    assert {one.server_url for one in found} == {"https://s.example"}


def test_copies_count_once(tmp_path: Path) -> None:
    for name in ("a.dbm", "copy of a.dbm"):
        write_recording(tmp_path / name, publish("one"))
    assert len(find_recordings(tmp_path, settings=Settings())) == 1


def test_other_files_are_passed_over_with_the_reason(tmp_path: Path) -> None:
    write_recording(tmp_path / "good.dbm", publish("good"))
    (tmp_path / "beauty.0001.exr").write_bytes(b"v/1\x01" + bytes(500))
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "half.tmp").write_text("")
    (tmp_path / "empty.spooled").write_text("")
    damaged = (tmp_path / "good.dbm").read_bytes()
    (tmp_path / "damaged.dbm").write_bytes(damaged[: len(damaged) // 2])
    passed_over: list[tuple[Path, str]] = []
    unreadable: list[tuple[Path, str]] = []
    found = find_recordings(tmp_path, settings=Settings(), passed_over=passed_over, unreadable=unreadable)
    assert [one.recording.recording_id for one in found] == ["good"]
    assert sorted(path.name for path, _ in passed_over) == ["beauty.0001.exr", "notes.txt"]
    # What a spool has accepted, or a block has recorded, is never just another file.
    assert [path.name for path, _ in unreadable] == ["damaged.dbm", "empty.spooled"]
    assert all(reason for _, reason in passed_over + unreadable)


def test_what_cannot_be_looked_at_is_told_and_never_taken_for_something_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("open", "closed"):
        (tmp_path / name).mkdir()
        write_recording(tmp_path / name / f"{name}.dbm", publish(name))
    write_recording(tmp_path / "secret.dbm", publish("secret"))
    scandir, opened = os.scandir, Path.open

    def refused_folder(folder: str | int) -> Any:
        if folder == str(tmp_path / "closed"):
            raise PermissionError(13, "Permission denied", folder)
        return scandir(folder)

    def refused_file(path: Path, *arguments: Any, **named: Any) -> Any:
        if path.name == "secret.dbm":
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *arguments, **named)

    monkeypatch.setattr(os, "scandir", refused_folder)
    monkeypatch.setattr(Path, "open", refused_file)
    passed_over: list[tuple[Path, str]] = []
    unreadable: list[tuple[Path, str]] = []
    found = find_recordings(tmp_path, settings=Settings(), passed_over=passed_over, unreadable=unreadable)
    assert [one.recording.recording_id for one in found] == ["open"]
    assert passed_over == []
    assert [(path, "Permission denied" in reason) for path, reason in unreadable] == [
        (tmp_path / "secret.dbm", True),
        (tmp_path / "closed", True),
    ]


def test_damaged_recordings_of_each_flavour_are_told_from_other_files(tmp_path: Path) -> None:
    write_recording(tmp_path / "good.dbm", publish("good"))
    records = dict(read_container(tmp_path / "good.dbm").records)
    shutil.copyfile(tmp_path / "good.dbm", tmp_path / "manifest.dbm")
    with contextlib.closing(sqlite3.connect(tmp_path / "manifest.dbm", isolation_level=None)) as connection:
        connection.execute("DELETE FROM trackteroid_manifest")
    with contextlib.closing(sqlite3.connect(tmp_path / "others.sqlite", isolation_level=None)) as connection:
        connection.execute("CREATE TABLE shots (name TEXT)")
    shutil.copyfile(shared_file("fixtures", "recorded") / "operations_linux.dbm", tmp_path / "gnu.dbm")
    os.truncate(tmp_path / "gnu.dbm", 200)
    with dbm.dumb.open(str(tmp_path / "dumb"), "n") as database:
        database.update(records)
    os.truncate(tmp_path / "dumb.dat", 3)
    with dbm.dumb.open(str(tmp_path / "cut"), "n") as database:
        database.update({b"__operations__": b'"[{"'})
    (tmp_path / "film.dat").write_text("reel 1")
    (tmp_path / "film.dir").write_text("reels and where they lie")
    passed_over: list[tuple[Path, str]] = []
    unreadable: list[tuple[Path, str]] = []
    found = find_recordings(tmp_path, settings=Settings(), passed_over=passed_over, unreadable=unreadable)
    assert [one.recording_id for one in found] == ["good"]
    assert {path.name for path, _ in passed_over} == {"others.sqlite", "film.dat", "film.dir"}
    assert {path.stem for path, _ in unreadable} == {"manifest", "gnu", "dumb", "cut"}


def test_what_is_found_is_not_kept_in_memory(tmp_path: Path) -> None:
    for number in range(5):
        recording = publish(f"{number}")
        notes = tuple(create("Note", f"{number}-{each}", content="x" * 1000) for each in range(100))
        operations = (*recording.operations, *notes)
        assert recording.manifest is not None
        manifest = dataclasses.replace(recording.manifest, digest=digest_of(operations))
        write_recording(tmp_path / f"{number}.dbm", Recording(operations, {}, manifest))
    tracemalloc.start()
    try:
        found = find_recordings(tmp_path, settings=Settings())
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] < 300_000
    finally:
        tracemalloc.stop()
    assert [len(one.recording.operations) for one in found] == [101] * 5
    found[0].path.unlink()
    with pytest.raises(RecordingNotFoundError):
        print(found[0].recording)


def test_a_folder_that_can_only_be_listed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_recording(tmp_path / "a.dbm", publish("a"))
    write_recording(tmp_path / "b.dbm", publish("b"))
    stat = Path.stat

    def refused(path: Path, **named: Any) -> os.stat_result:
        if path == tmp_path / "a.dbm":
            raise PermissionError(13, "Permission denied", str(path))
        return stat(path, **named)

    monkeypatch.setattr(Path, "stat", refused)
    unreadable: list[tuple[Path, str]] = []
    found = find_recordings(tmp_path, settings=Settings(), unreadable=unreadable)
    assert [one.recording_id for one in found] == ["b"]
    assert unreadable == [(tmp_path / "a.dbm", "It cannot be read: Permission denied.")]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this platform has no pipes among files")
def test_pipes_are_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.spooled")
    os.mkfifo(tmp_path / "pipe.dbm")
    assert find_recordings(tmp_path, settings=Settings()) == []
    assert Spool(tmp_path).waiting() == []


def test_a_copy_that_says_it_was_held_counts_wherever_it_is_found(tmp_path: Path) -> None:
    """The file of the submitter lies before the spool's copy, which alone knows that it was held."""
    recording = publish("a")
    (tmp_path / "publishes").mkdir()
    write_recording(tmp_path / "publishes" / "a.dbm", recording)
    spool = Spool(tmp_path / "spool")
    item = spooled(recording, terms=Terms(hold=True))
    spool.accept(item)
    assert [one.terms.hold for one in find_recordings(tmp_path, settings=Settings())] == [True]
    order = dataclasses.replace(item, kind="release", digest="", payload=ReleaseFacts().to_json().encode())
    spool.accept(order)
    assert [one.terms.hold for one in find_recordings(tmp_path, settings=Settings())] == [False]


def test_what_a_spool_knows_of_priority_and_dependencies_counts_wherever_it_is_found(tmp_path: Path) -> None:
    recording = publish("b")
    for folder, terms in (("1", PLAIN), ("2", Terms(priority=7, depends_on=("a", "x"), actor="anna"))):
        Spool(tmp_path / folder).accept(spooled(recording, terms=terms))
    write_recording(tmp_path / "b.dbm", recording)
    (found,) = find_recordings(tmp_path, settings=Settings())
    assert found.terms == Terms(priority=7, depends_on=("a", "x"))
    ledger = MemoryLedger("https://s.example")
    assert unknown_dependencies(found, {"b"}, ledger) == ["a", "x"]
    assert unknown_dependencies(found, {"a", "b"}, ledger) == ["x"]
    enqueue(publish("x"), ledger=ledger, settings=Settings(), wake=False)
    assert unknown_dependencies(found, {"b"}, ledger) == ["a"]


def test_the_sent_copies_of_a_spool_are_recordings_too(tmp_path: Path) -> None:
    recording = publish("spooled", server_url=None)
    spool = Spool(tmp_path)
    spool.accept(spooled(recording, server_url="https://other.example"))
    spool.mark_sent(spool.waiting()[0])
    (found,) = find_recordings(tmp_path / "sent", settings=Settings())
    assert (found.recording, found.server_url) == (recording, "https://other.example")


def test_a_recording_that_names_no_server_gets_the_given_one_or_none(tmp_path: Path) -> None:
    write_recording(tmp_path / "a.dbm", publish("a", server_url=None))
    assert find_recordings(tmp_path, settings=Settings())[0].server_url is None
    found = find_recordings(tmp_path, settings=Settings(), server_url="Studio.example/")
    assert found[0].server_url == "https://studio.example"


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordingNotFoundError, match="nowhere"):
        find_recordings(tmp_path / "nowhere", settings=Settings())


def test_what_is_recovered_says_so_in_the_ledger() -> None:
    ledger = MemoryLedger("https://studio.example")
    recording = recorded(update("Task", "t1", "bid", 9))
    enqueue(recording, ledger=ledger, settings=Settings(), wake=False, recovered=True)
    assert ledger.get("rec-1").facts.recovered
    with pytest.raises(BadInputError):
        enqueue(recording, settings=Settings(), recovered=True)
