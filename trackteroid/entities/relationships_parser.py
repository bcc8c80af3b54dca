"""The relations between all types that a server's schema implies, laid out as the original library did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from trackteroid.relationships import SchemaIndex, schema_index

__all__ = ["RelationshipsParser"]


class RelationshipsParser:
    """Parses a schema list.

    Args:
        schemas: The list of type schemas as the server sends it (`session.schemas`).

    Raises:
        BadInputError: A record is no type schema.
    """

    def __init__(self, schemas: Sequence[Mapping[str, Any]]) -> None:
        self._index = schema_index(schemas)

    @classmethod
    def of(cls, index: SchemaIndex) -> RelationshipsParser:
        """Return the parser of a schema, the same one each time."""

        def make() -> RelationshipsParser:
            parser = cls.__new__(cls)
            parser._index = index
            return parser

        return index.memoised(cls.__qualname__, make)

    @property
    def entities(self) -> tuple[str, ...]:
        """The names of all types, in the server's order."""
        return tuple(self._index.types)

    @property
    def array_attributes(self) -> tuple[str, ...]:
        """The names that are an array attribute of some type, in alphabetical order."""
        return tuple(sorted(self._index.array_attributes))

    @cached_property
    def relationships(self) -> Mapping[str, Mapping[str, Mapping[str, str]]]:
        """Source -> `non_collection` (over references) or `collection` (over arrays) -> target -> dotted path."""
        return {
            name: {"non_collection": self._index.references(name), "collection": self._index.arrays(name)}
            for name in self._index.types
        }
