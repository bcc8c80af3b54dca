from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.local_session import stock_schemas
from trackteroid.query import Query
from trackteroid.relationships import SchemaIndex

MakeQuery = Callable[..., Query[Any]]


@pytest.fixture(scope="session")
def index() -> SchemaIndex:
    return SchemaIndex(stock_schemas())


@pytest.fixture
def query(index: SchemaIndex) -> MakeQuery:
    """Makes queries whose text can be read; nothing can be asked."""
    session = SimpleNamespace(schema_index=index)

    def make(entity_class: Any, schema: dict[str, Any] | None = None) -> Query[Any]:
        return Query(entity_class, session=session, schema=schema or {"name": "default"})

    return make


def where(query: Query[Any]) -> str:
    """Return a query's condition."""
    return str(query).partition(" where ")[2]
