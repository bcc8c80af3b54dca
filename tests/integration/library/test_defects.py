"""Defects of the original library that ours must not have, by their numbers: those that need a server or a process."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path
from typing import Any

import arrow
import ftrack_api
import pytest

from tests.support.local_session import LocalSession
from tests.support.sandbox import SandboxProcess
from trackteroid.entities import AssetVersion, Shot, Status, Task
from trackteroid.entities.schematypes import TASK_TYPES
from trackteroid.errors import DeferredCommitError, EntityCollectionOperationError, RecordingError
from trackteroid.operations.operation import DeleteOperation, UpdateOperation
from trackteroid.operations.recording import Recording, read_recording, write_recording
from trackteroid.query import Query
from trackteroid.session import Session, _SessionDelegate


def run(source: str, *flags: str, env: dict[str, str] | None = None) -> str:
    """Run a program without settings (or with these) and return what it prints."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("FTRACK_", "TRACKTEROID_"))}
    done = subprocess.run(
        [sys.executable, *flags, "-c", source],
        env={**kept, **(env or {})},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def credentials(demo: SandboxProcess) -> tuple[str, str, str]:
    return demo.url, demo.env["FTRACK_API_KEY"], demo.env["FTRACK_API_USER"]


# Import and construction


def test_d01_importing_needs_neither_server_nor_settings() -> None:
    printed = run(
        "import socket\n"
        "def refuse(*_): raise AssertionError('a connection')\n"
        "socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse\n"
        "from trackteroid import *\n"
        "from trackteroid import NOT_SET, SCHEMA, SESSION, Criteria, Criterion, __VERSION__\n"
        "import trackteroid.stubs, trackteroid.entities.schematypes, trackteroid.entities.relationships_parser\n"
        "query = Query(Shot).by_name('a')\n"
        "print(str(query), SESSION, SCHEMA.default, Task.State.name, TASK_TYPES)\n"
    )
    assert printed.startswith('select id, name from Shot where (name is "a") <trackteroid Session, not connected yet>')


def test_d20_a_session_is_a_context_manager(demo: SandboxProcess) -> None:
    with Session(*credentials(demo)) as session:
        assert isinstance(session, Session)
        assert not session.closed
    assert session.closed


def test_d21_positional_arguments_are_the_clients(demo: SandboxProcess) -> None:
    with Session(*credentials(demo)) as session:
        assert (session.server_url, session.api_user) == (demo.url, demo.env["FTRACK_API_USER"])


def test_d22_sessions_can_be_keys_and_carry_attributes(session: Session) -> None:
    known = {session: "mine"}
    assert known[session] == "mine"
    session.studio = "somewhere"  # type: ignore[attr-defined]
    assert session.studio == "somewhere"  # type: ignore[attr-defined]
    with pytest.raises(AttributeError):
        _ = session.nonsense  # type: ignore[attr-defined]


def test_d24_reuse_is_an_argument(demo: SandboxProcess) -> None:
    with Session(*credentials(demo), reuse_query_results=True) as session:
        assert session.reuse_query_results
        assert Query(Shot, session=session).get_all() is Query(Shot, session=session).get_all()


def test_the_old_name_of_the_class_still_works(demo: SandboxProcess) -> None:
    with pytest.warns(DeprecationWarning, match="use Session"), _SessionDelegate(*credentials(demo)) as session:
        assert isinstance(session, Session)
        session.reconnect()
        assert type(session) is _SessionDelegate
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Session(*credentials(demo)).close()


# Reconnecting


def test_d26_reconnecting_does_not_pile_up_caches(session: Session) -> None:
    layers = len(session.cache.caches)
    for _ in range(4):
        session.reconnect()
    assert len(session.cache.caches) == layers


def test_d27_type_helpers_forget_entities_of_a_former_connection(session: Session) -> None:
    before = TASK_TYPES.get("Modeling", session)
    session.reconnect()
    after = TASK_TYPES.get("Modeling", session)
    assert after is not before
    parent = Query(Shot, session=session).by_name("bc0010").get_one().client_entities[0]
    task = session.create("Task", {"name": "new", "parent": parent, "type": after})
    assert task["type"] is after


def test_d29_a_failed_reconnect_changes_nothing(session: Session) -> None:
    url = session.server_url
    with pytest.raises(Exception, match=r"127\.0\.0\.1"):
        session.reconnect(server_url="http://127.0.0.1:9")
    assert session.server_url == url
    assert not session.closed
    assert Query(Shot, session=session).by_name("bc0010").get_one().name == ["bc0010"]


@pytest.mark.parametrize("end", [lambda session: session.reconnect(), lambda session: session.close()])
def test_d30_edits_of_earlier_collections_are_refused_not_lost(session: Session, end: Any) -> None:
    shots = Query(Shot, session=session).by_name("bc%").get_all()
    names = shots.name
    end(session)
    assert shots.name == names
    for refused in (
        lambda: setattr(shots[0], "description", "x"),
        lambda: shots.fetch_attributes("description"),
        lambda: shots.union(shots[:1]),
        lambda: shots.delete(),
        lambda: shots.create(name="x"),
        lambda: shots.link_inputs(shots[:1]),
    ):
        with pytest.raises(EntityCollectionOperationError, match=r"reconnected|closed"):
            refused()


# Recordings; what they are made of is tested in tests/integration/recording and tests/unit/operations


@pytest.fixture
def local() -> LocalSession:
    return LocalSession()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "recorded_operations.dbm"


def a_task(session: LocalSession) -> Any:
    return Query(Task, session=session).by_name("compositing").get_first(projections=["description", "bid", "status"])


def test_d02_an_exception_in_the_block_loses_nothing_and_commits_nothing(local: LocalSession, path: Path) -> None:
    task = a_task(local)
    task.bid = 1.0
    with pytest.raises(ZeroDivisionError), local.deferred_operations(path):
        task.description = "deferred"
        _ = 1 / 0
    assert not path.exists()
    assert [operation.attribute_name for operation in local.recorded_operations] == ["bid"]
    local.commit()
    assert local.requests[-1]["entity_data"].keys() >= {"bid"}
    assert "description" not in local.requests[-1]["entity_data"]


def test_d03_a_block_that_only_edits_what_is_loaded_is_recorded(
    local: LocalSession, path: Path, tmp_path: Path
) -> None:
    task = a_task(local)
    inner = tmp_path / "inner.dbm"
    with local.deferred_operations(path):
        with local.deferred_operations(inner):
            task.bid = 2.0
        task.description = "deferred"
    assert [operation.attribute_name for operation in read_recording(inner).operations] == ["bid"]  # type: ignore[union-attr]
    assert [operation.attribute_name for operation in read_recording(path).operations] == ["description"]  # type: ignore[union-attr]


def test_d04_deletes_are_recorded(local: LocalSession, path: Path) -> None:
    with local.deferred_operations(path):
        a_task(local).delete()
    (operation,) = read_recording(path).operations
    assert isinstance(operation, DeleteOperation)


def test_d05_dates_collections_metadata_and_custom_attributes_are_recorded(local: LocalSession, path: Path) -> None:
    shot = Query(Shot, session=local).by_name("bc0010").get_one(projections=["metadata.value", "children.name"])
    version = Query(AssetVersion, session=local).get_first(projections=["date"])
    with local.deferred_operations(path):
        version.date = arrow.get("2024-05-01T00:00:00+00:00")
        shot.metadata = {"a": "b"}
        shot.children = shot.children[:1]
        shot.custom_fstart = 1010
    recorded = read_recording(path).operations
    updates = {
        (operation.entity_type, operation.attribute_name): operation.new_value
        for operation in recorded
        if isinstance(operation, UpdateOperation)
    }
    assert updates["AssetVersion", "date"] == {"__type__": "datetime", "value": "2024-05-01T00:00:00+00:00"}
    assert updates["Shot", "children"] == [{"__entity_type__": "Task", "id": shot.children.id[0]}]
    assert ("Shot", "metadata") in updates
    assert updates["ContextCustomAttributeValue", "value"] == 1010


def test_d06_a_second_block_appends(local: LocalSession, path: Path) -> None:
    task = a_task(local)
    for bid in (1.0, 2.0):
        with local.deferred_operations(path, clear=False):
            task.bid = bid
    assert [operation.new_value for operation in read_recording(path).operations] == [1.0, 2.0]  # type: ignore[union-attr]


def test_d07_entities_that_were_loaded_before_have_a_record(local: LocalSession, path: Path) -> None:
    task = a_task(local)
    status = Query(Status, session=local).by_name("Approved").get_one()
    with local.deferred_operations(path):
        task.status = status
    records = read_recording(path).entities
    # What is changed, and what it refers to.
    for entity in (task, status):
        assert [record["name"] for key, record in records.items() if entity.id[0] in key] == entity.name


def test_d08_keys_in_other_alphabets_are_recorded(local: LocalSession, path: Path) -> None:
    task = Query(Task, session=local).get_first(projections=["metadata.value"])
    with local.deferred_operations(path):
        task.metadata = {"größe": "ü"}
    with local.deferred_operations(path, clear=False):
        task.bid = 1.0
    assert any("gr" in key and key.isascii() for key in read_recording(path).entities)


def test_d09_and_d10_the_originals_texts_for_values_never_reach_a_server() -> None:
    from trackteroid.commits.batch import build_batch
    from trackteroid.commits.schemas import Schemas
    from trackteroid.operations.operation import operation_from_json, resolve_textual_references

    def update(name: str, value: object) -> Any:
        return operation_from_json(
            {
                "operation": "update",
                "entity_type": "Task",
                "entity_key": {"id": "t"},
                "attribute_name": name,
                "old_value": "NOT SET",
                "new_value": value,
            }
        )

    schemas: list[dict[str, Any]] = [
        {
            "id": "Task",
            "primary_key": ["id"],
            "properties": {"status": {"$ref": "Status"}, "name": {"type": "string"}, "bid": {"type": "number"}},
        },
        {"id": "Status", "primary_key": ["id"], "properties": {"id": {"type": "string"}}},
    ]
    textual = "('Status', ['s'])"
    read = [update("status", textual), update("name", textual), update("bid", "NOT SET")]
    batch = build_batch(resolve_textual_references(read, schemas), Schemas(schemas))
    assert [{**payload["entity_data"], "__entity_type__": "Task"} for payload in batch] == [
        {
            "__entity_type__": "Task",
            "status": {"__entity_type__": "Status", "id": "s"},
            # In an attribute that is a text it is one.
            "name": textual,
        }
    ]


def test_d32_a_wrong_path_costs_no_pending_work(session: Session, tmp_path: Path) -> None:
    shot = Query(Shot, session=session).by_name("bc0010").get_one()
    shot.description = "pending"
    (tmp_path / "text").write_text("no recording")
    for wrong in (tmp_path / "nothing.dbm", tmp_path / "text"):
        with pytest.raises(RecordingError):
            session.reconnect_and_commit(wrong)
    assert len(session.recorded_operations) == 1
    assert session.generation == 1


def test_d33_a_file_that_can_only_be_read_is_committed_and_left_alone(session: Session, path: Path) -> None:
    version = Query(AssetVersion, session=session).get_first(projections=["comment"])
    with session.deferred_operations(path):
        version.comment = "from a read-only share"
    path.chmod(stat.S_IRUSR)
    path.parent.chmod(stat.S_IRUSR | stat.S_IXUSR)
    before = path.read_bytes()
    try:
        session.reconnect_and_commit(path)
        assert path.read_bytes() == before
        assert os.listdir(path.parent) == [path.name]
    finally:
        path.parent.chmod(stat.S_IRWXU)
    again = Query(AssetVersion, session=session).by_id(*version.id).get_one(projections=["comment"])
    assert again.comment == ["from a read-only share"]


def test_d34_what_the_server_refused_does_not_stay_pending(session: Session, path: Path) -> None:
    key = {"id": "00000000-0000-0000-0000-000000000000"}
    refused = UpdateOperation(
        entity_type="Shot", entity_key=key, attribute_name="description", old_value=None, new_value="x"
    )
    write_recording(path, Recording(operations=(refused,), entities={}, manifest=None))
    with pytest.raises(ftrack_api.exception.ServerError):
        session.reconnect_and_commit(path)
    assert len(session.recorded_operations) == 0
    session.commit()


def test_d31_what_other_threads_do_is_not_in_the_file_and_can_be_committed(local: LocalSession, path: Path) -> None:
    task, other = Query(Task, session=local).get_all(limit=2, projections=["bid"])
    failures: list[BaseException] = []

    def work() -> None:
        try:
            other.bid = 3.0
            local.commit()
        except BaseException as error:
            failures.append(error)

    with local.deferred_operations(path):
        task.bid = 1.0
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        with pytest.raises(DeferredCommitError):
            local.commit()
        task.bid = 2.0
    assert failures == []
    assert [request["entity_key"] for request in local.requests if request["action"] == "update"] == [other.id]
    updates = [operation for operation in read_recording(path).operations if isinstance(operation, UpdateOperation)]
    assert [(operation.entity_key["id"], operation.new_value) for operation in updates] == [
        (task.id[0], 1.0),
        (task.id[0], 2.0),
    ]


def test_d69_recording_costs_in_proportion_to_what_is_recorded(local: LocalSession, path: Path) -> None:
    tasks = Query(Task, session=local).get_all(projections=["bid"])

    def seconds(rounds: int) -> float:
        started = time.process_time()
        with local.deferred_operations(path):
            for number in range(rounds):
                tasks.bid = [float(number)] * len(tasks)
        return time.process_time() - started

    seconds(1)
    few, many = min(seconds(5) for _ in range(3)), min(seconds(80) for _ in range(2))
    # Sixteen times as many operations.
    assert many < 64 * few


# The library as a whole


def test_d71_a_star_import_brings_public_names_only() -> None:
    printed = run(
        "import copy, re, sys, inspect, logging, itertools\n"
        "before = dict(globals())\n"
        "from trackteroid import *\n"
        "print(all(globals()[name] is value for name, value in before.items()))\n"
        "import types, trackteroid\n"
        "new = set(globals()) - set(before) - {'before', 'types', 'trackteroid'}\n"
        "print(sorted(name for name in new if isinstance(globals()[name], types.ModuleType)))\n"
        "print(new == set(trackteroid.__all__))\n"
    )
    assert printed.split() == ["True", "[]", "True"]


def test_every_public_name_of_the_specification_is_there() -> None:
    names = (
        "Query SCHEMA SESSION EntityCollection EmptyCollection EntityCollectionOperationError Entity OBJECT_TYPES "
        "ASSET_TYPES TASK_TYPES PROJECT_SCHEMAS CUSTOM_ATTRIBUTE_TYPE_COMPATIBILITY NOT_SET Criteria Criterion "
        "__VERSION__ Shot AssetVersion Priority"
    ).split()
    source = (
        f"import trackteroid\nfor name in {names!r}: getattr(trackteroid, name); assert name in trackteroid.__all__\n"
    )
    run(
        source + "from trackteroid.entities.base import Entity, EntityCollection, EmptyCollection, Relationship\n"
        "from trackteroid.entities.base import EntityCollectionOperationError, TargetRelation\n"
        "from trackteroid.entities.schematypes import AttributeInfo, TASK_TYPES\n"
        "from trackteroid.entities.relationships_parser import RelationshipsParser\n"
        "from trackteroid.session import Session, SESSION, _SessionDelegate\n"
        "from trackteroid.query import Query, SCHEMA, Criteria, Criterion\n"
        "from trackteroid.constants import __VERSION__\n"
        "import trackteroid.stubs, trackteroid.configuration\n"
        "assert issubclass(Criteria.InvalidArgumentsError, ValueError)\n"
        "assert issubclass(Criteria.CriterionNotImplementedError, NotImplementedError)\n"
        "assert issubclass(EntityCollectionOperationError, ValueError)\n"
    )


def test_d73_arguments_are_checked_under_optimisation_too(demo: SandboxProcess) -> None:
    printed = run(
        "from trackteroid import Query, Shot, Project, SESSION\n"
        "for attempt in (\n"
        "    lambda: Query(Shot).get_all(order='sideways'),\n"
        "    lambda: Query(Shot).get_all(projections='name'),\n"
        "    lambda: Query(Project).get_all().create(name='x'),\n"
        "    lambda: Query(Shot).get_first().create(),\n"
        "    lambda: Shot(Query(Project).get_all()),\n"
        "):\n"
        "    try: attempt()\n"
        "    except AssertionError as error: print('refused')\n"
        "print(len(SESSION.recorded_operations))\n",
        "-O",
        env=demo.env,
    )
    assert printed.split() == ["refused"] * 5 + ["0"]
