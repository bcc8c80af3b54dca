"""What a recording ensures, when it is committed."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from tests.support.recordings import create, recorded, update
from trackteroid.commits.get_or_create import Decision, decide, decide_together, substituted
from trackteroid.commits.order import may_stand_for_another, order_of
from trackteroid.errors import RecordingFormatError, RecordingRefusedError
from trackteroid.operations.ensuring import provisional_id
from trackteroid.operations.manifest import Delta, Ensure, Manifest
from trackteroid.operations.operation import NOT_SET, CreateOperation, Operation, UpdateOperation, key_text
from trackteroid.operations.recording import Recording

SHOT = {"__entity_type__": "Shot", "id": "shot-1"}
ASSET = {"__entity_type__": "Asset", "id": "asset-p"}


def ensured(*operations: Operation, ensures: Sequence[Ensure]) -> Recording:
    recording = recorded(*operations)
    assert recording.manifest is not None
    return replace(recording, manifest=replace(recording.manifest, ensures=tuple(ensures)))


def publish() -> Recording:
    """What a render layer records: the asset if there is none, and a version of it."""
    return ensured(
        create("Asset", "asset-p", name="beauty", type_id="t1"),
        update("Asset", "asset-p", "parent", SHOT),
        create("AssetVersion", "v1", task_id="task-1"),
        update("AssetVersion", "v1", "asset", ASSET),
        ensures=[
            Ensure(entity=key_text("Asset", ["asset-p"]), by={"name": "beauty", "parent": SHOT}, given=("type_id",))
        ],
    )


class Server:
    def __init__(self, **answers: Sequence[Mapping[str, Any]]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def __call__(self, expressions: Sequence[str]) -> list[Sequence[Mapping[str, Any]]]:
        self.asked += expressions
        return [self.answers.get(expression.split(" from ")[1].split()[0], ()) for expression in expressions]


def test_what_is_not_there_is_created_as_recorded() -> None:
    server = Server()
    assert decide(publish(), server) == Decision(recording=publish(), wanted=frozenset({"asset-p"}))
    assert server.asked == ['select id from Asset where name is "beauty" and parent.id is "shot-1"']


def test_what_is_there_takes_the_place_of_what_was_recorded() -> None:
    decision = decide(publish(), Server(Asset=[{"id": "asset-x"}]))
    assert decision.stands_for == {"asset-p": "asset-x"}
    assert decision.recording.operations == (
        replace(update("Asset", "asset-x", "type_id", "t1"), old_value=NOT_SET),
        create("AssetVersion", "v1", task_id="task-1"),
        update("AssetVersion", "v1", "asset", {"__entity_type__": "Asset", "id": "asset-x"}),
    )


def test_what_another_recording_has_created_under_the_same_id_is_not_created_again() -> None:
    decision = decide(publish(), Server(Asset=[{"id": "asset-p"}]))
    assert (decision.stands_for, decision.found) == ({}, {"asset-p"})
    assert not any(
        isinstance(operation, CreateOperation) and operation.entity_type == "Asset"
        for operation in decision.recording.operations
    )
    assert decision.recording.operations[-1] == update("AssetVersion", "v1", "asset", ASSET)


def test_a_later_change_of_an_identifying_value_is_kept() -> None:
    recording = publish()
    renamed = update("Asset", "asset-p", "name", "beauty_v2")
    recording = replace(recording, operations=(*recording.operations, renamed))
    decision = decide(recording, Server(Asset=[{"id": "asset-x"}]))
    assert decision.recording.operations[-1] == update("Asset", "asset-x", "name", "beauty_v2")


def test_several_that_fit_are_refused_by_name_unless_ours_is_among_them() -> None:
    with pytest.raises(RecordingRefusedError, match=r"ambiguous: a, b have"):
        decide(publish(), Server(Asset=[{"id": "a"}, {"id": "b"}]))
    assert decide(publish(), Server(Asset=[{"id": "a"}, {"id": "asset-p"}])).stands_for == {}


def nested() -> Recording:
    return ensured(
        create("Shot", "shot-p", name="s1"),
        create("Asset", "asset-p", name="beauty"),
        ensures=[
            Ensure(entity=key_text("Asset", ["asset-p"]), by={"name": "beauty", "context_id": "shot-p"}),
            Ensure(entity=key_text("Shot", ["shot-p"]), by={"name": "s1"}),
        ],
    )


def test_what_belongs_to_something_that_is_there_is_looked_up_below_it() -> None:
    server = Server(Shot=[{"id": "shot-x"}], Asset=[{"id": "asset-x"}])
    assert decide(nested(), server).stands_for == {"shot-p": "shot-x", "asset-p": "asset-x"}
    assert server.asked == [
        'select id from Shot where name is "s1"',
        'select id from Asset where name is "beauty" and context_id is "shot-x"',
    ]


def test_what_belongs_to_something_new_is_new_and_not_asked_for() -> None:
    server = Server(Asset=[{"id": "asset-x"}])
    assert decide(nested(), server).stands_for == {}
    assert len(server.asked) == 1


def test_what_several_ensure_the_first_one_creates_and_the_others_find() -> None:
    row = CreateOperation(
        entity_type="Metadata",
        entity_key={"parent_id": "asset-p", "key": "k"},
        entity_data={"parent_id": "asset-p", "key": "k", "parent_type": "Asset", "value": "new"},
    )
    recording = publish()
    recording = replace(recording, operations=(*recording.operations, row))
    first, second = decide_together([recording, recording], Server(), lambda _: {})
    assert first.recording == recording
    assert second.recording.operations == (
        replace(update("Asset", "asset-p", "type_id", "t1"), old_value=NOT_SET),
        # Versions are nobody's to share.
        create("AssetVersion", "v1", task_id="task-1"),
        update("AssetVersion", "v1", "asset", ASSET),
        row_update("value", "new"),
    )


def test_all_ids_that_were_replaced_are_told() -> None:
    known = str(uuid.uuid5(uuid.NAMESPACE_URL, "shot"))
    other = ensured(update("Shot", known, "name", "s"), update("Asset", "asset-p", "type_id", "t2"), ensures=[])
    first, second = decide_together([publish(), other], Server(Asset=[{"id": "asset-x"}]), lambda _: {known: "shot-x"})
    assert first.stands_for == {"asset-p": "asset-x"}
    assert second.stands_for == {}
    assert second.replaced == {known: "shot-x", "asset-p": "asset-x"}


def row_update(name: str, value: str) -> UpdateOperation:
    return UpdateOperation(
        entity_type="Metadata",
        entity_key={"parent_id": "asset-p", "key": "k"},
        attribute_name=name,
        old_value=NOT_SET,
        new_value=value,
    )


def test_a_circle_is_no_recording_of_ours() -> None:
    ensures = [Ensure(entity=key_text("Asset", ["a"]), by={"parent_id": "a"})]
    with pytest.raises(RecordingFormatError, match="refers to itself"):
        decide(ensured(create("Asset", "a"), ensures=ensures), Server())


def test_metadata_that_is_there_already_is_overwritten() -> None:
    row = CreateOperation(
        entity_type="Metadata",
        entity_key={"parent_id": "asset-p", "key": "k"},
        entity_data={"parent_id": "asset-p", "key": "k", "parent_type": "Asset", "value": "new"},
    )
    other = replace(row, entity_key={**row.entity_key, "key": "l"})
    recording = publish()
    recording = replace(recording, operations=(*recording.operations, row, other))
    server = Server(Asset=[{"id": "asset-x"}], Metadata=[{"parent_id": "asset-x", "key": "k"}])
    *_, first, second = decide(recording, server).recording.operations
    assert isinstance(first, UpdateOperation)
    assert (first.entity_key, first.attribute_name, first.new_value) == (
        {"parent_id": "asset-x", "key": "k"},
        "value",
        "new",
    )
    assert isinstance(second, CreateOperation) and second.entity_key["parent_id"] == "asset-x"


def test_ids_are_substituted_wherever_they_stand() -> None:
    recording = recorded(
        create("AssetVersion", "v1", asset_id="p", custom={"deep": ["p", 1]}),
        update("Shot", "s", "assets", [{"__entity_type__": "Asset", "id": "p"}]),
        deltas=[Delta(entity=key_text("Shot", ["s"]), attribute="assets", added=(key_text("Asset", ["p"]),))],
        bases=[("Shot", "s", "main", {"__entity_type__": "Asset", "id": "p"})],
    )
    changed = substituted(recording, {"p": "x"})
    assert changed.operations[0] == create("AssetVersion", "v1", asset_id="x", custom={"deep": ["x", 1]})
    assert changed.manifest is not None
    assert changed.manifest.deltas[0].added == (key_text("Asset", ["x"]),)
    assert changed.manifest.bases[0].value["id"] == "x"
    assert substituted(recording, {}) is recording


def test_commits_that_ensure_the_same_go_one_at_a_time() -> None:
    assert order_of(publish()).assets == ("asset-p",)


def test_everybody_makes_the_same_id_of_the_same_values_and_it_is_told_from_others() -> None:
    one = provisional_id("https://s", "Asset", {"name": "a", "parent": SHOT})
    assert one == provisional_id("https://s", "Asset", {"parent": SHOT, "name": "a"})
    assert one != provisional_id("https://t", "Asset", {"name": "a", "parent": SHOT})
    assert may_stand_for_another(one)
    assert not may_stand_for_another("7d0f3a52-3c8e-11e1-b7cc-0019bb4983d8")
    assert not may_stand_for_another("shot/1")


@pytest.mark.parametrize(
    "damage", [{"by": {}}, {"by": {'name is "x" or id': 1}}, {"given": ["a b"]}, {"entity": 7, "by": []}]
)
def test_a_damaged_ensure_is_a_damaged_recording(damage: dict[str, Any]) -> None:
    manifest = publish().manifest
    assert manifest is not None
    data = manifest.to_json()
    assert Manifest.from_json(data) == manifest
    data["ensures"][0] |= damage
    with pytest.raises(RecordingFormatError):
        Manifest.from_json(data)
