"""JSON, read by orjson where the extra `fast` is installed; the same values either way."""

from __future__ import annotations

import json
from typing import Any

try:
    import orjson
except ImportError:  # the extra is not installed
    orjson = None  # type: ignore[assignment]

__all__ = ["dumps", "loads"]


def loads(text: bytes | str) -> Any:
    """Return the value that JSON text describes.

    Raises:
        ValueError: It is no JSON.
    """
    if orjson is not None:
        try:
            return orjson.loads(text)
        except ValueError:
            # What orjson refuses and the standard library reads: NaN, integers beyond 64 bits, lone surrogates.
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
