"""Conflicts on the sandbox: what somebody did between recording and committing, and what is left of it."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.integration.commits.conftest import Witness, reference
from tests.support.recordings import create, recorded, update
from tests.support.sandbox import SandboxProcess
from trackteroid.commits.committer import Committer, CommitterPolicy, Outcome
from trackteroid.commits.enqueueing import enqueue
from trackteroid.commits.redis_ledger import RedisLedger
from trackteroid.commits.state import CommitState
from trackteroid.operations.manifest import Delta
from trackteroid.operations.operation import key_text
from trackteroid.operations.recording import Recording
from trackteroid.session import Session
from trackteroid.settings import Settings


@pytest.fixture
def committer(sandbox: SandboxProcess, ledger: RedisLedger, settings: Settings) -> Any:
    with Session(
        server_url=sandbox.url,
        api_key=sandbox.env["FTRACK_API_KEY"],
        api_user=sandbox.env["FTRACK_API_USER"],
        auto_connect_event_hub=False,
    ) as session:
        yield Committer(session, ledger, policy=CommitterPolicy.from_settings(settings))


@pytest.fixture
def task(witness: Witness) -> str:
    """A task of its own, so that tests do not meet."""
    task = witness.session.create(
        "Task", {"name": f"conflicts {uuid4()}", "parent": witness.task["parent"], "type": witness.task["type"]}
    )
    witness.session.commit()
    return str(task["id"])


def commit(committer: Committer, settings: Settings, recording: Recording) -> Outcome:
    enqueue(recording, settings=settings, wake=False)
    outcome = committer.commit_next()
    assert outcome is not None and outcome.state is CommitState.COMMITTED, outcome
    return outcome


@pytest.mark.parametrize("changed_by", [None, "somebody"])
def test_last_nights_publish_does_not_reset_this_mornings_status(
    changed_by: str | None,
    witness: Witness,
    committer: Committer,
    settings: Settings,
    sandbox: SandboxProcess,
    task: str,
) -> None:
    (row,) = witness.rows(f'select status_id from Task where id is "{task}"')
    base = row["status_id"]
    others = [status["id"] for status in witness.rows("select id from Status") if status["id"] != base]
    approved, wanted = others[:2]
    recording = recorded(
        update("Task", task, "status", reference("Status", wanted)),
        update("Task", task, "description", "from last night"),
        recording_id=str(uuid4()),
        server_url=sandbox.url,
        bases=[("Task", task, "status", reference("Status", base))],
    )
    if changed_by:
        witness.session.get("Task", task)["status_id"] = approved
        witness.session.commit()
    outcome = commit(committer, settings, recording)
    (row,) = witness.rows(f'select status_id, description from Task where id is "{task}"')
    assert row["status_id"] == (approved if changed_by else wanted)
    assert row["description"] == "from last night"
    assert outcome.result is not None
    assert [skipped.reason for skipped in outcome.result.skipped] == (["conflict"] if changed_by else [])


def test_two_recordings_and_a_person_add_to_one_list(
    witness: Witness, committer: Committer, settings: Settings, sandbox: SandboxProcess, task: str
) -> None:
    project = witness.session.query("Project").first()
    category = witness.session.query("ListCategory").first()
    lists = [
        witness.session.create("TypedContextList", {"name": str(uuid4()), "project": project, "category": category})[
            "id"
        ]
        for _ in range(4)
    ]
    witness.session.commit()

    def put(*ids: str) -> None:
        witness.session.get("Task", task)["lists"] = [witness.session.get("TypedContextList", each) for each in ids]
        witness.session.commit()

    def adding(added: str, *before: str) -> Recording:
        return recorded(
            update("Task", task, "lists", [reference("TypedContextList", each) for each in (*before, added)]),
            recording_id=str(uuid4()),
            server_url=sandbox.url,
            deltas=[
                Delta(
                    entity=key_text("Task", [task]), attribute="lists", added=(key_text("TypedContextList", [added]),)
                )
            ],
        )

    put(lists[0])
    first, second = adding(lists[1], lists[0]), adding(lists[2], lists[0])
    put(lists[0], lists[3])
    for recording in (first, second):
        commit(committer, settings, recording)
    (row,) = witness.rows(f'select lists from Task where id is "{task}"')
    assert {each["id"] for each in row["lists"]} == set(lists)


def test_a_version_made_elsewhere_is_waited_for(
    witness: Witness, committer: Committer, settings: Settings, ledger: RedisLedger, sandbox: SandboxProcess
) -> None:
    version = witness.publish()
    key = next(iter(version.operations[0].entity_key.values()))
    component = recorded(
        create("Component", str(uuid4()), name="later"),
        recording_id=str(uuid4()),
        server_url=sandbox.url,
    )
    name = next(iter(component.operations[0].entity_key.values()))
    needs = recorded(
        *component.operations,
        update("Component", name, "version", reference("AssetVersion", key)),
        recording_id=str(uuid4()),
        server_url=sandbox.url,
    )
    enqueue(needs, settings=settings, wake=False)
    outcome = committer.commit_next()
    assert outcome is not None and outcome.state is CommitState.WAITING
    enqueue(version, settings=settings, wake=False)
    assert [each.commit_id for each in committer.drain()] == [version.recording_id, needs.recording_id]
    (row,) = witness.rows(f'select version_id from Component where id is "{name}"')
    assert row["version_id"] == key
