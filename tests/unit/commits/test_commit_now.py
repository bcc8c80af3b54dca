from __future__ import annotations

import pytest

from tests.support.canned_server import CannedServer, refusal
from tests.support.recordings import create, recorded, update
from trackteroid.commits.committer import commit_now
from trackteroid.errors import RecordingRefusedError, ServerCallError

PUBLISH = recorded(create("AssetVersion", "v1"), create("Component", "c1", name="main"), update("Task", "t1", "bid", 3))


def server() -> CannedServer:
    return CannedServer({("Task", "t1"): {"bid": 1}})


def test_a_recording_is_committed_and_its_result_told() -> None:
    there = server()
    result = commit_now(there, PUBLISH)
    assert (result.created, result.versions) == ({"AssetVersion": ["v1"], "Component": ["c1"]}, {"v1": 1})
    assert (result.sent_operations, result.already_there) == (3, False)
    assert there.rows["Task", "t1"]["bid"] == 3


def test_a_second_time_nothing_is_sent() -> None:
    there = server()
    commit_now(there, PUBLISH)
    there.rows["Task", "t1"]["bid"] = 99
    result = commit_now(there, PUBLISH)
    assert result.already_there
    assert result.created == {"AssetVersion": ["v1"], "Component": ["c1"]}
    assert len(there.writes) == 1
    assert there.rows["Task", "t1"]["bid"] == 99


def test_updates_alone_are_sent_without_asking() -> None:
    there = server()
    commit_now(there, recorded(update("Task", "t1", "bid", 3)))
    assert (there.queries, len(there.writes)) == (0, 1)


def test_what_half_an_earlier_commit_left_is_sent() -> None:
    there = server()
    there.rows["AssetVersion", "v1"] = {}
    commit_now(there, PUBLISH)
    assert ("Component", "c1") in there.rows
    assert [item["entity_type"] for item in there.writes[0]] == ["Component", "Task"]


def test_somebody_else_committing_it_at_the_same_time_is_no_error() -> None:
    there = server()
    asked = there.exchange

    def exchange(batch, *, timeout=None):  # type: ignore[no-untyped-def]
        # The other one writes between our question and our request.
        if batch[0]["action"] == "create" and ("AssetVersion", "v1") not in there.rows:
            asked(batch, timeout=timeout)
        return asked(batch, timeout=timeout)

    there.exchange = exchange  # type: ignore[method-assign]
    result = commit_now(there, PUBLISH)
    assert result.already_there
    assert len(there.effects) == 3


def test_a_refusal_is_raised() -> None:
    there = server()
    there.before.append(refusal("ValidationError", "no"))
    with pytest.raises(ServerCallError, match=r"ValidationError\(no\)"):
        commit_now(there, PUBLISH)


def test_what_the_server_does_not_know_is_refused_before_anything_is_asked() -> None:
    there = server()
    with pytest.raises(RecordingRefusedError, match=r"does not know the attribute Task\.colour"):
        commit_now(there, recorded(update("Task", "t1", "colour", "red")))
    assert there.queries == 0
