"""What a result says about a commit that sent nothing."""

from __future__ import annotations

from typing import Any

import pytest

from trackteroid.commits.result import Skipped, result_of

_UPDATE: dict[str, Any] = {
    "action": "update",
    "entity_type": "Task",
    "entity_key": ["t1"],
    "entity_data": {"__entity_type__": "Task", "bid": 1},
}


@pytest.mark.parametrize(
    ("reason", "there"), [("superseded", False), ("conflict", False), ("unchecked", True), (None, True)]
)
def test_what_was_left_out_is_not_said_to_have_been_there(reason: str | None, there: bool) -> None:
    skipped = [Skipped(entity_type="Task", key="t1", attribute="bid", reason=reason)] if reason else []
    result = result_of([_UPDATE], [], [], {("Task", ("t1",)): {"bid": 1}}, [], skipped)
    assert (result.sent_operations, result.already_there) == (0, there)
    assert len(result.notes) == len(skipped)


def test_what_was_sent_was_not_there() -> None:
    assert not result_of([_UPDATE], [_UPDATE], [{"action": "update", "data": {}}], {}, []).already_there


def test_only_what_was_sent_or_found_is_said_to_have_been_created() -> None:
    batch = [{"action": "create", "entity_type": "AssetVersion", "entity_key": [key]} for key in ("v1", "v2", "v3")]
    found = {("AssetVersion", ("v1",)): {"__entity_type__": "AssetVersion", "id": "v1", "version": 3}}
    answers = [{"action": "create", "data": {"__entity_type__": "AssetVersion", "id": "v3", "version": 4}}, "odd", None]
    result = result_of(batch, batch[2:], answers, found, [])
    assert (dict(result.created), dict(result.versions)) == ({"AssetVersion": ["v1", "v3"]}, {"v1": 3, "v3": 4})
    assert dict(result_of(batch, batch, [], {}, []).created) == {"AssetVersion": ["v1", "v2", "v3"]}
