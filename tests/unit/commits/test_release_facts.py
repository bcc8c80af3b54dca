"""What a release adds to a recording."""

from __future__ import annotations

import pytest

from tests.support.recordings import create, update
from trackteroid.commits.release_facts import ReleaseFacts, apply_facts
from trackteroid.commits.sequences import file_type_of
from trackteroid.errors import LedgerDataError
from trackteroid.operations.operation import CreateOperation

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
