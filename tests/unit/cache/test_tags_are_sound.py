"""If a change made a question's answer another one, its tags were raised; for whatever question and change, whoever asks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from random import Random

import pytest

from tests.support.local_session import stock_schemas
from tests.unit.cache.worlds import USERS, Mutations, Queries, World
from trackteroid.cache.tags import SERVER, Tags

TAGS = Tags(stock_schemas())


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    made = World()
    yield made
    made.close()


def check(world: World, seed: int, *, questions: int, changes: int) -> int:
    """Return how many answers were changed."""
    random = Random(seed)
    keys = world.keys()
    ids = [
        str(key[0]) for found in keys.values() for key in found if str(key[0]).startswith(("open", "closed", "common"))
    ]
    making = Queries(random, ids)
    panel: dict[str, frozenset[str] | None] = {}
    while len(panel) < questions:
        text = making.make()
        if world.ask(text, USERS[0]) is not None:
            panel[text] = TAGS.read(text)
    before = {(text, user): world.ask(text, user) for text in panel for user in USERS}
    mutations = Mutations(random, keys)
    changed = done = 0
    while done < changes:
        batch = mutations.make()
        if not world.change(batch):
            continue
        done += 1
        raised = TAGS.written(batch)
        for (text, user), answer in before.items():
            tags = panel[text]
            if tags is None or raised == {SERVER} or tags & raised:
                continue
            assert world.ask(text, user) in (answer, None), (seed, user[0], text, batch, sorted(tags), sorted(raised))
        changed += sum(world.ask(text, USERS[0]) != before[text, USERS[0]] for text in list(panel)[:5])
        world.restore()
    return changed


@pytest.mark.parametrize("seed", range(3))
def test_no_change_goes_unnoticed(world: World, seed: int) -> None:
    check(world, seed, questions=40, changes=12)


# Half a minute of a processor for each seed: no part comes near the time limit of one test, on a busy machine either.
_PARTS = 4


@pytest.mark.soak
@pytest.mark.parametrize("part", range(_PARTS))
def test_no_change_of_very_many_goes_unnoticed(world: World, part: int) -> None:
    seeds = range(1000 + part, 1000 + int(os.environ.get("TRACKTEROID_SOAK_TAG_SEEDS", "40")), _PARTS)
    assert not seeds or sum(check(world, seed, questions=150, changes=40) for seed in seeds) > 0


def test_the_check_finds_a_tag_that_is_missing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Tags, "written", lambda self, batch: frozenset())
    with pytest.raises(AssertionError):
        for seed in range(20):
            check(world, seed, questions=60, changes=10)
