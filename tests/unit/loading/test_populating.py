"""What `populate` asks."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.session_pair import Pair
from tests.unit.loading.conftest import Wire


def asked(wire: Wire, session: Any) -> list[str]:
    return [
        item["expression"]
        for body in wire.sent.get(session.server_url, [])
        for item in json.loads(body)
        if item["action"] == "query"
    ]


def populate(pair: Pair, wire: Wire, make: Any, projections: str = "name") -> list[list[str]]:
    made = [make(session) for session in pair]
    wire.sent.clear()
    for session, entities in zip(pair, made, strict=True):
        session.populate(entities, projections)
    return [asked(wire, session) for session in pair]


def known(session: Any, count: int) -> list[Any]:
    return [session.create("Task", {"id": f"t-{number}"}, reconstructing=True) for number in range(count)]


@pytest.mark.parametrize("count", [0, 1, 2, 499, 500])
def test_up_to_a_page_of_entities_the_client_and_we_ask_the_same(pair: Pair, wire: Wire, count: int) -> None:
    theirs, ours = populate(pair, wire, lambda session: known(session, count))
    assert ours == theirs
    assert len(ours) == min(count, 1)


def test_the_ids_of_more_are_asked_for_in_chunks_each_once(pair: Pair, wire: Wire) -> None:
    _, ours = populate(pair, wire, lambda session: [*known(session, 1001), *known(session, 1001)])
    ids = [text.split(" in (")[1].split(")")[0].split(",") for text in ours[:2]]
    assert [len(part) for part in ids] == [500, 500]
    assert "id is t-1000" in ours[2]
    assert len({key for part in ids for key in part}) == 1000
    assert len(ours) == 3


def test_composite_keys_are_asked_for_as_the_client_does(pair: Pair, wire: Wire) -> None:
    def links(session: Any) -> list[Any]:
        return [
            session.create("NoteLabelLink", {"note_id": f"n{number}", "label_id": "l"}, reconstructing=True)
            for number in range(2)
        ]

    outcomes = pair.both(lambda session: session.populate(links(session), "note.content"))
    assert outcomes[0] == outcomes[1]
    assert asked(wire, pair.ours)[-1:] == asked(wire, pair.theirs)[-1:]


def test_entities_that_are_not_committed_yet_are_left_out(pair: Pair, wire: Wire) -> None:
    def mixed(session: Any) -> list[Any]:
        created = session.create("Task", {"id": "new", "name": "new"})
        passing = session.create("Task", {"id": "passing", "name": "passing"})
        session.delete(passing)
        changed = known(session, 1)[0]
        changed["name"] = "changed"
        return [created, passing, changed]

    theirs, ours = populate(pair, wire, mixed)
    assert ours == theirs
    assert "new" not in ours[0]


def test_one_entity_needs_no_list(pair: Pair, wire: Wire) -> None:
    theirs, ours = populate(pair, wire, lambda session: known(session, 1)[0], "name, parent.name")
    assert ours == theirs == ["select name, parent.name from Task where id is t-0 offset 0 limit 500"]
