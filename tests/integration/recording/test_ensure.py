"""`Session.ensure` in a deferred block."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ftrack_api.exception
import pytest

from tests.integration.recording.blocks import one, rows, summary, writes
from tests.support.local_session import LocalSession
from trackteroid import Asset, Query, Shot
from trackteroid.commits.committer import Committer, commit_now
from trackteroid.commits.enqueueing import enqueue
from trackteroid.commits.memory_ledger import MemoryLedger
from trackteroid.commits.state import CommitState
from trackteroid.errors import BadInputError, RecordingRefusedError, UsageError
from trackteroid.operations.manifest import Manifest
from trackteroid.operations.recording import read_recording
from trackteroid.settings import Settings


def shot(session: LocalSession) -> Any:
    return one(session, "select name from Shot order by id")


def asset_type(session: LocalSession) -> Any:
    return one(session, "select name from AssetType order by id")


def manifest_of(path: Path) -> Manifest:
    manifest = read_recording(path).manifest
    assert manifest is not None
    return manifest


def test_what_is_not_there_is_recorded_as_get_or_create(session: LocalSession, path: Path) -> None:
    parent, kind = shot(session), asset_type(session)
    with session.deferred_operations(path):
        asset = session.ensure("Asset", {"name": "beauty", "parent": parent, "type": kind}, ["name", "parent"])
    assert writes(session) == []
    (ensure,) = manifest_of(path).ensures
    assert ensure.entity == ascii(("Asset", [asset["id"]]))
    assert ensure.by == {"name": "beauty", "parent": {"__entity_type__": "Shot", "id": parent["id"]}}
    assert ensure.given == ("type",)
    assert ("create", "Asset") in summary(read_recording(path).operations)


def test_layers_name_the_same_entity(path: Path) -> None:
    ids = []
    for _ in range(3):
        session = LocalSession()
        with session.deferred_operations(path):
            ids.append(session.ensure("Asset", {"name": "beauty", "parent": shot(session)})["id"])
    assert len(set(ids)) == 1


def test_what_is_there_is_used_and_brought_up_to_date(session: LocalSession, path: Path) -> None:
    existing = one(session, "select name, parent.id, type.id from Asset order by id")
    other = one(session, f"select name from AssetType where id is_not {existing['type']['id']}")
    session.requests.clear()
    with session.deferred_operations(path):
        data = {"name": existing["name"], "parent": existing["parent"]}
        assert session.ensure("Asset", data)["id"] == existing["id"]
        assert session.ensure("Asset", {**data, "type": other}, ["name", "parent"])["id"] == existing["id"]
    assert manifest_of(path).ensures == ()
    assert [row[:3] for row in summary(read_recording(path).operations)] == [("update", "Asset", "type")]
    assert writes(session) == []


def test_twice_in_a_block_is_one_entity(session: LocalSession, path: Path) -> None:
    with session.deferred_operations(path):
        first = session.ensure("Asset", {"name": "beauty", "parent": shot(session)})
        assert session.ensure("Asset", {"name": "beauty", "parent": shot(session)}) is first
    assert summary(read_recording(path).operations).count(("create", "Asset")) == 1


def test_what_belongs_to_something_ensured_is_not_asked_for(session: LocalSession, path: Path) -> None:
    parent = one(session, "select name, project_id from Sequence order by id")
    with session.deferred_operations(path):
        new = session.ensure("Shot", {"name": "s999", "parent": parent})
        session.requests.clear()
        session.ensure("Asset", {"name": "beauty", "parent": new})
    assert session.expressions == []
    assert len(manifest_of(path).ensures) == 2


def test_two_blocks_of_one_session_both_record_it(session: LocalSession, path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.dbm"
    for target in (path, other):
        with session.deferred_operations(target):
            session.ensure("Asset", {"name": "beauty", "parent": shot(session)})
    assert manifest_of(path).ensures == manifest_of(other).ensures
    assert ("create", "Asset") in summary(read_recording(other).operations)


def test_appended_to_a_file_that_ensures_it_already_it_is_created_once(session: LocalSession, path: Path) -> None:
    for _ in range(2):
        with session.deferred_operations(path, clear=False):
            session.ensure("Asset", {"name": "beauty", "parent": shot(session)})
    assert summary(read_recording(path).operations).count(("create", "Asset")) == 1
    assert len(manifest_of(path).ensures) == 1


def test_what_was_rolled_back_is_not_ensured(session: LocalSession, path: Path) -> None:
    with session.deferred_operations(path):
        session.ensure("Asset", {"name": "beauty", "parent": shot(session)})
        session.rollback()
    assert manifest_of(path).ensures == ()


def test_what_cannot_be_recognised_is_refused(session: LocalSession, path: Path) -> None:
    with session.deferred_operations(path):
        with pytest.raises(BadInputError, match="cannot tell the entity from others: colour missing"):
            session.ensure("Asset", {"name": "beauty"}, ["name", "colour"])
        with pytest.raises(BadInputError, match="cannot tell"):
            session.ensure("Asset", {})
        with pytest.raises(RecordingRefusedError, match="Metadata cannot be recorded"):
            session.ensure("Metadata", {"parent_id": "x", "key": "k"})
        with pytest.raises(ftrack_api.exception.UnrecognisedEntityTypeError):
            session.ensure("Nonsense", {"name": "x"})


def test_several_that_fit_are_an_error_as_with_the_client(session: LocalSession, path: Path) -> None:
    with (
        session.deferred_operations(path),
        pytest.raises(ftrack_api.exception.MultipleResultsFoundError),
    ):
        session.ensure("Task", {"project_id": one(session, "select project_id from Task")["project_id"]})


def test_outside_a_block_it_is_the_clients(session: LocalSession) -> None:
    parent, kind = shot(session), asset_type(session)
    made = session.ensure("Asset", {"name": "beauty", "context_id": parent["id"], "type_id": kind["id"]})
    assert [row["name"] for row in rows(session, f"select name from Asset where id is {made['id']}")] == ["beauty"]


# When it is committed


def layer(session: LocalSession, path: Path, *, name: str = "beauty") -> str:
    """Record what a render layer publishes; return its version's id."""
    parent, kind = shot(session), asset_type(session)
    task = one(session, "select name from Task order by id")
    with session.deferred_operations(path):
        asset = session.ensure("Asset", {"name": name, "parent": parent, "type": kind}, ["name", "parent"])
        version = session.create("AssetVersion", {"asset": asset, "task": task})
    return str(version["id"])


def test_three_layers_make_one_asset(session: LocalSession, path: Path) -> None:
    versions = []
    recordings = []
    for _ in range(3):
        # A process each: nothing in memory of what the others have recorded.
        session.reset()
        versions.append(layer(session, path))
        recordings.append(read_recording(path))
    for recording in recordings:
        commit_now(session, recording)
    (asset,) = rows(session, 'select id from Asset where name is "beauty"')
    found = rows(session, f"select id, version, asset_id from AssetVersion where id in ({','.join(versions)})")
    assert {row["asset_id"] for row in found} == {asset["id"]}
    assert sorted(row["version"] for row in found) == [1, 2, 3]
    assert commit_now(session, recordings[0]).already_there


def test_layers_that_ensure_a_list_and_add_to_it_do_not_undo_each_other(session: LocalSession, tmp_path: Path) -> None:
    """Nor what a person has put into it: what each of them knows of its members is what it adds itself."""
    versions = [version["id"] for version in session.query("select id from AssetVersion order by id").all()[:4]]
    files = [tmp_path / f"{number}.dbm" for number in range(3)]
    for path, version in zip(files, versions, strict=False):
        session.reset()
        project = one(session, "select name from Project order by id")
        category = one(session, "select name from ListCategory order by id")
        with session.deferred_operations(path):
            data = {"name": "of layers", "project": project, "category": category}
            made = session.ensure("AssetVersionList", data, ["name", "project"])
            made["items"].append(session.get("AssetVersion", version))
    for path in files[:2]:
        commit_now(session, read_recording(path))
    session.reset()
    by_hand = one(session, 'select items.id from AssetVersionList where name is "of layers"')
    by_hand["items"].append(session.get("AssetVersion", versions[3]))
    session.commit()
    commit_now(session, read_recording(files[2]))
    session.reset()
    (dailies,) = session.query('select items.id from AssetVersionList where name is "of layers"').all()
    assert {item["id"] for item in dailies["items"]} == set(versions)


def test_what_is_appended_to_an_ensured_list_is_added_too(session: LocalSession, tmp_path: Path) -> None:
    first, second = (version["id"] for version in session.query("select id from AssetVersion order by id").all()[:2])
    path = tmp_path / "a.dbm"
    for version in (first, second):
        session.reset()
        project = one(session, "select name from Project order by id")
        category = one(session, "select name from ListCategory order by id")
        with session.deferred_operations(path, clear=version == first):
            data = {"name": "of layers", "project": project, "category": category}
            made = session.ensure("AssetVersionList", data, ["name", "project"])
            made["items"].append(session.get("AssetVersion", version))
    (delta,) = manifest_of(path).deltas
    assert set(delta.added) == {ascii(("AssetVersion", [version])) for version in (first, second)}
    commit_now(session, read_recording(path))
    session.reset()
    (dailies,) = session.query('select items.id from AssetVersionList where name is "of layers"').all()
    assert {item["id"] for item in dailies["items"]} == {first, second}


def test_what_somebody_made_meanwhile_is_used(session: LocalSession, path: Path) -> None:
    version = layer(session, path)
    (ensured,) = manifest_of(path).ensures
    recording = read_recording(path)
    session.reset()
    data = {"name": "beauty", "context_id": shot(session)["id"], "type_id": asset_type(session)["id"]}
    other = session.create("Asset", data)
    session.commit()
    result = commit_now(session, recording)
    assert list(result.stands_for.values()) == [other["id"]]
    assert list(result.stands_for) == [ensured.entity.split("'")[3]]
    (row,) = rows(session, f"select asset_id from AssetVersion where id is {version}")
    assert row["asset_id"] == other["id"]
    assert len(rows(session, 'select id from Asset where name is "beauty"')) == 1


def test_a_later_recording_finds_what_took_the_place_of_what_it_refers_to(session: LocalSession, path: Path) -> None:
    """Through the ledger: the second recording, of the same session, knows only the id that was given up."""
    first_version = layer(session, path)
    first = read_recording(path)
    ensured = manifest_of(path).ensures[0].entity.split("'")[3]
    task = one(session, "select name from Task order by id")
    with session.deferred_operations(path):
        version = session.create("AssetVersion", {"asset": session.get("Asset", ensured), "task": task})
    second = read_recording(path)
    session.reset()
    data = {"name": "beauty", "context_id": shot(session)["id"], "type_id": asset_type(session)["id"]}
    other = session.create("Asset", data)
    session.commit()
    ledger = MemoryLedger(session.server_url)
    for recording in (second, first):
        enqueue(recording, ledger=ledger, settings=Settings(), wake=False)
    committer = Committer(session, ledger)
    outcomes = [committer.commit_next() for _ in range(5)]
    states = [ledger.get(recording.recording_id).state for recording in (first, second)]
    assert states == [CommitState.COMMITTED] * 2, outcomes
    found = rows(session, f"select asset_id from AssetVersion where id in ({version['id']},{first_version})")
    assert {row["asset_id"] for row in found} == {other["id"]}


# On collections


def test_collections_get_or_create_below_their_parent(session: LocalSession, path: Path) -> None:
    shots = Query(Shot, session=session).get_first(projections=["name", Asset.name])
    kind = asset_type(session)["name"]
    with session.deferred_operations(path):
        asset = shots.Asset.ensure(name="beauty", type=kind)
        assert shots.Asset.ensure(name="beauty", type=kind).id == asset.id
    (ensure,) = manifest_of(path).ensures
    assert (set(ensure.by), ensure.given) == ({"name", "parent"}, ("type",))
    commit_now(session, read_recording(path))
    session.reset()
    shots = Query(Shot, session=session).get_first(projections=["name", Asset.name])
    assert shots.Asset.ensure(name="beauty", type=kind).id == asset.id
    assert len(session.recorded_operations) == 0


def test_outside_a_block_collections_create_what_is_missing_with_the_commit(session: LocalSession) -> None:
    shots = Query(Shot, session=session).get_first(projections=["name", Asset.name])
    kind = asset_type(session)["name"]
    asset = shots.Asset.ensure(name="beauty", type=kind)
    assert writes(session) == []
    assert shots.Asset.ensure(name="beauty", type=kind).id == asset.id
    session.commit()
    assert len(rows(session, 'select id from Asset where name is "beauty"')) == 1
    with pytest.raises(UsageError, match=r"Asset.ensure: the argument 'colour' is missing"):
        shots.Asset.ensure(name="beauty", type=kind, identified_by=["colour"])
