"""The text of the ledger's Lua scripts: what all share (`lua/common`), those that a script calls, and its own."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

__all__ = ["read_all", "source"]

_FOLDER = files("trackteroid.commits").joinpath("lua")

#: Scripts that call others, which get their arguments as if they were alone.
_PARTS = {"complete_and_claim": ("complete", "claim")}


#: Scripts that need only the first file of what all share: to define the rest would take them longer than what they do.
_SHORT = frozenset({"mark_sent", "renew"})


@cache
def source(name: str) -> str:
    """Return the whole text of a script, by the name of its file."""
    parts = (f"local function {part}(ARGV)\n{_own(part)}\nend\n" for part in _PARTS.get(name, ()))
    return "".join((_common(1 if name in _SHORT else None), *parts, _own(name)))


def read_all() -> None:
    """Read every script now: what is installed while this process runs must not become a part of it."""
    for file in _FOLDER.iterdir():
        if file.name.endswith(".lua"):
            source(file.name[: -len(".lua")])


@cache
def _common(count: int | None) -> str:
    parts = (part for part in _FOLDER.joinpath("common").iterdir() if part.name.endswith(".lua"))
    return "".join(part.read_text(encoding="utf-8") for part in sorted(parts, key=lambda part: part.name)[:count])


def _own(name: str) -> str:
    return _FOLDER.joinpath(f"{name}.lua").read_text(encoding="utf-8")
