"""Which keys of a recording say what it has to do with others."""

from __future__ import annotations

from tests.support.recordings import create, delete, recorded, update
from trackteroid.commits.order import Order, column, entities_in, entity_name, order_of
from trackteroid.operations.manifest import Delta
from trackteroid.operations.operation import UpdateOperation, key_text
from trackteroid.operations.recording import Recording


def reference(entity_type: str, key: str) -> dict[str, str]:
    return {"__entity_type__": entity_type, "id": key}


def test_a_publish_needs_what_it_refers_to_and_stands_in_line_for_its_asset() -> None:
    order = order_of(
        recorded(
            create("AssetVersion", "v1", task_id="t1", comment="x"),
            update("AssetVersion", "v1", "asset", reference("Asset", "a1")),
            create("Component", "c1"),
            update("Component", "c1", "version", reference("AssetVersion", "v1")),
            update("Task", "t1", "status", reference("Status", "s1")),
        )
    )
    assert order.created == ("v1", "c1")
    assert set(order.needed) == {"t1", "a1", "s1"}
    assert order.written == (("t1", "status"),)
    assert order.assets == ("a1",)
    assert order.recorded_at == 1767225600.0


def test_an_asset_given_by_its_foreign_key_is_a_lane_too() -> None:
    assert order_of(recorded(create("AssetVersion", "v1", asset_id="a1"))).assets == ("a1",)


def test_two_names_of_one_column_are_one() -> None:
    assert order_of(recorded(update("Task", "t", "status_id", "s"))).written == (("t", "status"),)
    assert column("status_id") == column("status") == "status"
    assert column("_id") == "_id"


def test_names_with_half_characters_stay_different_and_are_text() -> None:
    keys = [
        "a\udc80",
        "a\udc81",
        "a\ufffd",
        "a\ufffddc80",
        "a\ufffdfffddc80",
        "a\ud83d\ude00",
        "a\U0001f600",
        "a",
        "\u00e4",
    ]
    assert len({entity_name([key]).encode() for key in keys}) == len(keys)
    assert (entity_name(["a", "b"]), entity_name(["\u00e4"])) == ("a/b", "\u00e4")
    assert len({column(key).encode() for key in keys}) == len(keys)
    assert set(entities_in("task_id", "a\udc80")) == {entity_name(["a\udc80"])}


def test_deletes_need_and_delete() -> None:
    order = order_of(recorded(delete("Task", "t"), create("Task", "n"), delete("Task", "n")))
    assert (order.deleted, order.needed, order.created) == (("t",), ("t",), ("n",))


def test_a_collection_that_changed_is_in_order_but_never_void() -> None:
    operation = update("Task", "t", "lists", [reference("List", "l1"), reference("List", "l2")])
    plain = recorded(operation)
    assert plain.manifest is not None
    delta = Delta(entity=key_text("Task", ["t"]), attribute="lists", added=(key_text("List", ["l2"]),))
    manifest = type(plain.manifest).from_json({**plain.manifest.to_json(), "deltas": [vars(delta)]})
    order = order_of(Recording(plain.operations, {}, manifest))
    assert (order.written, order.changed) == ((), (("t", "lists"),))


def test_a_file_of_the_original_library_is_ordered_by_its_operations() -> None:
    operation = UpdateOperation(
        entity_type="AssetVersion",
        entity_key={"id": "v1"},
        attribute_name="asset",
        old_value=None,
        new_value=key_text("Asset", ["a1"]),
    )
    order = order_of(Recording((create("AssetVersion", "v1"), operation)), depends_on=["x", "x"])
    assert (order.needed, order.assets, order.recorded_at, order.depends_on) == (("a1",), ("a1",), None, ("x",))


def test_what_has_nothing_to_do_with_others_costs_nothing() -> None:
    assert Order(recorded_at=5.0).to_json() == ""
    assert order_of(Recording(())).to_json() == ""
