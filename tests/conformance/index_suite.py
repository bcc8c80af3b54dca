"""What every ledger must do about finding commits by words."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests.conformance.ledger_suite import PERMANENT, POLICY, LedgerSuite
from trackteroid.commits.filtering import CommitFilter, select
from trackteroid.commits.indexing import MOST_WORDS
from trackteroid.commits.state import CommitState


class IndexSuite(LedgerSuite):
    def found(self, *words: str, limit: int | None = None, **wanted: Any) -> list[str]:
        filter_ = CommitFilter(**wanted)
        return [each.id for each in select(self.ledger, filter_, now=self.clock.now, limit=limit, words=words)]

    def put(self, name: str, **facts: Any) -> None:
        self.enqueue(name, **facts)
        self.clock.advance(1)

    def test_commits_are_found_by_words_tags_and_ids(self) -> None:
        self.put("c1", user="Anna@studio.example", context={"project": "big_chase", "asset": "hero_comp"})
        self.put("c2", user="ben", context={"project": "bc, other"}, labels={"farm_job": "42"})
        assert self.found(user="anna") == self.found(user="ANNA@studio.example") == ["c1"]
        assert self.found(user="an*") == ["c1"]
        assert self.found(project="other") == self.found(project="b?") == ["c2"]
        assert self.found(project="b*") == ["c2", "c1"]
        assert self.found(labels={"farm_job": "42"}) == self.found(labels={"farm_job": "4*"}) == ["c2"]
        assert self.found("hero") == self.found("HERO_comp", "anna*") == self.found("c1") == ["c1"]
        assert self.found("hero", user="ben") == self.found("nothing") == self.found(user="nobody*") == []

    def test_versions_that_were_given_are_words_too(self) -> None:
        self.put("c1")
        assert self.found("v012") == []
        self.ledger.complete(self.claim(), result={"versions": {"v": 12}})
        assert self.found("v012") == self.found("v12", states=(CommitState.COMMITTED,)) == ["c1"]
        assert self.found("v12", states=(CommitState.DEAD,)) == []

    def test_the_words_of_a_commit_go_with_it(self) -> None:
        self.put("c1", user="anna")
        self.ledger.complete(self.claim(), result={"versions": {"v": 12}})
        self.clock.advance(POLICY.retention_seconds)
        assert self.ledger.purge() == 1
        assert self.found("anna") == self.found("v12") == []
        assert self.ledger.words_like("*") == []

    def test_a_commit_of_very_many_words_is_found_by_each(self) -> None:
        labels = {f"n{number}": f"value{number}" for number in range(MOST_WORDS)}
        self.put("many", labels=labels)
        self.put("few", labels={"n1": "value1"})
        assert self.found("value60") == self.found(labels={"n60": "value60"}) == ["many"]
        assert self.found("value1") == ["few", "many"]

    def test_very_long_words_are_found(self) -> None:
        name = "a" * 150
        self.put("long", user=name)
        self.put("other", user=name + "b")
        assert self.found(user=name) == ["long"]
        assert self.found(user="a*b") == ["other"]

    def test_words_may_hold_anything(self) -> None:
        self.put("c1", user='ÄNNE "x" \\', context={"project": "日本"})
        assert self.found(user='änne "x" \\') == self.found(project="日*") == ["c1"]

    def test_brackets_are_letters_like_others(self) -> None:
        self.put("c1", user="anna", context={"project": "[test] show"}, labels={"job": "[7]"})
        self.put("c2", user="ben", context={"project": "t"}, labels={"job": "7"})
        assert self.found(project="[test] show") == self.found(labels={"job": "[7]"}) == ["c1"]

    def test_names_of_files_in_an_old_encoding_keep_nothing_from_being_accepted(self) -> None:
        self.put("c1", user="j\udcf6rg", context={"project": "b\udce4r", "paths": ["/show/b\udce4r_v001.exr"]})
        assert self.found("v001") == self.found(user="j\udcf6rg") == self.found(project="b?r") == ["c1"]

    @pytest.mark.parametrize("seed", range(3))
    def test_whatever_is_asked_the_index_answers_as_a_comparison_of_all_does(self, seed: int) -> None:
        chance = random.Random(seed)
        names = ["anna", "ben", "cleo", "anton"]
        for number in range(60):
            self.enqueue(
                f"c{number:02}",
                user=chance.choice(names),
                context={"project": chance.choice(["bc", "show_a, show_b", "show_c"]), "asset": f"a{number % 7}"},
                labels={"job": str(chance.randrange(4))},
            )
            if chance.random() < 0.5:
                self.clock.advance(1)
            if chance.random() < 0.2:
                self.ledger.bury(self.claim(), error=PERMANENT)
        everything = self.ledger.list(limit=1000)
        for _ in range(40):
            wanted: dict[str, Any] = {}
            if chance.random() < 0.5:
                wanted["user"] = chance.choice([*names, "an*", "*n*"])
            if chance.random() < 0.5:
                wanted["project"] = chance.choice(["bc", "show_a", "show_*", "*"])
            if chance.random() < 0.3:
                wanted["labels"] = {"job": chance.choice(["1", "[12]", "9"])}
            if chance.random() < 0.4:
                wanted["states"] = tuple(chance.sample([CommitState.QUEUED, CommitState.DEAD, CommitState.HELD], 2))
            limit = chance.choice([None, 1, 5])
            expected = [commit.id for commit in everything if CommitFilter(**wanted).fits(commit)]
            assert self.found(limit=limit, **wanted) == expected[:limit]
