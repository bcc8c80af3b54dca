"""What loading has to know about an entity class: how to make one, which attributes a row fills, and in which order.

A class of a plugin may do anything on construction or on merging. Only classes that leave these to the client are planned
for; the others are loaded by the client's own code.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import ftrack_api.attribute
import ftrack_api.entity.base
import ftrack_api.entity.job
import ftrack_api.entity.location
from ftrack_api.symbol import NOT_SET

from trackteroid.connection.retirement import EntitySession

__all__ = ["Plan", "Relation", "Shape", "Unusual", "make_storage", "oddity", "plan_for"]

# Methods that decide what an entity holds after loading, and who may define them.
_GUARDED: dict[str, type] = {
    "__new__": object,
    "__getattribute__": object,
    "__setattr__": object,
    "__ne__": object,
    **dict.fromkeys(
        (
            "__delitem__",
            "__eq__",
            "__getitem__",
            "__hash__",
            "__iter__",
            "_construct",
            "_reconstruct",
            "clear",
            "merge",
        ),
        ftrack_api.entity.base.Entity,
    ),
}

# Constructors that do nothing with the data of a row.
_LOCATION = ftrack_api.entity.location.Location
_CONSTRUCTORS = (object, ftrack_api.entity.base.Entity, ftrack_api.entity.job.Job, _LOCATION)

_SCALAR = ftrack_api.attribute.ScalarAttribute
_REFERENCE = ftrack_api.attribute.ReferenceAttribute
_COLLECTIONS = (
    ftrack_api.attribute.CollectionAttribute,
    ftrack_api.attribute.KeyValueMappedCollectionAttribute,
    ftrack_api.attribute.CustomAttributeCollectionAttribute,
)
_ATTRIBUTES = frozenset({_SCALAR, _REFERENCE, *_COLLECTIONS})


class Unusual(Exception):
    """Something that is left to the client's own code; says what."""


@dataclass(frozen=True, slots=True)
class Relation:
    """An attribute that holds other entities: one (`single`) or a collection of them."""

    name: str
    attribute: Any
    single: bool


@dataclass(frozen=True, slots=True)
class Shape:
    """Which attributes the rows with a certain list of names fill.

    Attributes:
        plan: Of the entity class.
        key: The name of the primary key, None if there are several.
        scalars: Names of plain values.
        relations: References and collections in the order of the schema: the client merges in it, and of two rows of one
            entity in a page only the first counts.
        unknown: Names that the class has no attribute for.
    """

    plan: Plan
    key: str | None
    scalars: tuple[str, ...]
    relations: tuple[Relation, ...]
    unknown: tuple[str, ...]


@dataclass(slots=True)
class Plan:
    """How entities of one class are made.

    Attributes:
        entity_class: The class.
        entity_type: The name of its type.
        keys: The names of its primary key.
        prefix: What the text of an identity starts with.
        bare: Whether an entity can be made without calling the class.
        logger: What the client's constructor would look up for each entity.
        shapes: By the names in a row.
    """

    entity_class: Any
    entity_type: str
    keys: tuple[str, ...]
    prefix: str
    bare: bool
    logger: logging.Logger
    shapes: dict[tuple[str, ...], Shape] = field(default_factory=dict)

    def shape(self, names: tuple[str, ...]) -> Shape:
        """Return the shape of rows with these names, made on first use.

        Raises:
            Unusual: The primary key is not among them.
        """
        shape = self.shapes.get(names)
        if shape is None:
            shape = self.shapes[names] = self._make_shape(names)
        return shape

    def _make_shape(self, names: tuple[str, ...]) -> Shape:
        if not set(self.keys) <= set(names):
            raise Unusual(f"a row of {self.entity_type} without its primary key")
        found = [attribute for attribute in self.entity_class.attributes if attribute.name in names]
        known = {attribute.name for attribute in found}
        return Shape(
            plan=self,
            key=self.keys[0] if len(self.keys) == 1 else None,
            scalars=tuple(attribute.name for attribute in found if isinstance(attribute, _SCALAR)),
            relations=tuple(
                Relation(attribute.name, attribute, isinstance(attribute, _REFERENCE))
                for attribute in found
                if not isinstance(attribute, _SCALAR)
            ),
            unknown=tuple(name for name in names if name not in known and name != "__entity_type__"),
        )

    def make(self, session: Any) -> Any:
        """Return a new entity without any value, as the client constructs it."""
        if not self.bare:
            return self.entity_class(session, data={}, reconstructing=True)
        entity = object.__new__(self.entity_class)
        entity.logger = self.logger
        entity.session = session
        entity._inflated = set()
        entity._ignore_data_keys = ["__entity_type__"]
        return entity


def _cell() -> dict[str, Any]:
    return {"local": NOT_SET, "remote": NOT_SET}


def make_storage() -> defaultdict[str, dict[str, Any]]:
    """Return what the client's attributes keep in an entity (`ftrack_api.attribute.Attribute.get_entity_storage`)."""
    return defaultdict(_cell)


def plan_for(entity_class: Any) -> Plan:
    """Return the plan for a class.

    Raises:
        Unusual: The class does something of its own on construction or merging.
    """
    reason = oddity(entity_class)
    if reason is not None:
        raise Unusual(reason)
    entity_type = str(entity_class.entity_type)
    constructor = _owner(entity_class, "__init__")
    return Plan(
        entity_class=entity_class,
        entity_type=entity_type,
        keys=tuple(entity_class.primary_key_attributes),
        prefix=f"({entity_type!r}, [",
        bare=constructor is ftrack_api.entity.base.Entity,
        logger=logging.getLogger(f"{ftrack_api.entity.base.__name__}.{entity_class.__name__}"),
    )


def oddity(entity_class: Any) -> str | None:
    """Return what a class does of its own that only the client's code can honour, None if nothing."""
    name = entity_class.__name__
    if ftrack_api.entity.base.Entity not in entity_class.__mro__:
        return f"class {name} is no entity class of the client"
    for method, owner in _GUARDED.items():
        if _owner(entity_class, method) is not owner:
            return f"class {name} has its own {method}"
    for base in entity_class.__mro__:
        if "__init__" in base.__dict__ and base not in _CONSTRUCTORS:
            return f"class {name} has its own constructor"
        # Ours, on classes that outlived a connection, keeps what it is given.
        if not isinstance(base.__dict__.get("session"), EntitySession | None):
            return f"class {name} decides on its session"
    attributes = entity_class.attributes
    if type(attributes) is not ftrack_api.attribute.Attributes:
        return f"class {name} keeps its attributes in its own way"
    for attribute in attributes:
        if type(attribute) not in _ATTRIBUTES and getattr(type(attribute), "notes_for", None) not in _ATTRIBUTES:
            return f"attribute {name}.{attribute.name} is of an unknown class"
    return None


def _owner(entity_class: Any, name: str) -> type | None:
    """Return the class that defines what `entity_class` calls `name`."""
    return next((base for base in entity_class.__mro__ if name in base.__dict__), None)
