"""Text of a query -> syntax tree, by the grammar file. Mistakes are reported with their position."""

from __future__ import annotations

import re
from functools import lru_cache
from importlib import resources
from typing import Any, cast

from lark import Lark, Token, Transformer, UnexpectedInput, v_args

from trackteroid.sandbox.errors import ParseError
from trackteroid.sandbox.syntax import (
    And,
    Comparison,
    Criterion,
    Literal,
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

__all__ = ["parse"]

# Deeper nesting than any program writes would only exhaust Python's stack further down.
_DEEPEST_NESTING = 100
# What is quoted may lack its end: to look for one again at every quote inside would take hours for a long text.
_QUOTED_OR_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*"?|\'(?:[^\'\\]|\\.)*\'?|[()]', re.DOTALL)
# How an expected token reads in an error message; the others are keywords, read off their name.
_READABLE = {
    "NAME": "a name",
    "INTEGER": "a whole number",
    "QUOTED": "a value",
    "BARE": "a value",
    "LPAR": '"("',
    "RPAR": '")"',
    "COMMA": '","',
    "DOT": '"."',
    "LSQB": '"["',
    "RSQB": '"]"',
    "$END": "the end",
    "LESS": '"<"',
    "LESS_EQUAL": '"<="',
    "GREATER": '">"',
    "GREATER_EQUAL": '">="',
    "ASCENDING": '"asc"',
    "DESCENDING": '"desc"',
}


def parse(expression: str) -> Query:
    """Parse one query.

    Raises:
        ParseError: The text is no query. The message starts `Failed to parse: <expression>` and shows the place.
    """
    _check_nesting(expression)
    try:
        return _parse(expression) if len(expression) < _LONGEST_KEPT else _parse_anew(expression)
    except UnexpectedInput as error:
        raise _explained(expression, error) from None


def _parse_anew(expression: str) -> Query:
    # The transformer runs inside the parser, so that what lark calls a tree is a Query.
    return cast(Query, _lark().parse(expression))


# Programs ask the same queries again and again; a tree is never changed. Long lists of ids are hardly ever repeated.
_parse = lru_cache(maxsize=1024)(_parse_anew)
_LONGEST_KEPT = 2000


@lru_cache(maxsize=1)
def _lark() -> Lark:
    grammar = resources.files("trackteroid.sandbox").joinpath("query_grammar.lark").read_text(encoding="utf-8")
    return Lark(grammar, parser="lalr", lexer="contextual", transformer=_ToSyntax())


def _check_nesting(expression: str) -> None:
    depth = 0
    for match in _QUOTED_OR_BRACKET.finditer(expression):
        depth += {"(": 1, ")": -1}.get(match.group(), 0)
        if depth > _DEEPEST_NESTING:
            message = f"Failed to parse: {expression}\nNested deeper than {_DEEPEST_NESTING} levels."
            raise ParseError(message, position=match.start())


def _explained(expression: str, error: UnexpectedInput) -> ParseError:
    token = getattr(error, "token", None)
    at_end = isinstance(token, Token) and token.type == "$END"
    position = len(expression) if at_end else max(0, error.pos_in_stream or 0)
    names = getattr(error, "accepts", None) or getattr(error, "expected", None) or getattr(error, "allowed", None) or ()
    expected = sorted({_READABLE.get(name, f'"{name.strip("_").lower()}"') for name in names})
    start = max(0, position - 40)
    excerpt = re.sub(r"\s", " ", expression[start : position + 40])
    lines = [
        f"Failed to parse: {expression}",
        f"Expected {' or '.join(expected) or 'something else'} at character {position + 1}:",
        excerpt,
        " " * (position - start) + "^",
    ]
    return ParseError("\n".join(lines), position=position)


_OPERATORS = {operator.name: operator for operator in Operator}


@v_args(inline=True)
class _ToSyntax(Transformer[Token, Any]):
    """Builds the tree while lark parses; one method per grammar rule."""

    def start(self, query: Query) -> Query:
        return query

    def select_query(self, *parts: Any) -> Query:
        projections = tuple(part for part in parts if isinstance(part, Path))
        return _query(projections, parts[len(projections) :])

    def plain_query(self, *parts: Any) -> Query:
        return _query((), parts)

    def projection(self, path: Path) -> Path:
        return path

    def path(self, *steps: Step) -> Path:
        return Path(steps)

    def step(self, name: Token, cast: Token | None = None) -> Step:
        return Step(str(name), None if cast is None else str(cast), name.start_pos or 0)

    def type_name(self, name: Token) -> Token:
        return name

    bare_type = type_name

    def order(self, *keys: OrderKey) -> tuple[str, tuple[OrderKey, ...]]:
        return "order", keys

    def order_key(self, path: Path, direction: Token | None = None) -> OrderKey:
        return OrderKey(path, direction is not None and direction.type == "DESCENDING")

    def limit(self, number: Token) -> tuple[str, int]:
        return "limit", _bounded(number)

    def offset(self, number: Token) -> tuple[str, int]:
        return "offset", _bounded(number)

    def any_of(self, *parts: Criterion) -> Criterion:
        return parts[0] if len(parts) == 1 else Or(parts)

    def all_of(self, *parts: Criterion) -> Criterion:
        return parts[0] if len(parts) == 1 else And(parts)

    def negation(self, part: Criterion) -> Criterion:
        return Not(part)

    def relation(self, path: Path, inner: Criterion | None = None) -> Criterion:
        return Relation(path, inner)

    def membership(self, path: Path, word: Token, *values: Any) -> Criterion:
        negated = word.type == "NOT_IN"
        if isinstance(values[0], Query):
            return Membership(path, negated, values[0])
        return Membership(path, negated, values)

    def comparison(self, path: Path, operator: Operator, value: Literal) -> Criterion:
        return Comparison(path, operator, value)

    def operator(self, word: Token) -> Operator:
        return _OPERATORS[word.type]

    def value(self, word: Token) -> Literal:
        if word.type == "QUOTED":
            return Literal(word[1:-1], True, word.start_pos or 0)
        return Literal(str(word), False, word.start_pos or 0)


def _bounded(number: Token) -> int:
    # SQLite's integers have 64 bits; more rows than that there are not.
    return min(int(number[:20]), 2**62)


def _query(projections: tuple[Path, ...], parts: tuple[Any, ...]) -> Query:
    entity_type: Token = parts[0]
    criterion: Criterion | None = None
    tail: dict[str, Any] = {}
    for part in parts[1:]:
        if isinstance(part, tuple):
            # The client appends paging to whatever the caller wrote: the later clause is the one that counts.
            tail[part[0]] = part[1]
        else:
            criterion = part
    return Query(
        entity_type=str(entity_type),
        projections=projections,
        criterion=criterion,
        order=tail.get("order", ()),
        limit=tail.get("limit"),
        offset=tail.get("offset", 0),
        position=entity_type.start_pos or 0,
    )
