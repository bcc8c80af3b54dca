"""Garbage never gets anything but JSON out of the batch endpoint, and never harms the data."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.requests import Request

from tests.support.clock import FakeClock
from trackteroid.sandbox.api import Api
from trackteroid.sandbox.api_endpoint import ApiEndpoint
from trackteroid.sandbox.faults import FaultSet
from trackteroid.sandbox.request_log import RequestLog
from trackteroid.sandbox.schema_text import load_schema
from trackteroid.sandbox.seeds import API_KEY, API_USER
from trackteroid.sandbox.seeds.rows import Rows
from trackteroid.sandbox.storage import Storage

ROWS = Rows("demo", load_schema())
TYPES = sorted(name for name, each in load_schema().types.items())
IDS = [ROWS.identifier("Shot", "demo/bc0040"), ROWS.identifier("AssetVersion", "bc0040_comp/2"), "x", ""]

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=8),
    st.sampled_from(IDS), st.just({"__type__": "datetime", "value": "2024-01-01"}), st.just({"__type__": "datetime"}),
)  # fmt: skip
references = st.fixed_dictionaries({"__entity_type__": st.sampled_from(TYPES), "id": st.sampled_from(IDS)})
values = st.one_of(scalars, references, st.lists(references, max_size=2), st.lists(scalars, max_size=2))


@st.composite
def operations(draw: st.DrawFn) -> dict[str, Any]:
    name = draw(st.sampled_from(TYPES))
    attributes = sorted(load_schema().types[name].attributes)
    key = draw(st.one_of(scalars, st.lists(st.sampled_from(IDS), max_size=3)))
    data = draw(st.one_of(scalars, st.dictionaries(st.sampled_from(attributes), values, max_size=5)))
    action = draw(
        st.sampled_from(["create", "create", "update", "delete", "query", "search", "reset_remote", "nonsense"])
    )
    operation = {"action": action, "entity_type": name, "entity_key": key, "entity_data": data}
    if action in ("query", "search"):
        operation["expression"] = draw(st.one_of(scalars, st.just(f"select {', '.join(attributes)} from {name}")))
    return operation


@pytest.fixture(scope="module")
def endpoint(demo_storage: tuple[Storage, FakeClock]) -> Iterator[ApiEndpoint]:
    storage, clock = demo_storage
    yield ApiEndpoint(Api(storage, clock=clock), FaultSet(), RequestLog())
    storage.restore_copy("seeded")


def post(endpoint: ApiEndpoint, body: bytes, *, strict: bool = True) -> tuple[int, Any]:
    """Send bytes through the endpoint without a socket; returns the status and the decoded answer."""
    headers = {"ftrack-user": API_USER, "ftrack-api-key": API_KEY, "ftrack-strict-api": str(strict)}
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/api",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    response = asyncio.run(endpoint(Request(scope, receive)))
    assert response.headers["content-type"] == "application/json"
    return response.status_code, json.loads(bytes(response.body))


def check(endpoint: ApiEndpoint, body: bytes) -> None:
    status, answer = post(endpoint, body)
    if isinstance(answer, dict) and "exception" in answer:
        assert status >= 400
        # Anything else would be a mistake of ours that a client provoked.
        assert answer["exception"] != "InternalError", answer
    else:
        assert status == 200


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(operations(), min_size=1, max_size=4))
def test_any_batch_is_answered(endpoint: ApiEndpoint, batch: list[dict[str, Any]]) -> None:
    check(endpoint, json.dumps(batch).encode())
    # Whatever it did, the database still answers.
    assert (
        post(endpoint, b'[{"action": "query", "expression": "select link, custom_attributes from Context"}]')[0] == 200
    )


@settings(max_examples=60, deadline=None)
@given(
    st.one_of(st.binary(max_size=60), st.text(max_size=60).map(lambda text: json.dumps([{"action": text}]).encode()))
)
def test_any_bytes_are_answered(endpoint: ApiEndpoint, body: bytes) -> None:
    check(endpoint, body)


WORDS = [
    "select", "from", "where", "order", "by", "limit", "offset", "and", "or", "not", "in", "not_in", "has", "any", "is",
    "is_not", "like", "before", "after", "asc", "descending", "none", "Task", "Context", "AssetVersion", "Nonsense", "name",
    "id", "parent", "parent[Shot]", "children[Task].name", "status.name", "custom_attributes", "metadata.value", "link",
    "created_at", "version", "thumbnail_url", "assignments.resource.username", "(", ")", ",", ".", "=", "!=", "<", ">=", '"',
    "'", '"a"', "'b\\", '"%_"', "5", "-1", "2024-02-30", '"2024-03-01"', "true", "\n", "\\", "[", "]", "\u00df", "\0",
]  # fmt: skip


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.sampled_from(WORDS), max_size=12), st.sampled_from(["", "Task where ", "select name from Context "]))
def test_any_words_of_the_query_language_are_answered(endpoint: ApiEndpoint, words: list[str], beginning: str) -> None:
    expression = beginning + " ".join(words)
    check(endpoint, json.dumps([{"action": "query", "expression": expression}]).encode())
    nested = f"Task where parent has ({expression}) or id in ({expression})"
    check(endpoint, json.dumps([{"action": "query", "expression": nested}]).encode())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[" * 100_000,
        b'[{"action": "query", "expression": "\\ud800"}]',
        b'[{"action": "create", "entity_type": "Scope", "entity_data": {"name": NaN}}]',
        b'[{"action": "create", "entity_type": "CustomAttributeValue", "entity_data": {"value": 1e999}}]',
        b'[{"action": "query", "expression": "Task where ' + b"not " * 50_000 + b'name is x"}]',
        b'[{"action": "query", "expression": "Task where ' + b"name is x or " * 20_000 + b'name is x"}]',
        b'[{"action": "query", "expression": "select ' + b"parent." * 3_000 + b'id from Task"}]',
        b'[{"action": "query", "expression": "Task where ' + b"parent." * 3_000 + b'name is x"}]',
        b'[{"action": "query", "expression": "Task limit ' + b"9" * 5_000 + b'"}]',
    ],
)
def test_absurd_requests_are_answered(endpoint: ApiEndpoint, body: bytes) -> None:
    check(endpoint, body)


def test_without_strict_mode_errors_come_with_status_200(endpoint: ApiEndpoint) -> None:
    status, answer = post(endpoint, b"nonsense", strict=False)
    assert (status, answer["exception"]) == (200, "MalformedRequestError")
