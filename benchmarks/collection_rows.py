"""The rows of the table on collections: what is done with results, against the same with the client's entities."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from benchmarks.measure import Row, least
from trackteroid.entities import Shot
from trackteroid.session import Session

ENTITIES = 10_000
_LOOP = "the same over client entities"
_DICTS = "plain Python over dicts"

Work = Callable[[], object]


def collection_rows() -> Iterator[Row]:
    """Measure collections of one session; server, user and key come from the environment."""
    with Session() as session:
        for number in range(ENTITIES):
            # Names in no order; each of twenty endings as often.
            name = f"sh{(number * 7919) % ENTITIES:05d}_{number % 20:02d}"
            session.create("Shot", {"id": f"{number:08x}-1b5e-11ef-8c1b", "name": name}, reconstructing=True)
        shots = session.get_cached_collections()[Shot]
        entities = list(shots.client_entities)
        yield _row("collection.name", "list comprehension, client", lambda: shots.name, _names(entities), 0.5)
        yield _row("iterate", _LOOP, lambda: _visit_ours(shots), lambda: _visit_theirs(entities), 2)
        yield _row(
            "filter",
            _LOOP,
            lambda: shots.filter(lambda shot: shot.name[0].endswith("7")),
            lambda: [entity for entity in entities if entity["name"].endswith("7")],
            2,
        )
        yield _row(
            "sort",
            _LOOP,
            lambda: shots.sort(lambda shot: shot.name),
            lambda: sorted(entities, key=lambda entity: entity["name"]),
            2,
        )
        yield _row(
            "group",
            _LOOP,
            lambda: shots.group(lambda shot: shot.name[0][-2:]),
            lambda: _grouped(entities),
            2,
        )
        yield from _set_rows(shots)


def _row(what: str, against: str, ours: Work, theirs: Work, goal: float) -> Row:
    mine, other = least([ours, theirs], runs=15)
    return Row(f"{what}, {ENTITIES:,}", against, mine, other, goal)


def _names(entities: list[Any]) -> Work:
    return lambda: [entity["name"] for entity in entities]


def _visit_ours(shots: Any) -> None:
    for shot in shots:
        _ = shot.name


def _visit_theirs(entities: list[Any]) -> None:
    for entity in entities:
        _ = entity["name"]


def _grouped(entities: list[Any]) -> dict[str, list[Any]]:
    groups: dict[str, list[Any]] = {}
    for entity in entities:
        groups.setdefault(entity["name"][-2:], []).append(entity)
    return groups


def _set_rows(shots: Any) -> Iterator[Row]:
    # Two halves that share a third of all.
    one, other = shots[: ENTITIES * 2 // 3], shots[ENTITIES // 3 :]
    first, second = (dict(zip(part.keys(), part.client_entities, strict=True)) for part in (one, other))
    plain: dict[str, Work] = {
        "union": lambda: first | second,
        "intersection": lambda: {key: entity for key, entity in first.items() if key in second},
        "difference": lambda: {key: entity for key, entity in first.items() if key not in second},
        "symmetric_difference": lambda: {
            **{key: entity for key, entity in first.items() if key not in second},
            **{key: entity for key, entity in second.items() if key not in first},
        },
    }
    for name, theirs in plain.items():
        yield _row(name, _DICTS, partial(getattr(one, name), other), theirs, 5)
