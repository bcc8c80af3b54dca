"""Following a question through the schema: the tags of every row, column and set that its answer hangs on.

Scope: one question; what tags there are says the module `tags`, what an attribute stands for the module `storage`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache

from trackteroid.cache.query_text import Mention, Path, Question
from trackteroid.cache.storage import Storage, Table, column, place, rows
from trackteroid.relationships import SchemaIndex
from trackteroid.schema_types import AttributeKind

__all__ = ["ExpiringError", "Reader", "UnlistedError", "expiring", "names"]


class UnlistedError(Exception):
    """The question depends on something that is not listed."""


class ExpiringError(Exception):
    """The answer ends by itself."""


class Reader:
    """Collects the tags of one question.

    Types are sets of names: an attribute may belong to any of a family, and mean several things.

    Args:
        index: The server's types.
        tables: What is known of their storage.
        system: By type, the attributes that come with every row.
        kept: What is remembered for all questions of this schema.

    Attributes:
        tags: What was found.
    """

    def __init__(
        self,
        index: SchemaIndex,
        tables: Storage,
        system: Mapping[str, tuple[str, ...]],
        kept: dict[frozenset[str], frozenset[str]],
    ) -> None:
        self.tags: set[str] = set()
        # What a row of these types depends on; the same for every question.
        self._kept = kept
        self._index = index
        self._storage = tables
        self._system = system

    def question(self, question: Question, *, is_whole: bool) -> None:
        """Add the tags of a question.

        Args:
            question: The question.
            is_whole: It is asked by itself, rather than inside of another one.

        Raises:
            UnlistedError: It names something of which nothing is known.
            ExpiringError: It asks for a value that ends by itself.
        """
        if question.entity_type not in self._index.types:
            raise UnlistedError
        types = self._index.subtypes(question.entity_type)
        for table in self._tables(types):
            self.tags.add(rows(table.name))
            self.tags |= table.made_of
        self._row(types)
        if question.projections is not None:
            for path in question.projections:
                self._path(types, path)
        elif is_whole:
            # Nothing says what such an answer holds.
            raise UnlistedError
        for mention in question.criteria:
            self._mention(types, mention)
        for path in question.order:
            self._path(types, path)

    def _mention(self, types: frozenset[str], mention: Mention) -> None:
        reached = self._path(types, mention.path)
        for each in mention.inner:
            self._mention(reached, each)
        if mention.question is not None:
            self.question(mention.question, is_whole=False)

    def _path(self, types: frozenset[str], path: Path) -> frozenset[str]:
        """Follow a path; return the types it ends at, none for a scalar."""
        for name, cast in path:
            types = self._step(types, name)
            if cast is not None:
                if cast not in self._index.types or not types:
                    raise UnlistedError
                types = self._index.subtypes(cast)
            if types:
                self._row(types)
        return types

    def _row(self, types: frozenset[str]) -> None:
        """A row of one of these types is looked at: who may see it, of which type it is, what always comes with it."""
        kept = self._kept.get(types)
        if kept is None:
            mine, self.tags = self.tags, set()
            try:
                self._add_row(types)
                kept = self._kept[types] = frozenset(self.tags)
            finally:
                self.tags = mine
        self.tags |= kept

    def _add_row(self, types: frozenset[str]) -> None:
        for table in self._tables(types):
            if table.name in self._storage.placed:
                self.tags.add(place(table.name))
            self.tags |= {column(table.name, name) for name in table.kinds}
        for entity_type in types:
            for name in self._system.get(entity_type, ()):
                self._step(frozenset({entity_type}), name)

    def _tables(self, types: Iterable[str]) -> list[Table]:
        found: dict[str, Table] = {}
        for name in types:
            table = self._storage.table_of(name, is_object_type=self._index.types[name].is_object_type)
            if table is None:
                raise UnlistedError
            found[table.name] = table
        return list(found.values())

    def _step(self, types: frozenset[str], name: str) -> frozenset[str]:
        """Add what an attribute of these types depends on; return the types it leads to."""
        having = [each for each in types if self._index.attribute(each, name) is not None]
        if not having:
            raise UnlistedError
        targets: set[str] = set()
        seen: set[tuple[str, str]] = set()
        for each in having:
            attribute = self._index.attribute(each, name)
            (table,) = self._tables([each])
            if attribute is None:
                continue
            if attribute.target is not None:
                targets |= self._index.subtypes(attribute.target)
            if (table.name, attribute.kind.value) not in seen:
                seen.add((table.name, attribute.kind.value))
                self._attribute(table, table.real(name), attribute.kind)
        return frozenset(targets)

    def _attribute(self, table: Table, name: str, kind: AttributeKind) -> None:
        if name in table.expiring:
            raise ExpiringError
        if name in table.derived:
            self.tags |= table.derived[name]
        elif kind is AttributeKind.REFERENCE and name in table.references:
            for each in table.references[name]:
                self._column(table, each)
        elif kind in (AttributeKind.ARRAY, AttributeKind.MAPPED) and name in table.collections:
            for target in table.collections[name]:
                self.tags.add(rows(target.table))
                for each in target.columns:
                    self._column(self._storage.tables[target.table], each)
        elif table.has_column(name) and kind in (AttributeKind.SCALAR, AttributeKind.REFERENCE):
            self._column(table, name)
        else:
            raise UnlistedError

    def _column(self, table: Table, name: str) -> None:
        if name != "id":
            # No id ever changes.
            self.tags.add(column(table.name, name))
        key = table.keys.get(name)
        if key is not None:
            # A reference to what the asker may not see is null to him.
            self.tags |= {place(each) for each in key.tables or () if each in self._storage.placed}


def names(question: Question) -> set[str]:
    """Return every name in a question's paths."""
    found = {name for path in (*(question.projections or ()), *question.order) for name, _ in path}
    todo = list(question.criteria)
    while todo:
        mention = todo.pop()
        found |= {name for name, _ in mention.path}
        todo.extend(mention.inner)
        if mention.question is not None:
            found |= names(mention.question)
    return found


@lru_cache(maxsize=4)
def expiring(tables: Storage) -> frozenset[str]:
    """Return the names of all values that end by themselves."""
    return frozenset(name for table in tables.tables.values() for name in table.expiring)
