"""Generated queries, through the client and through our loader: the same in memory, to the last attribute."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from tests.integration.loading import questions
from tests.support.session_pair import Pair
from tests.support.snapshots import described

QUERIES_PER_SEED = 20


@pytest.mark.parametrize("seed", range(12))
def test_queries_leave_what_the_client_leaves(pair: Pair, seed: int) -> None:
    random = Random(seed)
    for _ in range(QUERIES_PER_SEED):
        if random.random() < 0.7:
            pair.forget()
        text = questions.query(random, pair.schemas)
        theirs, ours = pair.query(text)
        assert ours == theirs, text
        pair.check(text)
        again = questions.overlapping(random, pair.schemas, text)
        theirs, ours = pair.query(again)
        assert ours == theirs, again
        pair.check(f"{text} -> {again}")


@pytest.mark.parametrize("seed", range(12))
def test_local_edits_survive_later_queries_as_with_the_client(pair: Pair, seed: int) -> None:
    random = Random(100 + seed)
    for _ in range(6):
        pair.forget()
        text = questions.query(random, pair.schemas)
        pair.query(text)
        for step in questions.edits(random, pair.theirs, 12):
            theirs, ours = pair.both(lambda session, step=step: questions.edit(session, step))
            assert ours == theirs, (text, step)
        pair.check(f"{text}, edited")
        for again in (questions.overlapping(random, pair.schemas, text), text):
            theirs, ours = pair.query(again)
            assert ours == theirs, again
            pair.check(f"{text}, edited -> {again}")


@pytest.mark.parametrize("seed", range(6))
def test_reading_gives_the_same_afterwards(pair: Pair, seed: int) -> None:
    """What a first look changes in memory (references looked up, local copies of collections) is part of it."""
    random = Random(200 + seed)
    text = questions.query(random, pair.schemas)
    pair.query(text)

    def look(session: Any) -> list[Any]:
        entities = list(session._local_cache.values())
        return [described(session, entity[name]) for entity in entities for name in entity]

    for again in (questions.overlapping(random, pair.schemas, text), text):
        theirs, ours = pair.both(look)
        assert ours == theirs
        pair.check(f"{text}, read")
        pair.query(again)
        pair.check(f"{text}, read -> {again}")


@pytest.mark.parametrize("seed", range(8))
def test_populating_leaves_what_the_client_leaves(pair: Pair, seed: int) -> None:
    random = Random(300 + seed)
    for _ in range(5):
        pair.forget()
        text = questions.query(random, pair.schemas)
        pair.query(text)
        for step in questions.edits(random, pair.theirs, 4):
            pair.both(lambda session, step=step: questions.edit(session, step))
        projections = questions.overlapping(random, pair.schemas, text).removeprefix("select ").rsplit(" from ", 1)[0]

        def populate(session: Any, text: str = text, projections: str = projections) -> None:
            session.populate(session.query(text), projections)

        theirs, ours = pair.both(populate)
        assert ours == theirs
        pair.check(f"{text}, populated with {projections}")


@pytest.mark.parametrize("seed", range(16))
def test_commits_leave_what_the_client_leaves(pair: Pair, seed: int) -> None:
    """Also in entities that the commit has nothing to do with: their local values are gone, as with the client."""
    random = Random(400 + seed)
    pair.forget()
    for _ in range(3):
        texts = [questions.query(random, pair.schemas) for _ in range(2)]
        for text in texts:
            pair.query(text)
        steps = questions.edits(random, pair.theirs, 10)
        for step in steps:
            theirs, ours = pair.both(lambda session, step=step: questions.edit(session, step))
            assert ours == theirs, (texts, step)
        pair.check(f"{texts}, edited")
        theirs, ours = pair.both(lambda session: session.commit())
        assert ours == theirs, (texts, steps)
        pair.check(f"{texts} -> {steps} -> commit: {theirs}")
        if theirs is not None:
            pair.both(lambda session: session.rollback())
            pair.check(f"{texts} -> {steps} -> commit: {theirs} -> rollback")


@pytest.mark.parametrize("seed", range(12))
def test_rollbacks_leave_what_the_client_leaves(pair: Pair, seed: int) -> None:
    """Whatever was edited, created and deleted before, sent or not."""
    random = Random(500 + seed)
    pair.forget()
    for _ in range(3):
        texts = [questions.query(random, pair.schemas) for _ in range(2)]
        for text in texts:
            pair.query(text)
        steps = questions.edits(random, pair.theirs, 10)
        for step in steps:
            theirs, ours = pair.both(lambda session, step=step: questions.edit(session, step))
            assert ours == theirs, (texts, step)
        if random.random() < 0.5:
            pair.both(lambda session: session.create("Task", {"name": "passing"}).__setitem__("bid", 3))
        pair.both(lambda session: session.rollback())
        pair.check(f"{texts} -> {steps} -> rollback")
        assert len(pair.ours.recorded_operations) == 0
        for text in texts:
            theirs, ours = pair.query(text)
            assert ours == theirs, (texts, steps)
        pair.check(f"{texts} -> {steps} -> rollback -> asked again")
