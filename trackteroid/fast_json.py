"""JSON, read by orjson where the extra `fast` is installed; the same values either way."""

from __future__ import annotations

import json
from typing import Any

try:
    import orjson
except ImportError:  # the extra is not installed
    orjson = None  # type: ignore[assignment]

__all__ = ["dumps", "loads"]

# orjson returns integers beyond 64 bits as the nearest float. They have this many digits at least (2**63 has); whatever
# holds such a run, if only in a string, is read by the standard library.
_LONG_NUMBER = b"0" * 19
_ALL_DIGITS_ZERO = bytes.maketrans(b"123456789", b"000000000")


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


def dumps(value: Any) -> bytes:
    """Return a value as compact JSON text, UTF-8.

    Always by the standard library: orjson writes null for numbers that JSON has no form for (NaN, infinities), which
    would send another value than was meant.

    Raises:
        TypeError: It holds something that JSON has no form for.
        ValueError: It holds a number that JSON has no form for.
    """
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()


def _has_long_number(text: bytes | str) -> bool:
    # Two passes in C, a third of what reading costs; a regular expression would cost four times as much as reading.
    encoded = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    return _LONG_NUMBER in encoded.translate(_ALL_DIGITS_ZERO)
