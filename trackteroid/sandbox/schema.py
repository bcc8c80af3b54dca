"""Entity types as values: what there is, how it hangs together, where it is stored.

Source of the rules: specification of the ftrack server, sections 3 and 4. `schema_text` reads them from the data file.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from trackteroid.sandbox.errors import UnknownAttributeError, UnknownEntityTypeError

__all__ = ["NO_DEFAULT", "Attribute", "EntityType", "Kind", "Link", "Schema"]


class _NoDefault(enum.Enum):
    NO_DEFAULT = "no default"


NO_DEFAULT = _NoDefault.NO_DEFAULT


class Kind(enum.Enum):
    """What an attribute holds."""

    UID = "uid"
    TEXT = "text"
    BOOL = "bool"
    INT = "int"
    NUMBER = "number"
    TIME = "time"
    OBJECT = "object"
    VARIABLE = "variable"
    KEY = "key"
    REF = "ref"
    LIST = "list"
    MAP = "map"
    LINKS = "links"

    @property
    def is_collection(self) -> bool:
        return self in (Kind.LIST, Kind.MAP, Kind.LINKS)

    @property
    def is_relation(self) -> bool:
        return self is Kind.REF or self.is_collection


@dataclass(frozen=True, kw_only=True)
class Link:
    """The rows between two types: `near` holds this side's key, `far` the other's."""

    table: str
    near: str
    far: str


@dataclass(frozen=True, kw_only=True)
class Attribute:
    """One attribute of one type.

    Attributes:
        target: Related type of a key, reference or collection.
        target_column: Column that a key points at (`id` nearly always).
        column: Storage column of a scalar; foreign key of a reference; the inverse's key of a collection without `link`.
        columns: More than one column for a reference by a composite key.
        fill: What the server puts in where a client sends nothing: JSON value, or a word that `defaults` knows.
        where: Further condition on a collection's rows, `(column, value)`.
    """

    name: str
    kind: Kind
    target: str | None = None
    target_column: str = "id"
    column: str | None = None
    columns: tuple[str, ...] = ()
    link: Link | None = None
    where: tuple[str, str] | None = None
    default: Any = NO_DEFAULT
    fill: Any = NO_DEFAULT
    fill_word: str | None = None
    storage_name: str | None = None
    described_key: str | None = None
    description: str | None = None
    required: bool = False
    nullable: bool = True
    immutable: bool = False
    computed: bool = False
    derived: bool = False
    read_only: bool = False
    hidden: bool = False
    transform: bool = False
    is_json: bool = False
    is_integer: bool = False
    declared_reference: bool = False
    choices: tuple[str, ...] = ()

    @property
    def is_relation(self) -> bool:
        return self.kind.is_relation

    @property
    def is_collection(self) -> bool:
        return self.kind.is_collection

    @property
    def is_stored(self) -> bool:
        """Whether the type's table has a column of this attribute's own."""
        return not self.is_relation and not self.derived and self.column == self.name


@dataclass(frozen=True, kw_only=True)
class EntityType:
    """One entity type.

    Attributes:
        table: Table or view that holds the rows of the whole family; the name of the family's root.
        family: Names of this type and everything below it, itself first.
        system: API names of the attributes that every row carries (`key` columns excluded).
        system_names: The same under storage names, as served.
        object_type_id: Id of the object type if this is one.
    """

    name: str
    base: str | None
    table: str
    attributes: Mapping[str, Attribute]
    primary_key: tuple[str, ...] = ("id",)
    system: tuple[str, ...] = ()
    system_names: tuple[str, ...] = ()
    show: tuple[str, ...] = ("id",)
    store: str | None = None
    store_slice: tuple[str, str] | None = None
    also_required: tuple[str, ...] = ()
    also_immutable: tuple[str, ...] = ()
    view: bool = False
    hidden: bool = False
    object_type_id: str | None = None
    family: tuple[str, ...] = field(default=())

    @property
    def storage_table(self) -> str:
        """Name of the real server's table, which events and `parent_type` values use in lower case."""
        return self.store or self.name


class Schema:
    """All entity types of a server.

    Args:
        types: Every type, bases before what is built on them.
        exported: The JSON schemas to serve, where they were not made from the types.
    """

    def __init__(self, types: Iterable[EntityType], *, exported: list[dict[str, Any]] | None = None) -> None:
        self.exported = exported
        self.types: dict[str, EntityType] = {each.name: each for each in types}
        self._roots: dict[str, list[EntityType]] = {}
        for each in self.types.values():
            self._roots.setdefault(each.table, []).append(each)

    def __contains__(self, name: object) -> bool:
        return name in self.types

    def type(self, name: str) -> EntityType:
        """The type of this name.

        Raises:
            UnknownEntityTypeError: There is none.
        """
        try:
            return self.types[name]
        except (KeyError, TypeError):
            raise UnknownEntityTypeError(f'There is no entity type "{name}".') from None

    def served(self, name: str) -> EntityType:
        """The type of this name, if clients may know it.

        Raises:
            UnknownEntityTypeError: There is none.
        """
        found = self.type(name)
        if found.hidden:
            raise UnknownEntityTypeError(f'There is no entity type "{name}".')
        return found

    def tables(self) -> Iterable[tuple[str, list[EntityType]]]:
        """Every table with the types whose rows it holds, the family's root first."""
        return self._roots.items()

    def in_table(self, table: str) -> list[EntityType]:
        return self._roots[table]

    def is_family(self, table: str) -> bool:
        """Whether rows of several types share the table, so that each row says of which type it is."""
        return len(self._roots[table]) > 1

    def having(self, entity_type: EntityType, attribute: str) -> tuple[EntityType, ...]:
        """The types of a family, itself first, that have the attribute (trap 18: subtypes count too)."""
        family = (self.types[name] for name in entity_type.family)
        return tuple(each for each in family if attribute in each.attributes)

    def attribute(
        self, entity_type: EntityType, name: str, *, as_relation: bool = False
    ) -> tuple[Attribute, tuple[str, ...]]:
        """Look an attribute up on a type or on any of its subtypes.

        Args:
            as_relation: Something follows the name. Where subtypes mean different things by it (`status` is a reference
                on a TypedContext and a word on a Project), that decides.

        Returns:
            The attribute, and the names of the types whose rows have it; empty if the type itself has it.

        Raises:
            UnknownAttributeError: Neither the type nor a subtype declares it.
        """
        own = entity_type.attributes.get(name)
        if own is not None and (not own.hidden or name in entity_type.show or name in entity_type.system):
            return own, ()
        having = [each for each in self.having(entity_type, name) if not each.attributes[name].hidden]
        if not having:
            raise UnknownAttributeError(f'Entity type {entity_type.name} has no attribute "{name}".')
        fitting = [each for each in having if each.attributes[name].is_relation] if as_relation else having
        found = (fitting or having)[0].attributes[name]
        return found, tuple(each.name for each in having if each.attributes[name].kind is found.kind)
