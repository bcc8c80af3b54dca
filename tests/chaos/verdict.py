"""What must be true after a chaos run: the clients' own records against what the official client sees."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from tests.chaos.plan import Publish

__all__ = ["Enqueued", "check_order", "check_server", "enqueued"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Enqueued:
    """A publish as its client saw it: began at, accepted at (seconds of the machine's clock), and where."""

    publish: Publish
    client: int
    began: float
    accepted: float
    where: str


def enqueued(records: Sequence[Sequence[Mapping[str, Any]]]) -> list[Enqueued]:
    """Return what the clients' records say was accepted.

    A publish that was begun twice, because its client was killed, began at the first time.
    """
    found = []
    for client, lines in enumerate(records):
        began: dict[str, tuple[float, Publish]] = {}
        for line in lines:
            if line["step"] == "begins":
                began.setdefault(line["id"], (line["at"], Publish(**line["publish"])))
            if line["step"] == "accepted":
                at, publish = began[line["id"]]
                found.append(
                    Enqueued(publish=publish, client=client, began=at, accepted=line["at"], where=line["where"])
                )
    return found


def check_server(
    session: Any,
    found: Sequence[Enqueued],
    *,
    assets: Sequence[str],
    before: Mapping[str, int],
    spare: Sequence[str],
    shared_list: str,
) -> dict[str, int]:
    """Assert that everything is on the server exactly once; return the version numbers by id.

    Args:
        session: The official client.
        found: What was enqueued.
        assets: Ids, as the publishes count them.
        before: Versions that each asset had.
        spare: Ids of the tasks that publishes change or remove.
        shared_list: Id of the list to which some append.
    """
    numbers: dict[str, int] = {}
    wanted = {one.publish.version: one.publish for one in found}
    for position, asset in enumerate(assets):
        rows = session.query(f'select id, version, comment from AssetVersion where asset_id is "{asset}"').all()
        ours = {one.publish.version for one in found if one.publish.asset == position}
        assert len(rows) == before[asset] + len(ours)
        assert ours <= {row["id"] for row in rows}
        assert sorted(row["version"] for row in rows) == list(range(1, len(rows) + 1)), "gaps, or a number twice"
        for row in rows:
            if row["id"] in wanted:
                assert row["comment"] == f"publish {wanted[row['id']].number}"
        numbers.update({row["id"]: row["version"] for row in rows})
    components = _rows(session, "select id, version_id from Component where version_id in", wanted)
    assert sorted((row["id"], row["version_id"]) for row in components) == sorted(
        (one.publish.component, one.publish.version) for one in found
    )
    places = _rows(session, "select id, component_id from ComponentLocation where component.version_id in", wanted)
    assert sorted((row["id"], row["component_id"]) for row in places) == sorted(
        (one.publish.location, one.publish.component) for one in found
    )
    tasks = {
        row["id"]: row["description"]
        for row in _rows(session, "select description from Task where id in", filter(None, spare))
    }
    for publish in wanted.values():
        task = spare[publish.number]
        if publish.victim == "update":
            assert tasks[task] == f"by publish {publish.number}"
        if publish.victim == "delete":
            assert task not in tasks
    listed = session.query(f'select items.id from AssetVersionList where id is "{shared_list}"').one()["items"]
    assert sorted(row["id"] for row in listed) == sorted(each.version for each in wanted.values() if each.listed)
    return numbers


def check_order(found: Sequence[Enqueued], numbers: Mapping[str, int]) -> int:
    """Assert that versions of one asset are numbered in the order in which they were enqueued; return how many pairs showed it.

    Two that different clients enqueued at the same time have no order. What went to a spool entered the ledger at a moment that
    nobody noted, but after what the same client had put there before.
    """
    pairs = 0
    for one, other in combinations(found, 2):
        if one.publish.asset != other.publish.asset:
            continue
        first, second = sorted((one, other), key=lambda each: each.began)
        spooled_alike = first.client == second.client and second.where == "spool"
        if first.accepted < second.began and (first.where == "ledger" or spooled_alike):
            assert numbers[first.publish.version] < numbers[second.publish.version], (first, second)
            pairs += 1
    return pairs


def _rows(session: Any, question: str, ids: Iterable[str]) -> list[Any]:
    wanted = sorted(ids)
    rows: list[Any] = []
    for start in range(0, len(wanted), 100):
        listed = ", ".join(f'"{key}"' for key in wanted[start : start + 100])
        rows.extend(session.query(f"{question} ({listed})").all())
    return rows
