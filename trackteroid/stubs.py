"""`python -m trackteroid.stubs`: let type checkers and editors know the object types of your server.

Writes `trackteroid/__init__.pyi`, which stands beside `__init__.py` and wins over it: the public names, and a class for
each object type that only your server has, with its attributes as what they are in projections. A developer's tool: run
it again after an object type or an attribute was added. Nothing reads the file at run time.
"""

from __future__ import annotations

import argparse
import keyword
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

import ftrack_api.exception
import requests

import trackteroid
from trackteroid.entities.names import ENTITY_NAMES
from trackteroid.query.loggers import logger
from trackteroid.relationships import SchemaIndex

__all__ = ["main", "stub_text", "write_stubs"]

_DEFAULT = Path(trackteroid.__file__).with_suffix(".pyi")


def stub_text(index: SchemaIndex, server_url: str) -> str:
    """Return the text of the stub file.

    Args:
        index: The server's schema.
        server_url: Named in the text, for whoever wonders where it comes from.
    """
    homes = trackteroid.public_names()
    imports = [
        f"from {home} import {name} as {name}" for name, home in sorted(homes.items(), key=lambda item: item[::-1])
    ]
    own = [name for name in index.object_types if name not in ENTITY_NAMES and _is_name(name)]
    lines = [
        f"# Made by `python -m trackteroid.stubs` from the schema of {server_url}; do not edit.",
        "from typing import ClassVar",
        "",
        "from trackteroid.entities.entity import Relationship",
        *imports,
        "",
        f"__all__: list[str] = {sorted([*homes, *own])!r}",
    ]
    for name in own:
        lines += ["", "", f"class {name}(TypedContext):", *_members(index, name)]
    return "\n".join(lines) + "\n"


def _members(index: SchemaIndex, name: str) -> Iterator[str]:
    yield "    projections: ClassVar[list[str]]"
    for attribute in index.types[name].attributes:
        if _is_name(attribute):
            yield f"    {attribute}: ClassVar[Relationship]"


def _is_name(text: str) -> bool:
    return text.isidentifier() and not keyword.iskeyword(text)


def write_stubs(index: SchemaIndex, server_url: str, path: Path = _DEFAULT) -> None:
    """Write the stub file.

    Raises:
        OSError: It cannot be written.
    """
    path.write_text(stub_text(index, server_url), encoding="utf-8")
    logger("stubs").info("Stubs of %s written to %s", server_url, path)


def main(arguments: Sequence[str] | None = None, output: TextIO = sys.stdout) -> int:
    """Run the command line and return the exit status."""
    from trackteroid.session import SESSION

    parser = argparse.ArgumentParser(prog="python -m trackteroid.stubs", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--output", type=Path, default=_DEFAULT, help="the file to write; default: %(default)s")
    path: Path = parser.parse_args(arguments).output
    try:
        index, server_url = SESSION.schema_index, SESSION.server_url
    except (TypeError, requests.exceptions.RequestException, ftrack_api.exception.Error) as error:
        # A TypeError is what the client raises where the environment names no server, user or key.
        parser.exit(69, f"The object types of your server cannot be looked at: {error}\n")
    try:
        write_stubs(index, server_url, path)
    except OSError as error:
        parser.exit(73, f"{path} cannot be written: {error.strerror}\n")
    print(path, file=output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
