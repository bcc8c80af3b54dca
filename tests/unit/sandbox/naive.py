"""A query evaluator over plain rows, written without looking at the compiler: slow, obvious, and an independent witness.

A criterion is a tuple; `render` turns it into query text, `holds` evaluates it on a row. Rows are dictionaries with their
concrete type under `type`. SQL's three values are True, False and None.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["ATTRIBUTES", "RELATIONS", "World", "holds", "render", "sort_key"]

World = Mapping[str, list[dict[str, Any]]]

# Type -> attribute -> kind. `Context` is what parents and children are declared as.
_CONTEXT = {"id": "text", "name": "text", "parent_id": "text"}
ATTRIBUTES: Mapping[str, Mapping[str, str]] = {
    "Project": {**_CONTEXT, "full_name": "text", "start_date": "time"},
    "Shot": {**_CONTEXT, "description": "text", "bid": "number", "status_id": "text", "start_date": "time"},
    "Task": {**_CONTEXT, "description": "text", "bid": "number", "status_id": "text", "start_date": "time"},
    "Asset": {"id": "text", "name": "text", "context_id": "text"},
    "AssetVersion": {
        "id": "text",
        "comment": "text",
        "version": "number",
        "is_published": "bool",
        "date": "time",
        "asset_id": "text",
        "task_id": "text",
    },
    "Status": {"id": "text", "name": "text", "sort": "number"},
}
# (type, relation) -> (how many, concrete types at the other end, column here, column there).
_CONTEXTS = ("Project", "Shot", "Task")
RELATIONS: Mapping[tuple[str, str], tuple[str, tuple[str, ...], str, str]] = {
    **{(name, "children"): ("many", _CONTEXTS, "id", "parent_id") for name in _CONTEXTS},
    **{(name, "parent"): ("one", _CONTEXTS, "parent_id", "id") for name in _CONTEXTS},
    **{(name, "assets"): ("many", ("Asset",), "id", "context_id") for name in _CONTEXTS},
    ("Shot", "status"): ("one", ("Status",), "status_id", "id"),
    ("Task", "status"): ("one", ("Status",), "status_id", "id"),
    ("Asset", "parent"): ("one", _CONTEXTS, "context_id", "id"),
    ("Asset", "versions"): ("many", ("AssetVersion",), "id", "asset_id"),
    ("AssetVersion", "asset"): ("one", ("Asset",), "asset_id", "id"),
    ("AssetVersion", "task"): ("one", ("Task",), "task_id", "id"),
}


def related(world: World, row: Mapping[str, Any], step: str) -> list[dict[str, Any]]:
    """Rows at the other end of `relation` or `relation[Type]`; none where the row's type lacks the relation."""
    match = re.fullmatch(r"(\w+)(?:\[(\w+)\])?", step)
    if match is None or (row["type"], match[1]) not in RELATIONS:
        return []
    _, types, here, there = RELATIONS[row["type"], match[1]]
    if match[2]:
        types = _CONTEXTS[1:] if match[2] == "TypedContext" else (match[2],)
    key = row[here]
    return [each for name in types for each in world[name] if key is not None and each[there] == key]


def holds(world: World, row: Mapping[str, Any], criterion: tuple[Any, ...]) -> bool | None:
    """Whether the row fulfils the criterion; None is SQL's unknown."""
    kind = criterion[0]
    if kind == "not":
        inner = holds(world, row, criterion[1])
        return None if inner is None else not inner
    if kind in ("and", "or"):
        values = [holds(world, row, part) for part in criterion[1]]
        decisive = kind == "or"
        return decisive if decisive in values else None if None in values else not decisive
    path = criterion[1].split(".")
    if len(path) > 1:
        rest = (kind, ".".join(path[1:]), *criterion[2:])
        return any(holds(world, each, rest) is True for each in related(world, row, path[0]))
    if kind == "any":
        return any(
            criterion[2] is None or holds(world, each, criterion[2]) is True for each in related(world, row, path[0])
        )
    if path[0] not in ATTRIBUTES[row["type"]]:
        return False
    value, attribute_kind = row[path[0]], ATTRIBUTES[row["type"]][path[0]]
    if kind == "in":
        return _in(value, attribute_kind, criterion[2], criterion[3])
    return _compare(value, attribute_kind, criterion[2], criterion[3])


def _in(value: Any, kind: str, negated: bool, texts: Iterable[str]) -> bool | None:
    if value is None:
        return None
    found = any(_compare(value, kind, "is", text) for text in texts)
    return found is not negated


def _compare(value: Any, kind: str, operator: str, text: str | None) -> bool | None:
    if text is None:
        return (value is None) is (operator == "is")
    if value is None:
        return None
    if operator in ("like", "not_like"):
        return _like(value, kind, text) is (operator == "like")
    wanted = _convert(kind, text)
    if kind == "text":
        value, wanted = value.lower(), str(wanted).lower()
    if kind == "time" and len(text) == 10 and operator in ("is", "is_not"):
        return (value[:10] == text) is (operator == "is")
    results = {
        "is": value == wanted,
        "is_not": value != wanted,
        "<": value < wanted,
        "<=": value <= wanted,
        ">": value > wanted,
        ">=": value >= wanted,
    }
    return results[operator]


def _convert(kind: str, text: str) -> Any:
    if kind == "number":
        return float(text)
    if kind == "bool":
        return text.lower() in ("true", "1")
    if kind == "time":
        return text.replace("T", " ") + (" 00:00:00" if len(text) == 10 else "")
    return text


def _like(value: Any, kind: str, pattern: str) -> bool:
    shown = str(value).lower() if kind != "bool" else ("true" if value else "false")
    translated = "".join(".*" if c == "%" else "." if c == "_" else re.escape(c) for c in pattern.lower())
    return re.fullmatch(translated, shown, re.DOTALL) is not None


def render(criterion: tuple[Any, ...]) -> str:
    """The criterion as query text."""
    kind = criterion[0]
    if kind == "not":
        return f"not ({render(criterion[1])})"
    if kind in ("and", "or"):
        return "(" + f" {kind} ".join(render(part) for part in criterion[1]) + ")"
    if kind == "any":
        return f"{criterion[1]} any ({'' if criterion[2] is None else render(criterion[2])})"
    if kind == "in":
        return f"{criterion[1]} {'not_in' if criterion[2] else 'in'} ({', '.join(map(_quote, criterion[3]))})"
    return f"{criterion[1]} {criterion[2]} {'none' if criterion[3] is None else _quote(criterion[3])}"


def _quote(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def sort_key(world: World, row: Mapping[str, Any], path: str) -> tuple[bool, Any]:
    """Sorts nulls first; text without case."""
    *steps, last = path.split(".")
    current: Mapping[str, Any] | None = row
    for step in steps:
        found = related(world, current, step) if current is not None else []
        current = found[0] if found else None
    value = None if current is None else current.get(last)
    return (value is not None, value.lower() if isinstance(value, str) else value)
