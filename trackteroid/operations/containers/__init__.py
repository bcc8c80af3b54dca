"""The files that recordings live in: every flavour of Python's dbm is read, SQLite is written."""

from __future__ import annotations

from trackteroid.operations.containers.container import Container
from trackteroid.operations.containers.reading import read_container
from trackteroid.operations.containers.writing import write_container

__all__ = ["Container", "read_container", "write_container"]
