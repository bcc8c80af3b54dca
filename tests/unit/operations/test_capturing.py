"""The stack of a deferred block: what the client pushes, and what is recorded of it."""

from __future__ import annotations

from typing import Any

import arrow
import pytest
from ftrack_api.operation import CreateEntityOperation, DeleteEntityOperation, Operation, UpdateEntityOperation
from ftrack_api.symbol import NOT_SET as CLIENT_NOT_SET

from trackteroid.errors import RecordingRefusedError
from trackteroid.operations.capturing import CapturingOperations
from trackteroid.operations.operation import NOT_SET, CreateOperation, DeleteOperation, UpdateOperation

KEY = {"id": "1"}


def create(key: str = "1", **data: Any) -> CreateEntityOperation:
    return CreateEntityOperation("Task", {"id": key}, {"id": key, **data})


def update(name: str, value: Any, *, old: Any = CLIENT_NOT_SET) -> UpdateEntityOperation:
    return UpdateEntityOperation("Task", KEY, name, old, value)


@pytest.fixture
def captured() -> CapturingOperations:
    # What is asked of a session concerns entities that the block did not create.
    return CapturingOperations(session=None)


def test_operations_are_recorded_in_their_order(captured: CapturingOperations) -> None:
    for operation in (create(name="a"), update("name", "b", old="a"), DeleteEntityOperation("Task", KEY)):
        captured.push(operation)
    assert captured.recorded() == [
        CreateOperation(entity_type="Task", entity_key=KEY, entity_data={"id": "1", "name": "a"}),
        UpdateOperation(entity_type="Task", entity_key=KEY, attribute_name="name", old_value="a", new_value="b"),
        DeleteOperation(entity_type="Task", entity_key=KEY),
    ]


def test_a_value_is_recorded_as_it_was_when_it_was_assigned(captured: CapturingOperations) -> None:
    value: dict[str, Any] = {"frames": [1, 2]}
    captured.push(create(data=value))
    captured.push(update("data", value))
    value["frames"].append(3)
    created, updated = captured.recorded()
    assert isinstance(created, CreateOperation)
    assert isinstance(updated, UpdateOperation)
    assert created.entity_data["data"] == updated.new_value == {"frames": [1, 2]}


def test_dates_and_what_is_not_set_have_forms_of_their_own(captured: CapturingOperations) -> None:
    captured.push(create(start_date=arrow.get("2026-01-02"), name=CLIENT_NOT_SET))
    captured.push(update("name", CLIENT_NOT_SET))
    created, updated = captured.recorded()
    assert isinstance(created, CreateOperation)
    assert isinstance(updated, UpdateOperation)
    assert created.entity_data == {
        "id": "1",
        "start_date": {"__type__": "datetime", "value": "2026-01-02T00:00:00+00:00"},
    }
    assert (updated.old_value, updated.new_value) == (NOT_SET, NOT_SET)


def test_what_cannot_be_recorded_is_refused_when_it_is_pushed(captured: CapturingOperations) -> None:
    with pytest.raises(RecordingRefusedError, match=r"attribute 'data'.*bytes"):
        captured.push(create(data=b"raw"))
    with pytest.raises(RecordingRefusedError, match="of type Operation"):
        captured.push(Operation())
    assert captured.recorded() == []
    assert not captured.created


def test_what_is_popped_or_cleared_is_not_recorded(captured: CapturingOperations) -> None:
    captured.push(create())
    captured.push(update("name", "a"))
    last = update("data", {"a": 1})
    captured.push(last)
    assert captured.pop() is last
    assert [type(operation) for operation in captured.recorded()] == [CreateOperation, UpdateOperation]
    captured.clear()
    assert captured.recorded() == []
    assert list(captured.created) == [("Task", ("1",))], "what was created is still to be taken back"
