"""Many threads, one session: exactly the right results, every time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.sandbox import SandboxProcess
from trackteroid.entities import Asset, AssetVersion, Component, ComponentLocation, Project, Shot, Status, Task
from trackteroid.query import Query
from trackteroid.session import Session

THREADS = 8
ROUNDS = 12


def in_threads(work: Callable[[int], object]) -> None:
    """Run `work` in all threads at once; raise what the first of them raised."""
    errors: list[BaseException] = []
    start = threading.Barrier(THREADS)

    def run(number: int) -> None:
        try:
            start.wait()
            work(number)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


QUESTIONS: list[Callable[[Session], list[Any]]] = [
    lambda session: sorted(Query(Shot, session=session).by_name("bc%").get_all().name),
    lambda session: sorted(
        Query(AssetVersion, session=session).by_name("bc%").get_all(projections=["task.name"]).task.name
    ),
    lambda session: sorted(
        Query(Asset, session=session)
        .by_name("bc%")
        .get_all(projections=[AssetVersion, Component, ComponentLocation.resource_identifier])
        .ComponentLocation.resource_identifier
    ),
    lambda session: sorted(
        set(Query(Task, session=session).by_name(Project, "demo").get_all(["status.name"]).status.name)
    ),
    lambda session: Query(Task, session=session).get_all(order_by="name", limit=7).name,
    lambda session: sorted(Query(Status, session=session).get_all(projections=["state.name"]).state.name),
    lambda session: [str(Query(AssetVersion, session=session).by_status(Task, "x").not_by_name(Project, "y"))],
    lambda session: sorted(
        Query(Shot, session=session).by_name("bc%").get_all().fetch_attributes("assets.name").assets.name
    ),
]


@pytest.fixture
def expected(demo: SandboxProcess, session: Session) -> list[list[Any]]:
    found = [question(session) for question in QUESTIONS]
    session.reset()
    assert all(found)
    return found


def test_questions_of_all_threads_are_answered_right(session: Session, expected: list[list[Any]]) -> None:
    def work(number: int) -> None:
        for round_number in range(ROUNDS):
            position = (number + round_number) % len(QUESTIONS)
            assert QUESTIONS[position](session) == expected[position]

    for _ in range(3):
        in_threads(work)
        session.reset()


def test_one_collection_is_read_by_all(session: Session) -> None:
    tasks = Query(Task, session=session).get_all(projections=["name", "parent.name", "status.name"])
    names = [task.name[0] for task in tasks]
    groups = {key: group.name for key, group in tasks.group(lambda task: task.name[0]).items()}
    parents = tasks.parent.name

    def work(number: int) -> None:
        for _ in range(ROUNDS * 4):
            assert [task.name[0] for task in tasks] == names
            for _ in tasks:
                if number % 2:
                    # A loop that is left early, or that another one runs in, disturbs nobody.
                    assert len([inner for inner in tasks]) == len(names)
                    break
            assert {key: group.name for key, group in tasks.group(lambda task: task.name[0]).items()} == groups
            assert tasks.sort(lambda task: task.name).name == sorted(names)
            assert tasks.parent.name == parents
            assert tasks[::2].union(tasks[1::2]) == tasks[::2] | tasks[1::2]
            assert len(tasks.filter(lambda task: task.name == ["compositing"])) == names.count("compositing")

    in_threads(work)


def test_reused_results_are_one_object_for_all(session: Session) -> None:
    found: list[Any] = []
    with session.reusing_query_results():
        first = Query(Shot, session=session).get_all()
        in_threads(lambda number: found.extend(Query(Shot, session=session).get_all() for _ in range(ROUNDS)))
    assert len(found) == THREADS * ROUNDS
    assert all(one is first for one in found)


def test_the_default_session_connects_once_for_threads_that_query_at_once(demo: SandboxProcess) -> None:
    import subprocess
    import sys

    source = (
        "import threading\n"
        "from trackteroid import Query, Shot, SESSION, TASK_TYPES\n"
        "answers = []\n"
        "def ask(): answers.append((sorted(Query(Shot).by_name('bc%').get_all().name), TASK_TYPES.Modeling['name']))\n"
        f"threads = [threading.Thread(target=ask) for _ in range({THREADS})]\n"
        "for thread in threads: thread.start()\n"
        "for thread in threads: thread.join()\n"
        "print(len(answers), len(set(map(str, answers))), SESSION.generation)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", source],
        env={**demo.env, "HOME": "/nonexistent", "PATH": ""},
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == [str(THREADS), "1", "1"], done.stderr
