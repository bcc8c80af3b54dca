"""Recordings as values, payloads and files."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.interpreters import interpreter
from tests.support.shared import shared_file
from trackteroid.errors import RecordingFormatError, RecordingRefusedError
from trackteroid.operations.containers import write_container
from trackteroid.operations.manifest import Base, Delta, Manifest
from trackteroid.operations.operation import (
    NOT_SET,
    CreateOperation,
    DeleteOperation,
    Operation,
    UpdateOperation,
    key_text,
    operation_from_json,
    operation_to_json,
    parse_key_text,
    resolve_textual_references,
    usual_operation,
)
from trackteroid.operations.recording import Recording, digest_of, read_recording, write_recording

SCHEMAS = [
    {"id": "Task", "primary_key": ["id"], "properties": {"name": {"type": "string"}, "status": {"$ref": "Status"}}},
    {"id": "Status", "primary_key": ["id"], "properties": {}},
    {"id": "Metadata", "primary_key": ["parent_id", "key"], "properties": {}},
]

text = st.text(max_size=20)
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**53), 2**53), st.floats(allow_nan=False, allow_infinity=False), text
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3), max_leaves=6
)
# The text that files use for it can't be told from it.
set_values = values.filter(lambda value: value != "NOT SET")
names = st.text(min_size=1, max_size=10)
keys = st.dictionaries(names, text, min_size=1, max_size=3)
operations = st.one_of(
    st.builds(
        CreateOperation, entity_type=names, entity_key=keys, entity_data=st.dictionaries(text, values, max_size=3)
    ),
    st.builds(
        UpdateOperation,
        entity_type=names,
        entity_key=keys,
        attribute_name=names,
        old_value=set_values | st.just(NOT_SET),
        new_value=set_values | st.just(NOT_SET),
    ),
    st.builds(DeleteOperation, entity_type=names, entity_key=keys),
)


def update(new_value: Any, *, entity_type: str = "Task", attribute: str = "status") -> UpdateOperation:
    return UpdateOperation(
        entity_type=entity_type,
        entity_key={"id": "1"},
        attribute_name=attribute,
        old_value=NOT_SET,
        new_value=new_value,
    )


def make_manifest(recorded: tuple[Operation, ...], **values: Any) -> Manifest:
    return Manifest(
        **{"recording_id": "r1", "digest": digest_of(recorded), "created_at": "2026-01-01T00:00:00Z", **values}
    )


@given(operations)
def test_an_operation_survives_its_json_form(operation: Operation) -> None:
    assert operation_from_json(json.loads(json.dumps(operation_to_json(operation)))) == operation


@given(
    operations, st.sampled_from(["operation", "entity_type", "entity_key", "new_value", "more"]), values, st.booleans()
)
def test_what_is_read_without_a_closer_look_is_what_a_closer_look_finds(
    operation: Operation, name: str, value: Any, literal: bool
) -> None:
    for fields in (operation_to_json(operation), {**operation_to_json(operation), name: value}, value):
        found = usual_operation(json.loads(json.dumps(fields)), literal=literal)
        assert found is None or found == operation_from_json(fields, literal=literal)


def test_operations_of_everyday_need_no_closer_look() -> None:
    created = CreateOperation(entity_type="Task", entity_key={"id": "1"}, entity_data={"id": "1", "bid": 0.5})
    for operation in (created, update("x"), update({"__entity_type__": "Status", "id": "s"}), update(["a", 1])):
        assert usual_operation(operation_to_json(operation), literal=True) == operation


def test_operations_keep_their_order_whichever_of_them_take_a_closer_look() -> None:
    deleted = DeleteOperation(entity_type="Task", entity_key={"id": "1"})
    recorded = (deleted, update("x"), update({"a": [{"b": "c"}]}), update(1), deleted)
    recording = Recording(recorded, {}, make_manifest(recorded))
    assert Recording.from_payload(recording.to_payload()).operations == recorded


def writable(operation: Operation) -> bool:
    return not (isinstance(operation, UpdateOperation) and operation.new_value is NOT_SET)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(operations.filter(writable), max_size=4).map(tuple),
    st.dictionaries(text, st.dictionaries(text, values), max_size=3),
)
def test_a_recording_survives_payload_and_file(tmp_path_factory: Any, recorded: Any, records: Any) -> None:
    entities = {key_text("Task", [key]): record for key, record in records.items()}
    recording = Recording(recorded, entities, make_manifest(recorded, labels={"ü": "ß"}))
    assert Recording.from_payload(recording.to_payload()) == recording
    path = tmp_path_factory.mktemp("recording") / "r.dbm"
    write_recording(path, recording)
    assert read_recording(path) == recording


@given(names, st.lists(text, min_size=1, max_size=3))
def test_textual_keys_are_ascii_and_survive(entity_type: str, parts: list[str]) -> None:
    key = key_text(entity_type, parts)
    assert key.isascii()
    if key.startswith("('"):
        assert parse_key_text(key) == (entity_type, tuple(parts))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Task",
        "('Task', [])",
        "('Task', [1])",
        "('Task', ['1']) or 1",
        "(__import__('os'), ['1'])",
        "('Task', ['\\Uffffffff'])",
    ],
)
def test_what_is_no_key_is_none(text: str) -> None:
    assert parse_key_text(text) is None


def test_textual_references_are_resolved_where_the_attribute_is_one() -> None:
    key = key_text("Status", ["7"])
    resolved = resolve_textual_references([update(key), update(key, attribute="name")], SCHEMAS)
    assert [operation.new_value for operation in resolved if isinstance(operation, UpdateOperation)] == [
        {"__entity_type__": "Status", "id": "7"},
        key,
    ]


def test_the_text_that_means_no_value_in_the_originals_files_is_text_in_ours(tmp_path: Path) -> None:
    recorded: tuple[Operation, ...] = (update("NOT SET", attribute="name"),)
    path = tmp_path / "r.dbm"
    write_recording(path, Recording(recorded, {}, make_manifest(recorded)))
    assert read_recording(path).operations == recorded
    write_recording(path, Recording(recorded, {}))
    assert read_recording(path).operations == (update(NOT_SET, attribute="name"),)


def test_ours_refuses_an_update_to_no_value() -> None:
    recorded: tuple[Operation, ...] = (update(NOT_SET),)
    with pytest.raises(RecordingRefusedError, match=r"Task\.status"):
        Recording(recorded, {}, make_manifest(recorded)).to_payload()


def test_the_parts_of_a_composite_key_keep_their_order(tmp_path: Path) -> None:
    key = {"parent_id": "p", "key": "k"}
    recorded: tuple[Operation, ...] = (DeleteOperation(entity_type="Metadata", entity_key=key),)
    recording = Recording(recorded, {}, make_manifest(recorded))
    write_recording(tmp_path / "r.dbm", recording)
    for survivor in (read_recording(tmp_path / "r.dbm"), Recording.from_payload(recording.to_payload())):
        assert list(survivor.operations[0].entity_key) == ["parent_id", "key"]


def test_an_empty_database_is_a_recording_of_nothing(tmp_path: Path) -> None:
    write_container(tmp_path / "r.dbm", {}, None)
    assert read_recording(tmp_path / "r.dbm").operations == ()


def test_a_reference_with_a_composite_key_gets_all_its_parts() -> None:
    schemas = [*SCHEMAS[1:], {"id": "Task", "primary_key": ["id"], "properties": {"status": {"$ref": "Metadata"}}}]
    (resolved,) = resolve_textual_references([update(key_text("Metadata", ["p", "k"]))], schemas)
    assert isinstance(resolved, UpdateOperation)
    assert resolved.new_value == {"__entity_type__": "Metadata", "parent_id": "p", "key": "k"}


def test_a_reference_to_an_unknown_type_is_named() -> None:
    with pytest.raises(RecordingFormatError, match=r"Task\.status refers to .*Nonsense"):
        resolve_textual_references([update(key_text("Nonsense", ["1"]))], SCHEMAS)


@pytest.mark.parametrize(
    "fields",
    [
        None,
        {},
        {"operation": "explode"},
        {"operation": ["create"]},
        {"operation": "create", "entity_type": "Task", "entity_key": {"id": "1"}},
        {"operation": "create", "entity_type": "", "entity_key": {"id": "1"}, "entity_data": {}},
        {"operation": "delete", "entity_type": "Task", "entity_key": {}},
        {"operation": "delete", "entity_type": "Task", "entity_key": {"id": None}},
        {
            "operation": "update",
            "entity_type": "Task",
            "entity_key": {"id": "1"},
            "attribute_name": "name",
            "new_value": 1,
        },
    ],
)
def test_a_malformed_operation_is_a_format_error(fields: Any) -> None:
    with pytest.raises(RecordingFormatError):
        operation_from_json(fields)


def test_the_originals_recording_is_decoded() -> None:
    recording = read_recording(shared_file("fixtures", "recorded", "operations_sqlite3.dbm"))
    assert recording.manifest is None
    key = {"id": "5e1d85f2-97f3-4f66-b0e1-8ce612cf3297"}
    assert recording.operations == (
        CreateOperation(
            entity_type="User",
            entity_key=key,
            entity_data={**key, "username": "demo.user@example.com", "resource_type": "user"},
        ),
        *(
            UpdateOperation(entity_type="User", entity_key=key, attribute_name=name, old_value=NOT_SET, new_value=value)
            for name, value in [("is_active", True), ("first_name", "demo"), ("last_name", "user")]
        ),
    )
    assert recording.entities["('User', ['2e3b4242-bd22-479f-aedd-4602f378d1e0'])"]["is_active"] is False


def test_a_recording_without_manifest_is_the_same_one_in_every_flavour() -> None:
    ids = {
        read_recording(shared_file("fixtures", "recorded", name)).recording_id
        for name in ("operations_linux.dbm", "operations_sqlite3.dbm", "operations_windows.dbm.dat")
    }
    assert len(ids) == 1


def test_without_creates_the_modification_time_tells_two_recordings_apart(tmp_path: Path) -> None:
    operation = json.dumps([operation_to_json(update("x", attribute="name"))])
    ids = []
    for number in (1, 2):
        path = tmp_path / f"{number}.dbm"
        write_container(path, {b"__operations__": json.dumps(operation).encode()}, None)
        os.utime(path, ns=(number, number))
        ids.append(read_recording(path).recording_id)
    assert ids[0] != ids[1]
    os.utime(path, ns=(1, 1))
    assert read_recording(path).recording_id == ids[0]


def test_changed_operations_do_not_match_their_digest() -> None:
    recorded: tuple[Operation, ...] = (update("a", attribute="name"),)
    recording = Recording(recorded, {}, make_manifest(recorded))
    tampered = recording.to_payload().replace(b'"a"', b'"b"')
    with pytest.raises(RecordingFormatError, match="digest"):
        Recording.from_payload(tampered)


def test_the_digest_in_a_file_is_over_what_its_operations_say_not_over_their_text(tmp_path: Path) -> None:
    recorded = (update("open"), update(None))
    path = tmp_path / "spaced.dbm"
    for fields, matches in (
        ([operation_to_json(each) for each in recorded], True),
        ([operation_to_json(recorded[0])], False),
    ):
        records = {b"__operations__": json.dumps(json.dumps(fields, indent=1)).encode()}
        write_container(path, records, json.dumps(make_manifest(recorded).to_json()).encode())
        if matches:
            assert read_recording(path).operations == recorded
        else:
            with pytest.raises(RecordingFormatError, match="do not match the digest"):
                read_recording(path)


@pytest.mark.parametrize("name", ["entity_data", "entity_key", "new_value", "old_value", "unknown"])
@pytest.mark.parametrize("kind", ["create", "update"])
@pytest.mark.parametrize("bottom", [[], {"a": 1}])
def test_an_operation_that_nests_deeply_anywhere_is_refused(name: str, kind: str, bottom: Any, tmp_path: Path) -> None:
    deep = bottom
    for _ in range(200):
        deep = {"a": [deep]}
    created = CreateOperation(entity_type="Task", entity_key={"id": "1"}, entity_data={})
    fields = {**operation_to_json(created if kind == "create" else update("open")), name: deep}
    path = tmp_path / "deep.dbm"
    write_container(path, {b"__operations__": json.dumps(json.dumps([fields])).encode()}, None)
    with pytest.raises(RecordingFormatError, match="levels deep"):
        read_recording(path)
    payload = json.dumps({"manifest": None, "modified_ns": 1, "operations": [fields], "entities": {}})
    with pytest.raises(RecordingFormatError, match="levels deep"):
        Recording.from_payload(payload.encode())


_FINE = b'{"name": "anim"}'


@pytest.mark.parametrize(
    "texts",
    [
        [b"{}, {}", b""],
        [b"", b"{}, {}"],
        [b'{"a": 1', b'"b": 2}, {}'],
        [b'{"a": "x', b'y"}, {}'],
        [b"{}], [{}", _FINE],
        [b"{},", _FINE],
        [_FINE, b",{}"],
        [_FINE, b'{"a": NaN}'],
        [_FINE, b'{"a": ' + b"[" * 64 + b"]" * 64 + b"}"],
        [b" ", _FINE],
    ],
)
def test_records_that_only_together_are_json_are_refused_by_name(texts: list[bytes], tmp_path: Path) -> None:
    path = tmp_path / "torn.dbm"
    names = [key_text("Task", [str(number)]).encode() for number in range(len(texts))]
    write_container(path, {b"__operations__": b'"[]"', **dict(zip(names, texts, strict=True))}, None)
    with pytest.raises(RecordingFormatError, match=r"The record \('Task', \['\d'\]\) (cannot be read|nests)"):
        read_recording(path)


@pytest.mark.parametrize(
    "odd", ['{"a": "\\ud800"}', '{"a": 123456789012345678901234567890}', ' {"a": 1.5} ', '{"ü": "ß"}']
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32-le"])
def test_records_are_what_each_of_them_says(odd: str, encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "odd.dbm"
    texts = [_FINE, odd.encode(encoding), _FINE]
    names = [key_text("Task", [str(number)]) for number in range(3)]
    records = {name.encode(): text for name, text in zip(names, texts, strict=True)}
    write_container(path, {b"__operations__": b'"[]"', **records}, None)
    fine = {"name": "anim"}
    assert read_recording(path).entities == {names[0]: fine, names[1]: json.loads(odd), names[2]: fine}


def test_a_small_payload_cannot_take_all_memory() -> None:
    """16 MB of JSON, 16 KB as the ledger stores it, would be half a gigabyte of lists."""
    payload = b'{"manifest":null,"operations":[' + b"[]," * 5_000_000 + b'0],"entities":{}}'
    with pytest.raises(RecordingFormatError, match="The payload holds more than 8000000 values"):
        Recording.from_payload(payload)


def test_what_a_worker_would_not_read_is_not_accepted_before() -> None:
    entities = {"('A', ['1'])": {"a": [0] * 8_000_001}}
    with pytest.raises(RecordingFormatError, match=r"more than 8000000 values\. Record in several blocks"):
        Recording((), entities).to_payload()
    operation = CreateOperation(entity_type="A", entity_key={"id": "1"}, entity_data={})
    with pytest.raises(RecordingFormatError, match="There are 200001 operations"):
        Recording((operation,) * 200_001).to_payload()


def test_records_of_entities_cannot_take_all_memory_either(tmp_path: Path) -> None:
    path = tmp_path / "recording.dbm"
    record = b"[" + b"0," * 4_100_000 + b"0]"
    write_container(path, {b"__operations__": b'"[]"', b"('A', ['1'])": record, b"('A', ['2'])": record}, None)
    with pytest.raises(RecordingFormatError, match="holds more than 8000000 values"):
        read_recording(path)


def test_a_manifest_survives_and_leaves_out_what_a_newer_release_added() -> None:
    manifest = make_manifest(
        (),
        bases=(Base(entity="e", attribute="a", known=True, value=3),),
        deltas=(Delta(entity="e", attribute="a", added=("x",), removed=("y",)),),
        updated={"e": ("a", "b")},
        created=("c",),
        context={"project": "p"},
        outputs=({"pattern": "x"},),
    )
    data = json.loads(json.dumps(manifest.to_json()))
    assert Manifest.from_json({**data, "brand_new": 1}) == manifest
    assert {field.name for field in dataclasses.fields(Manifest)} <= data.keys()


@pytest.mark.parametrize(
    "change",
    [
        {"format": "other"},
        {"version": 99},
        {"version": "1"},
        {"digest": None},
        {"created": "text"},
        {"bases": [1]},
        {"recording_id": "half \ud800"},
    ],
)
def test_a_damaged_or_newer_manifest_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(RecordingFormatError):
        Manifest.from_json({**make_manifest(()).to_json(), **change})


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ({b"a": b"{}"}, "no operations"),
        ({b"__operations__": b"no json"}, "cannot be read"),
        ({b"__operations__": b'"{}"'}, "no list"),
        ({b"__operations__": b'"[]"', b"('Task', ['1'])": b"[]"}, "no objects"),
        ({b"__operations__": b'"[]"', b"x": b"{}"}, "stands for no entity"),
        ({b"__operations__": b'"[NaN]"'}, "NaN is no JSON"),
        ({b"__operations__": b'"[1e999]"'}, "too large"),
        ({b"__operations__": json.dumps("[" * 100_000 + "]" * 100_000).encode()}, "."),
        ({b"__operations__": json.dumps("[" * 100 + "]" * 100).encode()}, "levels deep"),
    ],
)
def test_other_content_is_a_format_error_that_names_the_file(
    records: dict[bytes, bytes], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "strange.dbm"
    write_container(path, records, None)
    with pytest.raises(RecordingFormatError, match=message) as caught:
        read_recording(path)
    assert "strange.dbm" in str(caught.value)


def test_the_originals_reader_understands_what_is_written(tmp_path: Path) -> None:
    """It takes the operations' fields as keyword arguments: an unknown one would make it fail (spec: library 3.3)."""
    python = interpreter(3, 13)
    recorded: tuple[Operation, ...] = (
        CreateOperation(entity_type="Task", entity_key={"id": "1"}, entity_data={"id": "1", "name": "n"}),
        update({"__entity_type__": "Status", "id": "7"}),
        DeleteOperation(entity_type="Task", entity_key={"id": "1"}),
    )
    path = tmp_path / "r.dbm"
    write_recording(
        path, Recording(recorded, {key_text("Task", ["1"]): {"__entity_type__": "Task"}}, make_manifest(recorded))
    )
    source = """
import ast, dbm, json, sys
with dbm.open(sys.argv[1], "r") as database:
    for key in database.keys():
        if key == b"__operations__":
            for operation in json.loads(json.loads(database[key])):
                print(operation.pop("operation"), *sorted(operation))
        else:
            print(ast.literal_eval(key.decode()), json.loads(database[key]))
"""
    done = subprocess.run([python, "-c", source, str(path)], capture_output=True, text=True, timeout=60, check=True)
    assert sorted(done.stdout.splitlines()) == [
        "('Task', ['1']) {'__entity_type__': 'Task'}",
        "create entity_data entity_key entity_type",
        "delete entity_key entity_type",
        "update attribute_name entity_key entity_type new_value old_value",
    ]
