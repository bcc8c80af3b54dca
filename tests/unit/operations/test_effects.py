"""What operations do, told from their values; stamping and appending."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.support.recordings import create, delete, recorded, update
from trackteroid.operations.appending import append
from trackteroid.operations.effects import effects_of, without_unset
from trackteroid.operations.manifest import Delta
from trackteroid.operations.operation import NOT_SET, Operation, UpdateOperation, key_text
from trackteroid.operations.recording import Recording
from trackteroid.operations.stamping import stamp

STATUS = {"__entity_type__": "Status", "id": "s"}


def test_effects_name_what_is_created_updated_deleted_and_referred_to() -> None:
    effects = effects_of(
        [
            create("Task", "1"),
            update("Task", "1", "status", STATUS),
            update("Task", "1", "status", {"__entity_type__": "Status", "id": "t"}),
            update(
                "Task", "2", "links", [{"__entity_type__": "Task", "id": "1"}, {"__entity_type__": "Task", "id": "9"}]
            ),
            delete("Task", "3"),
        ]
    )
    assert effects.created == (("Task", ("1",)),)
    assert effects.updated == {("Task", ("1",)): ("status",), ("Task", ("2",)): ("links",)}
    assert effects.deleted == (("Task", ("3",)),)
    assert list(effects.referenced) == [("Status", ("s",)), ("Status", ("t",)), ("Task", ("9",))]


def test_a_reference_to_something_that_is_created_later_is_none_to_the_outside() -> None:
    operations = [update("Task", "2", "parent", {"__entity_type__": "Task", "id": "1"}), create("Task", "1")]
    assert effects_of(operations).referenced == {}


def test_dates_are_no_references() -> None:
    assert effects_of([update("Task", "1", "end", {"__type__": "datetime", "value": "2026"})]).referenced == {}


@pytest.mark.parametrize(
    ("values", "kept"),
    [
        (["a", NOT_SET], []),
        (["a", NOT_SET, "b"], ["b"]),
        ([NOT_SET], []),
        (["a", "b"], ["a", "b"]),
        ([NOT_SET, NOT_SET, "b", NOT_SET], []),
    ],
)
def test_an_update_back_to_no_value_cancels_the_ones_before_it(values: list[Any], kept: list[Any]) -> None:
    other = update("Task", "2", "name", "x")
    operations = [other, *(update("Task", "1", "name", value) for value in values)]
    assert without_unset(operations) == [other, *(update("Task", "1", "name", value) for value in kept)]


def test_the_recording_user_is_added_where_the_server_would_fill_in_another() -> None:
    operations: list[Operation] = [
        create("AssetVersion", "1"),
        create("AssetVersion", "2", user_id="somebody"),
        create("AssetVersion", "3"),
        update("AssetVersion", "3", "user", {"__entity_type__": "User", "id": "somebody"}),
        create("Note", "4"),
        create("Note", "5"),
        update("Note", "5", "author", {"__entity_type__": "User", "id": "somebody"}),
        create("Component", "6"),
    ]
    stamped, missing = stamp(operations, lambda: "me")
    assert missing == {}
    changed = [operation for operation in stamped if operation not in operations]
    assert changed == [create("AssetVersion", "1", user_id="me"), create("Note", "4", user_id="me")]
    assert len(stamped) == len(operations)


def test_without_a_known_user_nothing_is_added_and_it_is_said() -> None:
    operations = [create("AssetVersion", "1"), create("AssetVersion", "2", user_id=None)]
    assert stamp(operations, lambda: None) == (operations, {("AssetVersion", ("1",)): "user_id"})


SCHEMAS = [
    {"id": "Task", "primary_key": ["id"], "properties": {"status": {"$ref": "Status"}, "name": {"type": "string"}}},
    {"id": "Status", "primary_key": ["id"], "properties": {}},
]


def with_manifest(recording: Recording, **values: Any) -> Recording:
    assert recording.manifest is not None
    return replace(recording, manifest=replace(recording.manifest, **values))


def test_appending_keeps_all_operations_under_a_new_id_that_names_the_old_one() -> None:
    first = recorded(create("Task", "1"), recording_id="first", bases=[("Task", "2", "name", "before both")])
    second = recorded(update("Task", "2", "name", "b"), recording_id="second", bases=[("Task", "2", "name", "between")])
    both = append(first, second, SCHEMAS)
    assert both.operations == (*first.operations, *second.operations)
    assert both.manifest is not None
    assert (both.recording_id, both.manifest.predecessor) == ("second", "first")
    assert both.manifest.digest == both.digest
    assert both.manifest.created == (key_text("Task", ["1"]),)
    assert [base.value for base in both.manifest.bases] == ["before both"]


def test_appending_to_the_originals_file_resolves_its_textual_references() -> None:
    first = Recording((update("Task", "1", "status", key_text("Status", ["s"])),), {}, None, 1)
    both = append(first, recorded(update("Task", "1", "name", "x")), SCHEMAS)
    assert both.operations[0] == update("Task", "1", "status", STATUS)
    assert both.manifest is not None
    assert both.manifest.predecessor == first.recording_id
    assert both.manifest.referenced == (key_text("Status", ["s"]),)


def test_appending_cancels_across_both() -> None:
    first = recorded(update("Task", "1", "name", "a"), update("Task", "1", "bid", 3))
    both = append(first, recorded(), SCHEMAS, block=[update("Task", "1", "name", NOT_SET)])
    assert both.operations == (update("Task", "1", "bid", 3),)
    assert both.manifest is not None
    assert both.manifest.updated == {key_text("Task", ["1"]): ("bid",)}


def task(number: str) -> dict[str, str]:
    return {"__entity_type__": "Task", "id": number}


def test_a_collection_that_both_change_holds_what_both_put_in_and_lacks_what_either_took_out() -> None:
    """The second block saw the collection as it was before the first one: [1, 2]."""
    first = recorded(update("Shot", "s", "tasks", [task("1"), task("2"), task("3")]))
    second = recorded(update("Shot", "s", "tasks", [task("2"), task("4")]))
    before = {(("Shot", ("s",)), "tasks"): [("Task", ("1",)), ("Task", ("2",))]}
    both = append(first, second, SCHEMAS, baselines=before)
    last = both.operations[-1]
    assert isinstance(last, UpdateOperation)
    assert last.new_value == [task("2"), task("3"), task("4")]


def test_deltas_of_one_collection_are_taken_together() -> None:
    owner = key_text("Task", ["1"])

    def changing(*, added: tuple[str, ...] = (), removed: tuple[str, ...] = ()) -> Recording:
        return with_manifest(
            recorded(update("Task", "1", "links", [])),
            deltas=(Delta(entity=owner, attribute="links", added=added, removed=removed),),
        )

    both = append(
        changing(added=("a", "b"), removed=("x", "y")), changing(added=("c", "x"), removed=("a", "z")), SCHEMAS
    )
    assert both.manifest is not None
    assert both.manifest.deltas == (Delta(entity=owner, attribute="links", added=("b", "c"), removed=("y", "z")),)


def test_facts_and_labels_of_both_are_kept() -> None:
    first = with_manifest(
        recorded(), context={"asset": "a, b", "paths": ["/1"], "project": "p"}, labels={"job": "1", "show": "s"}
    )
    second = with_manifest(recorded(), context={"asset": "b, c", "paths": ["/1", "/2"]}, labels={"job": "2"})
    both = append(first, second, SCHEMAS)
    assert both.manifest is not None
    assert both.manifest.context == {"asset": "a, b, c", "paths": ["/1", "/2"], "project": "p"}
    assert both.manifest.labels == {"job": "2", "show": "s"}
