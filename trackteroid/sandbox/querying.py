"""Runs a query: text in, page of entities out (specification 2.3, 5.5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from trackteroid.sandbox.compiler import Compiler
from trackteroid.sandbox.completion import completed
from trackteroid.sandbox.derived import RowContext
from trackteroid.sandbox.loading import Loader
from trackteroid.sandbox.parser import parse
from trackteroid.sandbox.projection import projection_tree
from trackteroid.sandbox.sql import all_of
from trackteroid.sandbox.syntax import Path, Query, Step

__all__ = ["Page", "run_query"]


@dataclass(frozen=True, slots=True)
class Page:
    """Entities and the offset at which more follow, None at the end."""

    entities: list[dict[str, Any]]
    next_offset: int | None


def run_query(context: RowContext, expression: str) -> Page:
    """Parse, compile and load.

    Raises:
        ApiError: The query is wrong; which kind says how.
    """
    return run_parsed(context, parse(expression))


def run_parsed(context: RowContext, query: Query) -> Page:
    schema = context.storage.schema
    entity_type = schema.served(query.entity_type)
    paths = query.projections or tuple(Path((Step(name, None, 0),)) for name in entity_type.show)
    tree = projection_tree(schema, entity_type, paths)
    compiler = Compiler(schema, context.sight)
    row = compiler.row(entity_type)
    conditions = [compiler.is_of_type(row)]
    if query.criterion is not None:
        conditions.append(compiler.criterion(query.criterion, row))
    # One row more than asked for says whether there is a next page.
    limit = None if query.limit is None else query.limit + 1
    found = Loader(context).load(
        row,
        tree,
        where=all_of(conditions),
        order=compiler.order(query.order, row),
        paging=compiler.paging(limit, query.offset),
    )
    entities = [entity for _, entity in found]
    more = query.limit is not None and len(entities) > query.limit
    entities = entities[: query.limit] if more else entities
    if tree.may_repeat() and not context.denormalized:
        entities = completed(schema, entities)
    if not more or query.limit is None:
        return Page(entities, None)
    # `limit 0` asks for nothing, and would go on asking for ever if it were told where to go on.
    return Page(entities, query.offset + query.limit if query.limit else None)
