"""Components with files in a deferred block."""

from __future__ import annotations

from pathlib import Path

import ftrack_api.symbol
import pytest

from tests.integration.recording.blocks import UNMANAGED_LOCATION, a_version, commit, one, rows, summary, writes
from tests.support.local_session import LocalSession
from trackteroid.errors import BadInputError, DeferredCommitError
from trackteroid.operations.recording import read_recording


def places(session: LocalSession, component_id: str) -> list[tuple[str, str]]:
    found = rows(
        session,
        f"select resource_identifier, location_id from ComponentLocation where component_id is {component_id}",
    )
    return [(row["resource_identifier"], row["location_id"]) for row in found]


@pytest.mark.parametrize("location", [None, "auto", "unmanaged"])
def test_the_path_of_a_file_is_recorded(
    session: LocalSession, path: Path, tmp_path: Path, location: str | None
) -> None:
    file = tmp_path / "beauty.exr"
    file.write_bytes(b"pixels")
    version = a_version(session)
    where = session.get("Location", UNMANAGED_LOCATION) if location == "unmanaged" else location
    with session.deferred_operations(path):
        component = session.create_component(str(file), {"name": "beauty", "version": version}, location=where)
    assert writes(session) == []
    manifest = read_recording(path).manifest
    assert manifest is not None and manifest.context["paths"] == [str(file)]
    commit(session, path)
    assert places(session, component["id"]) == [(str(file), UNMANAGED_LOCATION)]
    (row,) = rows(session, f"select name, size, file_type from Component where id is {component['id']}")
    assert (row["name"], row["size"], row["file_type"]) == ("beauty", 6, ".exr")


def test_a_sequence_is_recorded_with_the_path_of_each_frame(session: LocalSession, path: Path, tmp_path: Path) -> None:
    for frame in (1, 2, 4):
        (tmp_path / f"b.{frame:04}.exr").write_bytes(b"x" * frame)
    with session.deferred_operations(path):
        component = session.create_component(f"{tmp_path}/b.%04d.exr [1-2, 4]", location=None)
    commit(session, path)
    assert places(session, component["id"]) == [(f"{tmp_path}/b.%04d.exr", UNMANAGED_LOCATION)]
    members = rows(session, f"select id, name, size from FileComponent where container_id is {component['id']}")
    assert sorted((row["name"], row["size"]) for row in members) == [("0001", 1), ("0002", 2), ("0004", 4)]
    found = {place for row in members for place, _ in places(session, row["id"])}
    assert found == {f"{tmp_path}/b.{frame:04}.exr" for frame in (1, 2, 4)}


def test_a_component_that_is_added_to_where_it_is_has_one_place(
    session: LocalSession, path: Path, tmp_path: Path
) -> None:
    """As scripts do that ran without a block: create it nowhere, then add it."""
    origin = session.get("Location", ftrack_api.symbol.ORIGIN_LOCATION_ID)
    unmanaged = session.get("Location", UNMANAGED_LOCATION)
    with session.deferred_operations(path):
        component = session.create_component("/a.exr", {"name": "a"}, location=None)
        unmanaged.add_component(component, origin)
        other = session.create_component("/b.exr", {"name": "b"}, location=None)
        *_, last = (each for each in session.recorded_operations if each.entity_type == "ComponentLocation")
        session.delete(session.get("ComponentLocation", last.entity_key["id"]))
        # What was taken back is recorded again.
        unmanaged.add_component(other, origin)
    commit(session, path)
    assert places(session, component["id"]) == [("/a.exr", UNMANAGED_LOCATION)]
    assert places(session, other["id"]) == [("/b.exr", UNMANAGED_LOCATION)]


def test_one_source_does_for_several_components_as_in_the_client(session: LocalSession, path: Path) -> None:
    origin = session.get("Location", ftrack_api.symbol.ORIGIN_LOCATION_ID)
    components = [session.create_component(f"/{name}.exr", {"name": name}, location=None) for name in "ab"]
    session.commit()
    with session.deferred_operations(path):
        unmanaged = session.get("Location", UNMANAGED_LOCATION)
        with pytest.raises(BadInputError, match="one for each of 2"):
            unmanaged.add_components(components, [origin] * 3)
        unmanaged.add_components(components, [origin])
    commit(session, path)
    assert [places(session, each["id"]) for each in components] == [
        [("/a.exr", UNMANAGED_LOCATION)],
        [("/b.exr", UNMANAGED_LOCATION)],
    ]


def test_what_would_upload_or_copy_is_refused_before_anything_happens(
    session: LocalSession, path: Path, tmp_path: Path
) -> None:
    file = tmp_path / "beauty.mov"
    file.write_bytes(b"pixels")
    version = a_version(session)
    server = session.get("Location", ftrack_api.symbol.SERVER_LOCATION_ID)
    with session.deferred_operations(path):
        with pytest.raises(DeferredCommitError, match=r"'ftrack.server' would copy or upload.*location=None"):
            session.create_component(str(file), location=server)
        with pytest.raises(DeferredCommitError, match="would copy or upload"):
            session.create_component(str(file), {"name": "ftrackreview-mp4"})
        with pytest.raises(DeferredCommitError, match="uploading cannot be recorded"):
            session.encode_media(str(file))
        with pytest.raises(DeferredCommitError, match="would remove files now"):
            server.remove_component(one(session, "select name from Component order by id"))
    assert summary(read_recording(path).operations) == []
    assert {item["action"] for item in session.requests} == {"query", "query_schemas", "query_server_information"}
    with pytest.raises(DeferredCommitError, match="would copy or upload"), session.deferred_operations(path):
        version.create_thumbnail(str(file))


def test_outside_a_block_nothing_is_different(session: LocalSession, tmp_path: Path) -> None:
    file = tmp_path / "beauty.exr"
    file.write_bytes(b"pixels")
    component = session.create_component(str(file), {"name": "beauty"}, location=None)
    session.commit()
    assert places(session, component["id"]) == []
