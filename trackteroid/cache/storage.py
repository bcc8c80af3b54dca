"""Where the server keeps what its entity types show: the file `storage.tables`, read, and what follows from it.

Scope: what an ftrack server is known to do, whoever's it is; nothing about a particular server's schema.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources

__all__ = [
    "Collection",
    "Key",
    "Storage",
    "Table",
    "anything",
    "column",
    "decides_access",
    "every_tag",
    "place",
    "rows",
    "storage",
]


def column(table: str, name: str) -> str:
    """The tag of one column of a table."""
    return f"{table}.{name}"


def rows(table: str) -> str:
    """The tag of which rows a table has."""
    return f"{table}+"


def place(table: str) -> str:
    """The tag of what a table's rows hang below, which decides who may see them."""
    return f"{table}@"


def decides_access(tag: str) -> bool:
    """Whether a raise of this tag may mean that a user no longer sees what an answer holds."""
    return tag.endswith("@") or tag == "*"


def anything(table: str) -> str:
    """The tag that is raised with every other one of a table."""
    return f"{table}*"


@dataclass(frozen=True)
class Key:
    """A column with ids of rows; see the head of the file for what it says of them.

    Attributes:
        tables: Of which tables; None: of any.
    """

    column: str
    tables: frozenset[str] | None
    owned: bool
    places: bool
    shows: bool

    def names(self, table: str) -> bool:
        """Whether it may hold the id of a row of `table`."""
        return self.tables is None or table in self.tables


@dataclass(frozen=True)
class Collection:
    """The table whose set is read, and the columns that decide what is in it."""

    table: str
    columns: tuple[str, ...]


@dataclass(eq=False)
class Table:
    """One table of the server; the attributes are the words of the file."""

    name: str
    types: set[str] = field(default_factory=set)
    kinds: set[str] = field(default_factory=set)
    columns: set[str] = field(default_factory=set)
    keys: dict[str, Key] = field(default_factory=dict)
    same: dict[str, str] = field(default_factory=dict)
    references: dict[str, tuple[str, ...]] = field(default_factory=dict)
    collections: dict[str, list[Collection]] = field(default_factory=dict)
    derived: dict[str, set[str]] = field(default_factory=dict)
    made_of: set[str] = field(default_factory=set)
    expiring: set[str] = field(default_factory=set)

    def real(self, name: str) -> str:
        """The name of an attribute that may have two."""
        return self.same.get(name, name)

    def has_column(self, name: str) -> bool:
        """Whether there is a column of this name."""
        return name in self.columns or name in self.keys


class Storage:
    """All tables.

    Attributes:
        tables: By name.
    """

    def __init__(self, tables: Iterable[Table]) -> None:
        self.tables: Mapping[str, Table] = {table.name: table for table in tables}
        self._of_type = {name: table for table in self.tables.values() for name in table.types}
        self.placed = frozenset(
            table.name for table in self.tables.values() if any(key.places for key in table.keys.values())
        )
        self._below = {name: frozenset(self._reach(name)) for name in self.tables}
        self._deletions = {name: frozenset(self._swept(name)) for name in self.tables}

    def table_of(self, entity_type: str, *, is_object_type: bool) -> Table | None:
        """Return the table with a type's rows, None if it is not known."""
        return self.tables["Context"] if is_object_type else self._of_type.get(entity_type)

    def moved(self, table: str) -> frozenset[str]:
        """Tags of what may become visible or hidden when a row of `table` hangs below another one."""
        return self._below.get(table, frozenset())

    def deleted(self, table: str) -> frozenset[str]:
        """Tags of what a deletion of a row of `table` may change, with everything that goes with it."""
        return self._deletions[table]

    def shown(self, table: Table, columns: Iterable[str]) -> Iterator[str]:
        """Tags of what may become visible or hidden when these columns of a row say something else."""
        for name in columns:
            key = table.keys.get(name)
            if key is not None and key.shows:
                for target in key.tables or ():
                    yield from self.moved(target)

    def _reach(self, start: str) -> Iterator[str]:
        found, todo = {start}, [start]
        while todo:
            current = todo.pop()
            near = [
                table.name
                for table in self.tables.values()
                if any(key.places and key.names(current) for key in table.keys.values())
            ]
            for key in self.tables[current].keys.values():
                if key.shows:
                    near += key.tables or ()
            for name in near:
                if name not in found:
                    found.add(name)
                    todo.append(name)
        return (place(name) for name in sorted(found))

    def _swept(self, start: str) -> Iterator[str]:
        gone, todo = {start}, [start]
        while todo:
            current = todo.pop()
            yield rows(current)
            yield from self.shown(self.tables[current], self.tables[current].keys)
            for table in self.tables.values():
                for key in table.keys.values():
                    if not key.names(current):
                        continue
                    yield column(table.name, key.column)
                    yield from self.shown(table, [key.column])
                    if key.owned and table.name not in gone:
                        gone.add(table.name)
                        todo.append(table.name)
                    elif key.places and not key.owned:
                        yield from self.moved(table.name)


def every_tag(name: str) -> list[str]:
    """Return all tags of a table, given its name or that of an entity type with rows in it; none if nothing is known of it."""
    known = storage()
    table = known.tables.get(name) or known.table_of(name, is_object_type=False)
    if table is None:
        return []
    columns = sorted({*table.columns, *table.keys})
    return [rows(table.name), place(table.name), anything(table.name), *(column(table.name, each) for each in columns)]


@lru_cache(maxsize=1)
def storage() -> Storage:
    """Return what the file says; read once."""
    return Storage(_read(resources.files("trackteroid.cache").joinpath("storage.tables").read_text(encoding="utf-8")))


def _read(text: str) -> Iterator[Table]:
    table: Table | None = None
    for line in text.splitlines():
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        word, *items = words
        if word == "table":
            if table is not None:
                yield table
            table = Table(items[0], types={items[0]})
        elif table is not None:
            _add(table, word, items)
    if table is not None:
        yield table


def _add(table: Table, word: str, items: list[str]) -> None:
    plain: dict[str, set[str]] = {
        "types": table.types,
        "kind": table.kinds,
        "column": table.columns,
        "rows": table.made_of,
        "expiring": table.expiring,
    }
    if word in plain:
        plain[word].update(items)
    elif word == "key":
        table.keys.update((key.column, key) for key in map(_key, items))
    elif word == "same":
        table.same.update(map(_pair, items))
    elif word == "reference":
        table.references.update((name, tuple(columns.split(","))) for name, columns in map(_pair, items))
    elif word == "collection":
        for name, where in map(_pair, items):
            target, _, columns = where.partition(".")
            table.collections.setdefault(name, []).append(Collection(target, tuple(columns.split(","))))
    elif word == "derived":
        table.derived.setdefault(items[0], set()).update(items[2:])
    else:
        raise ValueError(f"storage.tables: {word!r} under {table.name} means nothing.")


def _pair(item: str) -> tuple[str, str]:
    name, _, value = item.partition(":")
    return name, value


def _key(item: str) -> Key:
    name, _, rest = item.partition(">")
    target = rest.rstrip("!^~")
    marks = rest[len(target) :]
    tables = None if target == "*" else frozenset(target.split("|"))
    return Key(name, tables, owned="!" in marks, places="^" in marks, shows="~" in marks)
