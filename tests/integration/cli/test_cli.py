"""The command line as a person or a farm uses it: results on standard output, one clear line for every mistake."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.sandbox import SandboxProcess
from trackteroid.cli.exit_codes import ExitCode
from trackteroid.embedded_redis import EmbeddedRedis

RECORD = """
import sys
from trackteroid import SESSION, Asset, AssetVersion, Query
with SESSION.deferred_operations(sys.argv[1], labels={"farm_job": "4711"}):
    asset = Query(Asset).by_name("bc0040_comp").get_one(projections=[AssetVersion, AssetVersion.Task])
    asset.AssetVersion.create(task=asset.AssetVersion.Task, comment="cli")
"""


@pytest.fixture
def env(sandbox: SandboxProcess, redis: EmbeddedRedis) -> dict[str, str]:
    return {**sandbox.env, "TRACKTEROID_REDIS_URL": redis.url}


def trackteroid(*arguments: str, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("FTRACK_", "TRACKTEROID_"))}
    return subprocess.run(
        [sys.executable, "-m", "trackteroid", *arguments],
        env={**clean, **env},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture
def recording(env: dict[str, str], tmp_path: Path) -> Path:
    path = tmp_path / "publish.dbm"
    subprocess.run([sys.executable, "-c", RECORD, str(path)], env={**os.environ, **env}, check=True, timeout=60)
    return path


def assert_one_clear_line(done: subprocess.CompletedProcess[str], code: ExitCode, *words: str) -> None:
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("trackteroid: ")
    for word in words:
        assert word in lines[0]


def test_a_recording_is_shown_as_a_table_and_as_json(recording: Path, env: dict[str, str]) -> None:
    shown = trackteroid("recording", "show", str(recording), env=env)
    assert shown.returncode == 0
    assert "create" in shown.stdout
    assert "AssetVersion" in shown.stdout
    data = json.loads(trackteroid("recording", "show", "--json", str(recording), env=env).stdout)
    assert data.keys() == {"manifest", "operations"}
    assert data["operations"][0]["operation"] == "create"
    assert data["operations"][0]["entity_type"] == "AssetVersion"
    assert data["manifest"]["labels"] == {"farm_job": "4711"}


def test_references_are_shown_as_names_where_a_server_is_at_hand(recording: Path, env: dict[str, str]) -> None:
    plain = trackteroid("recording", "show", "--no-names", str(recording), env=env)
    assert "bc0040_comp" not in plain.stdout.split("\n", 1)[1]
    for option in ([], ["--names"]):
        named = trackteroid("recording", "show", *option, str(recording), env=env)
        assert (named.returncode, named.stderr) == (0, "")
        assert "Asset bc0040_comp" in named.stdout
        assert "Task compositing" in named.stdout
    # Where nothing is set up nobody misses anything, unless names are asked for.
    wrong = {**env, "FTRACK_API_KEY": "wrong"}
    for environment, option, said in (({}, [], 0), ({}, ["--names"], 1), (wrong, [], 1), (wrong, ["--names"], 1)):
        without = trackteroid("recording", "show", *option, str(recording), env=environment)
        assert without.returncode == 0
        assert "AssetVersion" in without.stdout
        assert len(without.stderr.splitlines()) == said


def test_a_recording_is_shown_soon_although_ftrack_hangs_and_no_key_goes_to_a_server_that_a_file_names(
    recording: Path, env: dict[str, str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        other = trackteroid("recording", "show", str(recording), env={**env, "FTRACK_SERVER": address})
        assert "was recorded for" in other.stderr
        silent.settimeout(0.0)
        with pytest.raises(BlockingIOError):
            silent.accept()
        alias = {"FTRACK_SERVER": address, "TRACKTEROID_SERVER_ALIASES": f"{address}={env['FTRACK_SERVER']}"}
        hanging = trackteroid("recording", "show", str(recording), env={**env, **alias})
        assert (hanging.returncode, len(hanging.stderr.splitlines())) == (0, 1)
        assert "--names waits longer" in hanging.stderr
        assert "AssetVersion" in hanging.stdout


def test_a_recording_is_committed_at_once_and_only_once(recording: Path, env: dict[str, str]) -> None:
    first = trackteroid("recording", "commit", str(recording), env=env)
    assert (first.returncode, first.stderr) == (0, "")
    second = json.loads(trackteroid("recording", "commit", "--json", str(recording), env=env).stdout)
    assert second["already_there"] is True


def test_enqueueing_prints_ids_and_the_ledger_lists_and_shows_them(recording: Path, env: dict[str, str]) -> None:
    done = trackteroid("enqueue", str(recording), env=env)
    assert (done.returncode, done.stderr) == (0, "")
    (identifier,) = done.stdout.splitlines()
    listed = json.loads(trackteroid("commits", "list", "--json", env=env).stdout)
    (mine,) = [commit for commit in listed if commit["id"] == identifier]
    assert mine["state"] == "queued"
    assert {"id", "state", "attempts", "error", "created_at"} <= mine.keys()
    shown = trackteroid("commits", "show", identifier, env=env)
    assert shown.returncode == 0
    assert "queued" in shown.stdout
    assert json.loads(trackteroid("commits", "show", "--json", identifier, env=env).stdout)["id"] == identifier
    assert identifier in trackteroid("commits", "list", "--state", "queued", env=env).stdout
    assert trackteroid("commits", "list", "--state", "dead", "--json", env=env).stdout.strip() == "[]"


def test_enqueueing_again_prints_the_same_id_and_says_so(recording: Path, env: dict[str, str]) -> None:
    first = trackteroid("enqueue", str(recording), env=env)
    second = trackteroid("enqueue", str(recording), env=env)
    assert second.returncode == 0
    assert second.stdout == first.stdout
    assert "known already" in second.stderr


def test_one_bad_file_does_not_keep_the_others(recording: Path, env: dict[str, str], tmp_path: Path) -> None:
    done = trackteroid("enqueue", str(tmp_path / "missing.dbm"), str(recording), env=env)
    assert done.returncode == ExitCode.NOT_FOUND
    assert len(done.stdout.splitlines()) == 1


def test_doctor_is_content_with_a_good_environment(env: dict[str, str]) -> None:
    done = trackteroid("doctor", "--json", env=env)
    findings = json.loads(done.stdout)
    assert done.returncode == 0, findings
    assert {"ftrack", "ledger"} <= {finding["subject"] for finding in findings}
    assert not [finding for finding in findings if finding["status"] == "problem"]


def test_doctor_is_content_with_a_farm_node_that_has_no_key(env: dict[str, str]) -> None:
    node = {**env, "FTRACK_API_USER": "", "FTRACK_API_KEY": ""}
    done = trackteroid("doctor", "--json", env=node)
    (found,) = [finding for finding in json.loads(done.stdout) if finding["subject"] == "ftrack"]
    assert (done.returncode, found["status"]) == (0, "note"), done.stdout
    assert "FTRACK_API_KEY" in found["text"] and "Farm nodes" in found["remedy"]
    half = trackteroid("doctor", env={**node, "FTRACK_API_USER": "anna"})
    assert half.returncode == ExitCode.FAILED


def test_doctor_names_what_is_wrong(env: dict[str, str]) -> None:
    done = trackteroid(
        "doctor",
        "--json",
        env={**env, "TRACKTEROID_REDIS_URL": "redis://:secret@127.0.0.1:9/0", "FTRACK_API_KEY": "wrong"},
    )
    assert done.returncode == ExitCode.FAILED
    problems = {finding["subject"]: finding for finding in json.loads(done.stdout) if finding["status"] == "problem"}
    assert problems.keys() == {"ftrack", "ledger"}
    assert all(finding["remedy"] for finding in problems.values())
    assert "secret" not in done.stdout


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("TRACKTEROID_CONFLICT_POLICY", "statu=bogus"),
        ("TRACKTEROID_SERVER_ALIASES", "https://a.example"),
        ("TRACKTEROID_SERVER_ALIASES", "https://a.example=ftp://b.example"),
    ],
)
def test_doctor_sees_a_setting_that_only_workers_use(variable: str, value: str, env: dict[str, str]) -> None:
    done = trackteroid("doctor", "--json", env={**env, variable: value})
    (problem,) = [finding for finding in json.loads(done.stdout) if finding["status"] == "problem"]
    assert (done.returncode, problem["subject"]) == (ExitCode.FAILED, "settings")


def test_clearing_the_cache_says_so(env: dict[str, str]) -> None:
    done = trackteroid("cache", "clear", env=env)
    assert (done.returncode, done.stdout) == (0, "")


def test_a_missing_file(env: dict[str, str], tmp_path: Path) -> None:
    for command in (["enqueue"], ["recording", "show"], ["recording", "commit"]):
        done = trackteroid(*command, str(tmp_path / "missing.dbm"), env=env)
        assert_one_clear_line(done, ExitCode.NOT_FOUND, "missing.dbm")


def test_a_file_that_is_no_recording(env: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    for command in (["enqueue"], ["recording", "show"], ["recording", "commit"]):
        assert_one_clear_line(trackteroid(*command, str(path), env=env), ExitCode.BAD_DATA, "picture.png")


def test_no_settings_at_all(recording: Path) -> None:
    assert_one_clear_line(
        trackteroid("recording", "commit", str(recording), env={}), ExitCode.SETTINGS, "FTRACK_SERVER"
    )
    done = trackteroid("commits", "list", env={})
    assert done.returncode != 0
    assert "FTRACK_SERVER" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_no_server(recording: Path, env: dict[str, str]) -> None:
    done = trackteroid("recording", "commit", str(recording), env={**env, "FTRACK_SERVER": "http://127.0.0.1:9"})
    assert_one_clear_line(done, ExitCode.UNAVAILABLE, "http://127.0.0.1:9")


def test_a_wrong_key(recording: Path, env: dict[str, str]) -> None:
    done = trackteroid("recording", "commit", str(recording), env={**env, "FTRACK_API_KEY": "wrong"})
    assert_one_clear_line(done, ExitCode.NO_PERMISSION, "FTRACK_API_KEY")


def test_redis_down(recording: Path, env: dict[str, str]) -> None:
    away = {**env, "TRACKTEROID_REDIS_URL": "redis://:secret@127.0.0.1:9/0"}
    for arguments in (["commits", "list"], ["commits", "show", "x"], ["cache", "clear"]):
        done = trackteroid(*arguments, env=away)
        assert_one_clear_line(done, ExitCode.UNAVAILABLE, "127.0.0.1:9")
        assert "secret" not in done.stderr


def test_enqueueing_with_redis_down_goes_to_the_spool_and_says_so(
    recording: Path, env: dict[str, str], tmp_path: Path
) -> None:
    spool = {"TRACKTEROID_SPOOL": str(tmp_path / "spool")}
    away = {**env, **spool, "TRACKTEROID_REDIS_URL": "redis://:secret@127.0.0.1:9/0"}
    done = trackteroid("enqueue", str(recording), env=away)
    assert done.returncode == ExitCode.SPOOLED
    (identifier,) = done.stdout.splitlines()
    (line,) = done.stderr.splitlines()
    assert f"{identifier} waits in the spool" in line
    assert "127.0.0.1:9" in line
    assert "secret" not in line
    full = trackteroid("enqueue", str(recording), str(recording), env={**away, "TRACKTEROID_SPOOL": str(recording)})
    assert_one_clear_line(full, ExitCode.SPOOL_FULL, "NOT accepted", "TRACKTEROID_SPOOL")


def test_an_unknown_commit(env: dict[str, str]) -> None:
    assert_one_clear_line(trackteroid("commits", "show", "nonsense", env=env), ExitCode.NOT_FOUND, "nonsense")


def test_a_setting_that_cannot_be_used(recording: Path, env: dict[str, str]) -> None:
    done = trackteroid("enqueue", str(recording), env={**env, "TRACKTEROID_LEASE_SECONDS": "soon"})
    assert_one_clear_line(done, ExitCode.SETTINGS, "TRACKTEROID_LEASE_SECONDS", "soon")


@pytest.mark.parametrize("arguments", [["nonsense"], ["recording"], ["commits", "list", "--limit", "0"], []])
def test_wrong_usage(arguments: list[str], env: dict[str, str]) -> None:
    done = trackteroid(*arguments, env=env)
    assert done.returncode == ExitCode.USAGE
    assert "usage: trackteroid" in done.stderr
    assert "Traceback" not in done.stderr


def test_everything_is_enqueued_although_nobody_reads_the_ids(env: dict[str, str], tmp_path: Path) -> None:
    files = [tmp_path / f"{number}.dbm" for number in range(5)]
    for file in files:
        subprocess.run([sys.executable, "-c", RECORD, str(file)], env={**os.environ, **env}, check=True, timeout=60)
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "trackteroid", "enqueue", *map(str, files)],
        env={**os.environ, **env, "PYTHONUNBUFFERED": "1"},
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
    )
    os.close(writer)
    assert done.returncode == 0, done.stderr
    ids = [line for line in done.stderr.splitlines() if not line.startswith("trackteroid: ")]
    assert len(set(ids)) == 5
    listed = json.loads(trackteroid("commits", "list", "--json", env=env).stdout)
    assert set(ids) <= {commit["id"] for commit in listed}


def test_a_recording_of_another_server_is_committed_only_when_it_is_named(recording: Path, env: dict[str, str]) -> None:
    elsewhere = {**env, "FTRACK_SERVER": env["FTRACK_SERVER"].replace("127.0.0.1", "localhost")}
    done = trackteroid("recording", "commit", str(recording), env=elsewhere)
    assert_one_clear_line(done, ExitCode.BAD_DATA, "127.0.0.1", "localhost", "--server")
    source = f"from trackteroid import SESSION; SESSION.reconnect_and_commit({str(recording)!r})"
    python = subprocess.run(
        [sys.executable, "-c", source], env={**os.environ, **elsewhere}, capture_output=True, text=True, timeout=60
    )
    assert "OtherServerError" in python.stderr
    named = trackteroid("recording", "commit", str(recording), "--server", elsewhere["FTRACK_SERVER"], env=elsewhere)
    assert named.returncode == 0, named.stderr


def test_text_that_the_terminal_has_no_letters_for_is_shown_escaped(env: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "publish.dbm"
    source = RECORD.replace('comment="cli"', 'comment="\u65e5\u672c"')
    subprocess.run([sys.executable, "-c", source, str(path)], env={**os.environ, **env}, check=True, timeout=60)
    shown = trackteroid("recording", "show", str(path), env={**env, "PYTHONIOENCODING": "cp1252"})
    assert shown.returncode == 0, shown.stderr
    assert "\\u65e5" in shown.stdout


def test_a_server_that_is_busy_is_unavailable(recording: Path, env: dict[str, str], sandbox: SandboxProcess) -> None:
    sandbox.faults([{"kind": "error", "status": 503}])
    try:
        done = trackteroid("recording", "commit", str(recording), env=env)
        assert_one_clear_line(done, ExitCode.UNAVAILABLE)
        sandbox.faults([{"kind": "maintenance", "status": 503}])
        done = trackteroid("recording", "commit", str(recording), env=env)
        assert_one_clear_line(done, ExitCode.UNAVAILABLE)
    finally:
        sandbox.clear_faults()
