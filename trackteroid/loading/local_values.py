"""Which entities have local values.

The client's `commit()` and `rollback()` clear the local values of everything cached, attribute by attribute. To clear
the same ones at a cost in proportion to how many there are, each entity that gets one is noted.

Every local value comes through `Attribute.set_local_value`, so the attributes of a session's entity classes get a class
that notes first; nothing else about them changes.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from typing import Any

from ftrack_api.symbol import NOT_SET

from trackteroid.loading.stored import cells

__all__ = ["LocalValues"]

# Where a session keeps its notes. Entities of a former connection speak to something else, which has none.
NAME = "_local_values"


class _Noting:
    """Mixin of attributes that note whom they give a local value."""

    notes_for: type

    def set_local_value(self, entity: Any, value: Any) -> None:
        if value is not NOT_SET:
            notes = entity.session.__dict__.get(NAME)
            if notes is not None:
                # Before the client's code, which may raise after it has stored the value.
                notes.entities[id(entity)] = entity
        super().set_local_value(entity, value)  # type: ignore[misc]


_TWINS: dict[type, type] = {}


def _noting(attribute_class: type) -> type:
    """Return a twin of a class of attributes that notes; it shows itself under the same name."""
    twin = _TWINS.get(attribute_class)
    if twin is None:
        namespace = {"notes_for": attribute_class, "__module__": attribute_class.__module__}
        twin = _TWINS.setdefault(attribute_class, type(attribute_class.__name__, (_Noting, attribute_class), namespace))
    return twin


class LocalValues:
    """The entities of a session that may have local values.

    Attributes:
        entities: By `id`; an entity's own hash depends on its primary key. Weak, as those that were cached and are no
            longer are nobody's business here.
    """

    def __init__(self) -> None:
        self.entities: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()
        # Kept alive, so that no other object gets the id.
        self._watched: dict[int, Any] = {}

    def watch(self, entity_classes: Iterable[Any]) -> bool:
        """Note for these classes, and no others, from now on; return whether that has been so all the time."""
        complete = True
        watched = {}
        for entity_class in entity_classes:
            attributes = entity_class.attributes
            watched[id(attributes)] = attributes
            if id(attributes) in self._watched:
                continue
            complete = False
            for attribute in attributes:
                if not isinstance(attribute, _Noting):
                    attribute.__class__ = _noting(type(attribute))
        self._watched = watched
        return complete

    def catch_up(self, entities: Iterable[Any]) -> None:
        """Note those of these entities that have local values."""
        for entity in entities:
            if any(cell["local"] is not NOT_SET for cell in list(cells(entity).values())):
                self.entities[id(entity)] = entity

    def noted(self) -> list[Any]:
        """Return the entities noted so far that are still alive."""
        return list(self.entities.values())

    def forget(self, entities: Iterable[Any]) -> None:
        """Take back the notes of these entities."""
        for entity in entities:
            self.entities.pop(id(entity), None)
