"""The text of operations: what the digest is taken over, and what stands in files."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from tests.unit.operations.test_recording import make_manifest, operations, writable
from trackteroid import fast_json
from trackteroid.errors import RecordingRefusedError
from trackteroid.operations import operations_text
from trackteroid.operations.operation import (
    NOT_SET,
    CreateOperation,
    DeleteOperation,
    Operation,
    UpdateOperation,
    operation_to_json,
)
from trackteroid.operations.operations_text import OperationsText, digest_of
from trackteroid.operations.recording import Recording, read_recording, write_recording

ENTRY = {"__entity_type__": "Metadata", "parent_id": "p", "key": "k"}
COMPOSITE = {"parent_id": "p", "key": "k"}


def update(new_value: Any, *, old_value: Any = NOT_SET, key: dict[str, str] | None = None) -> UpdateOperation:
    return UpdateOperation(
        entity_type="Task",
        entity_key=key or {"id": "1"},
        attribute_name="metadata",
        old_value=old_value,
        new_value=new_value,
    )


def plain_operations() -> tuple[Operation, ...]:
    reference = {"__entity_type__": "Status", "id": "7"}
    create = CreateOperation(
        entity_type="Task", entity_key={"id": "1"}, entity_data={"name": "ü\x7f\x01", "id": "1", "bid": 0.5}
    )
    return (
        create,
        update(reference),
        update([reference, reference]),
        DeleteOperation(entity_type="A", entity_key={"id": "2"}),
    )


def ordered(value: Any) -> Any:
    """A value with its objects as lists of pairs, which are equal only in the same order."""
    if isinstance(value, dict):
        return [(name, ordered(item)) for name, item in value.items()]
    return [ordered(item) for item in value] if isinstance(value, list) else value


@settings(deadline=None)
@given(operations.filter(writable))
def test_the_digest_is_over_the_sorted_text_whoever_writes_it(operation: Operation) -> None:
    text = json.dumps([operation_to_json(operation)], sort_keys=True, separators=(",", ":"))
    assert digest_of([operation]) == hashlib.sha256(text.encode()).hexdigest()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fast_json, "orjson", None)
        assert digest_of([operation]) == hashlib.sha256(text.encode()).hexdigest()


@settings(deadline=None)
@given(operations.filter(writable))
def test_a_file_keeps_the_order_of_whatever_has_one(operation: Operation) -> None:
    (fields,) = json.loads(OperationsText((operation,)).in_file(ours=True))
    expected = operation_to_json(operation)
    assert fields == json.loads(json.dumps(expected))
    for name in ("entity_key", "old_value", "new_value"):
        assert ordered(fields.get(name)) == ordered(expected.get(name))
    if isinstance(operation, CreateOperation):
        assert {name: ordered(value) for name, value in fields["entity_data"].items()} == {
            name: ordered(value) for name, value in expected["entity_data"].items()
        }


@pytest.mark.parametrize(
    ("recorded", "once"),
    [
        (plain_operations(), True),
        ((DeleteOperation(entity_type="Metadata", entity_key=COMPOSITE),), False),
        ((update([ENTRY]),), False),
        ((update(None, old_value=[ENTRY]),), False),
        ((CreateOperation(entity_type="Task", entity_key={"id": "1"}, entity_data={"data": {"b": 1, "a": 2}}),), False),
        # Which the libraries write in two ways.
        ((update([1e22]),), False),
        ((update("x", key={"key": "k", "parent_id": "p"}),), True),
    ],
)
def test_operations_are_encoded_once_unless_the_order_of_something_has_a_meaning(
    recorded: tuple[Operation, ...], once: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded = []
    to_json = operation_to_json
    monkeypatch.setattr(
        operations_text, "operation_to_json", lambda operation: (encoded.append(operation), to_json(operation))[1]
    )
    text = OperationsText(recorded)
    assert text.digest == digest_of(recorded)
    encoded.clear()
    text.in_file(ours=True)
    text.in_file(ours=False)
    assert len(encoded) == (0 if once else 2 * len(recorded))


def test_an_update_to_no_value_is_refused_in_ours_only() -> None:
    text = OperationsText((update(NOT_SET),))
    with pytest.raises(RecordingRefusedError, match=r"Task\.metadata"):
        text.in_file(ours=True)
    assert json.loads(text.in_file(ours=False))[0]["new_value"] == "NOT SET"


def test_the_record_of_operations_is_a_json_text_in_a_json_text(tmp_path: Path) -> None:
    recorded = (*plain_operations(), update('quotes " and \\ and \n and \ud800'))
    write_recording(tmp_path / "r.dbm", Recording(recorded, {}, make_manifest(recorded)))
    with sqlite3.connect(tmp_path / "r.dbm") as connection:
        ((stored,),) = connection.execute("SELECT value FROM Dict WHERE key = ?", (b"__operations__",)).fetchall()
    connection.close()
    text = OperationsText(recorded).in_file(ours=True)
    assert stored == json.dumps(text.decode("ascii")).encode()
    assert read_recording(tmp_path / "r.dbm").operations == recorded


def test_the_text_of_other_operations_is_not_written(tmp_path: Path) -> None:
    recorded, other = plain_operations(), (update("other"),)
    write_recording(tmp_path / "r.dbm", Recording(recorded, {}, make_manifest(recorded)), text=OperationsText(other))
    assert read_recording(tmp_path / "r.dbm").operations == recorded


def test_a_payload_is_one_object_of_everything(tmp_path: Path) -> None:
    recorded = plain_operations()
    recording = Recording(
        recorded, {"('Task', ['1'])": {"__entity_type__": "Task", "id": "1"}}, make_manifest(recorded)
    )
    payload = json.loads(recording.to_payload())
    assert list(payload) == ["manifest", "modified_ns", "operations", "entities"]
    assert payload["operations"] == [json.loads(json.dumps(operation_to_json(operation))) for operation in recorded]
    assert payload["entities"] == recording.entities
    assert payload["manifest"]["recording_id"] == "r1"
