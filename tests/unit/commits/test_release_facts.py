"""What a release adds to a recording."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.recordings import create, recorded, update
from trackteroid.commits.get_or_create import decide
from trackteroid.commits.release_facts import ReleaseFacts, apply_facts, with_facts_of_ensured
from trackteroid.commits.sequences import file_type_of
from trackteroid.errors import LedgerDataError
from trackteroid.operations.effects import identity_of
from trackteroid.operations.manifest import Ensure
from trackteroid.operations.operation import CreateOperation, UpdateOperation, key_text
from trackteroid.operations.recording import Recording

WHEN = "2026-03-01T12:00:00+00:00"
DATE = {"__type__": "datetime", "value": WHEN}
FACTS = ReleaseFacts(released_at=WHEN, released_by="farm job 7")


def test_facts_survive_the_ledger_and_unknown_names_are_left_out() -> None:
    facts = ReleaseFacts(released_at=WHEN, outputs={"c1": {"size": 3, "frames": "1-2"}}, gaps=("beauty: 3 missing",))
    assert ReleaseFacts.from_json(facts.to_json()) == facts
    assert ReleaseFacts.from_json('{"released_by": "x", "colour": 1}') == ReleaseFacts(released_by="x")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "[" * 100_000,
        '{"outputs": 7}',
        '{"outputs": {"c1": 7}}',
        '{"outputs": {"c1": {"members": 7}}}',
        '{"outputs": {"c1": {"members": {"padding": 999999999, "sizes": [1]}}}}',
        '{"outputs": {"c1": {"members": {"padding": "4", "sizes": [1]}}}}',
        '{"outputs": {"c1": {"members": {"padding": 4}}}}',
        '{"released_at": "soon"}',
        '{"released_at": 7}',
    ],
)
def test_damaged_facts_are_an_error_of_the_ledger(text: str) -> None:
    with pytest.raises(LedgerDataError, match="facts of a release"):
        ReleaseFacts.from_json(text)


def test_versions_and_notes_are_dated_by_their_release() -> None:
    version, note, shot = create("AssetVersion", "v1"), create("Note", "n1"), create("Shot", "s1")
    dated = apply_facts([version, note, shot], FACTS)
    assert dated == (create("AssetVersion", "v1", date=DATE), create("Note", "n1", date=DATE), shot)


def test_a_date_that_was_recorded_stays() -> None:
    operations = (create("AssetVersion", "v1", date="x"), create("Note", "n1"), update("Note", "n1", "date", "y"))
    assert apply_facts(operations, FACTS) == operations


def test_without_a_time_nothing_is_dated() -> None:
    operations = (create("AssetVersion", "v1"),)
    assert apply_facts(operations, ReleaseFacts(released_by="x")) == operations


def test_sizes_become_data_and_frames_become_metadata_of_the_component() -> None:
    facts = ReleaseFacts(outputs={"c1": {"size": 12, "frames": "1-2", "missing": "", "seen_at": "now"}})
    first, second = apply_facts([create("SequenceComponent", "c1", padding=4)], facts)
    assert first == create("SequenceComponent", "c1", padding=4, size=12)
    assert isinstance(second, CreateOperation)
    assert second.entity_key == {"parent_id": "c1", "key": "frames"}
    assert second.entity_data == {**second.entity_key, "parent_type": "SequenceComponent", "value": "1-2"}


def test_sizes_and_metadata_that_were_recorded_stay() -> None:
    facts = ReleaseFacts(outputs={"c1": {"size": 12, "frames": "1-2"}, "c2": {"size": 13}})
    row = CreateOperation(
        entity_type="Metadata", entity_key={"parent_id": "c1", "key": "frames"}, entity_data={"value": "mine"}
    )
    operations = (
        create("Component", "c1", size=1),
        row,
        create("Component", "c2"),
        update("Component", "c2", "size", 2),
    )
    assert apply_facts(operations, facts) == operations


SEQUENCE = {
    "size": 5,
    "frames": "1-2",
    "path": "/show/beauty.%04d.exr",
    "members": {"padding": 4, "sizes": [2, 3]},
}


def ensuring(facts: ReleaseFacts) -> Recording:
    """Return a recording that ensures the sequence c1 and makes the component c2, with the facts of its release."""
    recording = recorded(
        create("SequenceComponent", "c1", name="beauty", size=0, padding=0), create("FileComponent", "c2", size=0)
    )
    assert recording.manifest is not None
    ensures = (Ensure(entity=key_text("SequenceComponent", ["c1"]), by={"name": "beauty"}),)
    return with_facts_of_ensured(replace(recording, manifest=replace(recording.manifest, ensures=ensures)), facts)


def test_what_was_found_of_files_reaches_a_component_that_is_there_already() -> None:
    answers = {
        'select id from SequenceComponent where name is "beauty"': [{"id": "x"}],
        'select id from FileComponent where name is "0001" and container_id is "x"': [{"id": "m"}],
        'select parent_id, key from Metadata where (parent_id is "x" and key is "frames")': [
            {"parent_id": "x", "key": "frames"}
        ],
    }
    facts = ReleaseFacts(released_at=WHEN, outputs={"c1": SEQUENCE, "c2": {"size": 7}})
    decision = decide(ensuring(facts), lambda questions: [answers.get(question, []) for question in questions])
    written = {
        (*identity_of(operation)[1], operation.attribute_name): operation.new_value
        for operation in decision.recording.operations
        if isinstance(operation, UpdateOperation)
    }
    assert written == {
        ("x", "size"): 5,
        ("x", "file_type"): ".exr",
        ("x", "padding"): 4,
        ("m", "size"): 2,
        ("m", "file_type"): ".exr",
        ("x", "frames", "value"): "1-2",
    }
    other, new = (each for each in decision.recording.operations if isinstance(each, CreateOperation))
    assert new.entity_data.items() >= {"name": "0002", "container_id": "x", "size": 3}.items()
    # The rest is done later, with the facts of everything.
    assert other == create("FileComponent", "c2", size=0)
    assert apply_facts([other], facts) == (create("FileComponent", "c2", size=7),)


def test_a_component_that_is_not_there_is_created_with_what_was_found_as_any_other() -> None:
    facts = ReleaseFacts(released_at=WHEN, outputs={"c1": SEQUENCE, "c2": {"size": 7}})
    recording = ensuring(ReleaseFacts())
    decision = decide(ensuring(facts), lambda questions: [[] for _ in questions])
    assert decision.stands_for == {}
    assert apply_facts(decision.recording.operations, facts) == apply_facts(recording.operations, facts)


def test_what_the_recording_gives_itself_stays() -> None:
    recording = recorded(
        create("FileComponent", "c1", name="a", size=3), update("FileComponent", "c1", "file_type", "x")
    )
    assert recording.manifest is not None
    ensure = Ensure(entity=key_text("FileComponent", ["c1"]), by={"name": "a"}, given=("size",))
    recording = replace(recording, manifest=replace(recording.manifest, ensures=(ensure,)))
    facts = ReleaseFacts(outputs={"c1": {"size": 7, "path": "a.exr"}})
    assert with_facts_of_ensured(recording, facts) == recording


@pytest.mark.parametrize("facts", [None, ReleaseFacts(released_at=WHEN, outputs={"c1": {"size": 7}})])
def test_a_recording_that_ensures_nothing_is_left_as_it_is(facts: ReleaseFacts | None) -> None:
    recording = recorded(create("FileComponent", "c1"))
    assert with_facts_of_ensured(recording, facts) is recording


@pytest.mark.parametrize(
    ("path", "suffix"),
    [
        ("/show.v2/beauty.%04d.exr", ".exr"),
        ("P:\\show\\beauty.%04d.exr", ".exr"),
        ("P:\\show.v2\\beauty", ""),
        ("\\\\nas\\show.v2\\beauty", ""),
        ("/show.v2/beauty", ""),
    ],
)
def test_the_file_type_is_told_from_a_path_of_any_platform(path: str, suffix: str) -> None:
    assert file_type_of({"path": path}) == suffix
