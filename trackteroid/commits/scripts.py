"""The text of the ledger's Lua scripts: what all share (`lua/common`), those that a script calls, and its own."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

__all__ = ["read_all", "source"]

_FOLDER = files("trackteroid.commits").joinpath("lua")

#: Scripts that call others, which get their arguments as if they were alone.
_PARTS = {"complete_and_claim": ("complete", "claim")}


@cache
def source(name: str) -> str:
    """Return the whole text of a script, by the name of its file."""
    parts = (f"local function {part}(ARGV)\n{_own(part)}\nend\n" for part in _PARTS.get(name, ()))
    return "".join((_common(), *parts, _own(name)))


def read_all() -> None:
    """Read every script now: what is installed while this process runs must not become a part of it."""
    for file in _FOLDER.iterdir():
        if file.name.endswith(".lua"):
            source(file.name[: -len(".lua")])


@cache
def _common() -> str:
    parts = sorted(_FOLDER.joinpath("common").iterdir(), key=lambda part: part.name)
    return "".join(part.read_text(encoding="utf-8") for part in parts if part.name.endswith(".lua"))


def _own(name: str) -> str:
    return _FOLDER.joinpath(f"{name}.lua").read_text(encoding="utf-8")
