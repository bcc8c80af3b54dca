"""Pieces of SQL text that carry their parameters with them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from trackteroid.sandbox.errors import ValidationError

__all__ = ["FALSE", "TRUE", "Fragment", "all_of", "any_of", "in_values"]


@dataclass(frozen=True, slots=True)
class Fragment:
    """SQL text with one `?` per parameter, in order."""

    text: str
    parameters: tuple[Any, ...] = ()

    def __add__(self, other: Fragment | str) -> Fragment:
        if isinstance(other, str):
            return Fragment(self.text + other, self.parameters)
        return Fragment(self.text + other.text, self.parameters + other.parameters)

    def __radd__(self, other: str) -> Fragment:
        return Fragment(other + self.text, self.parameters)


TRUE = Fragment("1")
FALSE = Fragment("0")


def all_of(parts: Iterable[Fragment]) -> Fragment:
    return _joined(" AND ", parts)


def any_of(parts: Iterable[Fragment]) -> Fragment:
    return _joined(" OR ", parts)


def _joined(word: str, parts: Iterable[Fragment]) -> Fragment:
    parts = list(parts)
    if len(parts) == 1:
        return parts[0]
    if len(parts) > _MOST:
        raise ValidationError(
            f"{len(parts)} conditions joined by {word.strip().lower()} are too many: at most {_MOST}. Lists, as in"
            " `id in (...)`, may be longer."
        )
    return Fragment(
        "(" + _nested(word, [part.text for part in parts]) + ")",
        tuple(parameter for part in parts for parameter in part.parameters),
    )


# Planning takes SQLite time that grows with the square: for 20,000 conditions a quarter of a minute.
_MOST = 5000
# Conditions in a row are nested as deeply as they are many, and SQLite stops at 1000.
_IN_A_ROW = 200


def _nested(word: str, texts: list[str]) -> str:
    while len(texts) > _IN_A_ROW:
        groups = (texts[start : start + _IN_A_ROW] for start in range(0, len(texts), _IN_A_ROW))
        texts = ["(" + word.join(group) + ")" for group in groups]
    return word.join(texts)


def in_values(expression: Fragment, values: Iterable[Any], *, negated: bool = False) -> Fragment:
    """`expression IN (values)` with a single parameter: SQLite limits how many a statement may have."""
    word = "NOT IN" if negated else "IN"
    return expression + Fragment(f" {word} (SELECT value FROM json_each(?))", (json.dumps(list(values)),))
