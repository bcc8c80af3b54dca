"""The mission's examples, verbatim, each in a process of its own, as a user would run them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import ftrack_api
import pytest

from demo.turns import turn
from tests.support.sandbox import SandboxProcess
from tests.support.shared import shared_file

EXAMPLES = Path(__file__).parents[2] / "demo" / "mission"
RECORDED = Path("/tmp/recorded_operations.dbm")

# For the turn of another run: all write to and read from the path that the mission names.
pytestmark = pytest.mark.timeout(400)


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[SandboxProcess]:
    with turn():
        RECORDED.unlink(missing_ok=True)
        with SandboxProcess(seed="demo") as server:
            yield server
        RECORDED.unlink(missing_ok=True)


def run_example(name: str, server: SandboxProcess) -> str:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name)],
        env={**os.environ, **server.env},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def count_versions(server: SandboxProcess) -> int:
    with ftrack_api.Session(
        server.env["FTRACK_SERVER"], server.env["FTRACK_API_KEY"], server.env["FTRACK_API_USER"]
    ) as session:
        return len(session.query('select id from AssetVersion where asset.name is "bc0040_comp"').all())


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.glob("*.py")))
def test_the_example_is_the_missions_own_text(name: str) -> None:
    mission = shared_file("mission", "session.md").read_text(encoding="utf-8")
    assert (EXAMPLES / name).read_text(encoding="utf-8").rstrip("\n") in mission


def test_process_1_records_and_process_2_commits(sandbox: SandboxProcess) -> None:
    before = count_versions(sandbox)
    assert run_example("process_1.py", sandbox) == ""
    assert RECORDED.is_file()
    assert count_versions(sandbox) == before

    assert run_example("process_2.py", sandbox) == ""
    assert count_versions(sandbox) == before + 1
    with ftrack_api.Session(
        sandbox.env["FTRACK_SERVER"], sandbox.env["FTRACK_API_KEY"], sandbox.env["FTRACK_API_USER"]
    ) as session:
        versions = session.query(
            "select is_published, task.id, components.name, components.component_locations.resource_identifier, "
            "components.component_locations.location_id, version "
            'from AssetVersion where asset.name is "bc0040_comp" order by version descending'
        ).all()
    newest, previous = versions[0], versions[1]
    (component,) = newest["components"]
    (location,) = component["component_locations"]
    assert newest["is_published"] is True
    assert newest["version"] == previous["version"] + 1
    assert newest["task"]["id"] == previous["task"]["id"]
    assert component["name"] == "main"
    assert location["resource_identifier"] == "/path/to/final/file"
    assert location["location_id"] == ftrack_api.symbol.UNMANAGED_LOCATION_ID


def test_committing_a_second_time_changes_nothing(sandbox: SandboxProcess) -> None:
    run_example("process_1.py", sandbox)
    run_example("process_2.py", sandbox)
    once = count_versions(sandbox)
    run_example("process_2.py", sandbox)
    assert count_versions(sandbox) == once


def test_reusing_query_results_prints_what_the_mission_shows(sandbox: SandboxProcess) -> None:
    output = run_example("reusing_query_results.py", sandbox)
    assert output.splitlines() == [
        'INFO:trackteroid.query:Performing query: "select id, asset.name, version from AssetVersion"',
        "result contains same entities: True",
        " result is same collection: True",
        "INFO:trackteroid.query:Performing query: "
        '"select id, asset.name, version from AssetVersion where (version like "%")"',
        "result contains same entities: True",
        " result is same collection: False",
    ]


@pytest.mark.parametrize("name", ["default_query.py", "other_session.py"])
def test_queries_are_constructed_as_shown(name: str, sandbox: SandboxProcess) -> None:
    assert run_example(name, sandbox) == ""


def test_collections_of_different_sessions_do_not_mix(sandbox: SandboxProcess) -> None:
    source = """
from trackteroid import Query, AssetVersion, EntityCollectionOperationError
from trackteroid.session import Session
ours, theirs = Query(AssetVersion).get_all(), Query(AssetVersion, session=Session()).get_all()
for operation in (ours.union, ours.difference, ours.intersection, ours.symmetric_difference):
    try:
        operation(theirs)
    except EntityCollectionOperationError as error:
        assert "session" in str(error), error
    else:
        raise SystemExit(f"{operation} was not refused")
"""
    done = subprocess.run(
        [sys.executable, "-c", source], env={**os.environ, **sandbox.env}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
