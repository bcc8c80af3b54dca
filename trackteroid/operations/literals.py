"""The few Python literals that recording files contain, read without evaluating anything.

`ast.literal_eval` would do, but parses any expression, warns about escapes, and recurses.
"""

from __future__ import annotations

import re
import sys

__all__ = ["parse_index_line", "parse_key"]

# Keys are a type name and a primary key; what is longer is no key.
_LONGEST = 4096

_STRING = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\""""
_KEY = re.compile(rf"\(\s*({_STRING})\s*,\s*\[\s*((?:{_STRING})(?:\s*,\s*(?:{_STRING}))*)\s*\]\s*\)", re.DOTALL)
_STRINGS = re.compile(_STRING, re.DOTALL)
_INDEX_LINE = re.compile(rf"b?({_STRING})\s*,\s*\(\s*(\d{{1,19}})\s*,\s*(\d{{1,19}})\s*\)\s*", re.DOTALL)

# What `repr` and `ascii` write.
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)", re.DOTALL)
_SIMPLE = {"\\": "\\", "'": "'", '"': '"', "n": "\n", "r": "\r", "t": "\t"}


def parse_key(text: str) -> tuple[str, tuple[str, ...]] | None:
    """Return (entity type, key values) of a textual key such as `('Task', ['1'])`, None if `text` is none."""
    match = _KEY.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None:
        return None
    try:
        return _string(match[1]), tuple(_string(part[0]) for part in _STRINGS.finditer(match[2]))
    except ValueError:
        return None


def parse_index_line(line: str) -> tuple[str, int, int] | None:
    """Return (key, offset, length) of a line `'key', (offset, length)`, None if it is none."""
    match = _INDEX_LINE.fullmatch(line) if len(line) <= _LONGEST else None
    if match is None:
        return None
    try:
        return _string(match[1]), int(match[2]), int(match[3])
    except ValueError:
        return None


def _string(literal: str) -> str:
    text = literal[1:-1]
    return _ESCAPE.sub(_unescaped, text) if "\\" in text else text


def _unescaped(match: re.Match[str]) -> str:
    escape = match[1]
    if len(escape) > 1:
        code = int(escape[1:], 16)
        if code > sys.maxunicode:
            # `chr` would raise OverflowError for the largest of them.
            raise ValueError(f"there is no character \\{escape}")
        return chr(code)
    if escape not in _SIMPLE:
        raise ValueError(f"unknown escape \\{escape}")
    return _SIMPLE[escape]
