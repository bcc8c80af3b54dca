"""How a stored value is compared with what a client wrote -> SQL conditions (specification 5.3).

SQL's null logic is kept: a comparison with null is false. Literals become parameters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from trackteroid.sandbox.errors import ValidationError
from trackteroid.sandbox.schema import Attribute, Kind, Schema
from trackteroid.sandbox.sql import FALSE, Fragment, all_of, any_of, in_values
from trackteroid.sandbox.syntax import Literal, Operator
from trackteroid.sandbox.table_names import table_name
from trackteroid.sandbox.values import Stored, from_wire, is_date_only

__all__ = ["compared", "known", "like_pattern", "listed", "plain"]

_SYMBOLS = {
    Operator.IS: "=",
    Operator.IS_NOT: "<>",
    Operator.LESS: "<",
    Operator.LESS_EQUAL: "<=",
    Operator.GREATER: ">",
    Operator.GREATER_EQUAL: ">=",
}


def compared(
    schema: Schema, expression: Fragment, attribute: Attribute, operator: Operator, value: Literal
) -> Fragment:
    """A value against a literal.

    Args:
        expression: The value in SQL.
        attribute: What it is a value of; a literal is read as such.

    Raises:
        ValidationError: The attribute cannot have this value, or cannot be compared at all.
    """
    if value.is_null:
        if operator in (Operator.IS, Operator.IS_NOT):
            return _is_null(expression, attribute, negated=operator is Operator.IS_NOT)
        return FALSE
    if operator in (Operator.LIKE, Operator.NOT_LIKE):
        word = " LIKE ? ESCAPE '\\'" if operator is Operator.LIKE else " NOT LIKE ? ESCAPE '\\'"
        return _as_text(expression, attribute) + Fragment(word, (like_pattern(value),))
    if attribute.kind is Kind.VARIABLE:
        return "variable_matches(" + expression + Fragment(", ?, ?)", (operator.value, value.text))
    stored = _stored(schema, attribute, value)
    if attribute.kind is Kind.TIME and is_date_only(value.text) and operator in (Operator.IS, Operator.IS_NOT):
        word = " BETWEEN ? AND ?" if operator is Operator.IS else " NOT BETWEEN ? AND ?"
        return expression + Fragment(word, (stored, f"{str(stored)[:10]} 23:59:59"))
    return expression + Fragment(f" {_SYMBOLS[operator]} ?", (stored,))


def listed(
    schema: Schema, expression: Fragment, attribute: Attribute, values: Sequence[Literal], *, negated: bool
) -> Fragment:
    """A value among literals, or not among them; as `compared` otherwise."""
    # Null in a list is equal to nothing; under `not_in` it must not swallow all rows, as it does in SQL.
    values = [value for value in values if not value.is_null]
    if attribute.kind is Kind.VARIABLE:
        operator = Operator.IS_NOT if negated else Operator.IS
        parts = [compared(schema, expression, attribute, operator, value) for value in values]
        if not parts:
            return _is_null(expression, attribute, negated=True) if negated else FALSE
        return all_of(parts) if negated else any_of(parts)
    if attribute.kind is Kind.TIME and any(is_date_only(value.text) for value in values):
        operator = Operator.IS_NOT if negated else Operator.IS
        parts = [compared(schema, expression, attribute, operator, value) for value in values]
        return all_of(parts) if negated else any_of(parts)
    found = in_values(expression, [_stored(schema, attribute, value) for value in values], negated=negated)
    return known(expression, found) if negated else found


def _stored(schema: Schema, attribute: Attribute, value: Literal) -> Stored:
    text = value.text
    if attribute.kind is Kind.OBJECT:
        raise ValidationError(f'"{attribute.name}" cannot be compared.')
    if attribute.transform:
        return table_name(schema, text)
    if attribute.kind is Kind.REF:
        return text
    if attribute.kind is Kind.INT:
        # Writing cuts a fraction off; comparing must not: nothing is 2.5 just because it is 2.
        attribute = replace(attribute, kind=Kind.NUMBER)
    return from_wire(attribute, text)


def _is_null(expression: Fragment, attribute: Attribute, *, negated: bool) -> Fragment:
    word = " IS NOT NULL" if negated else " IS NULL"
    if attribute.kind is Kind.VARIABLE:
        # A variable that was set to null holds the JSON text.
        return "NULLIF(" + expression + ", 'null')" + word
    return expression + word


def known(expression: Fragment, condition: Fragment) -> Fragment:
    """The condition, or unknown where the value is null: SQL lets null pass `NOT IN` of nothing."""
    return "CASE WHEN " + expression + " IS NOT NULL THEN " + condition + " END"


def plain(expression: Fragment, attribute: Attribute) -> Fragment:
    """The value as SQL can sort it, and compare it with other values: a variable is stored as JSON."""
    if attribute.kind is not Kind.VARIABLE:
        return expression
    return "json_extract(" + expression + ", '$') COLLATE NOCASE"


def _as_text(expression: Fragment, attribute: Attribute) -> Fragment:
    if attribute.kind is Kind.BOOL:
        return "CASE " + expression + " WHEN 1 THEN 'true' WHEN 0 THEN 'false' END"
    if attribute.kind is Kind.VARIABLE:
        # By its own type: a word or number, true, a list's elements with commas, a time.
        return (
            "CASE json_type(" + expression + ") WHEN 'true' THEN 'true' WHEN 'false' THEN 'false'"
            " WHEN 'array' THEN (SELECT group_concat(value, ',') FROM json_each(" + expression + "))"
            " WHEN 'object' THEN REPLACE(json_extract(" + expression + ", '$.value'), 'T', ' ')"
            " ELSE json_extract(" + expression + ", '$') END"
        )
    if attribute.kind in (Kind.INT, Kind.NUMBER):
        return "CAST(" + expression + " AS TEXT)"
    return expression


def like_pattern(value: Literal) -> str:
    r"""A pattern for SQL's LIKE: `\%` and `\_` stay escaped, other backslashes in quotes protect the next character."""
    if not value.quoted:
        return re.sub(r"\\(?![%_])", r"\\\\", value.raw)
    return "".join(_pattern_parts(value.raw))


def _pattern_parts(raw: str) -> Iterator[str]:
    characters = iter(raw)
    for character in characters:
        if character != "\\":
            yield character
            continue
        protected = next(characters, "\\")
        yield "\\" + protected if protected in "%_\\" else protected
