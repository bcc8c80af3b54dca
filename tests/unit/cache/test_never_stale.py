"""No session is ever told what was before a commit that was reported as done before it asked, nor what its user may not see.

Several sessions of several users ask, commit, delete, move, link, reconnect, lose Redis and lose replies, in any order that
hypothesis thinks of. While a commit could not be told to the cache its effect may be noticed late; that ends as soon as who
owes it reaches the cache again.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable
from random import Random
from typing import Any

import fakeredis
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from tests.support.clock import FakeClock
from tests.unit.cache.farm import QUESTIONS, Farm
from tests.unit.cache.worlds import Mutations
from trackteroid.cache.tags import Tags
from trackteroid.sandbox.api import Api
from trackteroid.sandbox.schema_text import load_schema
from trackteroid.sandbox.seeds import plant
from trackteroid.sandbox.storage import Storage

members = st.integers(0, 3)
questions = st.sampled_from(QUESTIONS)
seeds = st.integers(0, 10**6)


class Server:
    """The sandbox's core, made once and put back for every run."""

    def __init__(self) -> None:
        self.storage = Storage(load_schema(), now=lambda: "2024-03-01 09:30:00")
        plant(self.storage, "demo")
        self.storage.keep_copy("made")
        self.api = Api(self.storage, clock=lambda: 1709285400.0)
        self.keys = self._keys()

    def handle(self, batch: list[Any], user: str, key: str) -> Any:
        return self.api.handle(json.loads(json.dumps(batch)), username=user, api_key=key)

    def _keys(self) -> dict[str, list[tuple[str, ...]]]:
        found: dict[str, list[tuple[str, ...]]] = {}
        for name in ("Context", "Asset", "AssetVersion", "Component", "ComponentLocation", "Note", "List", "Appointment",
                     "UserSecurityRoleProject", "Resource", "Status"):  # fmt: skip
            answer = self.handle(
                [{"action": "query", "expression": f"select id from {name}"}], "sandbox", "sandbox-key"
            )
            for row in answer[0]["data"]:
                found.setdefault(row["__entity_type__"], []).append((row["id"],))
        return found

    def one(self, expression: str) -> str:
        answer = self.handle([{"action": "query", "expression": expression}], "sandbox", "sandbox-key")
        return str(answer[0]["data"][0]["id"])


def usual_changes(server: Server) -> list[Callable[[int], list[dict[str, Any]]]]:
    """What people do all day, and what they do to each other's access; each from a number that makes it another one."""
    numbers = itertools.count()
    shots = [key[0] for key in server.keys["Shot"]]
    assets = [key[0] for key in server.keys["Asset"]]
    versions = [key[0] for key in server.keys["AssetVersion"]]
    statuses = [key[0] for key in server.keys["Status"]]
    teaser = server.one('select id from Project where name is "teaser"')
    hidden = server.one('select id from Shot where name is "tz010"')
    role = server.keys["UserSecurityRoleProject"][0][0]

    def update(entity_type: str, key: str, **data: Any) -> list[dict[str, Any]]:
        return [{"action": "update", "entity_type": entity_type, "entity_key": [key], "entity_data": data}]

    def create(entity_type: str, **data: Any) -> dict[str, Any]:
        data["id"] = f"new-{next(numbers)}"
        return {"action": "create", "entity_type": entity_type, "entity_key": [data["id"]], "entity_data": data}

    def publish(n: int) -> list[dict[str, Any]]:
        version = create("AssetVersion", asset_id=assets[n % len(assets)])
        component = create("Component", name="main", version_id=version["entity_data"]["id"])
        return [version, component]

    return [
        lambda n: update("Shot", shots[n % len(shots)], description=f"text {n}"),
        lambda n: update("Shot", shots[n % len(shots)], status={"__entity_type__": "Status", "id": statuses[n % 5]}),
        publish,
        lambda n: update("Asset", assets[n % len(assets)], context_id=shots[n // 7 % len(shots)]),
        lambda n: update("Asset", assets[n % len(assets)], context_id=hidden),
        lambda n: update("Shot", shots[n % len(shots)], parent_id=teaser),
        lambda n: update("Project", teaser, is_private=bool(n % 2)),
        lambda n: [{"action": "delete", "entity_type": "AssetVersion", "entity_key": [versions[n % len(versions)]]}],
        lambda n: [{"action": "delete", "entity_type": "Shot", "entity_key": [shots[n % len(shots)]]}],
        lambda n: [{"action": "delete", "entity_type": "UserSecurityRoleProject", "entity_key": [role]}],
        lambda n: [create("Note", content=f"note {n}", parent_id=shots[n % len(shots)], parent_type="Shot")],
        lambda n: update("Shot", shots[n % len(shots)], notes=[]),
        lambda n: [create("TypedContextLink", from_id=shots[n % 3], to_id=shots[3])],
        lambda n: update("AssetVersion", versions[n % len(versions)], comment=f"text {n}", version=n % 9),
        lambda n: Mutations(Random(n), server.keys).make(),
        lambda n: Mutations(Random(n), server.keys).make(),
    ]


SERVER: list[Server] = []


def server() -> Server:
    if not SERVER:
        SERVER.append(Server())
    return SERVER[0]


class Sharing(RuleBasedStateMachine):
    """Rules are what may happen; `Farm` says what may be answered."""

    @initialize()
    def start(self) -> None:
        self.server = server()
        self.server.storage.restore_copy("made")
        self.redis = self.make_redis()
        self.clock = FakeClock()
        self.farm = Farm(self.server.handle, self.client, self.clock)
        self.farm.start()
        self.changes = usual_changes(self.server)

    def make_redis(self) -> Any:
        return fakeredis.FakeServer()

    def client(self) -> Any:
        return fakeredis.FakeRedis(server=self.redis)

    def change(self, choice: int, number: int) -> list[dict[str, Any]]:
        return self.changes[choice % len(self.changes)](number)

    @rule(member=members, question=questions)
    def ask(self, member: int, question: str) -> None:
        self.farm.ask(self.farm.members[member], question)

    @rule(question=questions)
    def everybody_asks(self, question: str) -> None:
        for member in self.farm.members:
            self.farm.ask(member, question)

    @rule(member=members, choice=st.integers(0, 30), number=seeds)
    def commit(self, member: int, choice: int, number: int) -> None:
        self.farm.commit(self.farm.members[member], self.change(choice, number))

    @rule(member=members, choice=st.integers(0, 30), number=seeds)
    def begin(self, member: int, choice: int, number: int) -> None:
        if len(self.farm.flights) < 3:
            self.farm.begin(self.farm.members[member], self.change(choice, number))

    @rule()
    def server_acts(self) -> None:
        waiting = [flight for flight in self.farm.flights if flight.applied_at is None]
        if waiting:
            self.farm.apply(waiting[0])

    @rule(last=st.booleans())
    def report(self, last: bool) -> None:
        """Also where the server has not acted: the request was lost, or the reply is."""
        if self.farm.flights:
            self.farm.end(self.farm.flights[-1 if last else 0])

    @rule(member=members, other=members, question=questions, choice=st.integers(0, 30), number=seeds)
    def overtaken(self, member: int, other: int, question: str, choice: int, number: int) -> None:
        """A commit is made and reported between the server's answer and its being kept."""
        batch = self.change(choice, number)
        self.farm.ask(self.farm.members[member], question, lambda: self.farm.commit(self.farm.members[other], batch))

    @rule(member=members)
    def lose_redis(self, member: int) -> None:
        self.farm.members[member].link.cut = True

    @rule(member=members)
    def find_redis(self, member: int) -> None:
        self.farm.members[member].link.cut = False

    @rule(member=members, replies=st.integers(1, 4))
    def redis_is_late(self, member: int, replies: int) -> None:
        self.farm.members[member].link.late = replies

    @rule()
    def everybody_finds_redis(self) -> None:
        for member in self.farm.members:
            member.link.cut, member.link.late = False, 0
            member.cache.settle()
        self.clock.advance(600)
        for member in self.farm.members:
            member.cache.settle()
        assert not self.farm.debts()

    @rule()
    def redis_starts_empty(self) -> None:
        self.client().flushall()
        self.farm.lose_marks()

    @rule(member=members)
    def reconnect(self, member: int) -> None:
        self.farm.reconnect(self.farm.members[member])

    @rule(seconds=st.sampled_from((1, 6, 61, 130, 4000)))
    def time_passes(self, seconds: int) -> None:
        self.clock.advance(seconds)

    def teardown(self) -> None:
        # A story may end anywhere; commits don't.
        for flight in list(self.farm.flights):
            self.farm.end(flight)


def budget(examples: int, steps: int) -> settings:
    return settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
    )


def test_nobody_is_told_what_was_before() -> None:
    run_state_machine_as_test(Sharing, settings=budget(6, 20))  # type: ignore[no-untyped-call]


@pytest.mark.soak
def test_nobody_is_told_what_was_before_in_very_many_stories() -> None:
    examples = int(os.environ.get("TRACKTEROID_SOAK_STORIES", "400"))
    run_state_machine_as_test(Sharing, settings=budget(examples, 60))  # type: ignore[no-untyped-call]


@pytest.mark.parametrize(
    ("missing", "change"),
    [
        (lambda tag: tag == "Context.description", 0),
        (lambda tag: tag == "AssetVersion+", 2),
        (lambda tag: tag.endswith("@"), 5),
        (lambda tag: tag == "server", 9),
    ],
    ids=["a column", "rows", "moves", "rights"],
)
def test_a_missing_invalidation_would_be_found(
    missing: Callable[[str], bool], change: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Tags.written
    monkeypatch.setattr(
        Tags, "written", lambda self, batch: frozenset(tag for tag in original(self, batch) if not missing(tag))
    )
    made = server()
    made.storage.restore_copy("made")
    redis = fakeredis.FakeServer()
    farm = Farm(made.handle, lambda: fakeredis.FakeRedis(server=redis), FakeClock())
    farm.start()
    everybody = [(member, question) for member in farm.members for question in QUESTIONS]
    for member, question in everybody:
        farm.ask(member, question)
    farm.commit(farm.members[0], usual_changes(made)[change](2))
    with pytest.raises(AssertionError, match="told what was before"):
        for member, question in everybody:
            farm.ask(member, question)
    assert farm.hits > 0
