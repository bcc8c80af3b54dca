"""Criteria of a query: what was asked for, checked at once and turned into conditions when the text is needed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from trackteroid.entities.entity import EntityType
from trackteroid.errors import BadInputError, TrackteroidError
from trackteroid.query.criteria_table import KNOWN, criteria_of, find_rule
from trackteroid.query.expressions import Node, Raw, count_dots
from trackteroid.query.rules import ANY, Rule
from trackteroid.query.scope import Scope

__all__ = ["Criteria", "Criterion", "injection", "make_criterion", "merged", "rule_of", "where_text"]

_INJECT = "inject"
_NEGATION = "not_"


class Criteria:
    """The errors of criteria."""

    class InvalidArgumentsError(BadInputError):
        """The arguments of a criterion cannot be used."""

    class CriterionNotImplementedError(TrackteroidError, NotImplementedError):
        """This type of entity has no such criterion, though others do."""


@dataclass(frozen=True)
class Criterion:
    """One stored criterion.

    Attributes:
        name: `by_...`, without `not_`; or `inject`.
        negated: Whether `not_by_...` was called.
        target: The class whose property is meant; None: the queried type's own.
        values: Values in the order given, without repetitions.
        keywords: Named arguments.
    """

    name: str
    negated: bool = False
    target: EntityType | None = None
    values: tuple[Any, ...] = ()
    keywords: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    def __hash__(self) -> int:
        return hash((self.name, self.negated, self.target))

    def nodes(self, scope: Scope) -> list[Node]:
        """Return the conditions, all of which must hold.

        Raises:
            Criteria.InvalidArgumentsError: The target cannot be reached from the queried type.
        """
        if self.name == _INJECT:
            return [Raw(text) for text in self.values]
        rule = rule_of(scope.entity_type, self.name)
        target = self.target.__name__ if self.target else None
        try:
            node = rule.build(scope, target, self.values, self.keywords)
        except BadInputError as error:
            raise Criteria.InvalidArgumentsError(f"{scope.type_name}.{self.name}: {error}.") from error
        return [node.negated() if self.negated else node]


def rule_of(entity_type: EntityType, name: str) -> Rule:
    """Return the rule behind `by_...` or `not_by_...`.

    Raises:
        Criteria.CriterionNotImplementedError: Other types have this criterion, this one does not.
        AttributeError: No type has it.
    """
    plain = name.removeprefix(_NEGATION)
    rule = find_rule(entity_type, plain)
    if rule is None and plain in KNOWN:
        raise Criteria.CriterionNotImplementedError(_no_criterion(entity_type, name))
    if rule is None:
        raise AttributeError(_no_criterion(entity_type, name))
    return rule


def _no_criterion(entity_type: EntityType, name: str) -> str:
    return f"{entity_type.__name__} has no criterion {name!r}; it has {', '.join(sorted(criteria_of(entity_type)))}."


def make_criterion(
    entity_type: EntityType, name: str, arguments: Sequence[Any], keywords: Mapping[str, Any]
) -> Criterion:
    """Return the criterion that a call `query.<name>(*arguments, **keywords)` means.

    Raises:
        Criteria.InvalidArgumentsError: The arguments do not fit, saying why.
        Criteria.CriterionNotImplementedError, AttributeError: See `rule_of`.
    """
    rule = rule_of(entity_type, name)
    try:
        target, values = _split(rule, arguments)
        named = _named(rule, values, keywords)
        if rule.keywords:
            values = ()
        if target is not None:
            _check_target(rule, target)
        if not values and not named:
            raise BadInputError("needs a value to look for")
        rule.check(target.__name__ if target else None, values, named)
    except BadInputError as error:
        raise Criteria.InvalidArgumentsError(f"{entity_type.__name__}.{name} {error}.") from error
    return Criterion(
        name.removeprefix(_NEGATION), name.startswith(_NEGATION), target, _unique(values), MappingProxyType(named)
    )


def _split(rule: Rule, arguments: Sequence[Any]) -> tuple[EntityType | None, tuple[Any, ...]]:
    target = arguments[0] if arguments and isinstance(arguments[0], EntityType) else None
    values = tuple(arguments[1:] if target is not None else arguments)
    if any(isinstance(value, type) for value in values):
        raise BadInputError("takes one class only, as its first argument")
    return target, values


def _named(rule: Rule, values: tuple[Any, ...], keywords: Mapping[str, Any]) -> dict[str, Any]:
    unknown = [name for name in keywords if name not in rule.keywords]
    if unknown:
        takes = f"the named arguments {', '.join(rule.keywords)}" if rule.keywords else "no named arguments"
        raise BadInputError(f"takes {takes}, not {', '.join(unknown)}")
    if not rule.keywords:
        return {}
    if values and keywords:
        raise BadInputError("takes its arguments by position or by name, not both")
    if len(values) > len(rule.keywords):
        raise BadInputError(f"takes at most {len(rule.keywords)} values: {', '.join(rule.keywords)}")
    given = {**dict(zip(rule.keywords, values, strict=False)), **keywords}
    return {name: value for name, value in given.items() if value is not None}


def _check_target(rule: Rule, target: EntityType) -> None:
    if rule.targets == ANY:
        return
    admitted = {target.__name__, *(base.__name__ for base in target.__bases__)}
    if admitted.isdisjoint(rule.targets):
        supported = f"only {', '.join(rule.targets)}" if rule.targets else "none"
        raise BadInputError(f"cannot take {target.__name__} as target, {supported}")


def injection(text: str) -> Criterion:
    """Return the criterion of a raw fragment; one leading `and` or `where` is dropped.

    Raises:
        Criteria.InvalidArgumentsError: The text is empty or starts with `or`, which would join it to nothing.
    """
    if not isinstance(text, str):
        raise Criteria.InvalidArgumentsError(f"inject takes texts, not {text!r}.")
    fragment = re.sub(r"^\s*(?:and|where)\b\s*", "", text, count=1, flags=re.IGNORECASE).strip()
    if not fragment or re.match(r"or\b", fragment, flags=re.IGNORECASE):
        raise Criteria.InvalidArgumentsError(f"inject cannot use {text!r}: a fragment must be a condition of its own.")
    return Criterion(_INJECT, values=(fragment,))


def merged(criteria: Sequence[Criterion], added: Criterion) -> list[Criterion]:
    """Return the criteria with one more: values go to the first one of the same name, negation and target."""
    result = list(criteria)
    for position, criterion in enumerate(result):
        if (criterion.name, criterion.negated, criterion.target) == (added.name, added.negated, added.target):
            result[position] = replace(
                criterion,
                values=_unique((*criterion.values, *added.values)),
                keywords=MappingProxyType({**criterion.keywords, **added.keywords}),
            )
            return result
    return [*result, added]


def where_text(criteria: Iterable[Criterion], scope: Scope) -> str:
    """Return the conditions joined by `and`; empty without criteria.

    Conditions over short relations come first: they are cheaper for the server.

    Raises:
        Criteria.InvalidArgumentsError: A target cannot be reached from the queried type.
    """
    fragments = [node.render() for criterion in criteria for node in criterion.nodes(scope)]
    return " and ".join(sorted(fragments, key=count_dots))


def _unique(values: Iterable[Any]) -> tuple[Any, ...]:
    # Texts, the usual case of thousands of ids, in linear time; what cannot be hashed (dictionaries) by comparison.
    seen: set[Any] = set()
    result: list[Any] = []
    for value in values:
        try:
            key = (type(value), value)
            known = key in seen
            seen.add(key)
        except TypeError:
            known = value in result
        if not known:
            result.append(value)
    return tuple(result)
