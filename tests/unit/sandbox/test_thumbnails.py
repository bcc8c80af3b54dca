"""Pictures scaled the way a real server scales them."""

from __future__ import annotations

import io
import struct
import zlib

import pytest
from PIL import Image

from trackteroid.sandbox.thumbnails import jpeg_of, plain_jpeg, scaled


def picture(width: int, height: int, kind: str = "PNG") -> bytes:
    """A picture with thousands of colours."""
    image = Image.new("RGB", (width, height))
    image.putdata([(x * 255 // width, y * 255 // height, (x * y) % 256) for y in range(height) for x in range(width)])
    target = io.BytesIO()
    image.save(target, kind)
    return target.getvalue()


def chunks(png: bytes) -> list[tuple[bytes, bytes]]:
    """Kind and data of each chunk; checksums must be right."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    found, position = [], 8
    while position < len(png):
        (length,) = struct.unpack(">I", png[position : position + 4])
        kind, data = png[position + 4 : position + 8], png[position + 8 : position + 8 + length]
        assert struct.unpack(">I", png[position + 8 + length : position + 12 + length]) == (zlib.crc32(kind + data),)
        found.append((kind, data))
        position += 12 + length
    return found


@pytest.mark.parametrize(
    ("size", "width", "height", "expected"),
    [(10, 768, 576, (10, 8)), (300, 40, 80, (150, 300)), (50, 50, 50, (50, 50)), (4, 1000, 1, (4, 1))],
)
def test_the_longer_side_gets_the_size(size: int, width: int, height: int, expected: tuple[int, int]) -> None:
    small = scaled(picture(width, height), size)
    assert small is not None
    assert Image.open(io.BytesIO(small)).size == expected


def test_the_result_is_a_palette_picture_of_the_exact_form() -> None:
    small = scaled(picture(300, 200), 30)
    assert small is not None
    (header, palette, data, end) = chunks(small)
    assert header == (b"IHDR", struct.pack(">IIBBBBB", 30, 20, 8, 3, 0, 0, 0))
    assert palette[0] == b"PLTE" and len(palette[1]) == 768
    assert data[0] == b"IDAT" and end == (b"IEND", b"")
    rows = zlib.decompress(data[1])
    assert len(rows) == 20 * 31
    assert {rows[start] for start in range(0, len(rows), 31)} == {0}


def test_few_colours_leave_the_rest_of_the_palette_black() -> None:
    target = io.BytesIO()
    Image.new("RGB", (8, 8), (200, 10, 20)).save(target, "PNG")
    small = scaled(target.getvalue(), 4)
    assert small is not None
    palette = dict(chunks(small))[b"PLTE"]
    assert palette[:3] == bytes((200, 10, 20)) and not any(palette[3:])


def test_colours_survive_scaling() -> None:
    small = scaled(picture(256, 256), 16)
    assert small is not None
    corners = Image.open(io.BytesIO(small)).convert("RGB")
    left, right = corners.getpixel((0, 8)), corners.getpixel((15, 8))
    assert isinstance(left, tuple) and isinstance(right, tuple)
    assert left[0] < 40 and right[0] > 210


@pytest.mark.parametrize("kind", ["JPEG", "GIF", "BMP", "TIFF", "WEBP", "TGA"])
def test_common_formats_are_understood(kind: str) -> None:
    assert scaled(picture(20, 10, kind), 10) is not None


@pytest.mark.parametrize(
    "content", [b"", b"no picture", b"%!PS-Adobe-3.0 EPSF-3.0\n", picture(20, 20)[:60], picture(64, 64)[:-40]]
)
def test_what_is_no_whole_picture_gives_none(content: bytes) -> None:
    assert scaled(content, 10) is None and jpeg_of(content) is None


@pytest.mark.parametrize("side", [9_000, 60_000])
def test_a_picture_that_claims_to_be_huge_is_not_decoded(side: int) -> None:
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    data = (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", 13)
        + b"IHDR"
        + header
        + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    )
    assert scaled(data + picture(4, 4)[33:], 10) is None


def test_jpegs_keep_the_size() -> None:
    jpeg = jpeg_of(picture(40, 30))
    assert jpeg is not None
    assert (Image.open(io.BytesIO(jpeg)).format, Image.open(io.BytesIO(jpeg)).size) == ("JPEG", (40, 30))
    assert Image.open(io.BytesIO(plain_jpeg())).format == "JPEG"


def test_a_picture_that_is_too_long_for_a_jpeg_becomes_a_smaller_one() -> None:
    target = io.BytesIO()
    Image.new("RGB", (70_000, 2)).save(target, "PNG")
    jpeg = jpeg_of(target.getvalue())
    assert jpeg is not None
    assert Image.open(io.BytesIO(jpeg)).size[0] == 65_000
