"""Reading what an entity stores, without the client's detours: it looks each attribute up and makes cells on reading."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ftrack_api.inspection
from ftrack_api.symbol import NOT_SET

__all__ = ["UNSET", "cells", "primary_key"]

# The cell of an attribute that was never touched.
UNSET: Mapping[str, Any] = {"local": NOT_SET, "remote": NOT_SET}


def cells(entity: Any) -> Mapping[str, dict[str, Any]]:
    """Return what an entity stores: attribute name to its "local" and "remote" values."""
    return getattr(entity, "_ftrack_attribute_storage", None) or {}


def primary_key(entity: Any) -> Mapping[str, str]:
    """Return what `ftrack_api.inspection.primary_key` returns.

    Raises:
        KeyError: A part of it is not set.
    """
    stored = cells(entity)
    key = {}
    for name in entity.primary_key_attributes:
        cell = stored.get(name, UNSET)
        value = cell["remote"] if cell["local"] is NOT_SET else cell["local"]
        if value is NOT_SET:
            # Fetches it where the session does that, or raises.
            return ftrack_api.inspection.primary_key(entity)  # type: ignore[no-any-return]
        key[name] = str(value)
    return key
