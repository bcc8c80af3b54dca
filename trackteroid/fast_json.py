"""JSON, by orjson where the extra `fast` is installed; the same values, and where it says so the same text, either way."""

from __future__ import annotations

import contextlib
import json
import math
import re
from collections.abc import Callable
from typing import Any

try:
    import orjson
except ImportError:  # the extra is not installed
    orjson = None  # type: ignore[assignment]

__all__ = ["canonical", "dumps", "is_fast", "is_written_alike", "loads", "loads_strictly"]

# orjson returns integers beyond 64 bits as the nearest float. They have this many digits at least (2**63 has); whatever
# holds such a run, if only in a string, is read by the standard library.
_LONG_NUMBER = b"0" * 19
_ALL_DIGITS_ZERO = bytes.maketrans(b"123456789", b"000000000")

# What both libraries write alike. Of other types each knows some that the other refuses.
_SAME = frozenset({str, int, bool, type(None)})

# Kept, as making one takes longer than writing a small value.
_ENCODERS = {sort: json.JSONEncoder(sort_keys=sort, separators=(",", ":"), allow_nan=False) for sort in (True, False)}

# What only the standard library escapes.
_UNESCAPED = re.compile("[^\x00-\x7e]")


def is_fast() -> bool:
    """Whether orjson is installed."""
    return orjson is not None


def loads(text: bytes | str) -> Any:
    """Return the value that JSON text describes; integers of any size are exact.

    Raises:
        ValueError: It is no JSON.
    """
    if orjson is not None and not _has_long_number(text):
        try:
            return orjson.loads(text)
        except ValueError:
            # What orjson refuses and the standard library reads: NaN, infinities, lone surrogates.
            pass
    return json.loads(text)


def loads_strictly(text: bytes) -> Any:
    """Return the value that JSON text in UTF-8, 16 or 32 describes, as `loads`, but no number that JSON does not have.

    Raises:
        ValueError: It is no JSON, or holds a number such as NaN or one beyond what a float holds.
        RecursionError: It nests too deeply to be read.
    """
    if orjson is not None and not _has_long_number(text):
        try:
            return orjson.loads(text)
        except ValueError:
            pass
    if text.isascii():
        # Most of it is, and nothing else; then this takes half the time for the short ones.
        plain = text.decode("ascii")
        with contextlib.suppress(ValueError, StopIteration):
            value, end = _SCAN(plain, 0)
            if end == len(plain):
                return value
    return _STRICT.decode(text.decode(json.detect_encoding(text), "surrogatepass"))


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"the number {text} is too large")
    return value


_STRICT = json.JSONDecoder(parse_constant=_no_number, parse_float=_finite)
_SCAN: Callable[[str, int], tuple[Any, int]] = _STRICT.scan_once  # type: ignore[attr-defined]


def dumps(value: Any) -> bytes:
    """Return a value as compact JSON text, UTF-8.

    Raises:
        TypeError: It holds something that JSON has no form for.
        ValueError: It holds a number that JSON has no form for.
    """
    if orjson is not None:
        try:
            text: bytes = orjson.dumps(value)
        except TypeError:
            # Integers beyond 64 bits, keys that are no text, lone surrogates, or what nobody can write.
            pass
        else:
            # orjson writes null for numbers that JSON has no form for (NaN, infinities), which would be another value.
            if _is_same(value, math.isfinite):
                return text
    return _ENCODERS[False].encode(value).encode()


def canonical(value: Any, *, sort: bool = True, plain: bool = False) -> bytes:
    """Return a value as compact JSON text in ASCII, byte for byte the same with and without orjson.

    Args:
        value: What to write.
        sort: Whether the names in objects are sorted; else they stand in their own order.
        plain: Whether the caller has seen to it that both libraries write it alike: it holds texts, whole numbers, truth
            values, null, numbers for which `is_written_alike`, and lists and dictionaries of them.

    Raises:
        TypeError: It holds something that JSON has no form for.
        ValueError: It holds a number that JSON has no form for.
    """
    if orjson is not None:
        try:
            text: bytes = orjson.dumps(value, option=orjson.OPT_SORT_KEYS if sort else None)
        except TypeError:
            pass
        else:
            if plain or _is_same(value, is_written_alike):
                if text.isascii() and b"\x7f" not in text:
                    return text
                return _UNESCAPED.sub(_escaped, text.decode()).encode()
    return _ENCODERS[sort].encode(value).encode()


def _is_same(value: Any, floats: Callable[[float], bool]) -> bool:
    """Whether both libraries write a value alike; `floats` decides on those. It has no cycles."""
    containers: list[Any] = [[value]]
    # Grows while it is gone through.
    add = containers.append
    for container in containers:
        for part in container.values() if container.__class__ is dict else container:
            kind = part.__class__
            if kind in _SAME:
                continue
            if kind is dict or kind is list:
                add(part)
            elif kind is not float or not floats(part):
                return False
    return True


def is_written_alike(number: float) -> bool:
    """Whether both libraries write a number alike."""
    # The shortest text that means the number is the same in both, but for the way in which they write exponents.
    return math.isfinite(number) and "e" not in repr(number)


def _escaped(found: re.Match[str]) -> str:
    return json.dumps(found.group())[1:-1]


def _has_long_number(text: bytes | str) -> bool:
    # Two passes in C, a third of what reading costs; a regular expression would cost four times as much as reading.
    encoded = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    if encoded[:1] == b'"':
        # One string, if it is JSON at all.
        return False
    return _LONG_NUMBER in encoded.translate(_ALL_DIGITS_ZERO)
