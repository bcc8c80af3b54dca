"""What is left of a batch that may have been applied, row by row."""

from __future__ import annotations

from typing import Any

from trackteroid.commits.batch import Payload
from trackteroid.commits.members import Deltas
from trackteroid.commits.reconciliation import UNKNOWN_BASE, Plan, plan_remaining, questions, read_answers
from trackteroid.commits.schemas import Schemas
from trackteroid.operations.manifest import Delta
from trackteroid.operations.operation import key_text

SCHEMAS = Schemas(
    [
        {"id": "AssetVersion", "primary_key": ["id"], "properties": {"id": {"type": "string"}}},
        {"id": "Task", "primary_key": ["id"], "properties": {"bid": {"type": "number"}, "status": {"$ref": "Status"}}},
        {"id": "Metadata", "primary_key": ["parent_id", "key"], "properties": {"value": {"type": "string"}}},
    ]
)


def create(key: str, **data: Any) -> Payload:
    return payload("create", "AssetVersion", [key], id=key, **data)


def update(key: str, **data: Any) -> Payload:
    return payload("update", "Task", [key], **data)


def delete(key: str) -> Payload:
    return {"action": "delete", "entity_type": "Task", "entity_key": [key]}


def payload(action: str, entity_type: str, entity_key: list[str], **data: Any) -> Payload:
    data = {"__entity_type__": entity_type, **data}
    return {"action": action, "entity_type": entity_type, "entity_key": entity_key, "entity_data": data}


def plan(
    batch: list[Payload],
    there: dict[str, dict[str, Any]],
    bases: dict[tuple[str, str], Any] | None = None,
    deltas: Deltas | None = None,
    *,
    long_ago: bool = False,
) -> Plan:
    """`there`: "Type id" to its row; `bases`: (id, attribute) to its base."""
    found = {(name.split()[0], tuple(name.split()[1:])): row for name, row in there.items()}
    known = bases or {}
    return plan_remaining(
        batch,
        found,
        SCHEMAS,
        lambda kind, key, name: known.get((key[0], name), UNKNOWN_BASE),
        deltas,
        long_ago=long_ago,
    )


VERSION_1, VERSION_2, VERSION_3 = create("1"), create("2"), create("3")


def test_all_creates_exist_nothing_is_sent() -> None:
    left = plan([VERSION_1, VERSION_2], {"AssetVersion 1": {}, "AssetVersion 2": {}})
    assert (left.send, left.done, left.notes) == ([], 2, [])


def test_no_create_exists_everything_is_sent() -> None:
    batch = [VERSION_1, update("t", bid=3), VERSION_2]
    assert plan(batch, {"Task t": {"bid": 1}}).send == batch


def test_a_server_that_stopped_half_way_gets_the_rest() -> None:
    batch = [VERSION_1, VERSION_2, VERSION_3, update("t", bid=3)]
    left = plan(batch, {"AssetVersion 1": {}, "Task t": {"bid": 1}}, {("t", "bid"): 1})
    assert left.send == batch[1:]


def test_what_a_person_has_removed_since_is_not_created_again() -> None:
    left = plan([VERSION_1, VERSION_2], {"AssetVersion 2": {}})
    assert left.send == []
    assert left.notes == ["AssetVersion 1 was created and has been removed since; it is not created again."]


def test_an_update_of_a_removed_entity_is_left_out_with_it() -> None:
    gone = payload("update", "AssetVersion", ["1"], comment="x")
    left = plan([VERSION_1, VERSION_2, gone], {"AssetVersion 2": {}})
    assert left.send == []


def test_an_update_whose_value_is_there_is_done() -> None:
    assert plan([update("t", bid=3)], {"Task t": {"bid": 3.0}}, {("t", "bid"): 1}).send == []


def test_an_update_whose_base_is_still_there_is_sent() -> None:
    assert plan([update("t", bid=3)], {"Task t": {"bid": 1}}, {("t", "bid"): 1}).send == [update("t", bid=3)]


def test_only_the_attributes_that_are_left_are_sent() -> None:
    left = plan([update("t", bid=3, name="x")], {"Task t": {"bid": 3, "name": "old"}}, {("t", "name"): "old"})
    assert left.send == [update("t", name="x")]


def test_a_value_that_somebody_changed_since_is_superseded() -> None:
    left = plan([update("t", bid=3)], {"Task t": {"bid": 7}}, {("t", "bid"): 1})
    assert left.send == []
    assert left.notes == ["Task t.bid was not written: it has been changed by somebody else since (superseded)."]


def test_without_a_base_and_without_evidence_an_update_is_sent() -> None:
    assert plan([update("t", bid=3)], {"Task t": {"bid": 7}}).send == [update("t", bid=3)]


def test_after_a_long_time_what_nothing_tells_of_is_left_alone() -> None:
    left = plan([update("t", bid=3), update("u", bid=4)], {"Task t": {"bid": 7}}, long_ago=True)
    assert left.send == []
    assert "Task t.bid was not written" in left.notes[0] and "trackteroid recording commit" in left.notes[0]
    assert left.notes[1] == "Task u is gone; nobody knows whether it had been updated before."
    # A base tells, and so does what it creates.
    known = {("t", "bid"): 7}
    assert plan([update("t", bid=3)], {"Task t": {"bid": 7}}, known, long_ago=True).send == [update("t", bid=3)]
    assert plan([update("t", bid=3)], {"Task t": {"bid": 3}}, long_ago=True).notes == []
    new = [VERSION_1, update("t", bid=3)]
    assert plan(new, {"Task t": {"bid": 7}}, long_ago=True).send == new


def test_after_a_long_time_a_collection_is_left_alone_too() -> None:
    delta = Delta(entity=key_text("Task", ["t"]), attribute="lists", added=(key_text("AssetVersion", ["2"]),))
    deltas = {("Task", ("t",), "lists"): delta}
    member = {"__entity_type__": "AssetVersion", "id": "2"}
    change = update("t", lists=[member])
    assert plan([change], {"Task t": {"lists": []}}, deltas=deltas).send == [change]
    left = plan([change], {"Task t": {"lists": []}}, deltas=deltas, long_ago=True)
    assert (left.send, len(left.notes)) == ([], 1)
    there = plan([change], {"Task t": {"lists": [member]}}, deltas=deltas, long_ago=True)
    assert (there.send, there.notes) == ([], [])


def test_with_evidence_that_the_batch_was_applied_another_value_is_superseded() -> None:
    left = plan([update("t", bid=3), VERSION_1], {"Task t": {"bid": 7}, "AssetVersion 1": {}})
    assert left.send == []
    assert len(left.notes) == 1


def test_the_update_of_an_entity_created_half_way_is_sent() -> None:
    change = payload("update", "AssetVersion", ["1"], comment="x")
    assert plan([VERSION_1, VERSION_2, change], {"AssetVersion 1": {"comment": None}, "AssetVersion 2": {}}).send == [
        change
    ]


def test_an_update_of_something_that_is_not_there_is_left_to_the_servers_refusal() -> None:
    assert plan([update("t", bid=3)], {}).send == [update("t", bid=3)]


def test_a_delete_whose_row_is_gone_is_done() -> None:
    assert plan([delete("t")], {}).send == []
    assert plan([delete("t")], {"Task t": {}}).send == [delete("t")]


def test_references_are_compared_by_key() -> None:
    wanted = update("t", status={"__entity_type__": "Status", "id": "s"})
    row = {"status": {"__entity_type__": "Status", "id": "s", "name": "Done"}}
    assert plan([wanted], {"Task t": row}).send == []


def test_the_questions_cover_the_batch_type_by_type() -> None:
    metadata = payload("update", "Metadata", ['p"', "k"], value="v")
    asked = questions([VERSION_1, update("t", bid=3), VERSION_2, update("u", name="x"), metadata, delete("w")], SCHEMAS)
    assert [question.expression for question in asked] == [
        'select id, version from AssetVersion where id in ("1", "2")',
        'select id, bid, name from Task where id in ("t", "u", "w")',
        'select parent_id, key, value from Metadata where (parent_id is "p\\"" and key is "k")',
    ]
    only = questions([VERSION_1, update("t", bid=3)], SCHEMAS, creates_only=True)
    assert [question.entity_type for question in only] == ["AssetVersion"]


def test_many_keys_are_asked_for_in_several_questions() -> None:
    asked = questions([create(str(number)) for number in range(600)], SCHEMAS)
    assert len(asked) == 3
    answers = [{"data": [{"id": "5", "__entity_type__": "AssetVersion"}]}, {"data": []}, {"data": []}]
    assert set(read_answers(asked, answers, SCHEMAS)) == {("AssetVersion", ("5",))}


def row(value: str, action: str = "create") -> Payload:
    own = {"parent_id": "t", "key": "k", "parent_type": "Task"} if action == "create" else {}
    return payload(action, "Metadata", ["t", "k"], **own, value=value)


def test_a_row_that_anybody_may_have_made_tells_nothing_of_the_batch() -> None:
    left = plan([VERSION_1, row("mine")], {"Metadata t k": {"value": "theirs"}})
    assert left.send == [VERSION_1, row("mine", "update")]
    assert plan([VERSION_1, row("mine")], {"Metadata t k": {"value": "mine"}}).send == [VERSION_1]


def test_a_row_of_what_the_batch_creates_tells_that_it_was_applied() -> None:
    own = payload("create", "Metadata", ["1", "k"], parent_id="1", key="k", value="mine")
    assert plan([VERSION_1, own], {"Metadata 1 k": {"value": "changed since"}}).send == []


def test_a_row_alone_that_has_another_value_is_superseded() -> None:
    """It was not there when it was recorded; perhaps we made it, and somebody has changed it since."""
    left = plan([row("mine")], {"Metadata t k": {"value": "theirs"}})
    assert (left.send, "superseded" in left.notes[0], left.has_untold) == ([], True, True)


def test_the_values_of_rows_are_asked_for() -> None:
    (asked,) = questions([row("mine")], SCHEMAS)
    assert asked.expression == 'select parent_id, key, value from Metadata where (parent_id is "t" and key is "k")'


def test_what_is_updated_and_deleted_and_gone_is_done() -> None:
    assert plan([update("t", bid=3), delete("t")], {}).send == []


def test_large_numbers_are_told_apart() -> None:
    wanted = update("t", bid=2**53 + 1)
    assert plan([wanted], {"Task t": {"bid": 2**53}}, {("t", "bid"): 2**53}).send == [wanted]
    assert plan([update("t", bid=10**400)], {"Task t": {"bid": 10**400}}).send == []
