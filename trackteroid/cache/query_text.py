"""What a query's text names: its type, and every path of attributes in it, wherever it stands.

Scope: pure, strict. The rules are those of the query language (spec: ftrack-server 5.1). What a criterion compares with,
how criteria are combined, limits and offsets are read over: which answers a change can touch does not hang on them. A
text that does not fit the rules is no question at all, and who asks must then assume the worst.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

__all__ = ["Mention", "Path", "Question", "parse_question"]

# As deep as any program writes; deeper text is not followed, so that Python's stack is never exhausted.
_DEEPEST = 100

_NAME = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*)")
_INTEGER = re.compile(r"\s*([0-9]+)")
# Written so that no character is tried twice: values may be thousands of ids.
_QUOTED = r"""(?:"[^"\\]*(?:\\.[^"\\]*)*"|'[^'\\]*(?:\\.[^'\\]*)*')"""
_BARE = r"""[^\s(),"'=<>!]+"""
_VALUE = re.compile(rf"\s*(?:{_QUOTED}|({_BARE}))", re.DOTALL)
_VALUES = re.compile(rf"(?:\s*(?:{_QUOTED}|{_BARE})\s*,)*", re.DOTALL)
_SELECT = re.compile(r"\s*select(?=\s+[A-Za-z_])", re.IGNORECASE)
# Longer words first; a word ends where no letter, digit or underscore follows.
_OPERATOR = re.compile(
    r"\s*(?:<=|>=|!=|=|<|>|(?:is_not|is|not_like|like|before|less_than|after|greater_than)(?!\w))", re.IGNORECASE
)
_MEMBERSHIP = re.compile(r"\s*(?:not_in|in)(?!\w)", re.IGNORECASE)
_RELATION = re.compile(r"\s*(?:has|any)(?!\w)", re.IGNORECASE)
_DIRECTION = re.compile(r"\s*(?:asc(?:ending)?|desc(?:ending)?)(?!\w)", re.IGNORECASE)
_TAIL = re.compile(r"\s*(?:where|order|limit|offset)(?!\w)", re.IGNORECASE)
_SPACE = re.compile(r"\s*")

#: Steps of a path: (attribute, the type it is cast to or None).
Path = tuple[tuple[str, "str | None"], ...]


@dataclass(frozen=True)
class Mention:
    """A path in a criterion.

    Attributes:
        path: From the type that the criterion is about.
        inner: What is said, in brackets, about the entities that the path leads to.
        question: The sub-query with whose answer it is compared.
    """

    path: Path
    inner: tuple[Mention, ...] = ()
    question: Question | None = None


@dataclass(frozen=True)
class Question:
    """A query or sub-query.

    Attributes:
        entity_type: Whose entities it finds.
        projections: The paths after `select`; None if it says none.
        criteria: Every path in its criteria.
        order: The paths it sorts by.
    """

    entity_type: str
    projections: tuple[Path, ...] | None
    criteria: tuple[Mention, ...] = ()
    order: tuple[Path, ...] = field(default=())


def parse_question(text: str) -> Question | None:
    """Return what `text` names; None if it is not understood."""
    try:
        return _Reader(text).whole()
    except _NotUnderstoodError:
        return None


class _NotUnderstoodError(Exception):
    pass


def _word(word: str) -> re.Pattern[str]:
    return re.compile(rf"\s*{word}(?!\w)", re.IGNORECASE)


_FROM, _WHERE, _ORDER, _BY = _word("from"), _word("where"), _word("order"), _word("by")
_LIMIT, _OFFSET, _AND, _OR, _NOT = _word("limit"), _word("offset"), _word("and"), _word("or"), _word("not")


class _Reader:
    """Reads one text from left to right; a word is a keyword only where the rules can take one."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._depth = 0

    def whole(self) -> Question:
        question = self._question()
        if _SPACE.fullmatch(self._text, self._at) is None:
            raise _NotUnderstoodError
        return question

    # Words

    def _take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        match = pattern.match(self._text, self._at)
        if match is not None:
            self._at = match.end()
        return match

    def _need(self, pattern: re.Pattern[str]) -> re.Match[str]:
        match = self._take(pattern)
        if match is None:
            raise _NotUnderstoodError
        return match

    def _sign(self, sign: str) -> bool:
        match = _SPACE.match(self._text, self._at)
        start = match.end() if match else self._at
        if not self._text.startswith(sign, start):
            return False
        self._at = start + len(sign)
        return True

    def _need_sign(self, sign: str) -> None:
        if not self._sign(sign):
            raise _NotUnderstoodError

    def _name(self) -> str:
        return self._need(_NAME).group(1)

    # Queries

    def _question(self) -> Question:
        projections: tuple[Path, ...] | None = None
        if self._take(_SELECT):
            projections = self._paths()
            self._need(_FROM)
        return self._rest(self._name(), projections)

    def _rest(self, entity_type: str, projections: tuple[Path, ...] | None) -> Question:
        criteria: list[Mention] = []
        if self._take(_WHERE):
            self._expression(criteria)
        order: list[Path] = []
        while True:
            if self._take(_ORDER):
                self._need(_BY)
                # The last one counts for the server; to depend on all of them is never wrong.
                order.extend(self._order_keys())
            elif self._take(_LIMIT) or self._take(_OFFSET):
                self._need(_INTEGER)
            else:
                return Question(entity_type, projections, tuple(criteria), tuple(order))

    def _paths(self) -> tuple[Path, ...]:
        paths = [self._path()]
        while self._sign(","):
            paths.append(self._path())
        return tuple(paths)

    def _order_keys(self) -> list[Path]:
        keys = []
        while True:
            keys.append(self._path())
            self._take(_DIRECTION)
            if not self._sign(","):
                return keys

    def _path(self) -> Path:
        steps: list[tuple[str, str | None]] = []
        while True:
            name = self._name()
            cast = None
            if self._sign("["):
                cast = self._name()
                self._need_sign("]")
            steps.append((name, cast))
            if not self._sign("."):
                return tuple(steps)

    # Criteria

    def _expression(self, found: list[Mention]) -> None:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise _NotUnderstoodError
        while True:
            self._factor(found)
            if not (self._take(_AND) or self._take(_OR)):
                break
        self._depth -= 1

    def _factor(self, found: list[Mention]) -> None:
        while self._take(_NOT):
            pass
        if self._sign("("):
            self._expression(found)
            self._need_sign(")")
            return
        path = self._path()
        if self._take(_RELATION):
            self._need_sign("(")
            inner: list[Mention] = []
            if not self._sign(")"):
                self._expression(inner)
                self._need_sign(")")
            found.append(Mention(path, inner=tuple(inner)))
        elif self._take(_MEMBERSHIP):
            self._need_sign("(")
            found.append(Mention(path, question=self._listed()))
            self._need_sign(")")
        else:
            self._need(_OPERATOR)
            self._need(_VALUE)
            found.append(Mention(path))

    def _listed(self) -> Question | None:
        """Read over listed values, or return the sub-query that stands in their place."""
        if _SELECT.match(self._text, self._at):
            return self._question_inside()
        first = self._need(_VALUE).group(1)
        # A sub-query without `select` starts with a word that could be a value: what follows decides.
        if first is not None and _TAIL.match(self._text, self._at):
            if _NAME.fullmatch(first) is None:
                raise _NotUnderstoodError
            return self._question_inside(first)
        if self._sign(","):
            self._take(_VALUES)
            self._need(_VALUE)
        return None

    def _question_inside(self, entity_type: str | None = None) -> Question:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise _NotUnderstoodError
        question = self._question() if entity_type is None else self._rest(entity_type, None)
        self._depth -= 1
        return question
