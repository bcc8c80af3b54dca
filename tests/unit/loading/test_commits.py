"""What a commit sends, and what it leaves in memory: the client's, at a cost in proportion to what is sent."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import ftrack_api
import ftrack_api.entity.base
import ftrack_api.operation
import pytest
from ftrack_api.symbol import NOT_SET

from tests.support.session_pair import Pair
from tests.unit.loading.conftest import Open, Wire
from trackteroid.committing import batch_of
from trackteroid.session import Session

Work = Callable[[Any], Any]


@pytest.fixture
def pair(connect: Open, monkeypatch: pytest.MonkeyPatch) -> Pair:
    """Sessions of their own: commits change what later tests would find."""
    return Pair(connect(ftrack_api.Session), connect(Session), monkeypatch)


def commit(pair: Pair, wire: Wire, work: Work) -> list[Any]:
    """Do `work` and commit, both; return what was sent by both."""
    assert pair.agree(work) is None
    wire.sent.clear()
    theirs, ours = pair.both(lambda session: session.commit())
    assert ours == theirs
    pair.check("committed")
    sent = [
        [body for body in wire.sent.get(session.server_url, []) if '"action": "query"' not in body] for session in pair
    ]
    assert sent[1] == sent[0]
    return [json.loads(body) for body in sent[1]]


def shot(session: Any) -> Any:
    return session.query("select name, children.name, metadata, custom_attributes, status.name from Shot").first()


def test_creates_updates_references_and_dates(pair: Pair, wire: Wire) -> None:
    def work(session: Any) -> None:
        parent = shot(session)
        task = session.create("Task", {"name": "one", "parent": parent, "bid": 3.5})
        note = session.create("Note", {"content": "text", "author": session.query("User").first()})
        parent["notes"].append(note)
        task["name"] = "two"
        task["start_date"] = ftrack_api.session.arrow.get("2024-03-01T09:30:00+02:00")
        task["status"] = session.query("Status").first()
        task["name"] = "three"

    (batch,) = commit(pair, wire, work)
    assert [item["action"] for item in batch].count("create") == 2
    assert "three" in json.dumps(batch)
    assert "two" not in json.dumps(batch)


def test_deletes_and_what_was_created_and_deleted_before(pair: Pair, wire: Wire) -> None:
    def work(session: Any) -> None:
        session.delete(session.create("Task", {"name": "passing", "parent": shot(session)}))
        session.delete(session.query("select id from Note").first())

    (batch,) = commit(pair, wire, work)
    assert [item["action"] for item in batch] == ["delete"]


def test_operations_without_effect_stay_pending_as_with_the_client(pair: Pair, wire: Wire) -> None:
    def work(session: Any) -> None:
        found = shot(session)
        found["name"] = "changed"
        del found["name"]

    assert commit(pair, wire, work) == []
    assert len(pair.ours.recorded_operations) == 2


def test_metadata_custom_attributes_and_collections(pair: Pair, wire: Wire) -> None:
    def work(session: Any) -> None:
        found = shot(session)
        found["metadata"]["new key"] = "value"
        for key in list(found["custom_attributes"].keys())[:1]:
            found["custom_attributes"][key] = "12"
        found["children"].pop()

    assert len(commit(pair, wire, work)) == 1


def test_local_values_of_what_the_commit_has_nothing_to_do_with_go_too(pair: Pair, wire: Wire) -> None:
    """As with the client, which clears all that is cached: local copies of collections, changes without operations."""

    def work(session: Any) -> None:
        first, second, third = session.query("select name, children.name, status from Shot").all()[:3]
        first["name"] = "sent"
        assert len(second["children"]) >= 0
        with session.operation_recording(False):
            second["name"] = "never sent"
            third["status"] = session.query("Status").first()
            third["children"].pop()

    commit(pair, wire, work)
    shots = pair.ours.query("select id from Shot").all()
    assert shots[1]._ftrack_attribute_storage["children"]["local"] is NOT_SET
    assert shots[1]["name"] != "never sent"


def test_what_is_not_cached_keeps_its_local_values(pair: Pair, wire: Wire) -> None:
    def work(session: Any) -> None:
        first, second = session.query("select name from Shot").all()[:2]
        first["name"] = "sent"
        with session.operation_recording(False):
            second["name"] = "kept"
        session.kept = second
        session.cache.remove(session.cache_key_maker.key(("Shot", [second["id"]])))

    commit(pair, wire, work)
    assert [session.kept["name"] for session in pair] == ["kept", "kept"]


def test_a_refused_batch_stays_pending_with_its_local_values(pair: Pair, wire: Wire) -> None:
    def work(session: Any) -> None:
        session.create("Task", {"name": "no parent", "parent_id": "nonesuch", "project_id": "nonesuch"})
        shot(session)["name"] = "waits"

    commit(pair, wire, work)
    assert len(pair.ours.recorded_operations) > 0
    pair.agree(lambda session: session.rollback())
    assert len(pair.ours.recorded_operations) == 0


def test_an_unknown_operation_is_refused(pair: Pair) -> None:
    theirs, ours = pair.both(
        lambda session: (session.recorded_operations.push(ftrack_api.operation.Operation()), session.commit())
    )
    assert ours == theirs
    assert ours.startswith("ValueError: Cannot commit. Unrecognised operation type")


def test_what_another_thread_records_meanwhile_stays_pending(
    pair: Pair, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = pair.ours

    def edit(session: Any) -> None:
        first, session.second = session.query("select name, description from Shot").all()[:2]
        first["description"] = "mine"

    pair.agree(edit)
    # The servers have to stay equal for other tests.
    pair.theirs.commit()

    def record() -> None:
        session.second["description"] = "later"

    class Handing:
        def post(self, url: str, **rest: Any) -> Any:
            thread = threading.Thread(target=record)
            thread.start()
            thread.join()
            return wire(self, url, **rest)

        def close(self) -> None:
            """Nothing to close."""

    monkeypatch.setattr(session, "_managed_request", Handing())
    session.commit()
    assert [operation.new_value for operation in session.recorded_operations] == ["later"]


def test_local_values_of_a_class_that_came_later_are_found(pair: Pair, wire: Wire) -> None:
    """Nobody noted them while they were set."""

    def work(session: Any) -> None:
        factory = ftrack_api.entity.factory.StandardFactory()
        session.types["Shot"] = factory.create(next(schema for schema in session.schemas if schema["id"] == "Shot"))
        first, second = session.query("select name, children.name from Shot").all()[:2]
        assert len(first["children"]) >= 0
        second["description"] = "sent"

    assert len(commit(pair, wire, work)) == 1
    assert len(commit(pair, wire, lambda session: shot(session).__setitem__("description", "noted"))) == 1


@pytest.mark.parametrize("seed", range(20))
def test_any_sequence_of_operations_makes_the_clients_batch(pair: Pair, wire: Wire, seed: int) -> None:
    random = Random(seed)
    kinds = ftrack_api.operation
    operations: list[Any] = []
    for _ in range(random.randint(1, 25)):
        key = {"id": random.choice("ab")}
        name, value = random.choice(("name", "bid")), random.choice((1, 2, NOT_SET))
        operations.append(
            random.choice(
                (
                    lambda key=key, name=name, value=value: kinds.CreateEntityOperation("Task", key, {name: value}),
                    lambda key=key, name=name, value=value: kinds.UpdateEntityOperation("Task", key, name, 0, value),
                    lambda key=key, name=name, value=value: kinds.UpdateEntityOperation("Task", key, name, 0, value),
                    lambda key=key, name=name, value=value: kinds.UpdateEntityOperation("Shot", key, name, 0, value),
                    lambda key=key, name=name, value=value: kinds.DeleteEntityOperation("Task", key),
                )
            )()
        )
    for operation in operations:
        pair.theirs.recorded_operations.push(operation)
    sent: list[Any] = []
    pair.theirs.call = lambda batch: sent.append(json.loads(pair.theirs.encode(batch))) or []
    pair.theirs.commit()
    assert [json.loads(json.dumps(batch_of(operations)))] == (sent or [[]])


def test_an_entity_not_touched_does_not_cost_anything(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    session = pair.ours
    shots = session.query("select name from Shot").all()
    stored = {entity["id"]: len(entity._ftrack_attribute_storage) for entity in shots}
    touched: list[Any] = []
    monkeypatch.setattr(ftrack_api.entity.base.Entity, "__iter__", lambda entity: iter(touched.append(entity) or ()))
    shots[0]["name"] = shots[0]["name"]
    session.commit()
    assert touched == []
    assert {entity["id"]: len(entity._ftrack_attribute_storage) for entity in shots[1:]} == {
        entity["id"]: stored[entity["id"]] for entity in shots[1:]
    }


def test_a_rollback_leaves_what_the_client_leaves(pair: Pair, wire: Wire) -> None:
    def work(session: Any) -> None:
        first, second, third = session.query("select name, children.name, metadata, status from Shot").all()[:3]
        task = session.create("Task", {"name": "new", "parent": first})
        first["children"].append(task)
        first["name"] = "never"
        second["metadata"]["key"] = "value"
        assert len(third["children"]) >= 0
        session.delete(third)
        with session.operation_recording(False):
            third["status"] = session.query("Status").first()

    assert pair.agree(work) is None
    wire.sent.clear()
    pair.agree(lambda session: session.rollback())
    assert wire.sent == {}
    assert len(pair.ours.recorded_operations) == 0
    assert pair.ours.query("select id from Shot").first()["name"] != "never"


def test_a_rollback_does_not_touch_what_has_no_local_values(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    session = pair.ours
    shots = session.query("select name from Shot").all()
    stored = {entity["id"]: len(entity._ftrack_attribute_storage) for entity in shots}
    touched: list[Any] = []
    monkeypatch.setattr(ftrack_api.entity.base.Entity, "__iter__", lambda entity: iter(touched.append(entity) or ()))
    shots[0]["name"] = "never"
    session.rollback()
    assert touched == []
    assert shots[0]["name"] != "never"
    assert {entity["id"]: len(entity._ftrack_attribute_storage) for entity in shots[1:]} == {
        entity["id"]: stored[entity["id"]] for entity in shots[1:]
    }


def test_a_rollback_leaves_alone_what_a_block_in_another_thread_has_done(pair: Pair, tmp_path: Path) -> None:
    session = pair.ours
    first, second = session.query("select name from Shot").all()[:2]
    first_name = first["name"]
    entered, rolled_back = threading.Event(), threading.Event()
    seen: list[str] = []

    def record() -> None:
        with session.deferred_operations(tmp_path / "block.dbm"):
            second["name"] = "deferred"
            entered.set()
            rolled_back.wait(30)
            seen.append(second["name"])

    thread = threading.Thread(target=record)
    thread.start()
    assert entered.wait(30)
    first["name"] = "never"
    session.rollback()
    rolled_back.set()
    thread.join()
    assert seen == ["deferred"]
    assert first["name"] == first_name


def test_a_rollback_in_a_block_takes_back_what_the_block_did(pair: Pair, tmp_path: Path) -> None:
    session = pair.ours
    first, second = session.query("select name from Shot").all()[:2]
    name = second["name"]
    first["name"] = "pending"
    with session.deferred_operations(tmp_path / "block.dbm") as block:
        second["name"] = "never"
        session.rollback()
        assert second["name"] == name
    assert block.recording.operations == ()
    assert [operation.new_value for operation in session.recorded_operations] == ["pending"]
    session.rollback()
