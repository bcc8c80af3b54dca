"""How results of key functions are compared."""

from __future__ import annotations

from typing import Any

from trackteroid.entities.container import Container
from trackteroid.entities.values import NOT_SET

__all__ = ["sort_key"]


def sort_key(value: Any) -> tuple[bool, Any]:
    """Return what a key function's result sorts by: absent values first, lists by their largest element.

    Reading an attribute of a one-entity collection gives a list of one value, hence the lists.
    """
    if isinstance(value, (list, tuple)):
        present = [element for element in value if not _is_absent(element)]
        value = max(present) if present else None
    return (False, None) if _is_absent(value) else (True, value)


def _is_absent(value: Any) -> bool:
    return value is None or value is NOT_SET or (isinstance(value, Container) and not value.client_entities)
