"""A seeded database per test: seeded once, then put back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest

from tests.support.clock import FakeClock
from trackteroid.sandbox.api import Api
from trackteroid.sandbox.schema_text import load_schema
from trackteroid.sandbox.seeds import API_KEY, API_USER, plant
from trackteroid.sandbox.storage import Storage
from trackteroid.sandbox.values import stored_time

Ask = Callable[..., Any]


@pytest.fixture(scope="session")
def demo_storage() -> Iterator[tuple[Storage, FakeClock]]:
    clock = FakeClock()
    storage = Storage(load_schema(), now=lambda: stored_time(clock()))
    plant(storage, "demo")
    storage.keep_copy("seeded")
    yield storage, clock
    storage.close()


@pytest.fixture
def api(demo_storage: tuple[Storage, FakeClock]) -> Iterator[Api]:
    storage, clock = demo_storage
    numbers = count()
    yield Api(storage, clock=clock, new_id=lambda: f"made-{next(numbers)}", url="http://sandbox")
    storage.restore_copy("seeded")


@pytest.fixture
def call(api: Api) -> Ask:
    """Send a batch as the API user; returns the list of results."""

    def send(*operations: dict[str, Any]) -> Any:
        return api.handle(list(operations), username=API_USER, api_key=API_KEY)

    return send


@pytest.fixture
def query(call: Ask) -> Ask:
    """Run one query; returns the rows."""
    return lambda expression: call({"action": "query", "expression": expression})[0]["data"]


@pytest.fixture
def create(call: Ask) -> Ask:
    """Create one entity; returns the answer's data."""

    def send(entity_type: str, **data: Any) -> Any:
        return call({"action": "create", "entity_type": entity_type, "entity_data": data})[0]["data"]

    return send


@pytest.fixture
def update(call: Ask) -> Ask:
    def send(entity_type: str, key: Any, **data: Any) -> Any:
        return call({"action": "update", "entity_type": entity_type, "entity_key": key, "entity_data": data})[0]["data"]

    return send


@pytest.fixture
def delete(call: Ask) -> Ask:
    def send(entity_type: str, *key: str) -> Any:
        return call({"action": "delete", "entity_type": entity_type, "entity_key": list(key)})[0]["data"]

    return send
