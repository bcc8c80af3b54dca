"""Pictures scaled to fit a square, as palette PNGs (specification 1.6, verified recipe)."""

from __future__ import annotations

import io
import struct
import zlib

from PIL import Image

__all__ = ["jpeg_of", "plain_jpeg", "scaled"]

_COLOURS = 256
_MOST_PIXELS = 64_000_000
# More pixels in a row the format has no numbers for.
_LONGEST_JPEG = 65_000
_PLAIN_SIZE = (320, 180)
_GREY = (96, 96, 96)
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Formats whose decoders run other programs (PostScript) are left out.
_FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "TGA", "PPM", "DDS")


def scaled(content: bytes, size: int) -> bytes | None:
    """Scale a picture so that its longer side has `size` pixels.

    Args:
        content: The picture in any common format.
        size: Pixels, at least 1.

    Returns:
        A PNG with at most 256 colours, or None if `content` is no picture.
    """
    picture = _decoded(content)
    if picture is None:
        return None
    factor = size / max(picture.size)
    width, height = (max(1, round(side * factor)) for side in picture.size)
    small = picture.resize((width, height), Image.Resampling.LANCZOS)
    reduced = small.quantize(_COLOURS, method=Image.Quantize.MEDIANCUT)
    return _palette_png(width, height, bytes(reduced.getpalette() or b""), reduced.tobytes())


def jpeg_of(content: bytes) -> bytes | None:
    """The picture as a JPEG, smaller if it must be, None if `content` is no picture."""
    picture = _decoded(content)
    if picture is None:
        return None
    if max(picture.size) > _LONGEST_JPEG:
        picture.thumbnail((_LONGEST_JPEG, _LONGEST_JPEG))
    target = io.BytesIO()
    picture.save(target, "JPEG")
    return target.getvalue()


def plain_jpeg() -> bytes:
    """A grey picture, for what cannot be shown."""
    target = io.BytesIO()
    Image.new("RGB", _PLAIN_SIZE, _GREY).save(target, "JPEG")
    return target.getvalue()


def _decoded(content: bytes) -> Image.Image | None:
    try:
        picture = Image.open(io.BytesIO(content), formats=_FORMATS)
        # A few bytes can claim to be thousands of millions of pixels.
        return picture.convert("RGB") if picture.width * picture.height <= _MOST_PIXELS else None
    except Exception:
        # Damaged pictures fail in as many ways as there are decoders.
        return None


def _palette_png(width: int, height: int, palette: bytes, pixels: bytes) -> bytes:
    # Written here because the bytes are compared: a full palette, unfiltered rows, one piece of data.
    rows = b"".join(b"\0" + pixels[start : start + width] for start in range(0, width * height, width))
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    return _SIGNATURE + b"".join(
        (
            _chunk(b"IHDR", header),
            _chunk(b"PLTE", palette.ljust(3 * _COLOURS, b"\0")),
            _chunk(b"IDAT", zlib.compress(rows)),
            _chunk(b"IEND", b""),
        )
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
