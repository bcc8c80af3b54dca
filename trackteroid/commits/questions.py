"""Queries that a worker sends before it commits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from trackteroid.commits.server import Server

__all__ = ["Ask", "asker"]

#: Sends queries, returns the rows of each.
Ask: TypeAlias = "Callable[[Sequence[str]], Sequence[Sequence[Mapping[str, Any]]]]"


def asker(server: Server, timeout: float | None) -> Ask:
    """Return what sends queries to a server, each batch of them within `timeout` seconds."""

    def ask(expressions: Sequence[str]) -> list[Sequence[Mapping[str, Any]]]:
        batch = [{"action": "query", "expression": expression} for expression in expressions]
        return [answer["data"] for answer in server.exchange(batch, timeout=timeout)]

    return ask
