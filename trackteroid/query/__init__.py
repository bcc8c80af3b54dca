"""Queries: `Query`, the relation schemas `SCHEMA`, and criteria."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trackteroid.query.criteria import Criteria, Criterion
    from trackteroid.query.query import Query
    from trackteroid.query.schemas import SCHEMA

# Loaded on first use: modules below this one need parts of the package while it is being imported.
_HOMES = {
    "Criteria": "trackteroid.query.criteria",
    "Criterion": "trackteroid.query.criteria",
    "Query": "trackteroid.query.query",
    "SCHEMA": "trackteroid.query.schemas",
}

__all__ = ["SCHEMA", "Criteria", "Criterion", "Query"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
