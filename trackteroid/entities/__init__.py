"""Entity classes and collections.

Every entity class is importable from here (`from trackteroid.entities import Shot`), as it is from `trackteroid` itself; for
a type that only your server has, its schema is looked at.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from trackteroid.entities.names import ENTITY_NAMES

if TYPE_CHECKING:
    from trackteroid.entities.entity_types import *  # noqa: F403

# Loaded on first use: modules below this one need parts of the package while it is being imported.
_CLASSES = frozenset(("Entity", *ENTITY_NAMES))

if not TYPE_CHECKING:
    # Type checkers cannot follow this; they take what is imported above.
    __all__ = ["Entity", *ENTITY_NAMES]  # noqa: F405


def __getattr__(name: str) -> Any:
    if name in _CLASSES:
        return getattr(import_module("trackteroid.entities.entity_types"), name)
    if name[:1].isupper():
        return getattr(import_module("trackteroid"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_CLASSES})
