"""An answer of ftrack as bytes: the text of its response, compressed where that pays.

No pickle: whoever can write to the cache must not be able to run code in those who read from it. A checksum tells garbage under
one of our keys from an answer.
"""

from __future__ import annotations

import zlib

__all__ = ["pack", "unpack"]

# Compressing less is not worth the time (measured: spec queue-and-cache C.2, item 9).
_COMPRESS_FROM = 2048

_PLAIN = b"tp1"
_COMPRESSED = b"tz1"
_HEAD = 7


def pack(text: str, limit: int) -> bytes | None:
    """Return the payload of a response's text, None if that is more than `limit` bytes."""
    if len(text) > limit:
        return None
    content = text.encode("utf-8", "surrogatepass")
    if len(content) > limit:
        return None
    kind = _PLAIN
    if len(content) >= _COMPRESS_FROM:
        kind, content = _COMPRESSED, zlib.compress(content, 1)
    return kind + zlib.crc32(content).to_bytes(4, "big") + content


def unpack(payload: bytes, limit: int) -> str | None:
    """Return the text in a payload, None if it is no payload of ours or grows beyond `limit` bytes."""
    kind, checksum, content = payload[:3], payload[3:_HEAD], payload[_HEAD:]
    if kind not in (_PLAIN, _COMPRESSED) or zlib.crc32(content).to_bytes(4, "big") != checksum:
        return None
    if kind == _COMPRESSED:
        inflater = zlib.decompressobj()
        try:
            content = inflater.decompress(content, limit)
        except zlib.error:
            return None
        if inflater.unconsumed_tail or not inflater.eof:
            return None
    try:
        return content.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return None
