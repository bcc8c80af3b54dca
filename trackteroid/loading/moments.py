"""Date-time values as the client decodes them, several times faster for the form that the server sends."""

from __future__ import annotations

import datetime
import re
from typing import Any

import arrow

__all__ = ["moment"]

# `datetime.fromisoformat` of newer Pythons reads more than this, and differently from arrow.
_PLAIN = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", re.ASCII)


def moment(value: Any) -> Any:
    """Return what `arrow.get(value)` returns."""
    if value.__class__ is str and _PLAIN.fullmatch(value):
        try:
            return arrow.Arrow.fromdatetime(datetime.datetime.fromisoformat(value))
        except ValueError:
            # Such as midnight as 24:00:00; arrow decides.
            return arrow.get(value)
    return arrow.get(value)
