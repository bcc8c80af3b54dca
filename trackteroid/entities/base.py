"""Names that users of the original library import from here."""

from __future__ import annotations

from trackteroid.entities.collection import EmptyCollection, EntityCollection
from trackteroid.entities.entity import Entity, Relationship
from trackteroid.errors import EntityCollectionOperationError
from trackteroid.relationships import Relation as TargetRelation

__all__ = [
    "EmptyCollection",
    "Entity",
    "EntityCollection",
    "EntityCollectionOperationError",
    "Relationship",
    "TargetRelation",
]
