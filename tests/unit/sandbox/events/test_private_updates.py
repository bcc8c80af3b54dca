"""Update events tell a user without access nothing about the private project, whatever happens there and around it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.sandbox.private_world import OUTSIDER, crossing_rows
from tests.unit.sandbox.test_private_projects import CLOSED, OPEN, SCHEMA, hidden_rows, operation, send, world
from trackteroid.sandbox.api import Api
from trackteroid.sandbox.committed import Committed
from trackteroid.sandbox.errors import ApiError
from trackteroid.sandbox.events.updates import update_events
from trackteroid.sandbox.schema import Kind
from trackteroid.sandbox.seeds import API_KEY, API_USER

OUTSIDER_ID = f"common-{OUTSIDER}"
EVERYBODY = {"username": API_USER, "api_key": API_KEY}


class Ears:
    """What the events of an API tell the outsider, and what they tell the one who sees everything."""

    def __init__(self, api: Api) -> None:
        self.outsider: list[Any] = []
        self.everybody: list[Any] = []
        self._storage = api.storage
        (self._insider_id,) = api.storage.column('SELECT "id" FROM "Resource" WHERE "username" = ?', (API_USER,))
        api.on_commit = self._hear

    def _hear(self, committed: Committed) -> None:
        users = (OUTSIDER_ID, self._insider_id)
        told = update_events(self._storage, committed, users, event_id="event", server_id="server")
        for event, members in told:
            if OUTSIDER_ID in members:
                self.outsider.append(event)
            if self._insider_id in members:
                self.everybody.append(event)

    def take(self) -> list[Any]:
        heard, self.outsider = self.outsider, []
        return heard


def entities(events: list[Any]) -> dict[str, Any]:
    return {each["entityId"]: each for event in events for each in event["data"]["entities"]}


@pytest.fixture(scope="module")
def made() -> Iterator[Api]:
    api = world(OPEN, CLOSED, crossing_rows(seen=True))
    yield api
    api.storage.close()


@pytest.fixture
def whole(made: Api) -> Iterator[Api]:
    yield made
    made.storage.restore_copy("made")


@pytest.fixture
def ears(whole: Api) -> Ears:
    return Ears(whole)


def is_silent_about_it(events: list[Any]) -> bool:
    """Every id and every text of the private project starts with the same word."""
    return "closed" not in json.dumps(events)


def test_nothing_is_told_while_the_project_grows_and_when_it_goes() -> None:
    api = world(OPEN)
    try:
        ears = Ears(api)
        send(api, *CLOSED, **EVERYBODY)
        assert ears.take() == []
        send(api, *crossing_rows(seen=True), **EVERYBODY)
        told = ears.take()
        assert is_silent_about_it(told)
        # What has one end here and one there is told without the other, or not at all.
        assert {"crossing-version", "crossing-shot", "crossing-user"} <= set(entities(told))
        assert "thumbid" not in entities(told)["crossing-shot"]["changes"]
        send(api, operation("delete", "Project", "closed-project"), **EVERYBODY)
        assert ears.take() == []
        assert len(ears.everybody) == 3
    finally:
        api.storage.close()


def columns() -> Iterator[tuple[str, str]]:
    for entity_type in SCHEMA.types.values():
        if entity_type.view or entity_type.hidden or entity_type.primary_key != ("id",):
            continue
        for attribute in entity_type.attributes.values():
            if attribute.kind is Kind.KEY and attribute.is_stored and not attribute.hidden:
                yield entity_type.name, attribute.name


def test_no_column_gives_away_what_it_refers_to(whole: Api, ears: Ears) -> None:
    """Every reference of something that all see is set to something that some see, and back."""
    ids: dict[str, list[str]] = {}
    for entity_type, row in hidden_rows(whole):
        # A picture that all see something with is no secret any more.
        is_picture = str(row.get("name")) in ("closed-thumbnail", "closed-attachment")
        if len(entity_type.primary_key) == 1 and not is_picture:
            ids.setdefault(entity_type.table, []).append(str(row["id"]))
    tried = 0
    for name, column in columns():
        entity_type = SCHEMA.type(name)
        target = entity_type.attributes[column].target
        if target is None or target not in SCHEMA:
            continue
        rows = send(whole, {"action": "query", "expression": f"select {column} from {name}"})[0]["data"]
        for row in rows[:1]:
            for identifier in ids.get(SCHEMA.type(target).table, ()):
                for value in (identifier, row.get(column)):
                    try:
                        send(whole, operation("update", name, row["id"], **{column: value}), **EVERYBODY)
                        tried += 1
                    except ApiError:
                        # Immutable, or of a type that can't stand there.
                        continue
                    told = ears.take()
                    assert is_silent_about_it(told), (name, column, told)
    assert tried > 100


def test_what_comes_out_of_the_project_comes_from_nowhere(whole: Api, ears: Ears) -> None:
    move = operation("update", "Asset", "closed-asset", context_id="open-shot", name="free")
    send(whole, move, **EVERYBODY)
    asset = entities(ears.take())["closed-asset"]
    assert asset["changes"] == {
        "context_id": {"old": None, "new": "open-shot"},
        "name": {"old": "closed-asset", "new": "free"},
    }


def test_what_goes_into_the_project_is_not_told(whole: Api, ears: Ears) -> None:
    send(whole, operation("update", "Asset", "open-asset", context_id="closed-shot"), **EVERYBODY)
    assert ears.take() == []


def test_a_picture_that_only_hidden_things_showed_goes_unnoticed(whole: Api, ears: Ears) -> None:
    for picture in ("closed-shot-thumbnail", "closed-version-1-thumbnail", "closed-attachment"):
        send(whole, operation("delete", "FileComponent", picture), **EVERYBODY)
        assert ears.take() == []


def test_a_picture_that_others_show_as_well_is_told_to_be_gone(whole: Api, ears: Ears) -> None:
    send(whole, operation("update", "Shot", "closed-shot", thumbnail_id="common-picture"), **EVERYBODY)
    assert ears.take() == []
    send(whole, operation("delete", "FileComponent", "common-picture"), **EVERYBODY)
    told = ears.take()
    assert entities(told)["common-picture"]["action"] == "remove"
    assert is_silent_about_it(told)


def test_a_configuration_of_the_project_is_not_told_by_a_value_elsewhere(whole: Api, ears: Ears) -> None:
    key = ("closed-own-configuration", "open-shot")
    send(whole, operation("update", "CustomAttributeValue", *key, value="y"), **EVERYBODY)
    assert ears.take() == []
    assert entities(ears.everybody)["open-shot"]["keys"] == ["closed-own-key"]


def test_what_is_seen_of_a_large_request_is_asked_once_per_table(whole: Api, ears: Ears) -> None:
    """Statements that look through the rules of what is hidden are the expensive ones."""

    def asked(first: int, number: int) -> int:
        statements: list[str] = []
        batch = [
            operation("create", "Task", id=f"task-{index}", name=f"task-{index}", parent_id="open-shot")
            for index in range(first, first + number)
        ]
        whole.storage._connection.set_trace_callback(statements.append)
        send(whole, *batch, **EVERYBODY)
        whole.storage._connection.set_trace_callback(None)
        assert len(entities(ears.take())) == number
        return sum('"visible ' in each for each in statements)

    many, few = asked(0, 60), asked(100, 6)
    assert 0 < many == few
