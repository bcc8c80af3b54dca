"""What an entity class is: what `Query` is asked for, what projections and filters name, what collections are typed by.

A class holds no state of a session: it is a name, a list of default projections (its first element is the attribute that
results are ordered by) and a place in the class tree. Any other attribute of a class is a `Relationship`, a declaration
such as `Task.State.name` that is resolved against a server's schema when a query runs. Calling a class with a collection
types that collection as the class; an *instance* wraps one entity of the official client.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from trackteroid.entities.values import NOT_SET, read

__all__ = ["Entity", "EntityType", "Relationship", "common_base", "declared", "is_kind"]

_CLASSES: dict[str, EntityType] = {}


def _is_reserved(name: str) -> bool:
    # Python's own protocols, and those by which IPython and Jupyter ask objects how they want to be shown.
    return name.startswith(("__", "_ipython_", "_repr_"))


class Relationship:
    """A chain of types and attributes that starts at an entity class: `Task.State.name`.

    Immutable: `x.bar` never changes `x`. Compares and hashes by what it says.
    """

    __slots__ = ("_relationship_root", "_relationship_tokens")
    _relationship_root: EntityType
    _relationship_tokens: tuple[str, ...]

    def __init__(self, root: EntityType, tokens: tuple[str, ...]) -> None:
        object.__setattr__(self, "_relationship_root", root)
        object.__setattr__(self, "_relationship_tokens", tokens)

    def __getattr__(self, name: str) -> Relationship:
        if _is_reserved(name):
            raise AttributeError(name)
        return Relationship(self._relationship_root, (*self._relationship_tokens, name))

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{self!r} is a declaration: nothing can be assigned to it.")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Relationship):
            return NotImplemented
        return self.__reduce__() == other.__reduce__()

    def __hash__(self) -> int:
        return hash((self._relationship_root, self._relationship_tokens))

    def __repr__(self) -> str:
        return ".".join((self._relationship_root.__name__, *self._relationship_tokens))

    def __reduce__(self) -> tuple[type[Relationship], tuple[EntityType, tuple[str, ...]]]:
        return Relationship, (self._relationship_root, self._relationship_tokens)

    def __copy__(self) -> Relationship:
        return self

    def __deepcopy__(self, memo: object) -> Relationship:
        return self


class EntityType(type):
    """The class of entity classes: it turns unknown attributes into declarations and calls into coercions."""

    projections: list[str]

    def __init__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> None:
        super().__init__(name, bases, namespace)
        # Each class has a list of its own, so that extending one class's projections leaves its relatives alone.
        cls.projections = list(cls.projections)
        _CLASSES.setdefault(name, cls)

    def __getattr__(cls, name: str) -> Relationship:
        if _is_reserved(name):
            raise AttributeError(f"type object {cls.__name__!r} has no attribute {name!r}")
        return Relationship(cls, (name,))

    def __call__(cls, subject: Any = None, **unexpected: Any) -> Any:
        if subject is None or unexpected:
            raise TypeError(
                f"{cls.__name__}(collection) looks at a collection as {cls.__name__}; new entities are made by a collection's "
                f"create()."
            )
        coerce = getattr(type(subject), "__coerce_to__", None)
        if coerce is not None:
            return coerce(subject, cls)
        return super().__call__(subject)


class Entity(metaclass=EntityType):
    """The root of all entity classes; an instance wraps one entity of the official client.

    Attributes:
        projections: What a query on this type fetches by default, the attribute to order by first.
        ftrack_entity: The client's entity.
    """

    __slots__ = ("ftrack_entity",)
    projections: ClassVar[list[str]] = ["id"]
    ftrack_entity: Any

    def __init__(self, ftrack_entity: Any) -> None:
        if not hasattr(ftrack_entity, "primary_key_attributes"):
            raise TypeError(
                f"{type(self).__name__} takes a collection or an entity of ftrack_api, not {ftrack_entity!r}."
            )
        object.__setattr__(self, "ftrack_entity", ftrack_entity)

    def __getitem__(self, name: str) -> Any:
        value = read(self.ftrack_entity, name)
        return None if value is NOT_SET else value

    def __getattr__(self, name: str) -> Any:
        if _is_reserved(name) or self.ftrack_entity.attributes.get(name) is None:
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}.")
        value = self[name]
        if hasattr(value, "primary_key_attributes"):
            return Entity(value)
        return value

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("An Entity is read-only: assign to attributes of a collection.")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Entity):
            return NotImplemented
        return bool(self.ftrack_entity == other.ftrack_entity)

    def __hash__(self) -> int:
        return hash(self.ftrack_entity)

    def __str__(self) -> str:
        return str(self.ftrack_entity.entity_type)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.ftrack_entity}>"


def declared(name: str) -> EntityType | None:
    """Return the entity class of this name, None if none has been made yet."""
    return _CLASSES.get(name)


def is_kind(entity_type: type, base: type) -> bool:
    """Whether a class is another or derives from it (`issubclass`, which type checkers do not follow here)."""
    return base in entity_type.__mro__


def common_base(classes: Iterable[EntityType]) -> EntityType:
    """Return the most special class that all of `classes` are."""
    first, *others = classes
    for candidate in first.__mro__:
        if isinstance(candidate, EntityType) and all(issubclass(other, candidate) for other in others):
            return candidate
    return Entity
