"""A query as a tree of values. Positions are indices into the query text, counted from 0."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass

__all__ = [
    "And",
    "Comparison",
    "Criterion",
    "Literal",
    "Membership",
    "Not",
    "Operator",
    "Or",
    "OrderKey",
    "Path",
    "Query",
    "Relation",
    "Step",
]


_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


class Operator(enum.Enum):
    IS = "is"
    IS_NOT = "is_not"
    LESS = "<"
    LESS_EQUAL = "<="
    GREATER = ">"
    GREATER_EQUAL = ">="
    LIKE = "like"
    NOT_LIKE = "not_like"


@dataclass(frozen=True, slots=True)
class Step:
    """One name of a path, with its cast: `parent[Shot]`."""

    name: str
    cast: str | None
    position: int


@dataclass(frozen=True, slots=True)
class Path:
    steps: tuple[Step, ...]

    def __str__(self) -> str:
        return ".".join(step.name + (f"[{step.cast}]" if step.cast else "") for step in self.steps)


@dataclass(frozen=True, slots=True)
class Literal:
    """A value as it was written (`raw`, without its quotes); `none` and `null` are the null value only without quotes."""

    raw: str
    quoted: bool
    position: int

    @property
    def text(self) -> str:
        """The value: inside quotes a backslash only protects the next character."""
        return _ESCAPED.sub(r"\1", self.raw) if self.quoted else self.raw

    @property
    def is_null(self) -> bool:
        return not self.quoted and self.text.lower() in ("none", "null")


@dataclass(frozen=True, slots=True)
class And:
    parts: tuple[Criterion, ...]


@dataclass(frozen=True, slots=True)
class Or:
    parts: tuple[Criterion, ...]


@dataclass(frozen=True, slots=True)
class Not:
    part: Criterion


@dataclass(frozen=True, slots=True)
class Comparison:
    path: Path
    operator: Operator
    value: Literal


@dataclass(frozen=True, slots=True)
class Membership:
    """`path in (...)`: of literals, or of what a sub-query finds."""

    path: Path
    negated: bool
    values: tuple[Literal, ...] | Query


@dataclass(frozen=True, slots=True)
class Relation:
    """`path has (...)` or `path any (...)`; without inner criterion: there is a related row."""

    path: Path
    inner: Criterion | None


@dataclass(frozen=True, slots=True)
class OrderKey:
    path: Path
    descending: bool


@dataclass(frozen=True, slots=True)
class Query:
    """A whole query; no projections means that none were written."""

    entity_type: str
    projections: tuple[Path, ...]
    criterion: Criterion | None
    order: tuple[OrderKey, ...]
    limit: int | None
    offset: int
    position: int


Criterion = And | Or | Not | Comparison | Membership | Relation
