"""From a submission before the render to a version with its frames, as the official client sees it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.integration.farm.conftest import Farm
from tests.support.processes import ManagedProcess
from tests.support.workers import worker_process
from trackteroid.cli.exit_codes import ExitCode
from trackteroid.commits.state import CommitState


@pytest.fixture(scope="module")
def worker(farm: Farm) -> Iterator[ManagedProcess]:
    with worker_process(farm.redis.url, farm.sandbox.env, env=farm.env) as process:
        yield process
        # A warm shutdown takes two seconds, and this worker's Redis ends with it.
        process.kill_group()


@dataclass(frozen=True)
class Held:
    """A publish, and the commits that one submitter's process has recorded and held for it: starting one takes seconds."""

    publish: dict[str, Any]
    ids: tuple[str, ...]


@pytest.fixture(scope="module")
def held(farm: Farm) -> dict[str, Held]:
    windows = farm.publish("bc0030", "windows")
    there = str(farm.folder / "renders")
    wanted = [
        farm.publish("bc0010", "whole", version=7, frames="1001-1004"),
        farm.publish("bc0020", "partial", frames="1-10"),
        {**windows, "pattern": windows["pattern"].replace(there, "P:\\shows").replace("/", "\\")},
        farm.publish("bc0040", "deleted"),
        farm.publish("bc0050", "again", version=3),
        farm.publish("bc0050", "again", version=3),
    ]
    ids = farm.submit(wanted)
    named = [publish["asset"] for publish in wanted]
    return {
        name: Held(
            windows if name == "windows" else wanted[named.index(name)],
            tuple(each for each, asset in zip(ids, named, strict=True) if asset == name),
        )
        for name in named
    }


def test_a_publish_waits_for_its_frames_and_gets_their_sizes(
    farm: Farm, worker: ManagedProcess, held: dict[str, Held]
) -> None:
    """Held at submission; refused while frames are missing or empty, with their names; released, committed, whole."""
    publish, (commit_id,) = held["whole"].publish, held["whole"].ids
    farm.render(publish, "1001-1002")
    farm.render(publish, "1003", size=0)
    refused = farm.release(commit_id)
    assert refused.returncode == ExitCode.OUTPUTS_MISSING == 74
    assert "frame missing: 1004" in refused.stderr and "frame empty: 1003" in refused.stderr
    assert farm.ledger.get(commit_id).state is CommitState.HELD
    farm.render(publish, "1003", size=300)
    farm.render(publish, "1004", size=400)
    done = farm.release(commit_id)
    assert (done.returncode, done.stdout.split()) == (0, [commit_id])
    assert farm.release(commit_id).returncode == 0, "again: nothing happens"
    assert list((farm.committed(commit_id).result or {})["versions"].values()) == [7]
    with farm.official() as session:
        component = session.query(
            "select size, padding, file_type, members.name, members.size, version.version, version.asset.name "
            'from SequenceComponent where version.asset.name is "whole"'
        ).one()
        assert (component["size"], component["padding"], component["file_type"]) == (900, 4, ".exr")
        members = sorted((member["name"], member["size"]) for member in component["members"])
        assert members == [("1001", 100), ("1002", 100), ("1003", 300), ("1004", 400)]
        assert component["metadata"]["frames"] == "1001-1004"
        assert component["version"]["version"] == 7


def test_a_partial_publish_records_its_gaps(farm: Farm, worker: ManagedProcess, held: dict[str, Held]) -> None:
    publish, (commit_id,) = held["partial"].publish, held["partial"].ids
    farm.render(publish, "1-4,8-10")
    assert farm.release(commit_id).returncode == ExitCode.OUTPUTS_MISSING
    done = farm.release("--partial", commit_id)
    assert done.returncode == 0
    assert "3 frames missing: 5-7" in done.stderr
    commit = farm.committed(commit_id)
    assert commit.release is not None and "5-7" in commit.release.gaps[0]
    assert any("3 frames missing: 5-7" in note for note in (commit.result or {})["notes"])
    assert "3 frames missing: 5-7" in farm.run("where", "partial").stdout
    with farm.official() as session:
        component = session.query(
            'select size, members.name from SequenceComponent where version.asset.name is "partial"'
        ).one()
        assert (component["size"], len(component["members"])) == (700, 7)
        assert component["metadata"]["missing_frames"] == "5-7"


def test_a_path_of_the_submitters_platform_is_found_on_the_farm(
    farm: Farm, worker: ManagedProcess, held: dict[str, Held]
) -> None:
    (commit_id,) = held["windows"].ids
    farm.render(held["windows"].publish)
    there = str(farm.folder / "renders")
    refused = farm.release(commit_id)
    assert refused.returncode == ExitCode.USAGE
    assert "TRACKTEROID_PATH_ROOTS does not say where it is" in refused.stderr
    roots = f"linux={there},darwin={there},windows=P:\\shows"
    assert farm.release(commit_id, TRACKTEROID_PATH_ROOTS=roots).returncode == 0
    farm.committed(commit_id)


def test_a_cancelled_publish_is_never_committed(farm: Farm, worker: ManagedProcess, held: dict[str, Held]) -> None:
    """The farm's job is deleted: its publish ends with it, and a late release cannot wake it."""
    publish, (commit_id,) = held["deleted"].publish, held["deleted"].ids
    assert farm.run("commits", "cancel", commit_id).returncode == 0
    farm.render(publish)
    late = farm.release(commit_id)
    assert (late.returncode, "cancelled" in late.stderr) == (ExitCode.FAILED, True)
    with farm.official() as session:
        assert session.query('Asset where name is "deleted"').all() == []


def test_a_render_that_is_done_again_for_the_same_version_says_that_the_number_is_taken(
    farm: Farm, worker: ManagedProcess, held: dict[str, Held]
) -> None:
    first, second = held["again"].ids
    farm.render(held["again"].publish)
    assert farm.release(first).returncode == 0
    farm.committed(first)
    assert farm.release(second).returncode == 0
    commit = farm.ended(second)
    assert commit.state is CommitState.DEAD
    assert commit.error is not None and "3" in commit.error.message
    told = farm.run("where", "again", "v003").stdout
    assert first in told and second in told and "dead" in told


def test_components_made_from_paths_keep_them_and_get_the_sizes_of_the_files_to_come(
    farm: Farm, worker: ManagedProcess, tmp_path: Path
) -> None:
    """`create_component` in the block: members and locations as the client makes them, before there is any file."""
    folder, recording = tmp_path / "render", tmp_path / "components.dbm"
    sequence = f"{folder}/layer.%04d.exr"
    script = f"""
from trackteroid import SESSION, Asset, AssetVersion, Query

with SESSION.deferred_operations({str(recording)!r}) as recording:
    asset = Query(Asset).by_name("bc0040_comp").get_one(projections=[AssetVersion, AssetVersion.Task])
    version = asset.AssetVersion.create(task=asset.AssetVersion.Task, comment="made from paths").client_entities[0]
    layer = SESSION.create_component("{sequence} [1-3]", {{"name": "layer", "version": version}}, location=None)
    recording.expects(layer, {sequence!r}, frames="1-3")
    movie = SESSION.create_component("{folder}/main.mov", {{"name": "main", "version": version}}, location=None)
    recording.expects(movie, "{folder}/main.mov")
"""
    subprocess.run([sys.executable, "-c", script], env=farm.environment(), check=True, timeout=60)
    folder.mkdir()
    for frame in (1, 2, 3):
        (folder / f"layer.{frame:04d}.exr").write_bytes(b"x" * frame)
    (folder / "main.mov").write_bytes(b"movie")
    done = farm.release(str(recording))
    assert done.returncode == 0, done.stderr
    farm.committed(done.stdout.strip())
    with farm.official() as session:
        version = session.query('AssetVersion where comment is "made from paths"').one()
        found = {component["name"]: component for component in version["components"]}
        assert {name: component["size"] for name, component in found.items()} == {"layer": 6, "main": 5}
        members = sorted(
            (member["name"], member["size"], member["component_locations"][0]["resource_identifier"])
            for member in found["layer"]["members"]
        )
        assert members == [(f"{n:04d}", n, f"{folder}/layer.{n:04d}.exr") for n in (1, 2, 3)]
        (location,) = found["main"]["component_locations"]
        assert location["resource_identifier"] == f"{folder}/main.mov"
