"""How a criterion becomes a condition: one small class per form that criteria take.

A rule says which targets it takes, which keywords, and builds the condition. `criteria_table` says which entity type has
which rule under which name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from trackteroid.entities.entity import Entity
from trackteroid.entities.values import NOT_SET
from trackteroid.errors import BadInputError
from trackteroid.query.expressions import AllOf, AnyOf, Comparison, Group, Match, Node, Related, Value, any_of, match
from trackteroid.query.scope import Scope
from trackteroid.relationships import Relation, Step

__all__ = ["ANY", "Between", "Containing", "Identity", "OnDay", "Pairs", "Rule", "Sizes", "Span", "Values"]

ANY = ("*",)
"""Targets of a criterion that takes any class there is a relation to."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What every criterion has.

    Attributes:
        targets: Names of the classes that may be given as target; `ANY` for all, none by default.
        default_target: The target that is meant when none is given.
        keywords: Names of the arguments, for criteria that take named ones.
    """

    targets: tuple[str, ...] = ()
    default_target: str | None = None
    keywords: tuple[str, ...] = ()

    def check(self, target: str | None, values: Sequence[Any], keywords: Mapping[str, Any]) -> None:
        """Refuse arguments that the criterion cannot use.

        Raises:
            BadInputError: Saying which and why.
        """
        for value in values:
            if isinstance(value, str):
                continue
            if value is NOT_SET:
                raise BadInputError("cannot look for NOT_SET, the value of an attribute that was not fetched")
            if (
                isinstance(value, Entity)
                or hasattr(value, "client_entities")
                or hasattr(value, "primary_key_attributes")
            ):
                raise BadInputError("takes plain values, not entities: give their ids or names, one by one")
            if isinstance(value, Iterable) and not isinstance(value, bytes):
                raise BadInputError("takes its values one by one, not as a list: write (*values)")

    def build(self, scope: Scope, target: str | None, values: Sequence[Any], keywords: Mapping[str, Any]) -> Node:
        """Return the condition.

        Raises:
            BadInputError: The target cannot be reached from the queried type.
        """
        raise NotImplementedError


def _relation(scope: Scope, target: str) -> Relation:
    relation = scope.relation(target)
    if relation is None:
        raise BadInputError(
            f"no relation from {scope.type_name} to {target} is known: add one in RELATIONSHIPS_RESOLVER of your "
            f"configuration"
        )
    return relation


@dataclass(frozen=True, kw_only=True)
class Values(Rule):
    """An attribute matches one of the values.

    Attributes:
        path: The queried type's attribute; None where it has none and a target must be given.
        target_path: The target's attribute; default: `path`.
        target_paths: Target -> attribute, where a target calls it otherwise.
        through: A path of arrays to whatever has the attribute `path`.
        plural: Whether `path` itself leads through an array.
    """

    path: str | None
    target_path: str | None = None
    target_paths: Mapping[str, str] = field(default_factory=dict)
    through: str | None = None
    plural: bool = False

    def check(self, target: str | None, values: Sequence[Any], keywords: Mapping[str, Any]) -> None:
        super().check(target, values, keywords)
        if target is None and self.default_target is None and self.path is None:
            raise BadInputError("needs a class as its first argument: the type itself has no such attribute")

    def build(self, scope: Scope, target: str | None, values: Sequence[Any], keywords: Mapping[str, Any]) -> Node:
        target = target or self.default_target
        if target is None or (target == scope.type_name and self.path is not None):
            node = match(str(self.path), values, plural=self.plural)
            return Related(self.through, True, node) if self.through else node
        path = self.target_paths.get(target) or self.target_path or str(self.path)
        relation = _relation(scope, target)
        return any_of([Related(text, relation.is_array, match(path, values)) for text in relation.paths])


@dataclass(frozen=True, kw_only=True)
class Identity(Rule):
    """The entity, or one it refers to, is one of these.

    Values are ids; for types with several primary key attributes, tuples with one text for each.

    Attributes:
        bare_key: The column that holds the id where a relation starts with a filtered step, such as `parent[Shot]`,
            and the type declares no such reference (Note: `parent_id`).
    """

    bare_key: str | None = None

    def check(self, target: str | None, values: Sequence[Any], keywords: Mapping[str, Any]) -> None:
        super().check(target, [value for value in values if not isinstance(value, tuple)], keywords)

    def build(self, scope: Scope, target: str | None, values: Sequence[Any], keywords: Mapping[str, Any]) -> Node:
        if target is None or target == scope.type_name:
            return self._own(scope, values)
        relation = _relation(scope, target)
        return any_of([self._behind(scope, relation, steps, values) for steps in relation.alternatives])

    def _own(self, scope: Scope, values: Sequence[Any]) -> Node:
        composite = [value for value in values if isinstance(value, tuple)]
        # Classes without an `id` say so without a server.
        if not composite and scope.entity_type.projections[0] == "id":
            return match("id", values)
        names = scope.index.primary_key(scope.type_name)
        if not composite and len(names) == 1:
            return match(names[0], values)
        if any(len(value) != len(names) for value in composite) or len(composite) != len(values):
            raise BadInputError(
                f"{scope.type_name} is identified by {', '.join(names)}: give a tuple of {len(names)} for each entity"
            )
        return AnyOf(
            tuple(
                Group(AllOf(tuple(Comparison(name, "is", str(part)) for name, part in zip(names, value, strict=True))))
                for value in composite
            )
        )

    def _behind(self, scope: Scope, relation: Relation, steps: tuple[Step, ...], values: Sequence[Any]) -> Node:
        if self.bare_key is not None and len(steps) == 1 and steps[0].type_filter is not None:
            return match(self.bare_key, values)
        path = ".".join(map(str, steps))
        last = steps[-1]
        if not relation.is_array and last.type_filter is None:
            owner = scope.index.owners(scope.type_name, steps)[-1]
            if owner is not None and scope.index.has_attribute(owner, f"{last.name}_id"):
                column = match(f"{last.name}_id", values)
                prefix = ".".join(map(str, steps[:-1]))
                return Related(prefix, False, column) if prefix else column
        return Related(path, relation.is_array, match("id", values))


@dataclass(frozen=True, kw_only=True)
class Between(Rule):
    """A value lies between a start and an end, of which one may be missing.

    Attributes:
        low, high: The attributes to compare with.
        through: A path of arrays to whatever has them.
        parenthesised: Whether the condition stands in parentheses of its own.
    """

    low: str
    high: str
    through: str | None = None
    parenthesised: bool = False
    keywords: tuple[str, ...] = ("start", "end")

    def build(self, scope: Scope, target: str | None, values: Sequence[Any], keywords: Mapping[str, Any]) -> Node:
        if target is None:
            return self._within(self.low, self.high, keywords)
        relation = _relation(scope, target)
        return any_of([self._within(f"{path}.{self.low}", f"{path}.{self.high}", keywords) for path in relation.paths])

    def _within(self, low: str, high: str, keywords: Mapping[str, Any]) -> Node:
        parts: list[Node] = []
        if keywords.get("start") is not None:
            parts.append(Comparison(low, ">=", _moment(keywords["start"])))
        if keywords.get("end") is not None:
            parts.append(Comparison(high, "<=", _moment(keywords["end"])))
        node: Node = AllOf(tuple(parts))
        if self.through:
            return Related(self.through, True, node)
        return Group(node) if self.parenthesised else node


@dataclass(frozen=True, kw_only=True)
class Span(Rule):
    """Something that has a start and a duration in seconds lies between a start and an end."""

    keywords: tuple[str, ...] = ("start", "end")

    def check(self, target: str | None, values: Sequence[Any], keywords: Mapping[str, Any]) -> None:
        if len(keywords) == len(self.keywords) and not all(hasattr(value, "timestamp") for value in keywords.values()):
            raise BadInputError("needs date-times, not texts, to count the seconds between start and end")

    def build(self, scope: Scope, target: str | None, values: Sequence[Any], keywords: Mapping[str, Any]) -> Node:
        start, end = keywords.get("start"), keywords.get("end")
        if start is None:
            return Comparison("start", "<=", _moment(end))
        begins = Comparison("start", ">=", _moment(start))
        if end is None:
            return begins
        seconds = _timestamp(end) - _timestamp(start)
        return AllOf((begins, Comparison("duration", "<=", str(int(seconds) if seconds.is_integer() else seconds))))


@dataclass(frozen=True, kw_only=True)
class Sizes(Rule):
    """A size in bytes lies between a minimum and a maximum; zero means no bound."""

    keywords: tuple[str, ...] = ("minimum", "maximum")

    def check(self, target: str | None, values: Sequence[Any], keywords: Mapping[str, Any]) -> None:
        for bound in keywords.values():
            if not isinstance(bound, (int, float)) or isinstance(bound, bool) or bound < 0:
                raise BadInputError(f"takes numbers of bytes, not {bound!r}")
        if not any(keywords.values()):
            raise BadInputError("needs a minimum or a maximum greater than zero")

    def build(self, scope: Scope, target: str | None, values: Sequence[Any], keywords: Mapping[str, Any]) -> Node:
        bounds = ((">=", keywords.get("minimum")), ("<=", keywords.get("maximum")))
        return AllOf(tuple(Comparison("size", operator, str(bound)) for operator, bound in bounds if bound))


@dataclass(frozen=True, kw_only=True)
class OnDay(Rule):
    """A date-time attribute lies on one of the days."""

    path: str

    def check(self, target: str | None, values: Sequence[Any], keywords: Mapping[str, Any]) -> None:
        super().check(target, values, keywords)
        for value in values:
            if not re.match(r"\d{4}-\d\d-\d\d", _moment(value)):
                raise BadInputError(f"takes days such as '2026-01-31', not {value!r}")

    def build(self, scope: Scope, target: str | None, values: Sequence[Any], keywords: Mapping[str, Any]) -> Node:
        days = tuple(Comparison(self.path, "like", f"{_moment(value)[:10]}%") for value in values)
        return any_of(days)


@dataclass(frozen=True, kw_only=True)
class Containing(Values):
    """A text attribute contains one of the values."""

    def build(self, scope: Scope, target: str | None, values: Sequence[Any], keywords: Mapping[str, Any]) -> Node:
        if target is not None:
            return super().build(scope, target, values, keywords)
        patterns = (text if "%" in text else f"%{text}%" for text in map(str, values))
        return Match(str(self.path), tuple(Value(text, is_pattern=True) for text in patterns))


@dataclass(frozen=True, kw_only=True)
class Pairs(Rule):
    """Some rows of a mapped attribute have these keys and values: all pairs of one dictionary, any of the dictionaries."""

    path: str

    def check(self, target: str | None, values: Sequence[Any], keywords: Mapping[str, Any]) -> None:
        if not all(isinstance(value, Mapping) and value for value in values):
            raise BadInputError("takes dictionaries that are not empty")

    def build(self, scope: Scope, target: str | None, values: Sequence[Any], keywords: Mapping[str, Any]) -> Node:
        paths: Iterable[str] = (self.path,)
        if target is not None:
            paths = tuple(f"{path}.{self.path}" for path in _relation(scope, target).paths)
        pairs = tuple(Group(AllOf(_rows(path, dictionary))) for path in paths for dictionary in values)
        return AnyOf(pairs, negated_whole=True)


def _rows(path: str, dictionary: Mapping[Any, Any]) -> tuple[Node, ...]:
    return tuple(
        Related(path, True, AllOf((Comparison("key", "like", str(key)), _value_like(value))))
        for key, value in dictionary.items()
    )


def _value_like(value: Any) -> Node:
    return match("value", [None]) if value is None else Comparison("value", "like", str(value))


def _moment(value: Any) -> str:
    """Return a point in time as ISO text; other values as they print (Arrow prints ISO text with its zone)."""
    return value.isoformat() if isinstance(value, (date, datetime)) else str(value)


def _timestamp(value: Any) -> float:
    moment = value.timestamp
    return float(moment() if callable(moment) else moment)
