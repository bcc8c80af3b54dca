"""Generated queries, through the client and through our loader: the same in memory, to the last attribute."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from tests.integration.loading import questions
from tests.integration.loading.conftest import Pair
from tests.integration.loading.snapshots import described

QUERIES_PER_SEED = 20


def results(pair: Pair, text: str) -> list[Any]:
    return pair.both(lambda session: [described(session, entity) for entity in session.query(text).all()])


@pytest.mark.parametrize("seed", range(12))
def test_queries_leave_what_the_client_leaves(pair: Pair, seed: int) -> None:
    random = Random(seed)
    for _ in range(QUERIES_PER_SEED):
        if random.random() < 0.7:
            pair.forget()
        text = questions.query(random, pair.schemas)
        theirs, ours = results(pair, text)
        assert ours == theirs, text
        pair.check(text)
        again = questions.overlapping(random, pair.schemas, text)
        theirs, ours = results(pair, again)
        assert ours == theirs, again
        pair.check(f"{text} -> {again}")
