"""JSON, by orjson where the extra `fast` is installed; the same values either way."""

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

    Raises:
        TypeError: It holds something that JSON has no form for.
    """
    if orjson is not None:
        try:
            return orjson.dumps(value)
        except TypeError:
            # As above; what is really no JSON value raises again below.
            pass
    return json.dumps(value, separators=(",", ":")).encode()
