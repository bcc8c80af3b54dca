"""A busy farm: publishes in five shows while a hundred readers ask the same two hundred questions again and again.

Three times: with the cache, with the cache and one tag for each table, without a cache. What counts is how many questions
reach the server; the readers ask at the same pace each time.
"""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from typing import Any

from benchmarks.sandbox_process import RunningSandbox
from trackteroid.cache.query_cache import TagIndex
from trackteroid.session import Session

__all__ = ["busy_farm"]

SECONDS = 25.0
READERS = 100
# Questions of all readers together in a second: what two cores answer without a cache.
QUESTIONS_PER_SECOND = 60.0
PUBLISHES_PER_SECOND = 20.0

_SESSIONS = 4
_UNMANAGED = "cb268ecc-8809-11e3-a7e2-20c9d081909b"


class OneTagPerTable:
    """What a cache does that knows tables and no columns."""

    def __init__(self, tags: TagIndex) -> None:
        self._tags = tags

    def read(self, expression: str) -> frozenset[str] | None:
        tags = self._tags.read(expression)
        return None if tags is None else frozenset(map(_table, tags))

    def written(self, batch: Sequence[Mapping[str, Any]]) -> frozenset[str]:
        return frozenset(map(_table, self._tags.written(batch)))


def _table(tag: str) -> str:
    return tag.partition(".")[0].rstrip("+@*") or tag


def busy_farm(sandbox: RunningSandbox) -> Iterator[str]:
    """Yield one line for each of the three."""
    with ExitStack() as stack:
        readers = [stack.enter_context(Session()) for _ in range(_SESSIONS)]
        publisher = stack.enter_context(Session())
        questions = _questions(publisher)
        publishes = _Publishes(publisher)
        yield (
            f"busy farm, {SECONDS:.0f} s each: {PUBLISHES_PER_SECOND:.0f} publishes/s in five shows, {READERS} readers, "
            f"{len(questions)} queries"
        )
        for name, shared, per_table in (
            ("our tags", True, False),
            ("one tag per table", True, True),
            ("without a cache", False, False),
        ):
            for session in (*readers, publisher):
                cache = session.query_cache
                cache.tags = OneTagPerTable(_own_tags(cache.tags)) if per_table else _own_tags(cache.tags)
            yield _run(name, sandbox, readers, publishes, questions, shared=shared)


def _own_tags(tags: TagIndex) -> TagIndex:
    return tags._tags if isinstance(tags, OneTagPerTable) else tags


def _run(
    name: str,
    sandbox: RunningSandbox,
    readers: Sequence[Session],
    publishes: _Publishes,
    questions: Sequence[str],
    *,
    shared: bool,
) -> str:
    sandbox.requests(clear=True)
    ended = threading.Event()
    answered: list[float] = []
    began = time.monotonic()
    with ExitStack() as stack:
        for session in readers:
            stack.enter_context(session.reusing_query_results(shared=True) if shared else nullcontext())
        threads = [
            threading.Thread(target=_read, args=(readers[number % len(readers)], questions, number, ended, answered))
            for number in range(READERS)
        ]
        threads.append(threading.Thread(target=publishes.run, args=(ended,)))
        for thread in threads:
            thread.start()
        time.sleep(SECONDS)
        ended.set()
        for thread in threads:
            thread.join()
    seconds = time.monotonic() - began
    log = sandbox.requests()
    asked = sum(expression in _TEXTS for entry in log for expression in map(_bare, entry["expressions"]))
    made = sum("create" in entry["actions"] for entry in log)
    slowest = sorted(answered)[int(len(answered) * 0.95)] if answered else 0.0
    return (
        f"  {name:18} hit rate {1 - asked / max(1, len(answered)):6.1%}   {asked / seconds:6.1f} queries/s at the server   "
        f"{len(answered) / seconds:6.1f} answers/s   95 % within {slowest * 1000:5.0f} ms   {made / seconds:4.1f} publishes/s"
    )


_TEXTS: set[str] = set()


def _bare(expression: str) -> str:
    return expression.partition(" offset ")[0]


def _read(
    session: Session, questions: Sequence[str], number: int, ended: threading.Event, answered: list[float]
) -> None:
    chance = random.Random(number)
    pause = READERS / QUESTIONS_PER_SECOND
    ended.wait(chance.uniform(0, pause))
    while not ended.is_set():
        began = time.monotonic()
        session.fetch_entities(chance.choice(questions))
        answered.append(time.monotonic() - began)
        ended.wait(chance.uniform(0.5, 1.5) * pause)


def _questions(session: Session) -> list[str]:
    """What pipeline tools ask in five shows, forty questions each."""
    texts: list[str] = []
    for project in session.query("select id, name from Project limit 5").all():
        show = f'project_id is "{project["id"]}"'
        sequences = session.query(f"select id from Sequence where {show} limit 5").all()
        shots = session.query(f"select id from Shot where {show} limit 12").all()
        assets = session.query(f"select id from Asset where parent.{show} limit 10").all()
        texts += [
            f'select id, name, full_name, status from Project where id is "{project["id"]}"',
            f"select id, name, parent.name from Sequence where {show}",
            f"select id, name, parent.name from Shot where {show}",
            f"select id, name, status.name from Shot where {show}",
            f"select id, name, type.name, parent.name from Task where {show}",
            f"select id, name, status.name, type.name from Task where {show}",
            f'select id, name, status.name from Task where {show} and status.name is "In progress"',
            f"select id, name, type.name from Asset where parent.{show}",
        ]
        texts += [f'select id, name from Shot where parent_id is "{each["id"]}"' for each in sequences]
        texts += [f'select id, name, type.name from Task where parent_id is "{each["id"]}"' for each in shots]
        texts += [f'select id, name, type.name from Asset where context_id is "{each["id"]}"' for each in shots[:5]]
        texts += [
            f'select id, version, comment, asset.name from AssetVersion where asset_id is "{each["id"]}"'
            for each in assets
        ]
    _TEXTS.clear()
    _TEXTS.update(texts)
    return texts


class _Publishes:
    """Publishes as workers send them: a version with a component in a location, and the task set to another status."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._tasks = [
            (task["id"], task["parent_id"])
            for project in session.query("select id from Project limit 5").all()
            for task in session.query(
                f'select id, parent_id from Task where project_id is "{project["id"]}" limit 20'
            ).all()
        ]
        found = session.query("select id, context_id from Asset").all()
        self._assets = {asset["context_id"]: asset["id"] for asset in found}
        self._statuses = [status["id"] for status in session.query("select id from Status").all()]

    def run(self, ended: threading.Event) -> None:
        chance = random.Random(1)
        due = time.monotonic()
        while not ended.is_set():
            self._publish(chance)
            due += 1 / PUBLISHES_PER_SECOND
            ended.wait(max(0.0, due - time.monotonic()))

    def _publish(self, chance: random.Random) -> None:
        task, shot = chance.choice(self._tasks)
        version, component = str(uuid.uuid4()), str(uuid.uuid4())

        def new(entity_type: str, **data: Any) -> dict[str, Any]:
            return {
                "action": "create",
                "entity_type": entity_type,
                "entity_data": {"__entity_type__": entity_type, **data},
            }

        self._session.exchange(
            [
                new("AssetVersion", id=version, asset_id=self._assets[shot], task_id=task, comment="rendered"),
                new("FileComponent", id=component, version_id=version, name="beauty"),
                new(
                    "ComponentLocation",
                    component_id=component,
                    location_id=_UNMANAGED,
                    resource_identifier=f"/{component}",
                ),
                {
                    "action": "update",
                    "entity_type": "Task",
                    "entity_key": [task],
                    "entity_data": {"__entity_type__": "Task", "status_id": chance.choice(self._statuses)},
                },
            ]
        )
