"""Reusing results inside one process."""

from __future__ import annotations

import gc

import pytest

from trackteroid.cache.reused_results import ReusedResults, Sharing


class Result:
    """Stands for a collection: something that can be referred to weakly."""


class Stamped:
    def __init__(self) -> None:
        self.last_receipt: object | None = "receipt"
        self.valid = True

    def confirm(self, receipt: object, max_stale: float = 0.0) -> bool:
        return self.valid and receipt is not None


def test_nothing_is_reused_unless_asked_for() -> None:
    results, result = ReusedResults(), Result()
    results.put(["key"], result)
    assert results.get("key") is None


def test_a_result_from_before_the_block_is_reused_inside_it_while_somebody_holds_it() -> None:
    results, result = ReusedResults(), Result()
    results.put(["key"], result)
    with results.reusing(None):
        assert results.get("key") is result


def test_inside_a_block_results_are_kept_and_let_go_after_it() -> None:
    results = ReusedResults()
    with results.reusing(None):
        results.put(["key", "other key"], Result())
        gc.collect()
        assert results.get("key") is results.get("other key") is not None
    gc.collect()
    results.enabled = True
    assert results.get("key") is None


def test_blocks_nest_and_an_exception_ends_them() -> None:
    results = ReusedResults()
    with pytest.raises(KeyError), results.reusing(None):
        with results.reusing(None):
            pass
        assert results.enabled
        raise KeyError
    assert not results.enabled


def test_overlapping_blocks_of_two_threads_end_one_by_one() -> None:
    results = ReusedResults()
    first, second = results.reusing(None), results.reusing(None)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert results.enabled
    second.__exit__(None, None, None)
    assert not results.enabled


def test_switching_inside_a_block_holds_until_it_ends() -> None:
    results = ReusedResults()
    results.enabled = True
    with results.reusing(None):
        results.enabled = False
        assert not results.enabled
    assert results.enabled


def test_a_shared_result_is_reused_only_while_it_is_confirmed() -> None:
    results, stamped, result = ReusedResults(), Stamped(), Result()
    with results.reusing(Sharing(lambda: stamped)):
        results.put(["key"], result)
        assert results.get("key") is result
        stamped.valid = False
        assert results.get("key") is None


def test_a_shared_result_that_could_not_be_stored_is_never_reused() -> None:
    results, stamped, result = ReusedResults(), Stamped(), Result()
    stamped.last_receipt = None
    with results.reusing(Sharing(lambda: stamped)):
        results.put(["key"], result)
        assert results.get("key") is None


def test_a_block_inside_a_sharing_one_goes_on_sharing() -> None:
    results, sharing = ReusedResults(), Sharing(Stamped, None)
    with results.reusing(sharing), results.reusing(None):
        assert results.sharing is sharing
    assert results.sharing is None


def test_clearing_forgets_everything() -> None:
    results, result = ReusedResults(), Result()
    with results.reusing(None):
        results.put(["key"], result)
        results.clear()
        assert results.get("key") is None


def test_no_more_results_are_held_than_allowed_and_the_least_recently_used_goes_first() -> None:
    results = ReusedResults(most=2)
    with results.reusing(None):
        for name in ("first", "second"):
            results.put([name], Result())
        assert results.get("first") is not None
        results.put(["third"], Result())
        gc.collect()
        assert results.get("second") is None
        assert results.get("first") is not None
        assert results.get("third") is not None


def test_what_has_to_ask_the_server_shares_nothing_in_its_thread() -> None:
    results, sharing = ReusedResults(), Sharing(Stamped)
    with results.reusing(sharing):
        with results.asking_server():
            assert results.sharing is None
        assert results.sharing is sharing
