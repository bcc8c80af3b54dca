"""A wedge: many submissions held, released by as many processes in random order, with trouble on the way.

Three render layers of each asset ask for the same Asset, which none of them finds, and each brings a version of it whose number
stands in its path. Meanwhile ftrack is in maintenance for a while and workers are killed.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.integration.farm.conftest import Farm
from tests.support.processes import wait_until
from tests.support.workers import worker_process
from trackteroid.commits.filtering import CommitFilter
from trackteroid.commits.state import CommitState
from trackteroid.commits.where import find_in_ledger

LAYERS = ("beauty", "specular", "depth")
SHOTS = ("bc0010", "bc0020", "bc0030", "bc0040", "bc0050")


@pytest.mark.parametrize(
    ("size", "workers"),
    [pytest.param(15, 2, id="short"), pytest.param(300, 4, marks=pytest.mark.soak, id="soak")],
)
@pytest.mark.timeout(1700)
def test_a_wedge_is_published_whole_once_and_under_its_numbers(farm: Farm, size: int, workers: int) -> None:
    publishes: list[dict[str, Any]] = []
    for number in range(size // len(LAYERS)):
        asset, shot = f"wedge{size}_{number:03d}", SHOTS[number % len(SHOTS)]
        publishes += (farm.publish(shot, asset, layer, version=1 + i) for i, layer in enumerate(LAYERS))
    ids = farm.submit(publishes)
    assert len(set(ids)) == size
    for publish in publishes:
        farm.render(publish)
    order = list(ids)
    random.Random(size).shuffle(order)
    # Four are worked on at a time, by one process each in the long run; the short one saves starting them.
    running = [
        worker_process(farm.redis.url, farm.sandbox.env, concurrency=4 // workers, env=farm.env) for _ in range(workers)
    ]
    try:
        with ThreadPoolExecutor(3) as pool:
            releases = [pool.submit(farm.release, commit_id) for commit_id in order]
            wait_until(lambda: _done(farm) >= size // 6, seconds=400, what="the first commits")
            farm.sandbox.faults([{"kind": "maintenance"}])
            assert not _wrong_answers(farm, publishes, ids), "where answers without ftrack"
            time.sleep(2.0)
            farm.sandbox.clear_faults()
            for process in running[: workers // 2]:
                process.kill_group()
            assert [done.result().returncode for done in releases] == [0] * size
        # What a farm does with workers that died.
        running += [
            worker_process(farm.redis.url, farm.sandbox.env, concurrency=4 // workers, env=farm.env)
            for _ in range(workers // 2)
        ]
        wait_until(lambda: _done(farm) == size, seconds=200 + size, what="all commits")
    finally:
        farm.sandbox.clear_faults()
        for process in running:
            # A warm shutdown takes two seconds, and is no part of this.
            if process.running:
                process.kill_group()
            process.stop()
    _check_on_server(farm, publishes, f"wedge{size}_")
    assert Counter(farm.ledger.get(commit_id).state for commit_id in ids) == {CommitState.COMMITTED: size}


def _done(farm: Farm) -> int:
    # Asked now and then: three hundred rows all the time would keep Redis from its work.
    time.sleep(0.2)
    states = farm.ledger.counts()
    dead = farm.ledger.list([CommitState.DEAD], limit=3) if states[CommitState.DEAD] else ()
    assert not dead, [commit.error for commit in dead]
    return states[CommitState.COMMITTED]


def _wrong_answers(farm: Farm, publishes: list[dict[str, Any]], ids: list[str]) -> list[dict[str, Any]]:
    """Return the publishes that are not found by shot, artist, label and version."""
    wrong = []
    user = farm.sandbox.env["FTRACK_API_USER"]
    for publish, commit_id in zip(publishes, ids, strict=True):
        words = [publish["shot"], publish["asset"], user, f"v{publish['version']:03d}"]
        wanted = CommitFilter(labels=publish["labels"])
        found = find_in_ledger(farm.ledger, words, wanted, now=time.time(), limit=5)
        if [place.commit.id for place in found] != [commit_id]:
            wrong.append(publish)
    sample = publishes[0]
    told = farm.run("where", sample["asset"], "--label", f"farm_job={sample['labels']['farm_job']}")
    return wrong if told.returncode == 0 and ids[0] in told.stdout else [sample, *wrong]


def _check_on_server(farm: Farm, publishes: list[dict[str, Any]], prefix: str) -> None:
    with farm.official() as session:
        assets = session.query(f'select name, parent.name from Asset where name like "{prefix}%"').all()
        assert Counter(asset["name"] for asset in assets) == {publish["asset"]: 1 for publish in publishes}
        components = session.query(
            "select name, size, members.name, version.version, version.asset.name from SequenceComponent "
            f'where version.asset.name like "{prefix}%"'
        ).all()
        found = sorted(
            (each["version"]["asset"]["name"], each["name"], each["version"]["version"], each["size"])
            for each in components
        )
        assert found == sorted((each["asset"], each["layer"], each["version"], 300) for each in publishes)
        versions = session.query(f'select id from AssetVersion where asset.name like "{prefix}%"').all()
        assert len(versions) == len(publishes)
        assert all(len(each["members"]) == 3 for each in components)
