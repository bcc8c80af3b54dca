"""Checking a batch against the live schema before it is sent.

The server ignores attributes it does not know (ftrack-server 2.5), which would lose what was recorded without a word.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from trackteroid.commits.schemas import Schemas
from trackteroid.errors import RecordingRefusedError

__all__ = ["validate"]


def validate(batch: Iterable[Mapping[str, Any]], schemas: Schemas) -> None:
    """Check that every type and attribute of `batch` exists on the server.

    Raises:
        RecordingRefusedError: Names each that does not.
    """
    unknown: dict[str, None] = {}
    # In a batch of thousands many are alike.
    checked: set[tuple[str, ...]] = set()
    for payload in batch:
        entity_type = payload["entity_type"]
        shape = (entity_type, *payload.get("entity_data", ()))
        if shape in checked:
            continue
        checked.add(shape)
        if entity_type not in schemas:
            unknown[f"the type {entity_type}"] = None
            continue
        attributes = schemas.attributes(entity_type)
        for name in payload.get("entity_data", ()):
            if name != "__entity_type__" and name not in attributes:
                unknown[f"the attribute {entity_type}.{name}"] = None
    if unknown:
        raise RecordingRefusedError(f"The server does not know {', '.join(unknown)}.")
