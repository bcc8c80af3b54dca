"""JSON in requests and answers, as strict as the standard: no NaN, no infinity; answers are ASCII, whatever text is in them."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

from starlette.responses import Response

__all__ = ["MEDIA_TYPE", "NotJsonError", "decoded", "encoded", "json_response"]

MEDIA_TYPE = "application/json"


class NotJsonError(ValueError):
    """A body that cannot be decoded."""


def decoded(body: bytes) -> Any:
    """What a body says.

    Raises:
        NotJsonError: It is no JSON, is nested too deeply, or has a number in it that is none.
    """
    try:
        return json.loads(body, parse_constant=_no_number, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise NotJsonError(f"The body is no JSON: {error}") from None


def encoded(value: Any) -> bytes:
    """A value as JSON. Half characters, which JSON can spell and UTF-8 can't, stay spelled out."""
    return json.dumps(value, separators=(",", ":")).encode("ascii")


def json_response(value: Any, status: int = 200) -> Response:
    """An answer with a value as its body."""
    return Response(encoded(value), status, media_type=MEDIA_TYPE)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        # 1e999 is good JSON, but nothing that could be stored or sent again.
        _no_number(text)
    return number


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")
