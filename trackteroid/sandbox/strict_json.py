"""JSON as strict as the standard: no NaN, no infinity; what is sent is ASCII, whatever text is in it."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

__all__ = ["NotJsonError", "decoded", "encoded"]


class NotJsonError(ValueError):
    """What is no JSON, and why."""


def decoded(text: bytes | str) -> Any:
    """What a text says.

    Raises:
        NotJsonError: It is no JSON, is nested too deeply, or has a number in it that is none.
    """
    try:
        return json.loads(text, parse_constant=_no_number, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise NotJsonError(str(error)) from None


def encoded(value: Any) -> bytes:
    """A value as JSON. Half characters, which JSON can spell and UTF-8 can't, stay spelled out."""
    return json.dumps(value, separators=(",", ":")).encode("ascii")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        # 1e999 is good JSON, but nothing that could be stored or sent again: no browser reads what Python makes of it.
        _no_number(text)
    return number


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")
