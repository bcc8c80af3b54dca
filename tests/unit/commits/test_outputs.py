"""Looking for what a render should have made."""

from __future__ import annotations

import os
from collections.abc import Mapping, Set
from pathlib import Path
from typing import Any

import pytest

from tests.support.recordings import create, update
from trackteroid.commits.outputs import LocalFiles, OutputsReport, check_outputs
from trackteroid.commits.release_facts import ReleaseFacts, apply_facts
from trackteroid.errors import BadInputError, OutputsError
from trackteroid.operations.operation import CreateOperation, Operation
from trackteroid.operations.outputs import Output
from trackteroid.path_roots import PathRoots

BEAUTY = Output(
    pattern="/r/beauty.%04d.exr", frames="1001-1005", component="('SequenceComponent', ['c1'])", name="beauty"
)
MOVIE = Output(pattern="/r/preview.mov", component="('FileComponent', ['c2'])", name="preview")


class Disk:
    """Folder to file name to size; remembers the questions."""

    def __init__(self, **folders: Mapping[str, int]) -> None:
        self.folders = {f"/{name}": files for name, files in folders.items()}
        self.asked: list[str] = []

    def sizes(self, folder: str, names: Set[str]) -> Mapping[str, int]:
        self.asked.append(folder)
        return {name: size for name, size in self.folders.get(folder, {}).items() if name in names}


def frames(*numbers: int, size: int = 10) -> dict[str, int]:
    return {f"beauty.{number:04d}.exr": size for number in numbers}


def look(disk: Disk, *outputs: Output) -> OutputsReport:
    return check_outputs(outputs, roots=PathRoots(), files=disk, platform="linux")


def test_everything_is_there() -> None:
    disk = Disk(r={**frames(*range(1001, 1006)), "preview.mov": 7, "unrelated.mov": 0})
    report = look(disk, BEAUTY, MOVIE)
    assert report.complete
    assert report.complaints == ()
    assert report.facts() == {
        "c1": {
            "path": "/r/beauty.%04d.exr",
            "size": 50,
            "frames": "1001-1005",
            "missing": "",
            "members": {"padding": 4, "sizes": [10, 10, 10, 10, 10]},
        },
        "c2": {"path": "/r/preview.mov", "size": 7},
    }
    assert disk.asked == ["/r"], "one look at each folder"


def test_missing_and_empty_frames_are_named() -> None:
    disk = Disk(r={**frames(1001, 1003), "beauty.1004.exr": 0})
    report = look(disk, BEAUTY, MOVIE)
    assert not report.complete
    assert report.complaints == (
        "beauty: /r/beauty.%04d.exr: 2 frames missing: 1002, 1005; frame empty: 1004.",
        "preview: /r/preview.mov: the file is missing.",
    )
    facts = report.facts()["c1"]
    assert (facts["frames"], facts["missing"], facts["size"]) == ("1001, 1003", "1002, 1004-1005", 20)


def test_an_empty_file_is_no_output() -> None:
    report = look(Disk(r={"preview.mov": 0}), MOVIE)
    assert report.complaints == ("preview: /r/preview.mov: the file is empty.",)


def test_a_folder_that_is_not_there_lacks_everything() -> None:
    assert look(Disk(), BEAUTY).outputs[0].gaps == "1001-1005"


def test_frames_that_are_longer_than_the_padding_are_written_as_they_are() -> None:
    output = Output(pattern="/r/beauty.##.exr", frames="99-100")
    assert look(Disk(r={"beauty.99.exr": 1, "beauty.100.exr": 1}), output).complete


def test_a_path_of_another_platform_is_translated_or_refused() -> None:
    output = Output(pattern="P:\\shows\\preview.mov")
    roots = PathRoots.parse("linux=/r,windows=P:\\shows")
    disk = Disk(r={"preview.mov": 3})
    assert check_outputs([output], roots=roots, files=disk, platform="linux").complete
    with pytest.raises(BadInputError, match="TRACKTEROID_PATH_ROOTS"):
        look(disk, output)


@pytest.mark.parametrize("count", [3, 30])
def test_the_disk_is_looked_at(tmp_path: Path, count: int) -> None:
    names = {f"a.{number}" for number in range(count)}
    for name in names - {"a.0", "a.1"}:
        (tmp_path / name).write_bytes(b"1234")
    (tmp_path / "a.1").mkdir()
    (tmp_path / "other").write_bytes(b"1")
    assert LocalFiles().sizes(str(tmp_path), names) == dict.fromkeys(names - {"a.0", "a.1"}, 4)
    assert LocalFiles().sizes(str(tmp_path / "nowhere"), names) == {}
    assert LocalFiles().sizes(str(tmp_path / "other"), names) == {}


def test_a_folder_that_cannot_be_read_is_no_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str) -> None:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr("os.scandir", refuse)
    with pytest.raises(OutputsError, match="cannot be read: Permission denied"):
        LocalFiles().sizes(str(tmp_path), {str(number) for number in range(9)})


def test_a_file_that_may_not_be_looked_at_is_not_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else `--partial` would publish without what is there."""
    look_at = os.stat

    def refuse(path: Any, *arguments: Any, **named: Any) -> os.stat_result:
        if str(path).endswith("secret.mov"):
            raise PermissionError(13, "Permission denied", path)
        return look_at(path, *arguments, **named)

    monkeypatch.setattr("os.stat", refuse)
    with pytest.raises(OutputsError, match="cannot be read: Permission denied"):
        LocalFiles().sizes(str(tmp_path), {"secret.mov"})


def test_a_listed_folder_is_as_blind_to_capitals_as_its_platform(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(9):
        (tmp_path / f"Beauty.{number}").write_bytes(b"1234")
    names = {f"beauty.{number}" for number in range(9)}
    monkeypatch.setattr("os.path.normcase", str.lower)
    assert LocalFiles().sizes(str(tmp_path), names) == dict.fromkeys(names, 4)


def merged(*operations: Operation) -> tuple[Operation, ...]:
    report = look(Disk(r={**frames(1001, 1002), **frames(1004, size=30)}), BEAUTY)
    return apply_facts(operations, ReleaseFacts(outputs=report.facts()))


def test_a_sequence_gets_a_member_for_each_frame_with_its_size() -> None:
    first, frames_row, missing_row, *members = merged(
        create("SequenceComponent", "c1", name="beauty", padding=0, size=0)
    )
    assert first == create("SequenceComponent", "c1", name="beauty", padding=4, size=50, file_type=".exr")
    assert [row.entity_data["value"] for row in (frames_row, missing_row)] == ["1001-1002, 1004", "1003, 1005"]  # type: ignore[union-attr]
    assert [
        (m.entity_type, m.entity_data["name"], m.entity_data["size"], m.entity_data["container_id"])  # type: ignore[union-attr]
        for m in members
    ] == [
        ("FileComponent", "1001", 10, "c1"),
        ("FileComponent", "1002", 10, "c1"),
        ("FileComponent", "1004", 30, "c1"),
    ]


def test_the_same_release_makes_the_same_members_at_every_attempt() -> None:
    sequence = create("SequenceComponent", "c1")
    assert merged(sequence) == merged(sequence)


def test_members_that_the_block_made_get_their_sizes() -> None:
    container = {"__entity_type__": "SequenceComponent", "id": "c1"}
    one = create("FileComponent", "m1", name="1001", size=0)
    other = create("FileComponent", "m2", name="1004", size=99, container_id="c1")
    result = merged(
        create("SequenceComponent", "c1"), one, update("FileComponent", "m1", "container", container), other
    )
    assert create("FileComponent", "m1", name="1001", size=10) in result
    assert other in result
    made = [
        operation for operation in result if isinstance(operation, CreateOperation) and operation not in (one, other)
    ]
    assert [op.entity_data["name"] for op in made if op.entity_data.get("container_id") == "c1"] == ["1002"]
