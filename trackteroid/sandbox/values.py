"""Values on the wire, in the database, and in query text, by kind of attribute (specification 2.9, 5.3).

Date-times are stored as `YYYY-MM-DD HH:MM:SS` in UTC: they sort and match `like` as text. Variables are stored as JSON.
"""

from __future__ import annotations

import json
import math
import re
from datetime import datetime, timedelta, timezone
from typing import Any

from trackteroid.sandbox.errors import ValidationError
from trackteroid.sandbox.schema import Attribute, Kind

__all__ = [
    "Stored",
    "from_wire",
    "is_date_only",
    "parse_time",
    "stored_time",
    "time_to_wire",
    "to_wire",
    "variable_matches",
]

Stored = str | int | float | None
"""What a database column holds."""

_TIME = re.compile(
    r"(?P<date>\d{4}-\d\d?-\d\d?)"
    r"(?:[T ](?P<hour>\d\d?):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,]\d*)?)?)?"
    r"\s*(?P<zone>Z|[+-]\d\d:?\d\d(?::\d\d)?)?",
    re.IGNORECASE,
)
_TRUE = {"true", "1"}
_FALSE = {"false", "0"}


def parse_time(text: str) -> str:
    """ISO text in any spelling that clients use -> the stored form: UTC, whole seconds.

    Raises:
        ValidationError: It is no date or time.
    """
    match = _TIME.fullmatch(text.strip())
    try:
        if match is None:
            raise ValueError
        year, month, day = (int(part) for part in match["date"].split("-"))
        moment = datetime(
            year, month, day, int(match["hour"] or 0), int(match["minute"] or 0), int(match["second"] or 0)
        )
        moment -= _offset(match["zone"])
    except (ValueError, OverflowError):
        raise ValidationError(f'"{text}" is no date and time.') from None
    return moment.strftime("%Y-%m-%d %H:%M:%S").rjust(19, "0")


def _offset(zone: str | None) -> timedelta:
    if zone is None or zone in "Zz":
        return timedelta()
    digits = zone[1:].replace(":", "").ljust(6, "0")
    size = timedelta(hours=int(digits[:2]), minutes=int(digits[2:4]), seconds=int(digits[4:6]))
    return -size if zone[0] == "-" else size


def is_date_only(text: str) -> bool:
    match = _TIME.fullmatch(text.strip())
    return match is not None and match["hour"] is None


def stored_time(epoch_seconds: float) -> str:
    """Seconds since 1970 -> the stored form."""
    return datetime.fromtimestamp(epoch_seconds, timezone.utc).strftime("%Y-%m-%d %H:%M:%S")


def time_to_wire(stored: str) -> dict[str, str]:
    return {"__type__": "datetime", "value": stored.replace(" ", "T")}


def to_wire(attribute: Attribute, value: Any) -> Any:
    """A database value -> JSON value."""
    if value is None:
        return None
    kind = attribute.kind
    if kind is Kind.TIME:
        return time_to_wire(value)
    if kind is Kind.BOOL:
        return bool(value)
    if kind is Kind.VARIABLE:
        return json.loads(value)
    return value


def from_wire(attribute: Attribute, value: Any) -> Stored:
    """A JSON value of a scalar attribute -> database value.

    Raises:
        ValidationError: The attribute cannot hold it.
    """
    if value is None:
        return None
    kind = attribute.kind
    if kind is Kind.VARIABLE:
        try:
            return _text(attribute, json.dumps(value, sort_keys=True, allow_nan=False))
        except ValueError:
            raise _refused(attribute, None) from None
    if isinstance(value, dict) and kind is Kind.TIME and isinstance(value.get("value"), str):
        return parse_time(value["value"])
    if isinstance(value, (dict, list)):
        raise _refused(attribute, value)
    if kind is Kind.TIME:
        if not isinstance(value, str):
            raise _refused(attribute, value)
        return parse_time(value)
    if kind is Kind.BOOL:
        return _bool(attribute, value)
    if kind in (Kind.INT, Kind.NUMBER) or attribute.is_integer:
        return _number(attribute, value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return _text(attribute, str(value))


def _text(attribute: Attribute, value: str) -> str:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise _refused(attribute, value) from None
    return value


def _bool(attribute: Attribute, value: Any) -> int:
    text = str(value).strip().lower()
    if text in _TRUE or text in _FALSE:
        return int(text in _TRUE)
    raise _refused(attribute, value)


def _number(attribute: Attribute, value: Any) -> int | float:
    try:
        number = _float(value)
        if not math.isfinite(number):
            raise ValueError
        if isinstance(value, str) and re.fullmatch(r"[+-]?\d+", value.strip()):
            number = int(value)
    except (ValueError, OverflowError):
        raise _refused(attribute, value) from None
    if isinstance(value, int):
        number = int(value)
    if attribute.kind is Kind.INT or attribute.is_integer:
        number = int(number)
    if isinstance(number, int) and not -(2**63) <= number < 2**63:
        raise _refused(attribute, value)
    return number


def _float(value: Any) -> float:
    if isinstance(value, str) and "_" in value:
        # Python reads 1_000 as a thousand. Nobody else does.
        raise ValueError
    return float(value)


def _refused(attribute: Attribute, value: Any) -> ValidationError:
    shown = json.dumps(value, default=str)[:100]
    return ValidationError(f'Attribute "{attribute.name}" must be of type {attribute.kind.value}. Got {shown}.')


def variable_matches(stored: str | None, operator: str, text: str) -> int | None:
    """Compare a custom attribute's value with query text, by the value's own JSON type; the SQL function behind `value`.

    Args:
        stored: The value as JSON.
        operator: `is`, `is_not`, `<`, `<=`, `>`, `>=`.
        text: What the query says.

    Returns:
        1 or 0, None (SQL's unknown) if there is no value.
    """
    value = None if stored is None else json.loads(stored)
    if value is None:
        return None
    if isinstance(value, list):
        results = [_scalar_matches(each, operator, text) for each in value]
        return int(all(results)) if operator == "is_not" else int(any(results))
    return int(_scalar_matches(value, operator, text))


def _scalar_matches(value: Any, operator: str, text: str) -> bool:
    left, right = _comparable(value, operator, text)
    if right is None:
        return operator == "is_not"
    return bool(_COMPARISONS[operator](left, right))


def _comparable(value: Any, operator: str, text: str) -> tuple[Any, Any]:
    if isinstance(value, bool):
        lowered = text.strip().lower()
        return int(value), 1 if lowered in _TRUE else 0 if lowered in _FALSE else None
    if isinstance(value, (int, float)):
        try:
            return value, _float(text)
        except ValueError:
            return value, None
    if isinstance(value, dict) and value.get("__type__") == "datetime":
        try:
            moment, wanted = parse_time(str(value.get("value"))), parse_time(text)
        except ValidationError:
            return value, None
        # As for any other time: under `is`, a date means the whole day.
        whole_day = operator in ("is", "is_not") and is_date_only(text)
        return (moment[:10], wanted[:10]) if whole_day else (moment, wanted)
    return (value if isinstance(value, str) else json.dumps(value)).lower(), text.lower()


_COMPARISONS = {
    "is": lambda left, right: left == right,
    "is_not": lambda left, right: left != right,
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
}
