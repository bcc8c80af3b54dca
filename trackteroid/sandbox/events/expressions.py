"""What a subscriber listens to, and whom an event is for: parse expressions and match them (specification 7.5)."""

from __future__ import annotations

import json
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any, cast

from lark import Lark, Token, Transformer, UnexpectedInput, UnexpectedToken, v_args

__all__ = ["All", "AnyOf", "Condition", "Expression", "ExpressionError", "Negation", "matches", "may_match", "parse"]

# Deeper nesting than anybody writes would only exhaust Python's stack.
_DEEPEST_NESTING = 50
# Everything of the hub happens in one thread: parsing 20,000 conditions kept everybody waiting for seconds.
_LONGEST = 10_000
_COMPARISONS: Mapping[str, Callable[[str, str], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}


class ExpressionError(ValueError):
    """A text that is no expression; the message shows where it ends to be one."""


@dataclass(frozen=True, slots=True)
class Condition:
    """`field operator value`; the field is a path into nested mappings."""

    field: tuple[str, ...]
    operator: str
    value: str


@dataclass(frozen=True, slots=True)
class Negation:
    part: Expression


@dataclass(frozen=True, slots=True)
class All:
    parts: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    parts: tuple[Expression, ...]


Expression = Condition | Negation | All | AnyOf


def parse(text: str) -> Expression:
    """Parse an expression.

    Raises:
        ExpressionError: It is none, or longer than anybody writes; an empty text is none either.
    """
    if text.count("(") > _DEEPEST_NESTING:
        raise ExpressionError(f"Failed to parse: {_shown(text)}. More than {_DEEPEST_NESTING} brackets.")
    if len(text) > _LONGEST:
        raise ExpressionError(f"Failed to parse: {_shown(text)}. More than {_LONGEST} characters.")
    try:
        return _parse(text) if len(text) <= _LONGEST_KEPT else _parse_anew(text)
    except UnexpectedInput as error:
        at_end = isinstance(error, UnexpectedToken) and error.token.type == "$END"
        where = "at the end" if at_end else f"at character {(error.pos_in_stream or 0) + 1}"
        raise ExpressionError(f"Failed to parse: {_shown(text)}. Something else was expected {where}.") from None


def _parse_anew(text: str) -> Expression:
    # The transformer runs inside the parser, so that what lark calls a tree is an Expression.
    return cast(Expression, _lark().parse(text))


# Hubs subscribe to much the same things, and replies to one hub all have the same target.
_parse = lru_cache(maxsize=1024)(_parse_anew)
_LONGEST_KEPT = 2000


def _shown(text: str) -> str:
    return text if len(text) <= 200 else text[:200] + "..."


@lru_cache(maxsize=1)
def _lark() -> Lark:
    grammar = resources.files(__package__).joinpath("expression_grammar.lark").read_text(encoding="utf-8")
    return Lark(grammar, parser="lalr", transformer=_Builder())


@v_args(inline=True)
class _Builder(Transformer[Token, Expression]):
    """Makes the tree; one method per rule of the grammar."""

    def condition(self, field: Token, comparison: Token, value: Token) -> Condition:
        text = str(value)[1:-1] if value.type == "QUOTED" else str(value)
        return Condition(tuple(str(field).split(".")), str(comparison), text)

    def negation(self, part: Expression) -> Negation:
        return Negation(part)

    def all_of(self, *parts: Expression) -> Expression:
        return All(parts)

    def any_of(self, *parts: Expression) -> Expression:
        return AnyOf(parts)


def matches(expression: Expression, candidate: Mapping[str, Any]) -> bool:
    """Whether a mapping, an event or a subscriber, fulfils an expression. A missing key fulfils no condition."""
    match expression:
        case Condition():
            return _holds(expression, candidate)
        case Negation(part):
            return not matches(part, candidate)
        case All(parts):
            return all(matches(part, candidate) for part in parts)
        case AnyOf(parts):
            return any(matches(part, candidate) for part in parts)


def may_match(expression: Expression, known: Mapping[str, Any]) -> bool:
    """Whether a mapping of which only some top-level keys are known could fulfil an expression."""
    return _outcomes(expression, known)[0]


def _outcomes(expression: Expression, known: Mapping[str, Any]) -> tuple[bool, bool]:
    """Whether the expression can be true, and whether it can be false."""
    match expression:
        case Condition():
            if expression.field[0] not in known:
                return True, True
            holds = _holds(expression, known)
            return holds, not holds
        case Negation(part):
            true, false = _outcomes(part, known)
            return false, true
        case All(parts):
            outcomes = [_outcomes(part, known) for part in parts]
            return all(true for true, _ in outcomes), any(false for _, false in outcomes)
        case AnyOf(parts):
            outcomes = [_outcomes(part, known) for part in parts]
            return any(true for true, _ in outcomes), all(false for _, false in outcomes)


def _holds(condition: Condition, candidate: Any) -> bool:
    for name in condition.field:
        if not isinstance(candidate, Mapping) or name not in candidate:
            return False
        candidate = candidate[name]
    if candidate is None:
        return condition.operator == "!="
    text = candidate if isinstance(candidate, str) else json.dumps(candidate)
    if condition.operator == "=" and condition.value.endswith("*"):
        # Documented as a prefix, implemented by the client as containment (specification 9.20).
        return text.startswith(condition.value[:-1])
    return _COMPARISONS[condition.operator](text, condition.value)
