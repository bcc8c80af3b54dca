"""The session against a real server: everything of the client, lazily, reconnecting in place."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import ftrack_api
import pytest
import requests

from tests.support.sandbox import SandboxProcess
from trackteroid.errors import EntityCollectionOperationError
from trackteroid.session import Session


@pytest.fixture
def session(sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Session]:
    for name, value in {**sandbox.env, "FTRACK_API_SCHEMA_CACHE_PATH": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    with Session() as connected:
        yield connected


def credentials(server: SandboxProcess) -> tuple[str, str, str]:
    return server.env["FTRACK_SERVER"], server.env["FTRACK_API_KEY"], server.env["FTRACK_API_USER"]


def test_it_is_the_clients_session_and_does_what_that_does(session: Session) -> None:
    assert isinstance(session, ftrack_api.Session)
    assert session.generation == 1
    assert not session.auto_populate
    project = session.query("Project").first()
    task = session.create("Task", {"name": "one more", "parent": project})
    session.commit()
    assert session.get("Task", task["id"]) is task
    session.delete(task)
    session.commit()
    assert session.query(f'select id from Task where id is "{task["id"]}"').all() == []


def test_positional_arguments_in_the_clients_order_and_in_the_original_librarys(sandbox: SandboxProcess) -> None:
    with Session(*credentials(sandbox)) as mine:
        assert mine.api_user == sandbox.env["FTRACK_API_USER"]
    url, key, user = credentials(sandbox)
    with Session(True, False, server_url=url, api_key=key, api_user=user) as mine:
        assert mine.auto_populate


def test_wrong_credentials_raise_the_clients_error(sandbox: SandboxProcess) -> None:
    with pytest.raises(ftrack_api.exception.ServerError, match="InvalidCredentialsError"):
        Session(sandbox.env["FTRACK_SERVER"], "wrong", sandbox.env["FTRACK_API_USER"])


def test_reconnecting_keeps_the_object_and_empties_it(session: Session) -> None:
    project = session.query("select id, name from Project").first()
    old_hub, name = session.event_hub, project["name"]
    session.create("Task", {"name": "pending", "parent": project})
    session.reconnect()
    assert session.generation == 2
    assert len(session.recorded_operations) == 0
    assert session.event_hub is not old_hub
    assert session.query("select id, name from Project").first() is not project
    assert project["name"] == name
    with pytest.raises(EntityCollectionOperationError, match="earlier connection"):
        project["name"] = "changed"
    assert len(session.recorded_operations) == 0


def test_overrides_of_a_reconnect_are_kept(session: Session) -> None:
    session.reconnect(timeout=7)
    session.reconnect()
    assert session.request_timeout == 7


@pytest.mark.parametrize("override", [{"api_key": "wrong"}, {"server_url": "http://127.0.0.1:9"}])
def test_a_failed_reconnect_leaves_everything_as_it_was(session: Session, override: dict[str, str]) -> None:
    project = session.query("select id, name from Project").first()
    session.create("Task", {"name": "pending", "parent": project})
    pending, hub = len(session.recorded_operations), session.event_hub
    with pytest.raises((ftrack_api.exception.ServerError, requests.exceptions.RequestException)):
        session.reconnect(**override)
    assert type(session) is Session
    assert session.generation == 1
    assert len(session.recorded_operations) == pending
    assert session.event_hub is hub
    assert session.query("select id, name from Project").first() is project
    session.rollback()


def test_reconnecting_forgets_what_the_client_memoised_for_this_object(session: Session) -> None:
    with session.auto_populating(True):
        task = session.query("Task").first()
        list(task["custom_attributes"].keys())
    before = str(id(session))
    session.reconnect()
    cache = ftrack_api.collection.memoise_session.__closure__[0].cell_contents.cache
    assert not [key for key in cache.keys() if before in key]


def test_a_closed_session_can_be_closed_again_and_reconnected(session: Session) -> None:
    session.close()
    session.close()
    assert session.closed
    session.reconnect()
    assert not session.closed
    assert session.query("Project").first() is not None


def test_threads_that_use_it_while_it_reconnects_wait(session: Session) -> None:
    errors: list[BaseException] = []
    stop = threading.Event()

    def use() -> None:
        while not stop.is_set():
            try:
                assert session.server_url
                assert session.types
            except BaseException as error:
                errors.append(error)

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        session.reconnect()
    stop.set()
    for thread in threads:
        thread.join()
    assert errors == []
    assert session.generation == 4


def test_a_limit_in_a_value_is_not_taken_for_a_limit(session: Session) -> None:
    project = session.query("Project").first()
    names = [f"speed limit {number}" for number in (50, 60)]
    for name in names:
        session.create("Shot", {"name": name, "parent": project})
    session.commit()
    found = session.fetch_entities(
        'select id, name from Shot where name like "speed limit %" order by name', limit=1, offset=1
    )
    assert [shot["name"] for shot in found] == ["speed limit 60"]


def test_pages_are_fetched_until_the_end(session: Session) -> None:
    project = session.query("Project").first()
    for number in range(520):
        session.create("Shot", {"name": f"page{number:04d}", "parent": project})
    session.commit()
    found = session.fetch_entities('select name from Shot where name like "page%" order by name')
    assert [shot["name"] for shot in found] == [f"page{number:04d}" for number in range(520)]
    found = session.fetch_entities('select name from Shot where name like "page%" order by name', limit=505, offset=10)
    assert [shot["name"] for shot in found] == [f"page{number:04d}" for number in range(10, 515)]


def test_the_default_session_connects_once_from_many_threads(sandbox: SandboxProcess, tmp_path: Path) -> None:
    source = """
import threading
from trackteroid import SESSION
SESSION.note = "kept"
with SESSION as same:
    assert same is SESSION
assert SESSION.generation == 0
names = []
threads = [threading.Thread(target=lambda: names.append(SESSION.query("Project").first()["name"])) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(len(names), len(set(names)), SESSION.generation, SESSION.note)
"""
    env = {**os.environ, **sandbox.env, "FTRACK_API_SCHEMA_CACHE_PATH": str(tmp_path)}
    sandbox.requests(clear=True)
    done = subprocess.run([sys.executable, "-c", source], env=env, capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["8", "1", "1", "kept"], done.stderr
    starts = [entry for entry in sandbox.requests() if "query_server_information" in entry["actions"]]
    assert len(starts) == 1
