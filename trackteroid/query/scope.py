"""What a query's text is made against: its type, the server's schema and the studio's relations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from trackteroid.entities.entity import EntityType
from trackteroid.query.relations import find_relation
from trackteroid.relationships import Relation, SchemaIndex

__all__ = ["Scope"]


@dataclass(frozen=True)
class Scope:
    """Where names in a query are looked up.

    Attributes:
        entity_type: The class that is queried.
        schema: The relation schema.
        load_index: Returns the server's schema; called only when something needs it, so that queries that use no
            relation can be written down without a server.
    """

    entity_type: EntityType
    schema: Mapping[str, Any]
    load_index: Callable[[], SchemaIndex]

    @property
    def type_name(self) -> str:
        """The name of the queried type."""
        return self.entity_type.__name__

    @property
    def index(self) -> SchemaIndex:
        """The server's schema; asking for it may connect."""
        return self.load_index()

    def relation(self, target: str, source: str | None = None) -> Relation | None:
        """Return the relation from `source` (default: the queried type) to `target`, None if there is none."""
        return find_relation(self.index, self.schema, source or self.type_name, target)
