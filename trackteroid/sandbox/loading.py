"""Rows as clients get them: the projected tree, loaded level by level with one statement per relation (specification 5.6)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from trackteroid.sandbox.compiler import Compiler, Row
from trackteroid.sandbox.derived import ROW_ATTRIBUTES, RowContext
from trackteroid.sandbox.projection import Node
from trackteroid.sandbox.schema import Attribute, EntityType, Kind
from trackteroid.sandbox.sql import TRUE, Fragment, all_of, in_values
from trackteroid.sandbox.storage import SEQUENCE, TYPE, keeps_case, quoted
from trackteroid.sandbox.table_names import schema_id
from trackteroid.sandbox.values import to_wire

__all__ = ["Loader"]

Entity = dict[str, Any]


@dataclass(slots=True)
class _Plan:
    """How rows of one concrete type become entities.

    `relations` and `worked_out` name what is filled in for all rows together, after they were read.
    """

    scalars: list[tuple[str, int, Callable[[Any], Any] | None]] = field(default_factory=list)
    relations: list[tuple[Attribute, Node]] = field(default_factory=list)
    worked_out: list[str] = field(default_factory=list)


class Loader:
    """Loads entities for one request.

    Args:
        context: Database, and what derived attributes need to know of the request.
    """

    def __init__(self, context: RowContext) -> None:
        self._context = context
        self._storage = context.storage
        self._schema = context.storage.schema

    def load(
        self,
        row: Row,
        node: Node,
        *,
        source: Fragment | None = None,
        where: Fragment = TRUE,
        order: Fragment | None = None,
        paging: Fragment | None = None,
        owner: Fragment | None = None,
    ) -> list[tuple[Any, Entity]]:
        """Load the rows that fulfil `where`, each with its owner's key if `owner` is given.

        Args:
            row: The row as the fragments call it.
            source: FROM clause if there is more in it than the row's table.
        """
        reading = _Reading(self, row, node, owner)
        sql = "SELECT " + reading.columns() + " FROM " + (source or row.source) + " WHERE " + where
        sql = sql + " ORDER BY " + (order or Fragment(f"{row.alias}.{quoted(SEQUENCE)}")) + (paging or "")
        records = self._storage.execute(sql.text, sql.parameters).fetchall()
        return reading.entities(records)

    def by_key(self, entity_type: EntityType, node: Node, keys: Iterable[Any]) -> dict[Any, Entity]:
        """Entities of a type with a one-column key, by that key in lower case."""
        compiler = Compiler(self._schema, self._context.sight)
        row = compiler.row(entity_type)
        key = row.column(entity_type.primary_key[0])
        where = all_of([in_values(key, keys), compiler.is_of_type(row), allowed(row, node)])
        return {_folded(owner): entity for owner, entity in self.load(row, node, where=where, owner=key)}

    def by_keys(self, entity_type: EntityType, node: Node, keys: Sequence[Any]) -> list[Entity]:
        """The entity with this composite key, if there is one."""
        compiler = Compiler(self._schema, self._context.sight)
        row = compiler.row(entity_type)
        parts = [
            row.column(name) + Fragment(" = ?" + (" COLLATE BINARY" if keeps_case(name) else ""), (value,))
            for name, value in zip(entity_type.primary_key, keys, strict=True)
        ]
        return [entity for _, entity in self.load(row, node, where=all_of([*parts, compiler.is_of_type(row)]))]

    def collection(self, attribute: Attribute, owner_type: EntityType, node: Node, owners: Sequence[Any]) -> list[Any]:
        """The elements of a collection for many owners: pairs of owner key and entity."""
        compiler = Compiler(self._schema, self._context.sight)
        assert attribute.target is not None  # noqa: S101 - relations always have one
        target = compiler.row(self._schema.type(attribute.target))
        conditions = [compiler.is_of_type(target), allowed(target, node)]
        source = target.source
        if attribute.link is not None:
            key = target.column(target.entity_type.primary_key[0])
            source = source + f" JOIN {quoted(attribute.link.table)} k ON k.{quoted(attribute.link.far)} = " + key
            owner = Fragment(f"k.{quoted(attribute.link.near)}")
            order = Fragment(f"k.{quoted(SEQUENCE)}")
        else:
            owner = target.column(attribute.column or "")
            order = Fragment(f"{target.alias}.{quoted(SEQUENCE)}")
        if attribute.where is not None:
            conditions.append(target.column(attribute.where[0]) + Fragment(" = ?", (attribute.where[1],)))
        where = all_of([in_values(owner, owners), *conditions])
        return self.load(target, node, source=source, where=where, order=order, owner=owner)

    def encoder(self, attribute: Attribute) -> Callable[[Any], Any] | None:
        """What turns a database value into JSON, None where it is the same."""
        if attribute.transform:
            return lambda value: None if value is None else schema_id(self._schema, value)
        if attribute.kind in (Kind.TIME, Kind.BOOL, Kind.VARIABLE):
            return lambda value: to_wire(attribute, value)
        return None


class _Reading:
    """One statement's columns and how its records become entities."""

    def __init__(self, loader: Loader, row: Row, node: Node, owner: Fragment | None) -> None:
        self._loader = loader
        self._schema = loader._schema
        self._row = row
        self._node = node
        self._family = self._schema.is_family(row.entity_type.table)
        self._indices: dict[str, int] = {}
        self._expressions: list[Fragment] = [owner or Fragment("NULL")]
        if self._family:
            self._column_index(TYPE)
        self._plans: dict[str, _Plan] = {}
        names = row.entity_type.family if self._family else (row.entity_type.name,)
        for name in names:
            if self._family or name == row.entity_type.name:
                self._plans[name] = self._plan(self._schema.type(name))

    def columns(self) -> Fragment:
        result = self._expressions[0]
        for expression in self._expressions[1:]:
            result = result + ", " + expression
        return result

    def _column_index(self, name: str) -> int:
        if name not in self._indices:
            self._indices[name] = len(self._expressions)
            self._expressions.append(self._row.column(name))
        return self._indices[name]

    def _plan(self, entity_type: EntityType) -> _Plan:
        plan = _Plan()
        wanted = dict.fromkeys((*entity_type.primary_key, *entity_type.system))
        if entity_type.object_type_id is not None:
            wanted["object_type_id"] = None
        for name in wanted:
            self._add_scalar(plan, entity_type.attributes[name])
        for name, child in self._node.children.items():
            attribute = entity_type.attributes.get(name)
            if attribute is None or name in wanted:
                continue
            if attribute.is_relation:
                self._add_relation(plan, attribute, child, entity_type)
            elif (entity_type.table, name) in ROW_ATTRIBUTES:
                for column in ROW_ATTRIBUTES[entity_type.table, name].columns:
                    self._column_index(column)
                plan.worked_out.append(name)
            else:
                self._add_scalar(plan, attribute)
        return plan

    def _add_scalar(self, plan: _Plan, attribute: Attribute) -> None:
        index = self._column_index(attribute.column or attribute.name)
        plan.scalars.append((attribute.name, index, self._loader.encoder(attribute)))

    def _add_relation(self, plan: _Plan, attribute: Attribute, child: Node, entity_type: EntityType) -> None:
        for column in attribute.columns if attribute.kind is Kind.REF else entity_type.primary_key:
            self._column_index(column)
        plan.relations.append((attribute, child))

    def entities(self, records: list[tuple[Any, ...]]) -> list[tuple[Any, Entity]]:
        type_index = self._indices.get(TYPE)
        only = self._row.entity_type.name
        result: list[tuple[Any, Entity]] = []
        by_type: dict[str, list[tuple[tuple[Any, ...], Entity]]] = {}
        for record in records:
            name = only if type_index is None else record[type_index]
            entity: Entity = {"__entity_type__": name}
            for attribute, index, encode in self._plans[name].scalars:
                value = record[index]
                entity[attribute] = value if encode is None or value is None else encode(value)
            result.append((record[0], entity))
            by_type.setdefault(name, []).append((record, entity))
        self._fill(by_type)
        return result

    def _fill(self, by_type: dict[str, list[tuple[tuple[Any, ...], Entity]]]) -> None:
        # Types of a family mostly share an attribute's definition: then one statement serves them all.
        groups: dict[tuple[Any, ...], tuple[Attribute, Node, list[tuple[tuple[Any, ...], Entity]], EntityType]] = {}
        for name, rows in by_type.items():
            entity_type = self._schema.type(name)
            for attribute, child in self._plans[name].relations:
                same = (attribute.name, attribute.target, attribute.columns, attribute.column, attribute.link)
                groups.setdefault(same, (attribute, child, [], entity_type))[2].extend(rows)
            for derived in self._plans[name].worked_out:
                self._work_out(entity_type, derived, rows)
        for attribute, child, rows, entity_type in groups.values():
            if attribute.kind is Kind.REF:
                self._fill_reference(attribute, child, rows)
            else:
                self._fill_collection(attribute, child, rows, entity_type)

    def _work_out(self, entity_type: EntityType, name: str, rows: list[tuple[tuple[Any, ...], Entity]]) -> None:
        derived = ROW_ATTRIBUTES[entity_type.table, name]
        indices = [self._indices[column] for column in derived.columns]
        columns = [tuple(record[index] for index in indices) for record, _ in rows]
        for (_, entity), value in zip(rows, derived.values(self._loader._context, columns), strict=True):
            entity[name] = value

    def _fill_reference(self, attribute: Attribute, child: Node, rows: list[tuple[tuple[Any, ...], Entity]]) -> None:
        assert attribute.target is not None  # noqa: S101 - relations always have one
        target = self._schema.type(attribute.target)
        indices = [self._indices[column] for column in attribute.columns]
        if len(indices) > 1:
            for record, entity in rows:
                found = self._loader.by_keys(target, child, [record[index] for index in indices])
                entity[attribute.name] = found[0] if found else None
            return
        index = indices[0]
        keys = dict.fromkeys(record[index] for record, _ in rows if record[index] is not None)
        related = self._loader.by_key(target, child, keys) if keys else {}
        for record, entity in rows:
            entity[attribute.name] = related.get(_folded(record[index]))

    def _fill_collection(
        self, attribute: Attribute, child: Node, rows: list[tuple[tuple[Any, ...], Entity]], entity_type: EntityType
    ) -> None:
        index = self._indices[entity_type.primary_key[0]]
        elements: dict[Any, list[Entity]] = {}
        owners = dict.fromkeys(record[index] for record, _ in rows)
        for owner, element in self._loader.collection(attribute, entity_type, child, list(owners)):
            elements.setdefault(_folded(owner), []).append(element)
        for record, entity in rows:
            entity[attribute.name] = elements.get(_folded(record[index]), [])


def allowed(row: Row, node: Node) -> Fragment:
    """Condition that a cast in the projections lets the row pass."""
    if node.types is None:
        return TRUE
    listed = ", ".join(f"'{name}'" for name in sorted(node.types))
    return Fragment(f"{row.alias}.{quoted(TYPE)} IN ({listed})")


def _folded(key: Any) -> Any:
    # Keys compare without case in the database; the look-up here must agree.
    return key.lower() if isinstance(key, str) else key
