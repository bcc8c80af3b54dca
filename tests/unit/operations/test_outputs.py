"""Frames, patterns and the outputs that a recording names."""

from __future__ import annotations

import clique
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackteroid.errors import BadInputError, RecordingFormatError
from trackteroid.operations.frames import MOST_FRAMES, format_frames, parse_frames
from trackteroid.operations.outputs import Output, parse_pattern


@pytest.mark.parametrize(
    ("text", "frames"),
    [
        ("7", (7,)),
        ("1001-1003", (1001, 1002, 1003)),
        ("1-10x3", (1, 4, 7, 10)),
        ("1,5,9", (1, 5, 9)),
        (" 9 , 1 - 2, 2-4x2 ", (1, 2, 4, 9)),
        ("0", (0,)),
    ],
)
def test_frames_are_read_as_people_write_them(text: str, frames: tuple[int, ...]) -> None:
    assert parse_frames(text) == frames


@pytest.mark.parametrize("text", ["", "1-", "a", "1..5", "5-1", "1-5x0", "-3", "1,,2", "1x2", "²", "9" * 5000])
def test_frames_that_cannot_be_understood_are_named(text: str) -> None:
    with pytest.raises(BadInputError, match="cannot be understood"):
        parse_frames(text)


def test_a_slip_of_the_keyboard_does_not_take_the_memory() -> None:
    with pytest.raises(BadInputError, match="too many"):
        parse_frames(f"1-{MOST_FRAMES + 1}")


@given(st.sets(st.integers(0, 5000), max_size=60))
def test_what_is_written_is_read_again(frames: set[int]) -> None:
    text = format_frames(frames)
    assert (set(parse_frames(text)) if frames else set()) == frames
    assert not frames or set(clique.parse(f"a.%04d.exr [{text}]").indexes) == frames


@pytest.mark.parametrize(
    ("text", "parts", "name"),
    [
        ("/r/beauty.%04d.exr", ("/r", "beauty.", ".exr", 4), "beauty.0007.exr"),
        ("/r/beauty.####.exr", ("/r", "beauty.", ".exr", 4), "beauty.0007.exr"),
        ("/r/beauty.%d.exr", ("/r", "beauty.", ".exr", 0), "beauty.7.exr"),
        ("/r/beauty.#.exr", ("/r", "beauty.", ".exr", 0), "beauty.7.exr"),
        ("/r/%02d", ("/r", "", "", 2), "07"),
        ("/v%03d/main.mov", ("/v%03d", "main.mov", "", None), "main.mov"),
        ("P:\\shows\\a.%04d.exr", ("P:\\shows", "a.", ".exr", 4), "a.0007.exr"),
        ("\\\\nas\\shows\\f\\a.mov", ("\\\\nas\\shows\\f", "a.mov", "", None), "a.mov"),
    ],
)
def test_a_pattern_names_its_files(text: str, parts: tuple[str, str, str, int | None], name: str) -> None:
    pattern = parse_pattern(text)
    assert (pattern.folder, pattern.head, pattern.tail, pattern.padding) == parts
    assert list(pattern.names((7,))) == [(None if parts[3] is None else 7, name)]


@pytest.mark.parametrize("text", ["beauty.exr", "", "/folder/", "/r/a.%04d.##.exr", "/r/a\0.exr", "/r\0/a.%04d.exr"])
def test_a_pattern_that_names_nothing_is_refused(text: str) -> None:
    with pytest.raises(BadInputError):
        parse_pattern(text)


@pytest.mark.parametrize("padding", ["099999999", "0" + "9" * 5000])
def test_a_padding_longer_than_any_file_name_is_refused(padding: str) -> None:
    with pytest.raises(RecordingFormatError, match="cannot be used"):
        Output.from_json({"pattern": f"/r/a.%{padding}d.exr", "frames": "1"})


def test_frames_and_pattern_must_fit() -> None:
    with pytest.raises(BadInputError, match="say which frames"):
        Output(pattern="/r/a.%04d.exr").check()
    with pytest.raises(BadInputError, match="single file"):
        Output(pattern="/r/a.exr", frames="1-2").check()
    Output(pattern="/r/a.exr").check()


def test_an_output_survives_the_manifest_and_a_damaged_one_is_named() -> None:
    output = Output(pattern="/r/a.%04d.exr", frames="1-2", component="('Component', ['c1'])", name="beauty")
    assert Output.from_json(output.to_json()) == output
    for damaged in ({}, {"pattern": 7}, {"pattern": "/r/a.%04d.exr"}, {"pattern": "/a", "component": []}):
        with pytest.raises(RecordingFormatError, match="output that cannot be"):
            Output.from_json(damaged)
