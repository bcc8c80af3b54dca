"""What committing needs to know of a server's schema: keys, attributes, and what their values mean."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

__all__ = ["Schemas"]

#: The parts of an ISO 8601 text that `datetime.fromisoformat` of Python 3.10 cannot read in every length, and ftrack
#: does not keep.
_FRACTION = re.compile(r"[.,]\d+")


class Schemas:
    """The schemas of one server, by entity type.

    Args:
        schemas: As the server's `query_schemas` returns them.
    """

    def __init__(self, schemas: Sequence[Mapping[str, Any]]) -> None:
        self._by_type = {str(schema["id"]): schema for schema in schemas}

    def __contains__(self, entity_type: object) -> bool:
        return entity_type in self._by_type

    def attributes(self, entity_type: str) -> Mapping[str, Mapping[str, Any]]:
        """Return the attributes of a type: name to definition; empty for an unknown type."""
        properties: Mapping[str, Mapping[str, Any]] = self._by_type.get(entity_type, {}).get("properties", {})
        return properties

    def primary_key(self, entity_type: str) -> tuple[str, ...]:
        """Return the names of a type's key attributes, in their order."""
        return tuple(self._by_type.get(entity_type, {}).get("primary_key", ("id",)))

    def comparable(self, entity_type: str, attribute: str, value: Any) -> Any:
        """Return a value such that two spellings of the same thing are equal.

        References and collections become keys, date-times whole seconds in UTC (the server keeps no fractions and
        takes naive ones as UTC, ftrack-server 2.9).
        """
        definition = self.attributes(entity_type).get(attribute, {})
        return self._comparable(value, definition)

    def _comparable(self, value: Any, definition: Mapping[str, Any]) -> Any:
        if isinstance(value, Mapping):
            if "__entity_type__" in value:
                names = self.primary_key(str(value["__entity_type__"]))
                return tuple(str(value.get(name)) for name in names)
            if value.get("__type__") in ("datetime", "date"):
                return _moment(value.get("value"))
            return tuple(sorted((str(name), repr(item)) for name, item in value.items()))
        if isinstance(value, list | tuple):
            items = [self._comparable(item, {}) for item in value]
            if definition.get("type") in ("array", "mapped_array"):
                return frozenset(items)
            return tuple(items)
        # Numbers as they are: Python compares an integer with a float exactly, however large it is.
        if definition.get("format") == "date-time" and isinstance(value, str):
            return _moment(value)
        return value


def _moment(value: Any) -> Any:
    text = _FRACTION.sub("", str(value)).replace("Z", "+00:00")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return str(value)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return moment.timestamp()
