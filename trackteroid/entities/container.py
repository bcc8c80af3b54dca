"""What both kinds of collection are to the modules that work on them."""

from __future__ import annotations

from typing import Any

from trackteroid.entities.context import Context
from trackteroid.entities.entity import EntityType

__all__ = ["Container"]


class Container:
    """Some entities of one class, possibly none.

    Attributes:
        client_entities: The entities of the official client, in order.
        container_context: The session and schemas they belong to; None for an empty collection that belongs to none.
    """

    __slots__ = ("__weakref__",)

    @property
    def entity_type(self) -> EntityType:
        """The class of the entities."""
        raise NotImplementedError

    @property
    def client_entities(self) -> tuple[Any, ...]:
        raise NotImplementedError

    @property
    def container_context(self) -> Context | None:
        raise NotImplementedError
