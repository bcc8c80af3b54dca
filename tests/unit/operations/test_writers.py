"""What writers do to each other, and what killed ones leave behind."""

from __future__ import annotations

import os
import sqlite3
import threading
from pathlib import Path

import pytest

from tests.support.clock import FakeClock
from tests.support.processes import wait_until
from tests.support.recordings import create, recorded
from trackteroid.errors import RecordingError
from trackteroid.operations.containers import locking, writing
from trackteroid.operations.containers.locking import STALE_SECONDS, locked
from trackteroid.operations.recording import read_recording, write_recording

PUBLISH = recorded(create("AssetVersion", "v1"))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_a_killed_writer_left_is_used_again(tmp_path: Path) -> None:
    left = tmp_path / ".publish.dbm.0.tmp"
    left.write_text("half")
    os.utime(left, (1, 1))
    write_recording(tmp_path / "publish.dbm", PUBLISH)
    assert names(tmp_path) == ["publish.dbm"]


def test_what_another_writer_is_writing_now_is_left_alone(tmp_path: Path) -> None:
    others = [tmp_path / f".publish.dbm.{number}.tmp" for number in range(4)]
    for other in others:
        other.write_text("half")
    write_recording(tmp_path / "publish.dbm", PUBLISH)
    assert names(tmp_path) == [*(other.name for other in others), "publish.dbm"]
    assert {other.read_text() for other in others} == {"half"}


def test_without_a_given_folder_nothing_is_written_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Python 3.10 has no `serialize`; there the bytes are made in a temporary folder, which other tests look at.
    if not hasattr(sqlite3.Connection, "serialize"):
        pytest.skip("this Python's SQLite cannot give a database in memory as bytes")
    with monkeypatch.context() as patch:
        patch.setattr(writing.tempfile, "TemporaryDirectory", None)
        write_recording(tmp_path / "publish.dbm", PUBLISH)
    assert read_recording(tmp_path / "publish.dbm") == PUBLISH


def test_both_ways_of_making_the_bytes_give_the_same_recording(tmp_path: Path) -> None:
    local = tmp_path / "local"
    local.mkdir()
    write_recording(tmp_path / "publish.dbm", PUBLISH, temporary_folder=local)
    assert read_recording(tmp_path / "publish.dbm") == PUBLISH
    assert names(local) == []


def test_those_who_append_take_turns(tmp_path: Path) -> None:
    path = tmp_path / "count"
    path.write_text("0")

    def add() -> None:
        for _ in range(20):
            with locked(path):
                path.write_text(str(int(path.read_text()) + 1))

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_text() == "80"
    assert names(tmp_path) == ["count"]


def test_the_lock_of_a_killed_writer_is_broken_and_that_of_a_busy_one_is_not(tmp_path: Path) -> None:
    path, lock = tmp_path / "a.dbm", tmp_path / ".a.dbm.lock"
    clock = FakeClock()

    def pause(seconds: float) -> None:
        clock.advance(1.0)

    lock.write_text("gone")
    started = clock.now
    with locked(path, monotonic=clock, sleep=pause):
        assert STALE_SECONDS <= clock.now - started <= STALE_SECONDS + 3
    assert not lock.exists()

    def others_go_on(seconds: float) -> None:
        clock.advance(1.0)
        lock.unlink()
        lock.write_text("busy")
        os.utime(lock, ns=(int(clock.now * 1e9), int(clock.now * 1e9)))

    lock.write_text("busy")
    with (
        pytest.raises(RecordingError, match=r"being appended to by others for 40 s.*remove .*\.a\.dbm\.lock"),
        locked(path, monotonic=clock, sleep=others_go_on),
    ):
        pass
    assert lock.exists()


def test_who_holds_a_lock_for_long_touches_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A block's end may ask ftrack, which may take its time: that is no reason to take the lock away."""
    monkeypatch.setattr(locking, "BEAT_SECONDS", 0.01)
    lock = tmp_path / ".a.dbm.lock"
    with locked(tmp_path / "a.dbm"):
        for _ in range(3):
            os.utime(lock, (1, 1))
            wait_until(lambda: lock.stat().st_mtime > 1, seconds=30)


def test_a_lock_that_cannot_be_read_for_a_moment_is_touched_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locking, "BEAT_SECONDS", 0.01)
    lock, refused = tmp_path / ".a.dbm.lock", 0

    def refuse(path: Path, **_: object) -> str:
        nonlocal refused
        refused += 1
        raise PermissionError(13, "Used by another process")

    with locked(tmp_path / "a.dbm"):
        with monkeypatch.context() as patch:
            patch.setattr(Path, "read_text", refuse)
            wait_until(lambda: refused > 0, seconds=30)
        os.utime(lock, (1, 1))
        wait_until(lambda: lock.stat().st_mtime > 1, seconds=30)
    assert not lock.exists()


def test_a_block_that_ends_with_its_process_is_written_without_a_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with locked(tmp_path / "a.dbm"):
        assert names(tmp_path) == [".a.dbm.lock"]
    assert names(tmp_path) == []


def test_a_lock_on_a_full_disk_is_said_and_not_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int, *_: object, **__: object) -> None:
        os.close(handle)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fdopen", full)
    with pytest.raises(RecordingError, match="cannot be locked for appending: No space"), locked(tmp_path / "a.dbm"):
        pass
    assert names(tmp_path) == []


def test_a_stale_lock_that_we_may_not_remove_is_said_instead_of_tried_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another user's, in a folder where everybody removes their own files only."""
    lock, tries = tmp_path / ".a.dbm.lock", 0
    lock.write_text("gone")
    clock = FakeClock()

    def refuse(*_: object) -> None:
        nonlocal tries
        tries += 1
        assert tries < 100
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "rename", refuse)
    with (
        pytest.raises(RecordingError, match=r"appended to by others for 40 s.*remove .*\.a\.dbm\.lock"),
        locked(tmp_path / "a.dbm", monotonic=clock, sleep=lambda _: clock.advance(1.0)),
    ):
        pass
    assert lock.read_text() == "gone"


def test_who_has_lost_a_lock_leaves_it_to_its_holder(tmp_path: Path) -> None:
    lock = tmp_path / ".a.dbm.lock"
    with locked(tmp_path / "a.dbm"):
        # This machine slept, meanwhile another one has broken the lock.
        lock.unlink()
        lock.write_text("another machine")
    assert lock.read_text() == "another machine"


def test_of_two_who_break_a_lock_the_later_one_gives_back_what_it_took(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, lock = tmp_path / "a.dbm", tmp_path / ".a.dbm.lock"
    clock = FakeClock()
    lock.write_text("gone")
    os.utime(lock, (1, 1))
    rename = os.rename

    def overtaken(source: Path, target: Path) -> None:
        # In the moment after our look another one has broken it, and holds its own.
        monkeypatch.setattr(os, "rename", rename)
        lock.unlink()
        lock.write_text("another one")
        rename(source, target)

    monkeypatch.setattr(os, "rename", overtaken)
    with (
        pytest.raises(RecordingError, match="being appended to by others"),
        locked(path, patience=STALE_SECONDS + 2, monotonic=clock, sleep=lambda _: clock.advance(1.0)),
    ):
        pass
    assert lock.read_text() == "another one"
    assert names(tmp_path) == [lock.name]


def test_a_folder_that_lets_nobody_write_is_said(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="cannot be locked"), locked(tmp_path / "none" / "a.dbm"):
        pass
