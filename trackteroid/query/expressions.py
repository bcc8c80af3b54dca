"""Conditions of a query as a tree: text is made in one place, negation changes the tree and never the text.

Scope: ftrack's query language as far as criteria need it. Nothing here knows entity types or schemas; a path is a text of
dotted attribute names. Every value is quoted and escaped here and nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

__all__ = [
    "AllOf",
    "AnyOf",
    "Comparison",
    "Group",
    "Match",
    "Node",
    "Not",
    "Raw",
    "Related",
    "Value",
    "any_of",
    "count_dots",
    "has_top_level_or",
    "match",
    "quote",
]


def quote(text: str) -> str:
    """Return text as a quoted value of the query language."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


class Node:
    """A condition."""

    __slots__ = ()

    def render(self) -> str:
        """Return the condition's text, as it stands among others joined by `and`."""
        raise NotImplementedError

    def grouped(self) -> str:
        """Return the condition's text in parentheses."""
        return f"({self.render()})"

    def negated(self) -> Node:
        """Return the condition that holds where this one does not."""
        return Not(self)


@dataclass(frozen=True)
class Value:
    """A value to compare with; a pattern contains `%` for any run of characters; `is_none` is the absence of a value."""

    text: str
    is_pattern: bool = False
    is_none: bool = False

    @classmethod
    def of(cls, value: object) -> Value:
        """Return the value of a Python object: its text; only a `str` can be a pattern."""
        if value is None:
            # Quoted it would be the text "None", which nothing has.
            return cls("none", is_none=True)
        return cls(str(value), isinstance(value, str) and "%" in value)


@dataclass(frozen=True)
class Match(Node):
    """An attribute equals or looks like one of several values; negative: like none of them.

    `plural` says that the path leads through an array, where "some element is not a" is not the opposite of "some element
    is a".
    """

    path: str
    values: tuple[Value, ...]
    negative: bool = False
    plural: bool = False

    def render(self) -> str:
        exact = [quote(value.text) for value in self.values if not (value.is_pattern or value.is_none)]
        parts = []
        if len(exact) == 1:
            parts.append(f"{self.path} {'is_not' if self.negative else 'is'} {exact[0]}")
        elif exact:
            parts.append(f"{self.path} {'not_in' if self.negative else 'in'} ({','.join(exact)})")
        if any(value.is_none for value in self.values):
            parts.append(f"{self.path} {'is_not' if self.negative else 'is'} none")
        like = "not_like" if self.negative else "like"
        parts += [f"{self.path} {like} {quote(value.text)}" for value in self.values if value.is_pattern]
        return f"({(' and ' if self.negative else ' or ').join(parts)})"

    def grouped(self) -> str:
        return self.render()

    def negated(self) -> Node:
        return Not(self) if self.plural else replace(self, negative=not self.negative)


@dataclass(frozen=True)
class Comparison(Node):
    """An attribute compared with one value by an operator such as `>=`."""

    path: str
    operator: str
    value: str

    def render(self) -> str:
        return f"{self.path} {self.operator} {quote(self.value)}"


@dataclass(frozen=True)
class AllOf(Node):
    """All conditions hold."""

    parts: tuple[Node, ...]

    def render(self) -> str:
        return " and ".join(part.render() for part in self.parts)


@dataclass(frozen=True)
class AnyOf(Node):
    """At least one condition holds; its opposite is the opposite of each, or of the whole where that reads better."""

    parts: tuple[Node, ...]
    negated_whole: bool = False

    def render(self) -> str:
        return f"({' or '.join(part.render() for part in self.parts)})"

    def grouped(self) -> str:
        return self.render()

    def negated(self) -> Node:
        if self.negated_whole:
            return Not(self)
        return Group(AllOf(tuple(part.negated() for part in self.parts)))


@dataclass(frozen=True)
class Group(Node):
    """A condition in parentheses."""

    inner: Node

    def render(self) -> str:
        return f"({self.inner.render()})"

    def grouped(self) -> str:
        return self.render()


@dataclass(frozen=True)
class Not(Node):
    """The condition does not hold."""

    inner: Node

    def render(self) -> str:
        return f"not {self.inner.render() if isinstance(self.inner, Related) else self.inner.grouped()}"

    def negated(self) -> Node:
        return self.inner


@dataclass(frozen=True)
class Related(Node):
    """The entity, or some entity, behind a path fulfils a condition."""

    path: str
    is_array: bool
    inner: Node

    def render(self) -> str:
        return f"{self.path} {'any' if self.is_array else 'has'} {self.inner.grouped()}"

    def negated(self) -> Node:
        if self.is_array:
            return Not(self)
        return replace(self, inner=self.inner.negated())


@dataclass(frozen=True)
class Raw(Node):
    """Text as somebody wrote it; in parentheses if an `or` in it could leak into its neighbours."""

    text: str

    def render(self) -> str:
        return f"({self.text})" if has_top_level_or(self.text) else self.text


_QUOTED = re.compile(r""""(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'""")


def count_dots(text: str) -> int:
    """Return how many dots a text has outside quotes."""
    return _QUOTED.sub("", text).count(".")


def has_top_level_or(text: str) -> bool:
    """Whether the word `or` stands outside quotes and parentheses."""
    depth = 0
    for token in re.findall(r"[()]|\w+", _QUOTED.sub('""', text)):
        if token == "(":
            depth += 1
        elif token == ")":
            depth -= 1
        elif depth == 0 and token.lower() == "or":
            return True
    return False


def match(path: str, values: Iterable[object], *, plural: bool = False) -> Match:
    """Return the condition that an attribute matches one of the values."""
    return Match(path, tuple(Value.of(value) for value in values), plural=plural)


def any_of(parts: Sequence[Node]) -> Node:
    """Return the condition that one of the parts holds; a single part is returned as it is."""
    return parts[0] if len(parts) == 1 else AnyOf(tuple(parts))
