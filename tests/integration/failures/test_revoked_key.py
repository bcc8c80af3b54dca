"""The workers' key is revoked under a night's publishes."""

from __future__ import annotations

import time
from uuid import uuid4

import pytest

from tests.integration.commits.conftest import Witness, reference
from tests.support.processes import wait_until
from tests.support.recordings import create, recorded, update
from tests.support.sandbox import SandboxProcess
from tests.support.workers import worker_process
from trackteroid.commits.enqueueing import enqueue
from trackteroid.commits.redis_ledger import RedisLedger
from trackteroid.commits.state import CommitState
from trackteroid.embedded_redis import EmbeddedRedis
from trackteroid.operations.recording import Recording
from trackteroid.settings import Settings

COUNT = 500


def version(asset: str, server_url: str) -> Recording:
    key = str(uuid4())
    return recorded(
        create("AssetVersion", key, comment="overnight"),
        update("AssetVersion", key, "asset", reference("Asset", asset)),
        recording_id=str(uuid4()),
        server_url=server_url,
    )


@pytest.mark.timeout(300)
def test_a_revoked_key_kills_none_of_500_queued_commits_and_all_go_through_once_it_is_restored(
    redis_server: EmbeddedRedis, sandbox: SandboxProcess, ledger: RedisLedger, settings: Settings, witness: Witness
) -> None:
    key = {"key": "worker-key", "user": sandbox.env["FTRACK_API_USER"]}
    sandbox.set_keys({**key, "is_enabled": True})
    env = {**sandbox.env, "FTRACK_API_KEY": "worker-key"}
    # Of many assets, as versions of one wait for each other.
    assets = [row["id"] for row in witness.rows("select id from Asset")]
    recordings = [version(assets[number % len(assets)], ledger.server_url) for number in range(COUNT)]
    try:
        with worker_process(redis_server.url, env) as first, worker_process(redis_server.url, env) as second:
            # The workers know the key as a good one, and have a connection each.
            for recording in recordings[:10]:
                enqueue(recording, ledger=ledger, settings=settings, wake=False)
            wait_until(lambda: ledger.counts()[CommitState.COMMITTED] == 10, seconds=60, what="a good beginning")
            sandbox.set_keys({**key, "is_enabled": False})
            for recording in recordings[10:]:
                enqueue(recording, ledger=ledger, settings=settings, wake=False)
            wait_until(lambda: ledger.breaker().open_since is not None, what="the breaker to open")
            before = len(sandbox.requests())
            time.sleep(3.0)
            # A probe in half a second asks who it is; nobody else asks anything.
            assert len(sandbox.requests()) - before <= 40
            counts = ledger.counts()
            assert counts[CommitState.DEAD] == 0
            assert counts[CommitState.COMMITTED] == 10
            error = ledger.breaker().error
            assert error is not None and "FTRACK_API_KEY" in error.message
            sandbox.set_keys({**key, "is_enabled": True})
            wait_until(lambda: ledger.counts()[CommitState.COMMITTED] == COUNT, seconds=180, what="all of them")
            assert first.running and second.running
            first.kill_group()
            second.kill_group()
    finally:
        sandbox.set_keys({**key, "is_enabled": False})
    assert ledger.counts()[CommitState.DEAD] == 0
    assert ledger.breaker().open_since is None
    # The time without a key cost nobody an attempt.
    assert {ledger.get(recording.recording_id).attempts for recording in recordings} == {1}
    found = witness.rows('select id from AssetVersion where comment is "overnight"')
    assert len(found) == COUNT
