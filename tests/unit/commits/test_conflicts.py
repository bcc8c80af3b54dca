"""The setting that says what becomes of conflicts."""

from __future__ import annotations

import pytest

from trackteroid.commits.conflicts import ConflictPolicy
from trackteroid.errors import SettingsError
from trackteroid.settings import Settings


def test_the_default_skips_status_and_overwrites_the_rest() -> None:
    for policy in (ConflictPolicy(), ConflictPolicy.from_words(Settings().conflict_policy)):
        assert policy.choice("Task", "status") == policy.choice("Task", "status_id") == "skip"
        assert policy.choice("Task", "bid") == "overwrite"


def test_the_most_particular_rule_counts() -> None:
    policy = ConflictPolicy.from_words(["Task.bid=fail", "bid=skip", "*=overwrite", "status_id = fail"])
    assert policy.choice("Task", "bid") == "fail"
    assert policy.choice("Shot", "bid") == "skip"
    assert policy.choice("Shot", "status") == "fail"
    assert policy.choice("Shot", "name") == "overwrite"


@pytest.mark.parametrize("word", ["status", "status=maybe", "=skip"])
def test_a_rule_that_cannot_be_understood_is_named(word: str) -> None:
    with pytest.raises(SettingsError, match="each entry must read attribute=choice"):
        ConflictPolicy.from_words([word])
