"""One worker process with a global key commits for two users: everything shows who recorded it, each time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import uuid4

from tests.integration.commits.conftest import Witness, reference
from tests.support.processes import wait_until
from tests.support.recordings import create, recorded, update
from tests.support.sandbox import SandboxProcess
from tests.support.workers import worker_process
from trackteroid.commits.commit import Commit
from trackteroid.commits.enqueueing import enqueue
from trackteroid.commits.redis_ledger import RedisLedger
from trackteroid.commits.state import CommitState
from trackteroid.embedded_redis import EmbeddedRedis
from trackteroid.operations.operation import key_text
from trackteroid.operations.recording import Recording
from trackteroid.settings import Settings

GLOBAL_KEY = {"FTRACK_API_KEY": "sandbox-global-key"}


def work_of(user: str, witness: Witness, url: str, task: str, status: str) -> tuple[Recording, str, str]:
    version, note = str(uuid4()), str(uuid4())
    recording = recorded(
        create("AssetVersion", version, asset_id=witness.asset["id"]),
        create("Note", note, content="look", parent_id=task, parent_type="task"),
        update("Task", task, "status", reference("Status", status)),
        recording_id=str(uuid4()),
        server_url=url,
    )
    assert recording.manifest is not None
    manifest = replace(
        recording.manifest,
        user=user,
        commit_as="recorder",
        unstamped={key_text("AssetVersion", [version]): "user_id", key_text("Note", [note]): "user_id"},
    )
    return replace(recording, manifest=manifest), version, note


def test_versions_notes_and_status_changes_carry_the_recorders_name(
    redis_server: EmbeddedRedis, ledger: RedisLedger, settings: Settings, witness: Witness, sandbox: SandboxProcess
) -> None:
    tasks = [
        witness.session.create("Task", {"name": f"whose {uuid4()}", "parent": witness.task["parent"]}) for _ in range(4)
    ]
    witness.session.commit()
    statuses = {row["id"] for row in witness.rows("select id from Status")}
    names = ["anna", "ben", "anna", "cleo"]
    done: list[tuple[str, str, str, str, Recording]] = []
    with worker_process(redis_server.url, {**sandbox.env, **GLOBAL_KEY}) as worker:
        for name, task in zip(names, tasks, strict=True):
            (row,) = witness.rows(f'select status_id from Task where id is "{task["id"]}"')
            status = min(statuses - {row["status_id"]})
            recording, version, note = work_of(name, witness, sandbox.url, task["id"], status)
            enqueue(recording, settings=settings)
            done.append((name, task["id"], version, note, recording))

        def all_done() -> dict[str, Commit] | None:
            commits = {name: ledger.get(each.recording_id) for name, _, _, _, each in done}
            return commits if all(commit.state is CommitState.COMMITTED for commit in commits.values()) else None

        commits: Any = wait_until(all_done, seconds=30, what="the commits")
        worker.kill_group()
    for name, task, version, note, _ in done:
        (row,) = witness.rows(f'select user.username from AssetVersion where id is "{version}"')
        assert row["user"]["username"] == name
        (row,) = witness.rows(f'select author.username from Note where id is "{note}"')
        assert row["author"]["username"] == name
        changes = witness.rows(f'select user.username from StatusChange where parent_id is "{task}"')
        # Who is not active cannot be spoken for: ftrack's history shows the worker, what has an attribute for it the recorder.
        shown = "sandbox" if name == "cleo" else name
        assert shown in {change["user"]["username"] for change in changes}
    assert [commits[name].result["sent_as"] for name in ("anna", "ben", "cleo")] == ["anna", "ben", None]
    assert "does not accept their key for cleo" in " ".join(commits["cleo"].result["notes"])
