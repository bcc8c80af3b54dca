"""Redis is lost with all it held, after 200 commits: `recover` brings back what is known, nothing happens a second time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.integration.cli.test_cli import trackteroid
from tests.integration.commits.conftest import Witness, reference
from tests.support.processes import wait_until
from tests.support.recordings import create, delete, recorded, update
from tests.support.sandbox import SandboxProcess
from tests.support.workers import worker_process
from trackteroid.cli.exit_codes import ExitCode
from trackteroid.commits.redis_ledger import RedisLedger
from trackteroid.commits.state import CommitState
from trackteroid.embedded_redis import EmbeddedRedis
from trackteroid.operations.recording import Recording, write_recording

COUNT = 200


def writes(sandbox: SandboxProcess) -> list[dict[str, Any]]:
    return [entry for entry in sandbox.requests() if {"create", "update", "delete"} & set(entry["actions"])]


@pytest.mark.timeout(300)
def test_after_200_commits_the_ledger_is_wiped_and_recover_has_no_second_effect(
    redis_server: EmbeddedRedis, sandbox: SandboxProcess, ledger: RedisLedger, witness: Witness, tmp_path: Path
) -> None:
    assets = [row["id"] for row in witness.rows("select id from Asset")]
    tasks = [
        witness.session.create("Task", {"name": f"wiped {number}", "parent": witness.task["parent"]})["id"]
        for number in range(42)
    ]
    witness.session.commit()
    folder = tmp_path / "recordings"
    folder.mkdir()
    versions: dict[str, Recording] = {}

    def recording(number: int) -> Recording:
        """A version; every tenth also changes a task that is there, every tenth deletes one."""
        key = str(uuid4())
        operations: list[Any] = [
            create("AssetVersion", key, comment=f"wiped {number}"),
            update("AssetVersion", key, "asset", reference("Asset", assets[number % len(assets)])),
        ]
        bases = []
        if number % 10 == 0:
            operations.append(update("Task", tasks[number // 10], "description", "by a publish"))
            bases.append(("Task", tasks[number // 10], "description", ""))
        if number % 10 == 1:
            operations.append(delete("Task", tasks[21 + number // 10]))
        made = recorded(*operations, recording_id=str(uuid4()), server_url=ledger.server_url, bases=bases)
        versions[key] = made
        return made

    files = []
    for number in range(COUNT + 3):
        files.append(str(folder / f"{number:03}.dbm"))
        write_recording(files[-1], recording(number))
    env = {**sandbox.env, "TRACKTEROID_REDIS_URL": redis_server.url, "TRACKTEROID_SPOOL": str(tmp_path / "spool")}
    # The last three had not been enqueued when Redis was lost.
    done = trackteroid("enqueue", *files[:COUNT], env=env)
    # On a machine under load some may be in the spool.
    assert done.returncode in (ExitCode.OK, ExitCode.SPOOLED), done.stderr
    wait_until(lambda: trackteroid("spool", "flush", env=env).returncode == ExitCode.OK, what="an empty spool")
    with worker_process(redis_server.url, sandbox.env) as first:
        wait_until(lambda: ledger.counts()[CommitState.COMMITTED] == COUNT, seconds=120, what="200 commits")
        first.kill_group()
    question = 'select id, version, asset_id from AssetVersion where comment like "wiped%"'
    before = {row["id"]: (row["asset_id"], row["version"]) for row in witness.rows(question)}
    assert len(before) == COUNT

    ledger.client.flushall()
    # People go on working meanwhile: a value is set again, a version is thrown away.
    sandbox.api(
        {
            "action": "update",
            "entity_type": "Task",
            "entity_key": [tasks[3]],
            "entity_data": {"__entity_type__": "Task", "description": "by a person"},
        }
    )
    sandbox.requests(clear=True)
    done = trackteroid("recover", str(folder), "--json", env=env)
    assert done.returncode == ExitCode.OK, done.stderr
    assert len(json.loads(done.stdout)["enqueued"]) == COUNT + 3
    with worker_process(redis_server.url, sandbox.env) as second:
        wait_until(lambda: ledger.counts()[CommitState.COMMITTED] == COUNT + 3, seconds=120, what="them again")
        second.kill_group()
    # Only what was new was sent.
    assert len(writes(sandbox)) == 3
    after = {row["id"]: (row["asset_id"], row["version"]) for row in witness.rows(question)}
    assert {key: after[key] for key in before} == before
    assert set(after) == set(versions)
    described = {
        row["id"]: row["description"] for row in witness.rows('select description from Task where name like "wiped%"')
    }
    assert described[tasks[3]] == "by a person"
    assert [described[tasks[number]] for number in range(21) if number != 3] == ["by a publish"] * 20
    assert not set(tasks[21:]) & set(described)
    # And once more: now they are known.
    done = trackteroid("recover", str(folder), "--json", env=env)
    assert (json.loads(done.stdout)["enqueued"], len(json.loads(done.stdout)["known"])) == ([], COUNT + 3)
