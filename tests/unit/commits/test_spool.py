from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import trackteroid.commits.spool as spool_module
from tests.support.clock import FakeClock
from trackteroid.commits.spool import Spool, SpooledRecording, SpoolLimits, default_folder, open_spool
from trackteroid.commits.submission import Terms
from trackteroid.errors import (
    BadInputError,
    RecordingChangedError,
    SpoolDataError,
    SpoolError,
    SpoolFullError,
)
from trackteroid.operations.containers import writing
from trackteroid.settings import Settings


def item(
    commit_id: str = "rec-1", *, digest: str = "d1", payload: bytes = b"bytes", server: str = "s"
) -> SpooledRecording:
    return SpooledRecording(
        commit_id=commit_id,
        digest=digest,
        server_url=server,
        redis_url="redis://h/0",
        payload=payload,
        reason="Redis is away.",
    )


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_file())


def test_what_is_accepted_can_be_read_back_whole(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "deep" / "spool", clock=FakeClock(1000.5))
    told = spool.accept(item())
    assert not told.known
    (entry,) = spool.waiting()
    assert entry.path == told.path
    assert entry.path.name.startswith("rec-1.")
    assert entry.accepted_at == 1000.5
    assert spool.read(entry) == item()


def test_half_characters_in_what_people_read_do_not_make_it_unreadable(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.accept(replace(item(), reason="No room in /b\udce4r.", terms=Terms(hold=True, actor="j\udcf6rg")))
    found = spool.read(spool.waiting()[0])
    assert (found.reason, found.terms.actor) == ("No room in /b?r.", "j?rg")
    with pytest.raises(BadInputError, match="half characters"):
        spool.accept(replace(item("other"), terms=Terms(depends_on=("\udce4",))))
    assert len(spool.waiting()) == 1


def test_nothing_but_the_recordings_file_is_left_in_the_folder(tmp_path: Path) -> None:
    Spool(tmp_path).accept(item())
    (name,) = files(tmp_path)
    assert name.endswith(".spooled")


def test_the_same_recording_waits_once(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.accept(item())
    assert Spool(tmp_path).accept(item()).known
    assert len(spool.waiting()) == 1


def test_what_waits_damaged_does_not_pass_for_the_recording(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    path = spool.accept(item()).path
    path.write_bytes(path.read_bytes()[:-1])
    assert not spool.accept(item()).known
    assert [spool.read(entry) for entry in spool.waiting()] == [item()]


def test_another_content_under_the_same_id_is_refused(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.accept(item())
    with pytest.raises(RecordingChangedError, match="rec-1"):
        spool.accept(item(digest="d2"))
    assert len(spool.waiting()) == 1


def test_one_recording_may_wait_for_two_servers(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.accept(item())
    assert not spool.accept(item(server="other")).known
    assert len(spool.find("rec-1")) == 2
    assert spool.find("rec") == []


def test_recordings_wait_in_the_order_in_which_they_were_accepted(tmp_path: Path) -> None:
    clock = FakeClock()
    spool = Spool(tmp_path, clock=clock)
    for name in ("zebra", "ant", "mouse"):
        spool.accept(item(name))
        clock.advance(0.001)
    assert [spool.read(entry).commit_id for entry in spool.waiting()] == ["zebra", "ant", "mouse"]


@pytest.mark.parametrize("commit_id", ["../../etc/passwd", "a/b", "", "x" * 300, "nul\0", "Ümlaut", "con\n"])
def test_a_hostile_id_stays_in_the_folder(commit_id: str, tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    spool.accept(item(commit_id))
    (entry,) = spool.waiting()
    assert entry.path.parent == tmp_path / "spool"
    assert spool.read(entry).commit_id == commit_id
    assert spool.find(commit_id) == [entry]
    assert [path.name for path in tmp_path.iterdir()] == ["spool"]


def test_a_limit_of_recordings_is_a_loud_error_that_says_what_to_do(tmp_path: Path) -> None:
    spool = Spool(tmp_path, limits=SpoolLimits(count=2))
    spool.accept(item("a"))
    spool.accept(item("b"))
    with pytest.raises(SpoolFullError, match=r"NOT accepted.*spool flush.*TRACKTEROID_SPOOL_COUNT_LIMIT"):
        spool.accept(item("c"))
    assert spool.accept(item("a")).known, "what waits already needs no room"
    assert len(spool.waiting()) == 2


def test_a_limit_of_bytes_is_a_loud_error(tmp_path: Path) -> None:
    spool = Spool(tmp_path, limits=SpoolLimits(total_bytes=3000))
    spool.accept(item("a", payload=bytes(2000)))
    with pytest.raises(SpoolFullError):
        spool.accept(item("b", payload=bytes(2000)))


def test_sent_and_refused_recordings_take_no_room(tmp_path: Path) -> None:
    spool = Spool(tmp_path, limits=SpoolLimits(count=1))
    spool.accept(item("a"))
    spool.mark_sent(spool.waiting()[0])
    spool.accept(item("b"))
    spool.refuse(spool.waiting()[0], "because")
    assert not spool.accept(item("c")).known


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The folders that were looked through."""
    found: list[str] = []
    scandir = os.scandir

    def record(folder: os.PathLike[str]) -> Any:
        found.append(Path(folder).name)
        return scandir(folder)

    monkeypatch.setattr("os.scandir", record)
    return found


def test_accepting_does_not_look_through_what_waits(tmp_path: Path, looks: list[str]) -> None:
    clock = FakeClock()
    for number in range(50):
        # As each enqueue does, in a process of its own.
        Spool(tmp_path, clock=clock).accept(item(str(number)))
        clock.advance(1)
    assert looks == [tmp_path.name], "only the first one, which knows of none before it"
    assert [entry.accepted_at for entry in Spool(tmp_path).waiting()] == sorted(clock.now - 50 + n for n in range(50))


def test_what_waits_is_counted_anew_every_few_minutes(tmp_path: Path, looks: list[str]) -> None:
    clock = FakeClock()
    limits = SpoolLimits(count=3)
    spool = Spool(tmp_path, limits=limits, clock=clock)
    name = spool.accept(item("a")).path.name
    # A writer that keeps no count, such as one of an older release.
    for number in range(2):
        (tmp_path / f"old{number}.{name.partition('.')[2]}").write_bytes(b"")
    clock.advance(299)
    spool.accept(item("b"))
    assert len(looks) == 1
    clock.advance(2)
    with pytest.raises(SpoolFullError, match="4 recordings"):
        spool.accept(item("c"))
    assert len(looks) == 2


def test_nothing_is_refused_on_hearsay(tmp_path: Path) -> None:
    spool = Spool(tmp_path, limits=SpoolLimits(count=2))
    for name in "ab":
        # Taken away by hand, unnoticed.
        spool.accept(item(name)).path.unlink()
    assert not spool.accept(item("c")).known


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"[]", b'{"recordings": 0, "size": 0, "counted_at": 1e400}', b"\xff", b"[" * 900, b"9" * 5000]
)
def test_a_damaged_count_is_made_again(damage: bytes, tmp_path: Path) -> None:
    spool = Spool(tmp_path, limits=SpoolLimits(count=1))
    spool.accept(item("a"))
    (tmp_path / "index" / "count.json").write_bytes(damage)
    with pytest.raises(SpoolFullError):
        spool.accept(item("b"))


def test_a_count_from_a_clock_that_is_ahead_is_made_again(tmp_path: Path) -> None:
    clock = FakeClock()
    Spool(tmp_path, clock=lambda: clock.now + 86400).accept(item("a"))
    (tmp_path / "old.0123.spooled").write_bytes(b"")
    with pytest.raises(SpoolFullError):
        Spool(tmp_path, limits=SpoolLimits(count=2), clock=clock).accept(item("b"))


def test_what_was_sent_may_come_again_with_another_content(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.accept(item())
    spool.mark_sent(spool.waiting()[0])
    assert not spool.accept(item(digest="d2")).known
    with pytest.raises(RecordingChangedError):
        spool.accept(item(digest="d3"))
    spool.mark_sent(spool.waiting()[0])
    assert [path.name for path in (tmp_path / "index").iterdir()] == ["count.json"]


def test_an_index_leads_nowhere_else(tmp_path: Path) -> None:
    outside = Spool(tmp_path / "other").accept(item(digest="d2")).path
    spool = Spool(tmp_path / "spool")
    spool.accept(item("first"))
    (tmp_path / "spool" / "index" / "rec-1").write_text(
        f"../other/{outside.name}\n{outside}\nrec-1.x/../../other/{outside.name}\n"
    )
    assert not spool.accept(item()).known


def test_what_was_noted_and_never_accepted_is_forgotten_after_a_day(tmp_path: Path) -> None:
    clock = FakeClock()
    spool = Spool(tmp_path, clock=clock)
    waiting = spool.accept(item("waits")).path
    spool.accept(item("gone")).path.unlink()
    left = tmp_path / "index" / "count.json.0123.tmp"
    left.write_text("{")
    for path in (tmp_path / "index").iterdir():
        os.utime(path, (clock.now, clock.now))
    spool.tidy()
    assert left.exists()
    clock.advance(86_500)
    spool.tidy()
    assert waiting.exists()
    assert [path.name for path in (tmp_path / "index").iterdir()] == ["waits"]


def test_a_full_disk_is_a_full_spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(SpoolFullError, match="No space left on device"):
        Spool(tmp_path).accept(item())
    assert files(tmp_path) == []


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SpoolError, match=r"NOT accepted.*TRACKTEROID_SPOOL"):
        Spool(tmp_path / "file" / "spool").accept(item())


def test_more_than_the_largest_payload_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError):
        Spool(tmp_path, limits=SpoolLimits(item_bytes=10)).accept(item(payload=bytes(100_000)))


def test_the_name_appears_only_after_the_bytes_are_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    fsync, replace = os.fsync, os.replace

    def record_fsync(handle: int) -> None:
        kind = "folder" if os.path.isdir(f"/proc/self/fd/{handle}") else "file"
        steps.append(f"fsync {kind}")
        fsync(handle)

    def record_replace(source: os.PathLike[str], target: os.PathLike[str]) -> None:
        # Not that of what is merely kept to save looking.
        if str(target).endswith(".spooled"):
            steps.append("rename")
        replace(source, target)

    # What a descriptor stands for is known by name on Linux only; the order of the steps is the same elsewhere.
    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("needs /proc to tell files from folders")
    spool = Spool(tmp_path)
    spool.accept(item("before"))
    monkeypatch.setattr("os.fsync", record_fsync)
    monkeypatch.setattr("os.replace", record_replace)
    spool.accept(item())
    assert steps == ["fsync file", "rename", "fsync folder"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-1],
        lambda data: data + b"x",
        lambda data: data[:-3] + b"???",
        lambda data: data.replace(b"\n", b" "),
        lambda data: b"",
        lambda data: b"\x89PNG" + data,
        lambda data: b"[" * 60_000 + b"\n",
        lambda data: b'{"format": "trackteroid spool", "version": 1}\n',
    ],
)
def test_a_damaged_file_is_refused_as_damaged(damage: object, tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    path = spool.accept(item()).path
    path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]
    with pytest.raises(SpoolDataError):
        spool.read(spool.waiting()[0])


def test_the_folders_that_it_makes_survive_a_crash_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[Path] = []
    for module in (spool_module, writing):
        monkeypatch.setattr(module, "flush_folder", flushed.append)
    folder = tmp_path / "state" / "trackteroid" / "spool"
    Spool(folder).accept(item())
    assert [tmp_path, tmp_path / "state", tmp_path / "state" / "trackteroid", folder] == list(dict.fromkeys(flushed))


def test_a_file_of_a_newer_release_is_not_called_damaged(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    path = spool.accept(item()).path
    path.write_bytes(path.read_bytes().replace(b'"version": 1', b'"version": 3'))
    with pytest.raises(SpoolError, match="version 3") as caught:
        spool.read(spool.waiting()[0])
    assert not isinstance(caught.value, SpoolDataError)
    assert spool.accept(item()).known


def test_what_another_user_has_put_there_is_known_though_it_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path)
    waits = spool.accept(item()).path

    def refuse(path: Path, *_: Any) -> Any:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refuse)
    assert spool.accept(item()).known
    assert [entry.path for entry in spool.waiting()] == [waits]


def test_a_sent_recording_is_kept_for_a_day_and_then_removed(tmp_path: Path) -> None:
    clock = FakeClock()
    spool = Spool(tmp_path, clock=clock)
    spool.accept(item())
    clock.advance(500_000)
    spool.mark_sent(spool.waiting()[0])
    assert (spool.status().waiting, spool.status().sent) == (0, 1)
    clock.advance(86_000)
    spool.tidy()
    assert spool.status().sent == 1
    clock.advance(500)
    spool.tidy()
    assert spool.status().sent == 0


def test_marking_as_sent_what_somebody_else_has_marked_changes_nothing(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.accept(item())
    (entry,) = spool.waiting()
    spool.mark_sent(entry)
    spool.mark_sent(entry)
    assert spool.status().sent == 1


def test_what_a_killed_writer_left_never_waits_and_is_removed_after_a_day(tmp_path: Path) -> None:
    clock = FakeClock()
    spool = Spool(tmp_path, clock=clock)
    left = tmp_path / ".rec-1.0123.spooled.abc.tmp"
    left.write_bytes(b"half")
    os.utime(left, (clock.now, clock.now))
    assert spool.waiting() == []
    spool.tidy()
    assert left.exists()
    clock.advance(86_500)
    spool.tidy()
    assert not left.exists()


def test_a_refused_recording_is_kept_with_its_reason(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.accept(item())
    spool.refuse(spool.waiting()[0], "It is damaged.")
    assert spool.status().refused == 1
    assert [path.read_text() for path in (tmp_path / "refused").glob("*.txt")] == ["It is damaged.\n"]


@pytest.mark.parametrize("links", [True, False], ids=["links", "no links"])
def test_what_was_accepted_anew_meanwhile_is_not_refused(
    links: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path)
    path = spool.accept(item()).path
    path.write_bytes(path.read_bytes()[:-1])
    (damaged,) = spool.waiting()
    with pytest.raises(SpoolDataError):
        spool.read(damaged)
    assert not Spool(tmp_path).accept(item()).known
    if not links:
        monkeypatch.setattr(os, "link", no_links)
    assert not spool.refuse(damaged, "It is damaged.")
    (entry,) = spool.waiting()
    assert spool.read(entry) == item()
    assert files(tmp_path / "refused") == []
    assert spool.refuse(entry, "It is refused.")
    assert (spool.waiting(), spool.status().refused) == ([], 1)


def no_links(source: object, target: object) -> None:
    raise OSError(errno.EPERM, "no links here")


def test_what_is_put_back_replaces_nothing_that_has_come_since(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool, link = Spool(tmp_path), os.link
    path = spool.accept(item()).path
    path.write_bytes(path.read_bytes()[:-1])
    (damaged,) = spool.waiting()
    spool.accept(item())

    def late(source: Path, target: Path) -> None:
        Spool(tmp_path).accept(replace(item(), reason="Once more."))
        link(source, target)

    monkeypatch.setattr(os, "link", late)
    assert not spool.refuse(damaged, "It is damaged.")
    (entry,) = spool.waiting()
    assert spool.read(entry).reason == "Once more."


def test_the_status_of_a_spool_that_was_never_used_touches_nothing(tmp_path: Path) -> None:
    status = Spool(tmp_path / "none").status()
    assert (status.waiting, status.sent, status.refused, status.oldest_accepted_at) == (0, 0, 0, None)
    assert not (tmp_path / "none").exists()


def test_by_default_it_is_in_the_users_local_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert open_spool(Settings()).folder == default_folder()
    assert open_spool(Settings(spool_folder=str(tmp_path))).folder == tmp_path
