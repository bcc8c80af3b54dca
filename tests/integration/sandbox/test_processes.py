"""The sandbox as a process: starting, stopping, what it says when it cannot, and several writers at once."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.support.processes import REPOSITORY
from tests.support.sandbox import SandboxProcess


@pytest.fixture(scope="module")
def shared() -> Iterator[SandboxProcess]:
    with SandboxProcess() as sandbox:
        sandbox.snapshot()
        yield sandbox


@pytest.fixture
def sandbox(shared: SandboxProcess) -> Iterator[SandboxProcess]:
    yield shared
    shared.clear_faults()
    shared.restore()


def run(*arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "trackteroid.sandbox", *arguments],
        cwd=REPOSITORY,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_with_status_0_and_nothing_to_say(number: int) -> None:
    with SandboxProcess(seed="empty") as sandbox:
        # A client that keeps its connection open must not keep the server alive.
        with requests.Session() as client:
            assert client.get(sandbox.url + "/sandbox/faults", timeout=10).json() == []
            os.kill(sandbox.pid, number)
            assert sandbox.process.process.wait(10) == 0
        assert sandbox.process.output == sandbox.url + "\n"


def test_the_env_file_can_be_sourced_by_a_shell(sandbox: SandboxProcess) -> None:
    command = f". '{sandbox.env_file}' && env"
    output = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True, env={}).stdout
    found = dict(line.split("=", 1) for line in output.splitlines() if line.startswith("FTRACK_"))
    assert found == {"FTRACK_SERVER": sandbox.url, "FTRACK_API_USER": "sandbox", "FTRACK_API_KEY": "sandbox-key"}
    assert all(line.startswith("export FTRACK_") for line in sandbox.env_file.read_text().splitlines())


def test_a_port_in_use_is_one_clear_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = run("--port", str(port))
    assert result.returncode == 1
    assert result.stderr.startswith(f"trackteroid sandbox: Cannot listen on 127.0.0.1:{port}: ")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--seed", "spring"], 1, 'There is no seed "spring". Choose one of: client-test, demo, empty, farm.'),
        (["--data", "/nowhere/at/all.db"], 1, "Cannot use /nowhere/at/all.db as a data file"),
        (["--env-file", "/nowhere/at/all.env"], 1, "Cannot write /nowhere/at/all.env"),
        (["--host", "256.256.256.256"], 1, "Cannot listen on 256.256.256.256"),
        (["--port", "many"], 2, "a port is a number from 0 to 65535, not 'many'"),
        (["--port", "70000"], 2, "0 to 65535"),
        (["--sead", "demo"], 2, "--sead"),
    ],
)
def test_what_cannot_work_is_said_without_a_traceback(arguments: list[str], status: int, message: str) -> None:
    result = run(*arguments)
    assert result.returncode == status
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("module", ["lark", "starlette", "uvicorn"])
def test_a_missing_extra_is_one_clear_line(tmp_path: Path, module: str) -> None:
    (tmp_path / f"{module}.py").write_text(f'raise ModuleNotFoundError("No module", name="{module}")')
    result = run(env={"PYTHONPATH": str(tmp_path)})
    assert result.returncode == 78
    assert result.stderr == (
        f"trackteroid sandbox: {module} is not installed. Install it with: pip install 'trackteroid[sandbox]'\n"
    )


def test_a_data_file_outlives_the_process(tmp_path: Path) -> None:
    arguments = ["--data", str(tmp_path / "data.db")]
    with SandboxProcess(arguments=arguments) as sandbox:
        (created,) = sandbox.api({"action": "create", "entity_type": "Scope", "entity_data": {"name": "kept"}})
    with SandboxProcess(seed="empty", arguments=arguments) as sandbox:
        (answer,) = sandbox.api({"action": "query", "expression": "select name from Scope"})
        assert answer["data"] == [created["data"]]
        # The seed is what the file was begun with.
        assert sandbox.api({"action": "query", "expression": "Shot"})[0]["data"] != []


def test_a_killed_sandbox_keeps_what_it_has_answered_and_frees_its_file(tmp_path: Path) -> None:
    arguments = ["--data", str(tmp_path / "data.db")]
    with SandboxProcess(seed="empty", arguments=arguments) as sandbox:
        sandbox.api({"action": "create", "entity_type": "Scope", "entity_data": {"name": "kept"}})
        refused = run(*arguments)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert refused.stderr == (
            f"trackteroid sandbox: Cannot use {arguments[1]} as a data file: another process uses it.\n"
        )
        os.kill(sandbox.pid, signal.SIGKILL)
    with SandboxProcess(arguments=arguments) as sandbox:
        assert len(sandbox.api({"action": "query", "expression": "Scope where name is kept"})[0]["data"]) == 1


def test_going_back_to_a_snapshot_goes_back_on_disk_as_well(tmp_path: Path) -> None:
    arguments = ["--data", str(tmp_path / "data.db")]
    with SandboxProcess(seed="empty", arguments=arguments) as sandbox:
        sandbox.snapshot()
        sandbox.api({"action": "create", "entity_type": "Scope", "entity_data": {"name": "gone"}})
        sandbox.restore()
    with SandboxProcess(arguments=arguments) as sandbox:
        assert sandbox.api({"action": "query", "expression": "Scope where name is gone"})[0]["data"] == []


_WRITER = """
import json, sys
import ftrack_api
with ftrack_api.Session(auto_connect_event_hub=False, schema_cache_path=False) as session:
    asset = session.query("Asset where name is bc0040_comp").one()
    numbers = []
    for number in range(25):
        version = session.create("AssetVersion", {"asset": asset, "comment": f"{sys.argv[1]}/{number}"})
        session.commit()
        numbers.append(version["version"])
print(json.dumps(numbers))
"""


def test_four_writing_processes_at_once_lose_nothing_and_share_no_number(sandbox: SandboxProcess) -> None:
    command = [sys.executable, "-c", _WRITER]
    writers = [
        subprocess.Popen([*command, name], env={**os.environ, **sandbox.env}, stdout=subprocess.PIPE, text=True)
        for name in "abcd"
    ]
    told = [json.loads(writer.communicate(timeout=60)[0]) for writer in writers]
    assert all(numbers == sorted(numbers) for numbers in told)
    assert sorted(number for numbers in told for number in numbers) == list(range(4, 104))
    query = "select version, comment from AssetVersion where asset.name is bc0040_comp and version > 3"
    (answer,) = sandbox.api({"action": "query", "expression": query})
    stored = {row["comment"]: row["version"] for row in answer["data"]}
    assert stored == {
        f"{name}/{index}": number
        for name, numbers in zip("abcd", told, strict=True)
        for index, number in enumerate(numbers)
    }


def test_a_body_that_is_no_json_gets_json(sandbox: SandboxProcess) -> None:
    for headers in ({}, {"ftrack-strict-api": "true"}):
        response = requests.post(sandbox.url + "/api", data=b"\xff\x00", headers=headers, timeout=10)
        assert response.json()["exception"] == "MalformedRequestError"
        assert response.status_code == (400 if headers else 200)
    for method in ("GET", "PUT", "DELETE"):
        response = requests.request(method, sandbox.url + "/api", timeout=10)
        assert (response.status_code, set(response.json())) == (405, {"exception", "content", "error_code"})


def test_mistaken_faults_are_refused(sandbox: SandboxProcess) -> None:
    response = requests.post(sandbox.url + "/sandbox/faults", json=[{"kind": "flood"}], timeout=10)
    assert response.status_code == 400
    assert "no fault of kind 'flood'" in response.json()["error"]


def test_a_browser_may_ask_from_anywhere(sandbox: SandboxProcess) -> None:
    headers = {
        "Origin": "http://studio.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "ftrack-user, ftrack-api-key, content-type",
    }
    response = requests.options(sandbox.url + "/api", headers=headers, timeout=10)
    assert response.status_code == 200
    assert response.headers["Access-Control-Allow-Origin"] == "http://studio.example"
    assert response.headers["Access-Control-Allow-Credentials"] == "true"


def test_the_request_log_tells_what_was_asked(sandbox: SandboxProcess) -> None:
    sandbox.requests(clear=True)
    sandbox.api({"action": "query", "expression": "Task limit 1"}, {"action": "permissions"})
    sandbox.faults([{"kind": "latency", "seconds": 0.02, "times": 1}])
    sandbox.api({"action": "query", "expression": "Shot"})
    first, second = sandbox.requests(clear=True)
    assert set(first) == {"time", "user", "actions", "expressions", "milliseconds", "status", "fault"}
    assert (first["user"], first["actions"], first["expressions"], first["fault"]) == (
        "sandbox",
        ["query", "permissions"],
        ["Task limit 1"],
        None,
    )
    assert (second["fault"], second["status"]) == ("latency", 200)
    assert second["milliseconds"] >= 20
    assert sandbox.requests() == []


def test_going_back_to_a_snapshot(sandbox: SandboxProcess) -> None:
    sandbox.api({"action": "create", "entity_type": "Scope", "entity_data": {"name": "gone"}})
    sandbox.restore()
    assert sandbox.api({"action": "query", "expression": "Scope"})[0]["data"] == []
    response = requests.post(sandbox.url + "/sandbox/restore?name=nowhere", timeout=10)
    assert response.status_code == 404
