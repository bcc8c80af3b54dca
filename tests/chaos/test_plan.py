"""A seed brings back the load and the blows."""

from __future__ import annotations

from tests.chaos import plan


def everything(seed: int) -> object:
    return (
        [plan.publishes(seed, client, clients=3, total=20, assets=4, seconds=10.0) for client in range(3)],
        plan.blows(seed, seconds=30.0, pace=(0.5, 1.5)),
        plan.faults(seed),
    )


def test_the_same_seed_plans_the_same_run_and_another_one_another() -> None:
    assert everything(1) == everything(1)
    assert everything(1) != everything(2)


def test_the_clients_share_the_publishes_and_each_has_ids_of_its_own() -> None:
    publishes = [
        publish
        for client in range(3)
        for publish in plan.publishes(7, client, clients=3, total=20, assets=4, seconds=10.0)
    ]
    assert sorted(publish.number for publish in publishes) == list(range(20))
    ids = [
        key
        for publish in publishes
        for key in (publish.recording_id, publish.version, publish.component, publish.location)
    ]
    assert len(set(ids)) == len(ids)


def test_every_kind_of_blow_falls_in_time() -> None:
    for seed in range(50):
        found = plan.blows(seed, seconds=20.0, pace=(0.6, 1.8))
        assert {blow.action for blow in found} == set(plan.ACTIONS)
        assert all(0 < blow.at < 20.0 for blow in found)
