"""Set operations on entities of one session, linear in their number.

Within a session there is one object per entity, so entities are the same if they are the same object.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = ["differing", "kept", "without"]


def kept(entities: Sequence[Any], others: Sequence[Sequence[Any]]) -> list[Any]:
    """Return the entities that are in all of the others too, in order."""
    present = [{id(entity) for entity in other} for other in others]
    return [entity for entity in entities if all(id(entity) in members for members in present)]


def without(entities: Sequence[Any], others: Sequence[Sequence[Any]]) -> list[Any]:
    """Return the entities that are in none of the others, in order."""
    absent = {id(entity) for other in others for entity in other}
    return [entity for entity in entities if id(entity) not in absent]


def differing(entities: Sequence[Any], others: Sequence[Sequence[Any]]) -> list[Any]:
    """Return what is in exactly one of the first two, then the same with the third, and so on."""
    current = {id(entity): entity for entity in entities}
    for other in others:
        for entity in {id(entity): entity for entity in other}.values():
            if current.pop(id(entity), None) is None:
                current[id(entity)] = entity
    return list(current.values())
