"""How results of key functions are compared."""

from __future__ import annotations

from typing import Any

from trackteroid.entities.container import Container
from trackteroid.entities.values import NOT_SET

__all__ = ["comparable", "sort_key"]


_PLAIN = frozenset({bool, float, int, str})


def comparable(value: Any) -> Any:
    """Return what a key function's result is compared by, None for nothing.

    Of a list it is the largest element: reading an attribute of a one-entity collection gives a list of one value.
    """
    if value.__class__ is list and len(value) == 1:
        (single,) = value
        if single.__class__ in _PLAIN:
            # The usual case, without asking what else it could be.
            return single
    if isinstance(value, (list, tuple)):
        present = [element for element in value if not _is_absent(element)]
        return max(present) if present else None
    return None if _is_absent(value) else value


def sort_key(value: Any) -> tuple[bool, Any]:
    """Return what a key function's result sorts by, absent values before all others."""
    value = comparable(value)
    return value is not None, value


def _is_absent(value: Any) -> bool:
    return value is None or value is NOT_SET or (isinstance(value, Container) and not value.client_entities)
