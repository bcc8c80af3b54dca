"""Reading every flavour, writing one, believing nothing."""

from __future__ import annotations

import array
import dbm.dumb
import errno
import importlib
import io
import os
import random
import shutil
import sqlite3
import struct
import subprocess
import sys
import tempfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.interpreters import interpreter
from tests.support.shared import shared_file
from trackteroid.cli.exit_codes import ExitCode, exit_code_of
from trackteroid.commits.recovering import find_recordings
from trackteroid.errors import RecordingError, RecordingFormatError, RecordingNotFoundError, TemporaryFolderError
from trackteroid.operations.containers import ndbm, read_container, write_container, writing
from trackteroid.operations.containers.container import MAX_BYTES
from trackteroid.settings import Settings

RECORDS = {
    b"('Task', ['1'])": b'{"name": "a"}',
    "('Metadata', ['1', 'ü'])".encode(): b"\x00\xff",
    b"__operations__": b'"[]"',
}


def fixture(name: str) -> Path:
    path = shared_file("fixtures", "recorded")
    return path / name


@pytest.mark.parametrize("name", ["operations_linux.dbm", "operations_windows.dbm", "operations_sqlite3.dbm"])
def test_recorded_files_of_every_flavour_hold_the_same_records(name: str) -> None:
    container = read_container(fixture(name))
    assert {key: len(value) for key, value in container.records.items()} == {
        b"('User', ['2e3b4242-bd22-479f-aedd-4602f378d1e0'])": 177,
        b"('User', ['5e1d85f2-97f3-4f66-b0e1-8ce612cf3297'])": 135,
        b"__operations__": 898,
    }
    assert container.manifest is None


def test_ndbm_is_read_where_the_interpreter_can_and_refused_clearly_elsewhere() -> None:
    if ndbm.available() is None:
        with pytest.raises(RecordingFormatError, match=r"built without the module dbm\.ndbm"):
            read_container(fixture("operations_ndbm.dbm"))
        return
    try:
        container = read_container(fixture("operations_ndbm.dbm"))
    except RecordingFormatError as error:
        # ndbm is also the name of GNU's imitation, which does not read Berkeley files.
        assert "GNU" in str(error)
    else:
        assert len(container.records) == 3


def test_reading_leaves_no_trace_and_needs_no_permission_to_write(tmp_path: Path) -> None:
    path = tmp_path / "recording.dbm"
    write_container(path, RECORDS, b"{}")
    path.chmod(0o444)
    tmp_path.chmod(0o555)
    try:
        assert read_container(path).records == RECORDS
        assert os.listdir(tmp_path) == ["recording.dbm"]
    finally:
        tmp_path.chmod(0o755)


def test_what_is_written_is_read_again_and_nothing_lies_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "recording.dbm"
    write_container(path, RECORDS, b'{"x": 1}')
    container = read_container(path)
    assert container.records == RECORDS
    assert container.manifest == b'{"x": 1}'
    assert os.listdir(tmp_path) == ["recording.dbm"]


def test_pythons_dbm_opens_what_is_written(tmp_path: Path) -> None:
    python = interpreter(3, 13)
    path = tmp_path / "recording.dbm"
    write_container(path, RECORDS, b"{}")
    source = "import dbm, sys; db = dbm.open(sys.argv[1], 'r'); print(dbm.whichdb(sys.argv[1]), len(db), db[b'__operations__'])"
    done = subprocess.run([python, "-c", source, str(path)], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["dbm.sqlite3", "3", "b'\"[]\"'"]


def test_dumb_files_are_read_by_any_of_their_names(tmp_path: Path) -> None:
    base = tmp_path / "recording.dbm"
    with dbm.dumb.open(str(base), "c") as database:
        for key, value in RECORDS.items():
            database[key] = value
    for path in (base, tmp_path / "recording.dbm.dat", tmp_path / "recording.dbm.dir"):
        assert read_container(path).records == RECORDS


def test_gnu_files_are_read_without_the_library(tmp_path: Path) -> None:
    library = pytest.importorskip("dbm.gnu", reason="needs an interpreter with GNU dbm to write such a file")
    path = tmp_path / "recording.dbm"
    many = {f"key {number}".encode(): os.urandom(number % 300) for number in range(2000)}
    with library.open(str(path), "n") as database:
        for key, value in many.items():
            database[key] = value
    assert read_container(path).records == many


def test_a_log_that_a_crashed_writer_left_is_applied(tmp_path: Path) -> None:
    path = tmp_path / "recording.dbm"
    write_container(path, RECORDS, None)
    writer = sqlite3.connect(path)
    writer.execute("PRAGMA journal_mode = WAL")
    writer.execute("INSERT INTO Dict VALUES (?, ?)", (b"late", b"1"))
    writer.commit()
    crashed = tmp_path / "crashed.dbm"
    shutil.copyfile(path, crashed)
    shutil.copyfile(tmp_path / "recording.dbm-wal", tmp_path / "crashed.dbm-wal")
    writer.close()
    assert read_container(crashed).records[b"late"] == b"1"


def test_a_log_that_is_too_large_is_refused_and_not_left_out(tmp_path: Path) -> None:
    path = tmp_path / "recording.dbm"
    write_container(path, RECORDS, None)
    with (tmp_path / "recording.dbm-wal").open("wb") as log:
        log.truncate(MAX_BYTES + 1)
    with pytest.raises(RecordingFormatError, match="are not read"):
        read_container(path)


def test_a_full_temporary_folder_is_not_blamed_on_the_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "good.dbm"
    write_container(path, {b"__operations__": b'"[]"'}, None)
    opened = Path.open

    class Full(io.FileIO):
        def write(self, data: Any) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def full(self: Path, mode: str = "r", *arguments: Any, **named: Any) -> Any:
        return opened(self, mode, *arguments, **named) if "w" not in mode else Full(self, "w")

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(TemporaryFolderError, match=r"No space left on device.*TMPDIR") as caught:
        read_container(path)
    assert not isinstance(caught.value, RecordingError)
    assert exit_code_of(caught.value) == ExitCode.CANNOT_WRITE
    # Each recording of a folder would be called damaged.
    with pytest.raises(TemporaryFolderError):
        find_recordings(tmp_path, settings=Settings())


def test_a_machine_without_a_temporary_folder_is_not_blamed_on_the_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "good.dbm"
    write_container(path, {b"__operations__": b'"[]"'}, None)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with pytest.raises(TemporaryFolderError, match=r"gone.*No such file"):
        read_container(path)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(RecordingNotFoundError, match=r"nothing\.dbm"):
        read_container(tmp_path / "nothing.dbm")


@pytest.mark.parametrize(
    ("content", "looks"),
    [(b"", "an empty file"), (b"\x89PNG\r\n", "a PNG picture"), (b'{"a": 1}', "JSON"), (b"\x01\x02\x03", "no format")],
)
def test_something_else_says_what_it_looks_like(content: bytes, looks: str, tmp_path: Path) -> None:
    path = tmp_path / "file.dbm"
    path.write_bytes(content)
    with pytest.raises(RecordingFormatError, match=looks):
        read_container(path)


def test_a_folder(tmp_path: Path) -> None:
    with pytest.raises(RecordingFormatError, match="a folder"):
        read_container(tmp_path)


def sqlite_file(path: Path, *statements: str) -> Path:
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()
    return path


@pytest.mark.parametrize(
    ("statements", "message"),
    [
        (["CREATE TABLE Other (a)"], "without the table Dict"),
        (["CREATE VIEW Dict AS SELECT x'6b' AS key, zeroblob(2000000000) AS value"], "without the table Dict"),
        (
            [
                "CREATE TABLE Dict (key BLOB, value BLOB GENERATED ALWAYS AS (zeroblob(200000000)))",
                "INSERT INTO Dict (key) VALUES (x'6b')",
            ],
            "not the columns",
        ),
        (["CREATE TABLE Dict (key BLOB)"], "not the columns"),
        (["CREATE TABLE Dict (key, value)", "INSERT INTO Dict VALUES ('text', 'text')"], "something else than bytes"),
        (["CREATE TABLE Dict (key, value)", "INSERT INTO Dict VALUES (x'6b', 1)"], "something else than bytes"),
        (
            ["CREATE TABLE Dict (key BLOB, value BLOB)", "CREATE TABLE trackteroid_manifest (data BLOB)"],
            "manifest is damaged",
        ),
        (
            ["CREATE TABLE Dict (key BLOB, value BLOB)", "CREATE VIEW trackteroid_manifest AS SELECT x'7b7d' AS data"],
            "without the table trackteroid_manifest",
        ),
        (["CREATE VIRTUAL TABLE Dict USING fts4(key, value)"], "without the table Dict"),
    ],
)
def test_hostile_databases_are_refused(statements: list[str], message: str, tmp_path: Path) -> None:
    path = sqlite_file(tmp_path / "hostile.dbm", *statements)
    with pytest.raises(RecordingFormatError, match=message):
        read_container(path)


def mutated(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.randint(1, 8)):
        match chance.randint(0, 3):
            case 0:
                changed[chance.randrange(len(changed))] = chance.randrange(256)
            case 1:
                del changed[chance.randrange(1, len(changed)) :]
            case 2:
                position = chance.randrange(len(changed))
                changed[position : position + 8] = b"\xff" * 8
            case _:
                changed[chance.randrange(min(len(changed), 200))] ^= 1 << chance.randrange(8)
        if len(changed) < 2:
            break
    return bytes(changed)


def make_ours(path: Path) -> None:
    write_container(path, {**RECORDS, **{f"k{n}".encode(): bytes(n) for n in range(50)}}, b"{}")


def make_gnu(path: Path) -> None:
    shutil.copyfile(fixture("operations_linux.dbm"), path)


@pytest.mark.parametrize("make", [make_ours, make_gnu])
def test_mutations_are_read_or_refused_and_never_anything_else(make: Callable[[Path], None], tmp_path: Path) -> None:
    path = tmp_path / "recording.dbm"
    make(path)
    data = path.read_bytes()
    chance = random.Random(4711)
    for _ in range(300):
        path.write_bytes(mutated(data, chance))
        try:
            read_container(path)
        except RecordingFormatError:
            pass


def test_mutated_dumb_indexes_are_read_or_refused(tmp_path: Path) -> None:
    base = tmp_path / "recording.dbm"
    with dbm.dumb.open(str(base), "c") as database:
        for key, value in RECORDS.items():
            database[key] = value
    index = tmp_path / "recording.dbm.dir"
    data = index.read_bytes()
    chance = random.Random(4711)
    for _ in range(300):
        index.write_bytes(mutated(data, chance))
        try:
            read_container(base)
        except RecordingFormatError:
            pass


def gnu_file(records: dict[bytes, bytes], *, order: str, wide: bool, magic: int) -> bytes:
    """A GNU dbm file with one bucket, laid out as gdbm's `gdbmdefs.h` has it (spec: library 3.2)."""
    block, elements = 4096, 8
    head, slot, offset = (112, f"{order}i4sqii", "q") if wide else (60, f"{order}i4siii", "i")
    values = b"".join(key + value for key, value in records.items())
    slots, position = [], 3 * block
    for number, (key, value) in enumerate(records.items()):
        slots.append(struct.pack(slot, number, key[:4].ljust(4, b"\0"), position, len(key), len(value)))
        position += len(key) + len(value)
    slots += [struct.pack(slot, -1, b"", 0, 0, 0)] * (elements - len(slots))
    width = struct.calcsize(f"{order}{offset}")
    header = struct.pack(f"{order}Ii{offset}4i", magic, block, block, 4 * width, 2, block, elements)
    directory = struct.pack(f"{order}4{offset}", *[2 * block] * 4)
    bucket = bytes(head) + b"".join(slots)
    return header.ljust(block, b"\0") + directory.ljust(block, b"\0") + bucket.ljust(block, b"\0") + values


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("magic", "wide"),
    [
        (0x13579ACF, True),
        (0x13579AD1, True),
        (0x13579ACD, False),
        (0x13579AD0, False),
        (0x13579ACE, True),
        (0x13579ACE, False),
    ],
)
def test_every_variant_of_gnu_files_is_read(order: str, magic: int, wide: bool, tmp_path: Path) -> None:
    path = tmp_path / "recording.dbm"
    path.write_bytes(gnu_file(RECORDS, order=order, wide=wide, magic=magic))
    assert read_container(path).records == RECORDS


def test_the_ndbm_of_gnus_library_is_read_as_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "recording.dbm.dir").write_bytes(b"")
    pages = tmp_path / "recording.dbm.pag"
    pages.write_bytes(gnu_file(RECORDS, order="<", wide=True, magic=0x13579ACF))
    for path in (tmp_path / "recording.dbm", pages, tmp_path / "recording.dbm.dir"):
        assert read_container(path).records == RECORDS


def test_a_small_gnu_file_cannot_claim_work_without_end(tmp_path: Path) -> None:
    """Buckets at every eighth byte, each with as many slots as fit: quadratic work, were overlap allowed."""
    size = 400_000
    head = struct.pack("<Iiq4i", 0x13579ACF, 4096, 64, size // 2, 16, 4096, size // 48)
    directory = struct.pack(f"<{size // 16}q", *range(64, 64 + size // 2, 8))
    path = tmp_path / "recording.dbm"
    path.write_bytes((head.ljust(64, b"\0") + directory).ljust(2 * size, b"\xff"))
    with pytest.raises(RecordingFormatError, match="more buckets than it can hold"):
        read_container(path)


def test_buckets_of_a_gnu_file_do_not_overlap(tmp_path: Path) -> None:
    head = struct.pack("<Iiq4i", 0x13579ACF, 4096, 64, 16, 1, 4096, 8)
    path = tmp_path / "recording.dbm"
    path.write_bytes((head.ljust(64, b"\0") + struct.pack("<2q", 512, 520)).ljust(4096, b"\xff"))
    with pytest.raises(RecordingFormatError, match="overlap"):
        read_container(path)


def test_the_directory_of_a_gnu_file_does_not_take_ten_times_its_memory(tmp_path: Path) -> None:
    size = 8 * 1024 * 1024
    head = struct.pack("<Iiq4i", 0x13579ACF, 4096, 64, size, 20, 4096, 1)
    path = tmp_path / "recording.dbm"
    path.write_bytes(head.ljust(64, b"\0") + array.array("q", range(10**9, 10**9 + size // 8)).tobytes())
    tracemalloc.start()
    try:
        with pytest.raises(RecordingFormatError, match="more buckets than it can hold"):
            read_container(path)
        assert tracemalloc.get_traced_memory()[1] < 3 * size
    finally:
        tracemalloc.stop()


def test_a_small_dumb_file_cannot_become_a_large_recording(tmp_path: Path) -> None:
    (tmp_path / "recording.dbm.dat").write_bytes(bytes(10_000))
    (tmp_path / "recording.dbm.dir").write_text("".join(f"'{n}', (0, 10000)\n" for n in range(1000)))
    with pytest.raises(RecordingFormatError, match="more data than there are"):
        read_container(tmp_path / "recording.dbm")


def test_an_index_of_empty_lines_does_not_take_ten_times_its_memory(tmp_path: Path) -> None:
    (tmp_path / "recording.dbm.dat").write_bytes(b"")
    (tmp_path / "recording.dbm.dir").write_bytes(b"\n" * 4_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(RecordingFormatError, match="more than 500000 records"):
            read_container(tmp_path / "recording.dbm")
        assert tracemalloc.get_traced_memory()[1] < 3 * 4_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "line",
    [
        "'a', (0, __import__('os').getpid())",
        "'a', (-1, 2)",
        "'a'",
        "'a' * 9, (0, 1)",
        "'\\d', (0, 1)",
        "'\\U00110000', (0, 1)",
        "'\\Uffffffff', (0, 1)",
    ],
)
def test_an_index_line_that_is_no_literal_is_refused(line: str, tmp_path: Path) -> None:
    (tmp_path / "recording.dbm.dat").write_bytes(bytes(512))
    (tmp_path / "recording.dbm.dir").write_text(f"{line}\n")
    with pytest.raises(RecordingFormatError, match="Line 1 of its index cannot be read"):
        read_container(tmp_path / "recording.dbm")


def test_an_unfinished_transaction_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "recording.dbm"
    write_container(path, RECORDS, None)
    (tmp_path / "recording.dbm-journal").write_bytes(bytes.fromhex("d9d505f920a163d7") + bytes(100))
    with pytest.raises(RecordingFormatError, match="not finished"):
        read_container(path)


def test_a_claim_beyond_the_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "recording.dbm.dat").write_bytes(b"12")
    (tmp_path / "recording.dbm.dir").write_text("'key', (0, 2147483648)\n")
    with pytest.raises(RecordingFormatError, match="not there"):
        read_container(tmp_path / "recording.dbm")


# Writing


def test_a_failure_at_the_last_step_leaves_the_old_file_and_no_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "recording.dbm"
    write_container(path, RECORDS, None)
    before = path.read_bytes()

    def fails(temporary: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writing, "replace_file", fails)
    with pytest.raises(RecordingError, match="No space left on device"):
        write_container(path, {b"new": b"1"}, None)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["recording.dbm"]


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="missing"):
        write_container(tmp_path / "missing" / "recording.dbm", RECORDS, None)


def test_a_link_is_followed(tmp_path: Path) -> None:
    target, link = tmp_path / "target.dbm", tmp_path / "link.dbm"
    write_container(target, RECORDS, None)
    link.symlink_to(target)
    write_container(link, {b"new": b"1"}, None)
    assert link.is_symlink()
    assert read_container(target).records == {b"new": b"1"}


def test_killed_while_writing_either_the_old_file_or_the_new_one_stands(tmp_path: Path) -> None:
    path = tmp_path / "recording.dbm"
    write_container(path, {b"generation": b"0"}, None)
    source = f"""
import itertools, sys
from pathlib import Path
from trackteroid.operations.containers import write_container
print("ready", flush=True)
for number in itertools.count(1):
    write_container(Path({str(path)!r}), {{b"generation": str(number).encode(), b"filler": bytes(200_000)}}, None)
"""
    chance = random.Random(1)
    for _ in range(4):
        with subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            try:
                writer.wait(chance.uniform(0.02, 0.2))
            except subprocess.TimeoutExpired:
                pass
            writer.kill()
        assert b"generation" in read_container(path).records


def test_no_dbm_library_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("dbm.gnu", "dbm.ndbm", "_gdbm", "_dbm"):
        monkeypatch.setitem(sys.modules, name, None)
    importlib.invalidate_caches()
    assert len(read_container(fixture("operations_linux.dbm")).records) == 3
