"""Recordings that need each other, on the sandbox: one batch, each entity once."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest

from tests.integration.commits.conftest import Witness, reference
from tests.support.recordings import create, recorded, update
from tests.support.sandbox import SandboxProcess
from trackteroid.commits.committer import Committer, CommitterPolicy
from trackteroid.commits.enqueueing import enqueue
from trackteroid.commits.redis_ledger import RedisLedger
from trackteroid.commits.state import CommitState
from trackteroid.session import Session
from trackteroid.settings import Settings


@pytest.fixture
def committer(sandbox: SandboxProcess, ledger: RedisLedger, settings: Settings) -> Iterator[Committer]:
    with Session(
        server_url=sandbox.url,
        api_key=sandbox.env["FTRACK_API_KEY"],
        api_user=sandbox.env["FTRACK_API_USER"],
        auto_connect_event_hub=False,
    ) as session:
        yield Committer(session, ledger, policy=CommitterPolicy.from_settings(settings))


@pytest.mark.parametrize("fault", [None, {"kind": "drop_reply", "times": 1, "actions": ["create"]}])
def test_two_publishes_that_refer_to_each_other_are_one_batch(
    fault: dict[str, object] | None,
    witness: Witness,
    committer: Committer,
    ledger: RedisLedger,
    settings: Settings,
    sandbox: SandboxProcess,
) -> None:
    versions, links = [str(uuid4()), str(uuid4())], [str(uuid4()), str(uuid4())]
    recordings = [
        recorded(
            create("AssetVersion", versions[each], asset_id=witness.asset["id"]),
            create("AssetVersionLink", links[each]),
            update("AssetVersionLink", links[each], "from", reference("AssetVersion", versions[each])),
            update("AssetVersionLink", links[each], "to", reference("AssetVersion", versions[1 - each])),
            recording_id=str(uuid4()),
            server_url=sandbox.url,
        )
        for each in (0, 1)
    ]
    for recording in recordings:
        enqueue(recording, settings=settings, wake=False)
    if fault is not None:
        sandbox.faults([fault])
    outcomes = []
    while not outcomes or outcomes[-1].state is not CommitState.COMMITTED:
        outcome = committer.commit_next()
        if outcome is not None:
            outcomes.append(outcome)
            assert outcome.state in (CommitState.COMMITTED, CommitState.RETRYING), outcome
    commits = [ledger.get(recording.recording_id) for recording in recordings]
    assert [commit.state for commit in commits] == [CommitState.COMMITTED] * 2
    assert [(commit.result or {})["created"]["AssetVersion"] for commit in commits] == [[key] for key in versions]
    for each in (0, 1):
        (row,) = witness.rows(f'select from_id, to_id from AssetVersionLink where id is "{links[each]}"')
        assert (row["from_id"], row["to_id"]) == (versions[each], versions[1 - each])
    writes = [entry for entry in sandbox.requests() if "create" in entry["actions"]]
    assert len(writes) == 1
