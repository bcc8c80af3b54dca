"""Batches are collapsed exactly as the official client collapses them; the client itself is the witness."""

from __future__ import annotations

import contextlib
import copy
import threading
from types import SimpleNamespace
from typing import Any

import ftrack_api.operation
import ftrack_api.session
import ftrack_api.symbol
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trackteroid.commits.batch import build_batch
from trackteroid.commits.schemas import Schemas
from trackteroid.errors import RecordingRefusedError
from trackteroid.operations.operation import NOT_SET, CreateOperation, DeleteOperation, Operation, UpdateOperation

SCHEMAS = Schemas([{"id": "Task", "primary_key": ["id"]}, {"id": "Metadata", "primary_key": ["parent_id", "key"]}])


class Captured(Exception):
    pass


def clients_batch(operations: list[Operation]) -> list[dict[str, Any]]:
    """What `ftrack_api.Session.commit` sends for the same operations."""
    captured: list[dict[str, Any]] = []

    def call(batch: list[Any]) -> None:
        captured.extend(dict(payload) for payload in batch)
        raise Captured

    fake = SimpleNamespace(
        _thread_lock=threading.RLock(),
        auto_populating=lambda flag: contextlib.nullcontext(),
        recorded_operations=[theirs(operation) for operation in operations],
        call=call,
    )
    with contextlib.suppress(Captured):
        ftrack_api.session.Session.commit(fake)
        # Nothing to send is not called.
    return captured


def theirs(operation: Operation) -> Any:
    key = dict(operation.entity_key)
    if isinstance(operation, CreateOperation):
        return ftrack_api.operation.CreateEntityOperation(
            operation.entity_type, key, copy.deepcopy(dict(operation.entity_data))
        )
    if isinstance(operation, DeleteOperation):
        return ftrack_api.operation.DeleteEntityOperation(operation.entity_type, key)
    new = ftrack_api.symbol.NOT_SET if operation.new_value is NOT_SET else operation.new_value
    return ftrack_api.operation.UpdateEntityOperation(operation.entity_type, key, operation.attribute_name, None, new)


entities = st.sampled_from([("Task", {"id": "1"}), ("Task", {"id": "2"}), ("Metadata", {"parent_id": "1", "key": "k"})])
values = st.one_of(st.integers(0, 3), st.none(), st.just(NOT_SET), st.just([{"__entity_type__": "Task", "id": "2"}]))


@st.composite
def operation_lists(draw: st.DrawFn) -> list[Operation]:
    operations: list[Operation] = []
    for _ in range(draw(st.integers(0, 8))):
        entity_type, key = draw(entities)
        kind = draw(st.sampled_from(["create", "update", "update", "update", "delete"]))
        if kind == "create":
            data = draw(st.dictionaries(st.sampled_from(["name", "bid"]), st.integers(0, 3)))
            operations.append(CreateOperation(entity_type=entity_type, entity_key=key, entity_data=data))
        elif kind == "delete":
            operations.append(DeleteOperation(entity_type=entity_type, entity_key=key))
        else:
            operations.append(
                UpdateOperation(
                    entity_type=entity_type,
                    entity_key=key,
                    attribute_name=draw(st.sampled_from(["name", "bid", "notes"])),
                    old_value=None,
                    new_value=draw(values),
                )
            )
    return operations


@settings(max_examples=300, deadline=None)
@given(operation_lists())
def test_a_batch_is_what_the_official_client_sends(operations: list[Operation]) -> None:
    assert build_batch(operations, SCHEMAS) == clients_batch(operations)


def update(name: str, value: Any, key: str = "1") -> UpdateOperation:
    return UpdateOperation(
        entity_type="Task", entity_key={"id": key}, attribute_name=name, old_value=None, new_value=value
    )


def test_a_create_takes_in_the_updates_that_follow_it() -> None:
    batch = build_batch(
        [
            CreateOperation(entity_type="Task", entity_key={"id": "1"}, entity_data={"name": "a"}),
            update("bid", 3),
            update("name", "b"),
        ],
        SCHEMAS,
    )
    assert batch == [
        {
            "action": "create",
            "entity_type": "Task",
            "entity_key": ["1"],
            "entity_data": {"__entity_type__": "Task", "id": "1", "name": "b", "bid": 3},
        }
    ]


def test_building_a_batch_changes_no_operation() -> None:
    create = CreateOperation(entity_type="Task", entity_key={"id": "1"}, entity_data={"name": "a"})
    build_batch([create, update("name", "b")], SCHEMAS)
    assert create.entity_data == {"name": "a"}


def test_composite_keys_are_sent_in_the_schemas_order() -> None:
    delete = DeleteOperation(entity_type="Metadata", entity_key={"key": "k", "parent_id": "p"})
    assert build_batch([delete], SCHEMAS)[0]["entity_key"] == ["p", "k"]


@pytest.mark.parametrize(
    "operation",
    [
        CreateOperation(entity_type="Task", entity_key={"id": "t1"}, entity_data={"id": "t2", "name": "x"}),
        CreateOperation(entity_type="Task", entity_key={"id": "t1"}, entity_data={"id": ["t1"]}),
        CreateOperation(entity_type="Task", entity_key={"id": "t1"}, entity_data={"__entity_type__": "User"}),
        UpdateOperation(
            entity_type="Task", entity_key={"id": "t1"}, attribute_name="id", old_value=None, new_value="t2"
        ),
        UpdateOperation(
            entity_type="Task",
            entity_key={"id": "t1"},
            attribute_name="__entity_type__",
            old_value=None,
            new_value="User",
        ),
    ],
)
@pytest.mark.parametrize(
    "before",
    [
        [],
        [update("name", "a"), update("name", "b")],
        [DeleteOperation(entity_type="Task", entity_key={"id": "t1"})],
    ],
)
def test_an_operation_that_speaks_of_two_entities_is_refused(operation: Operation, before: list[Operation]) -> None:
    with pytest.raises(RecordingRefusedError, match=r"Task t1.* another (id|__entity_type__)"):
        build_batch([*before, operation], SCHEMAS)
