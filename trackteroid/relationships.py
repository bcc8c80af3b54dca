"""How one type of the server's schema is reached from another, and the index in which its types are looked up.

Scope: pure functions of the schema list that the server sends (`query_schemas`); nothing here asks a server or keeps
state about a session. `SchemaIndex` is built once per schema and answers every look-up from dictionaries; a relation
between two types is inferred by breadth-first search on first use and remembered in the index.

Rules of the inference: references and arrays are searched separately, arrays win where both reach a type; the type
`Context` is never entered (its `parent` and `children` could be anything), nor are `ancestors`, `descendants` and
`status_changes`; nothing is looked for *behind* a `thumbnail`, because what owns a picture says nothing about what it
shows.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from trackteroid.errors import BadInputError
from trackteroid.schema_types import Attribute, AttributeKind, TypeSchema, bases, read_type, schema_hash

__all__ = [
    "Attribute",
    "AttributeKind",
    "Relation",
    "SchemaIndex",
    "Step",
    "TypeSchema",
    "parse_path",
    "schema_hash",
    "schema_index",
]

T = TypeVar("T")

EXCLUDED_TYPES = frozenset({"Context"})
SKIPPED_ATTRIBUTES = frozenset({"ancestors", "descendants", "status_changes"})
DEAD_ENDS = frozenset({"thumbnail"})

#: Which of several attributes of one type that refer to the same other type is the relation (the nearest base counts);
#: without an entry the first in schema order.
_PREFERRED: Mapping[str, frozenset[str]] = {
    "TypedContext": frozenset({"assignments"}),
    "Context": frozenset({"appointments"}),
    "User": frozenset({"appointments"}),
    "Resource": frozenset({"assignments"}),
    "StatusChange": frozenset({"status"}),
}


@dataclass(frozen=True)
class Step:
    """One token of a path: an attribute, possibly with a type filter as in `parent[Shot]`."""

    name: str
    type_filter: str | None = None

    def __str__(self) -> str:
        return f"{self.name}[{self.type_filter}]" if self.type_filter else self.name


@dataclass(frozen=True)
class Relation:
    """How `target` is reached from `source`.

    Attributes:
        source, target: Names of types.
        alternatives: Paths of which any may hold; inferred relations have exactly one.
        is_array: Whether there may be several targets (`any` in a query, not `has`).
        inferred: Whether the schema gave it, rather than the user's resolver.
    """

    source: str
    target: str
    alternatives: tuple[tuple[Step, ...], ...]
    is_array: bool
    inferred: bool

    @property
    def paths(self) -> tuple[str, ...]:
        """The alternatives as text, with type filters."""
        return tuple(".".join(map(str, steps)) for steps in self.alternatives)


def parse_path(text: str) -> tuple[Step, ...]:
    """Split a relation path such as `asset.parent[Shot].parent[Sequence]`.

    Raises:
        BadInputError: The text is no such path.
    """
    steps = []
    for token in text.split("."):
        name, bracket, rest = token.strip().partition("[")
        type_filter: str | None = None
        if bracket:
            type_filter, closing, tail = rest.partition("]")
            if not closing or tail or not type_filter.isidentifier():
                raise BadInputError(f"{text!r} is no path: {token!r} should look like attribute[Type].")
        if not name.isidentifier():
            raise BadInputError(f"{text!r} is no path of attribute names: {token!r} is no name.")
        steps.append(Step(name, type_filter))
    return tuple(steps)


class SchemaIndex:
    """Look-ups over one schema list. Immutable as far as its users can tell; safe to share between threads.

    Args:
        schemas: The list of type schemas as the server sends it.
        digest: Its hash where the caller knows it; computed otherwise.

    Attributes:
        schema_hash: The digest of the schema list.
        types: Type name -> its schema, in the server's order.
        array_attributes: Names that are a plural attribute of some type.

    Raises:
        BadInputError: A record is no type schema.
    """

    def __init__(self, schemas: Sequence[Mapping[str, Any]], digest: str | None = None) -> None:
        self.schema_hash = digest or schema_hash(schemas)
        self.types: Mapping[str, TypeSchema] = {schema.name: schema for schema in map(read_type, schemas)}
        self._bases = bases(self.types)
        self._subtypes: dict[str, set[str]] = {}
        for name in self.types:
            for base in self.lineage(name):
                self._subtypes.setdefault(base, set()).add(name)
        self.array_attributes = frozenset(
            link.name for schema in self.types.values() for link in schema.links if link.is_plural
        )
        self._references: dict[str, Mapping[str, str]] = {}
        self._arrays: dict[str, Mapping[str, str]] = {}
        self._memo: dict[Hashable, Any] = {}

    def __contains__(self, type_name: object) -> bool:
        return type_name in self.types

    def __repr__(self) -> str:
        return f"<SchemaIndex of {len(self.types)} types>"

    # Types

    @property
    def object_types(self) -> tuple[str, ...]:
        """The types that are object types (Shot, Sequence, ...), in schema order."""
        return tuple(name for name, schema in self.types.items() if schema.is_object_type)

    def base(self, type_name: str) -> str | None:
        """Return the next more general type, None if there is none."""
        return self._bases.get(type_name)

    def lineage(self, type_name: str) -> Iterator[str]:
        """Yield the type itself, then its base, and so on."""
        current: str | None = type_name
        while current is not None:
            yield current
            current = self._bases.get(current)

    def subtypes(self, type_name: str) -> frozenset[str]:
        """Return all types whose rows a query on this type returns, the type itself included."""
        return frozenset(self._subtypes.get(type_name, {type_name}))

    def is_subtype(self, type_name: str, base: str) -> bool:
        """Whether rows of `type_name` are rows of `base` too."""
        return type_name == base or type_name in self._subtypes.get(base, ())

    # Attributes

    def attribute(self, type_name: str, name: str) -> Attribute | None:
        """Return the attribute, None if the type is unknown or has no such attribute."""
        schema = self.types.get(type_name)
        return None if schema is None else schema.attributes.get(name)

    def has_attribute(self, type_name: str, name: str) -> bool:
        """Whether the type has the attribute."""
        return self.attribute(type_name, name) is not None

    def knows(self, type_name: str, name: str) -> bool:
        """Whether the type or one of its subtypes has the attribute: the server accepts both in a path."""
        return self._any_attribute(type_name, name) is not None

    def primary_key(self, type_name: str) -> tuple[str, ...]:
        """Return the names of the attributes that identify an entity.

        Raises:
            BadInputError: The server has no such type.
        """
        try:
            return self.types[type_name].primary_key
        except KeyError:
            raise BadInputError(f"The server has no type {type_name!r}.") from None

    def owners(self, source: str, steps: Sequence[Step]) -> tuple[str | None, ...]:
        """Return for each step the type that owns its attribute, None from the first unknown one on."""
        owners: list[str | None] = []
        current: str | None = source
        for step in steps:
            owners.append(current)
            attribute = None if current is None else self._any_attribute(current, step.name)
            current = step.type_filter or (attribute.target if attribute else None)
        return tuple(owners)

    def is_array_path(self, source: str, steps: Sequence[Step]) -> bool:
        """Whether the path may lead to several entities: any of its attributes is an array on its owner."""
        for owner, step in zip(self.owners(source, steps), steps, strict=True):
            attribute = None if owner is None else self._any_attribute(owner, step.name)
            if attribute.is_plural if attribute else step.name in self.array_attributes:
                return True
        return False

    def _any_attribute(self, type_name: str, name: str) -> Attribute | None:
        found = self.attribute(type_name, name)
        if found is None:
            candidates = (self.attribute(subtype, name) for subtype in sorted(self.subtypes(type_name)))
            found = next((candidate for candidate in candidates if candidate), None)
        return found

    # Relations

    def references(self, source: str) -> Mapping[str, str]:
        """Return target -> dotted path over references only."""
        if source not in self._references:
            self._references[source] = self._search(source, plural=False)
        return self._references[source]

    def arrays(self, source: str) -> Mapping[str, str]:
        """Return target -> dotted path over arrays only."""
        if source not in self._arrays:
            self._arrays[source] = self._search(source, plural=True)
        return self._arrays[source]

    def relation(self, source: str, target: str) -> Relation | None:
        """Return the relation that the schema alone implies, None if there is none."""
        path = self.arrays(source).get(target)
        is_array = path is not None
        if path is None:
            path = self.references(source).get(target)
        if path is None:
            return None
        return Relation(source, target, (parse_path(path),), is_array, inferred=True)

    def memoised(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what `make` returned on the first call with this key.

        For values that depend on nothing but the schema and the key. Two threads may both make it; the first one stays.
        """
        if key not in self._memo:
            self._memo.setdefault(key, make())
        value: T = self._memo[key]
        return value

    def _search(self, source: str, *, plural: bool) -> Mapping[str, str]:
        found: dict[str, str] = {}
        entered = {source}
        queue: deque[tuple[str, str]] = deque([(source, "")])
        while queue:
            current, prefix = queue.popleft()
            for link, target in self._links(current, plural):
                if target == source:
                    continue
                path = f"{prefix}.{link.name}" if prefix else link.name
                found.setdefault(target, path)
                if link.name not in DEAD_ENDS and target not in entered:
                    entered.add(target)
                    queue.append((target, path))
        return found

    def _links(self, type_name: str, plural: bool) -> Iterator[tuple[Attribute, str]]:
        """Yield the attributes to follow from a type with their targets: one per target, in schema order.

        Where several refer to one type, the preferred one counts, else the first.
        """
        schema = self.types.get(type_name)
        preferred = next((_PREFERRED[base] for base in self.lineage(type_name) if base in _PREFERRED), frozenset())
        chosen: dict[str, Attribute] = {}
        for link in schema.links if schema else ():
            if link.is_plural is not plural or link.target is None:
                continue
            if link.name in SKIPPED_ATTRIBUTES or link.target in EXCLUDED_TYPES:
                continue
            if link.target not in chosen or link.name in preferred:
                chosen[link.target] = link
        for target, link in chosen.items():
            yield link, target


_INDEXES: dict[str, SchemaIndex] = {}
# The lists that were asked for last, so that asking again with the same object costs no digest. Each entry holds its
# list, hence the number is bounded: a process with more live sessions of different lists merely computes digests.
_RECENT: deque[tuple[Sequence[Mapping[str, Any]], SchemaIndex]] = deque(maxlen=8)


def schema_index(schemas: Sequence[Mapping[str, Any]], digest: str | None = None) -> SchemaIndex:
    """Return the index of a schema list, built once per schema.

    Args:
        schemas: The list of type schemas; it must not be changed afterwards.
        digest: Its hash where the caller knows it; computed otherwise.
    """
    for known, index in tuple(_RECENT):
        if known is schemas:
            return index
    key = digest or schema_hash(schemas)
    index = _INDEXES.setdefault(key, SchemaIndex(schemas, key)) if key not in _INDEXES else _INDEXES[key]
    _RECENT.appendleft((schemas, index))
    return index
