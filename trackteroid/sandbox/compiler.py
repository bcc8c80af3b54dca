"""Criteria and sort keys of a query -> parameterised SQL.

Relations become `EXISTS`, so that a criterion never multiplies rows and a path through a collection means "some element"
(specification 5.2). Comparisons keep SQL's null logic (5.3). Names come from the schema; everything a client wrote is a
parameter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count

from trackteroid.sandbox.comparing import compared, known, listed, plain
from trackteroid.sandbox.derived import SQL_EXPRESSIONS
from trackteroid.sandbox.errors import UnknownAttributeError, ValidationError
from trackteroid.sandbox.schema import Attribute, EntityType, Kind, Schema
from trackteroid.sandbox.sql import TRUE, Fragment, all_of, any_of
from trackteroid.sandbox.storage import SEQUENCE, TYPE, keeps_case, quoted
from trackteroid.sandbox.syntax import (
    And,
    Comparison,
    Criterion,
    Membership,
    Not,
    Operator,
    Or,
    OrderKey,
    Path,
    Query,
    Relation,
    Step,
)
from trackteroid.sandbox.visibility import EVERYTHING, Sight

__all__ = ["Compiler", "Row"]


@dataclass(frozen=True, slots=True)
class Row:
    """A row of some type under its alias in the SQL text, as the asking user sees it."""

    entity_type: EntityType
    alias: str
    sight: Sight = EVERYTHING

    def column(self, name: str) -> Fragment:
        """The value of a column or of a derived attribute that SQL can express."""
        expression = SQL_EXPRESSIONS.get((self.entity_type.table, name))
        if expression is None:
            return Fragment(f"{self.alias}.{quoted(name)}")
        return Fragment(self.sight.expression(expression).format(row=self.alias))

    @property
    def source(self) -> Fragment:
        return Fragment(f"{self.sight.table(self.entity_type.table)} {self.alias}")


class Compiler:
    """Compiles one query against a schema; aliases are unique within one compiler.

    Args:
        sight: What the asking user sees: whatever he doesn't is not there for his criteria either.
    """

    def __init__(self, schema: Schema, sight: Sight = EVERYTHING) -> None:
        self._schema = schema
        self._sight = sight
        self._numbers = count()

    def row(self, entity_type: EntityType) -> Row:
        """A new row of this type, for a FROM clause."""
        return Row(entity_type, f"t{next(self._numbers)}", self._sight)

    def is_of_type(self, row: Row) -> Fragment:
        """Condition that a row of the table is of the row's type or below."""
        return self._is_one_of(row, row.entity_type.family)

    def _is_one_of(self, row: Row, names: Sequence[str]) -> Fragment:
        if not self._schema.is_family(row.entity_type.table):
            return TRUE
        if len(names) == len(self._schema.in_table(row.entity_type.table)):
            return TRUE
        listed = ", ".join(f"'{name}'" for name in names)
        return Fragment(f"{row.alias}.{quoted(TYPE)} IN ({listed})")

    # Criteria

    def criterion(self, criterion: Criterion, row: Row) -> Fragment:
        """The condition that `row` fulfils the criterion.

        Raises:
            UnknownAttributeError, UnknownEntityTypeError: A name in a path.
            ValidationError: A value that the attribute cannot have, or an attribute that cannot be searched.
        """
        if isinstance(criterion, And):
            return all_of([self.criterion(part, row) for part in criterion.parts])
        if isinstance(criterion, Or):
            return any_of([self.criterion(part, row) for part in criterion.parts])
        if isinstance(criterion, Not):
            return "NOT (" + self.criterion(criterion.part, row) + ")"
        if isinstance(criterion, Relation):
            return self._relation(criterion, row)
        if isinstance(criterion, Membership):
            return self._membership(criterion, row)
        return self._comparison(criterion, row)

    def _relation(self, relation: Relation, row: Row) -> Fragment:
        inner = relation.inner

        def fulfilled(target: Row) -> Fragment:
            return TRUE if inner is None else self.criterion(inner, target)

        return self._along(row, relation.path.steps, fulfilled)

    def _comparison(self, comparison: Comparison, row: Row) -> Fragment:
        operator, value = comparison.operator, comparison.value

        def fulfilled(expression: Fragment, attribute: Attribute) -> Fragment:
            return compared(self._schema, expression, attribute, operator, value)

        def absent() -> Fragment | None:
            if value.is_null and operator in (Operator.IS, Operator.IS_NOT):
                return Fragment("NOT " if operator is Operator.IS else "")
            return None

        return self._at(row, comparison.path, fulfilled, absent())

    def _membership(self, membership: Membership, row: Row) -> Fragment:
        values = membership.values

        def contained(expression: Fragment, attribute: Attribute) -> Fragment:
            if isinstance(values, Query):
                found = self._subquery(values)
                expression = plain(expression, attribute)
                if not membership.negated:
                    return expression + " IN (" + found + ")"
                return known(expression, expression + " NOT IN (" + found + ")")
            return listed(self._schema, expression, attribute, values, negated=membership.negated)

        return self._at(row, membership.path, contained, None)

    # Paths

    def _at(
        self,
        row: Row,
        path: Path,
        condition: Callable[[Fragment, Attribute], Fragment],
        absence: Fragment | None,
    ) -> Fragment:
        """A condition on the value that a path ends in.

        Args:
            condition: From the value's expression and attribute.
            absence: Set if the condition is about being null: for a collection that means (not) being empty, and this is
                what stands before `EXISTS`.
        """
        *steps, last = path.steps

        def ended(target: Row) -> Fragment:
            attribute, only = self._lookup(target.entity_type, last)
            if attribute.is_collection or (attribute.is_relation and last.cast):
                if absence is not None:
                    return absence + self._along(target, (last,), lambda _: TRUE)
                return self._along(target, (last,), lambda element: condition(_key(element), _KEY))
            found = condition(self._value(target, attribute), attribute)
            return found if not only else all_of([self._is_one_of(target, only), found])

        return self._along(row, steps, ended) if steps else ended(row)

    def _along(self, row: Row, steps: Sequence[Step], condition: Callable[[Row], Fragment]) -> Fragment:
        """`EXISTS` of related rows along the steps, the last of which fulfils the condition."""
        step, rest = steps[0], steps[1:]
        attribute, only = self._lookup(row.entity_type, step, as_relation=True)
        target = self.row(self.target(attribute, step))
        inner = self._along(target, rest, condition) if rest else condition(target)
        source, joined = self.joined(row, attribute, target)
        exists = "EXISTS (SELECT 1 FROM " + source + " WHERE " + all_of([joined, self.is_of_type(target), inner]) + ")"
        return exists if not only else all_of([self._is_one_of(row, only), exists])

    def joined(self, row: Row, attribute: Attribute, target: Row) -> tuple[Fragment, Fragment]:
        """How related rows are reached: what stands in FROM, and the condition that ties it to `row`."""
        if attribute.link is not None:
            link = f"l{next(self._numbers)}"
            source = target.source + f" JOIN {quoted(attribute.link.table)} {link} ON "
            source = source + _key(target) + f" = {link}.{quoted(attribute.link.far)}"
            return source, _key(row) + f" = {link}.{quoted(attribute.link.near)}"
        if attribute.kind is Kind.REF:
            keys = target.entity_type.primary_key
            pairs = [
                target.column(key) + " = " + row.column(column) + (" COLLATE BINARY" if keeps_case(key) else "")
                for key, column in zip(keys, attribute.columns, strict=True)
            ]
            return target.source, all_of(pairs)
        conditions = [target.column(_collection_column(attribute)) + " = " + _key(row)]
        if attribute.where is not None:
            column, value = attribute.where
            conditions.append(target.column(column) + Fragment(" = ?", (value,)))
        return target.source, all_of(conditions)

    def target(self, attribute: Attribute, step: Step) -> EntityType:
        """The type that a step of a path leads to.

        Raises:
            UnknownAttributeError: The attribute is no relation.
            UnknownEntityTypeError: The cast names no type.
            ValidationError: The cast names a type that can't stand here.
        """
        if not attribute.is_relation or attribute.target is None:
            raise UnknownAttributeError(f'"{step.name}" is no relation, so that nothing can follow it.')
        target = self._schema.type(attribute.target)
        if step.cast is None:
            return target
        cast = self._schema.served(step.cast)
        if cast.table != target.table:
            raise ValidationError(f'"{step.name}" holds {target.name}, which can never be {cast.name}.')
        return cast

    def _lookup(
        self, entity_type: EntityType, step: Step, *, as_relation: bool = False
    ) -> tuple[Attribute, tuple[str, ...]]:
        return self._schema.attribute(entity_type, step.name, as_relation=as_relation or step.cast is not None)

    def _value(self, row: Row, attribute: Attribute) -> Fragment:
        """The expression of a scalar, or of a reference's key."""
        column = attribute.column
        if column is None or len(attribute.columns) > 1:
            raise ValidationError(
                f'"{attribute.name}" has a key of several attributes and cannot be compared as a whole.'
            )
        if attribute.derived and (row.entity_type.table, column) not in SQL_EXPRESSIONS:
            raise ValidationError(
                f'"{attribute.name}" is worked out for each answer and cannot be searched or sorted by.'
            )
        return row.column(column)

    # Sub-queries

    def _subquery(self, query: Query) -> Fragment:
        """`SELECT` of the one value per row that the sub-query projects: nulls are dropped (specification 5.4)."""
        entity_type = self._schema.served(query.entity_type)
        if len(query.projections) > 1:
            raise ValidationError("A sub-query selects one attribute.")
        row = self.row(entity_type)
        if query.projections:
            source, value, conditions = self._projected(row, query.projections[0])
        else:
            source, value, conditions = row.source, _key(row), []
        conditions = [*conditions, self.is_of_type(row), value + " IS NOT NULL"]
        if query.criterion is not None:
            conditions.append(self.criterion(query.criterion, row))
        found = "SELECT " + value + " FROM " + source + " WHERE " + all_of(conditions)
        if query.limit is not None or query.offset:
            found = found + " ORDER BY " + self.order(query.order, row) + self.paging(query.limit, query.offset)
        return found

    def _projected(self, row: Row, path: Path) -> tuple[Fragment, Fragment, list[Fragment]]:
        """FROM clause, value and conditions of a path as joins: here every element counts, not just some."""
        source = row.source
        conditions: list[Fragment] = []
        for index, step in enumerate(path.steps):
            is_last = index == len(path.steps) - 1
            attribute, only = self._lookup(row.entity_type, step, as_relation=not is_last)
            if only:
                conditions.append(self._is_one_of(row, only))
            if is_last and not attribute.is_collection and not step.cast:
                return source, plain(self._value(row, attribute), attribute), conditions
            target = self.row(self.target(attribute, step))
            added, joined = self.joined(row, attribute, target)
            source = source + ", " + added
            conditions += [joined, self.is_of_type(target)]
            row = target
        return source, _key(row), conditions

    # Order and paging

    def order(self, keys: Sequence[OrderKey], row: Row) -> Fragment:
        """What follows ORDER BY: the keys, then the order in which rows were made, so that pages never overlap."""
        result = Fragment("")
        for key in keys:
            value = self._sort_value(row, key.path.steps)
            if len(key.path.steps) > 1:
                # A column brings its collation along, a sub-query does not.
                value = value + " COLLATE NOCASE"
            result = result + value + (" DESC, " if key.descending else ", ")
        return result + f"{row.alias}.{quoted(SEQUENCE)}"

    def _sort_value(self, row: Row, steps: Sequence[Step]) -> Fragment:
        attribute, _ = self._lookup(row.entity_type, steps[0], as_relation=len(steps) > 1)
        if len(steps) == 1 and not attribute.is_collection:
            return plain(self._value(row, attribute), attribute)
        target = self.row(self.target(attribute, steps[0]))
        inner = self._sort_value(target, steps[1:]) if len(steps) > 1 else _key(target)
        source, joined = self.joined(row, attribute, target)
        where = all_of([joined, self.is_of_type(target)])
        return "(SELECT " + inner + " FROM " + source + " WHERE " + where + " LIMIT 1)"

    @staticmethod
    def paging(limit: int | None, offset: int) -> Fragment:
        """LIMIT and OFFSET; no limit is -1 to SQLite."""
        return Fragment(" LIMIT ? OFFSET ?", (-1 if limit is None else limit, offset))


_KEY = Attribute(name="id", kind=Kind.UID, column="id")


def _key(row: Row) -> Fragment:
    keys = row.entity_type.primary_key
    if len(keys) > 1:
        raise ValidationError(
            f"{row.entity_type.name} has a key of several attributes and cannot be compared as a whole."
        )
    return row.column(keys[0])


def _collection_column(attribute: Attribute) -> str:
    if attribute.column is None:
        raise ValidationError(f'"{attribute.name}" cannot be followed.')
    return attribute.column
