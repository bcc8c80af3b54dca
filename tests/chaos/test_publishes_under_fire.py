"""Publishes while everything around them breaks: none is lost, none is there twice, and they are numbered in order.

The verdict comes from what the clients noted themselves, counted by the official client; the ledger is only asked whether it
agrees. `CHAOS_SEED=N` brings back the load and the blows of an earlier run.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import ftrack_api
import pytest

from tests.chaos import plan
from tests.chaos.fire import PATIENT, Fire, keep_everything
from tests.chaos.verdict import check_order, check_server, enqueued
from tests.support.processes import wait_until
from tests.support.redis import embedded_redis
from tests.support.sandbox import SandboxProcess
from tests.support.workers import SHORT_TIMES
from trackteroid.commits.enqueueing import open_ledger
from trackteroid.commits.redis_client import connect
from trackteroid.commits.state import CommitState
from trackteroid.embedded_redis import EmbeddedRedis
from trackteroid.settings import Settings

ASSETS = 5


@pytest.fixture
def sandbox() -> Iterator[SandboxProcess]:
    with SandboxProcess(seed="demo") as server:
        yield server


@pytest.fixture
def redis() -> Iterator[EmbeddedRedis]:
    with embedded_redis() as server:
        client = connect(server.url)
        keep_everything(client)
        client.close()
        yield server


@pytest.mark.timeout(1700)
@pytest.mark.parametrize(
    ("total", "clients", "workers", "seconds", "pace"),
    [
        (100, 4, 4, 20.0, (0.6, 1.8)),
        pytest.param(500, 8, 4, 150.0, (0.5, 2.0), marks=pytest.mark.soak),
    ],
    ids=["short", "soak"],
)
def test_every_publish_arrives_exactly_once_and_in_order(
    total: int,
    clients: int,
    workers: int,
    seconds: float,
    pace: tuple[float, float],
    sandbox: SandboxProcess,
    redis: EmbeddedRedis,
    tmp_path: Path,
) -> None:
    seed = int(os.environ.get("CHAOS_SEED") or random.randrange(10**6))
    print(f"CHAOS_SEED={seed}")
    started = time.monotonic()
    with ftrack_api.Session(
        sandbox.url,
        sandbox.env["FTRACK_API_KEY"],
        sandbox.env["FTRACK_API_USER"],
        auto_connect_event_hub=False,
        schema_cache_path=str(tmp_path),
    ) as witness:
        assets = [row["id"] for row in witness.query(f"select id from Asset order by id limit {ASSETS}").all()]
        task = witness.query('Task where name is "compositing" and parent.name is "bc0040"').one()
        before = {
            asset: len(witness.query(f'select id from AssetVersion where asset_id is "{asset}"').all())
            for asset in assets
        }
        spare = [
            witness.create("Task", {"name": f"spare {number}", "parent": task["parent"]})["id"]
            for number in range(total)
            if number % 5 < 2
        ]
        category = witness.query("select id from ListCategory").first()
        shared_list = witness.create(
            "AssetVersionList", {"name": "chaos", "project": task["project"], "category": category}
        )["id"]
        witness.commit()
        spares = iter(spare)
        places = {
            "assets": assets,
            "task": task["id"],
            "spare_tasks": [next(spares) if number % 5 < 2 else "" for number in range(total)],
            "shared_list": shared_list,
            "location": ftrack_api.symbol.UNMANAGED_LOCATION_ID,
            "server_url": sandbox.url,
        }
        orders = []
        for client in range(clients):
            order = tmp_path / f"order-{client}.json"
            options = {"clients": clients, "total": total, "assets": len(assets), "seconds": seconds}
            record = str(tmp_path / f"record-{client}.jsonl")
            order.write_text(
                json.dumps({"plan": [seed, client], "options": options, "places": places, "record": record})
            )
            orders.append(order)

        settings = Settings.from_environment({**SHORT_TIMES, **PATIENT, "TRACKTEROID_REDIS_URL": redis.url})
        ledger = open_ledger(settings, sandbox.url)
        sandbox.requests(clear=True)
        sandbox.faults(plan.faults(seed))
        with Fire(redis, sandbox, orders, workers=workers, folder=tmp_path) as fire:
            fire.burn(plan.blows(seed, seconds=seconds, pace=pace))
            wait_until(fire.clients_are_done, seconds=300, what=f"the clients (CHAOS_SEED={seed})")
            struck = {name for entry in sandbox.requests() for name in (entry["fault"] or "").split("+")}
            sandbox.clear_faults()
            burnt = time.monotonic() - started
            found = enqueued(fire.records())
            assert len(found) == total, "each client noted that all of its publishes were accepted"
            try:
                wait_until(
                    lambda: ledger.counts()[CommitState.COMMITTED] >= total,
                    seconds=120 if total <= 100 else 600,
                    what=f"all commits (CHAOS_SEED={seed})",
                )
            except AssertionError as error:
                open_ones = [commit for commit in ledger.list(limit=total) if commit.state is not CommitState.COMMITTED]
                raise AssertionError(f"{error} Not committed: {open_ones}") from error
            done = fire.done

        assert {ledger.get(one.publish.recording_id).state for one in found} == {CommitState.COMMITTED}
        assert ledger.counts()[CommitState.COMMITTED] == total
        ledger.client.close()
        witness.reset()
        numbers = check_server(
            witness, found, assets=assets, before=before, spare=places["spare_tasks"], shared_list=shared_list
        )
        pairs = check_order(found, numbers)
    spooled = sum(one.where == "spool" for one in found)
    print(
        f"{total} publishes, {dict(done)}, ftrack: {sorted(struck)}, {spooled} spooled, {pairs} pairs in order, "
        f"{burnt:.0f} s until the last was accepted, {time.monotonic() - started:.0f} s in all"
    )
    # A fire that did not burn proves nothing.
    assert set(plan.STRIKES) <= struck
    assert {"kill a worker", "freeze a worker", "restart Redis"} <= set(done)
    assert pairs > total
