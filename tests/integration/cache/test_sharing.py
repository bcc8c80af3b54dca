"""Sharing query results between processes, through a real Redis and a real server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests

from tests.support.redis import embedded_redis
from tests.support.sandbox import SandboxProcess
from trackteroid.embedded_redis import EmbeddedRedis
from trackteroid.entities import AssetVersion
from trackteroid.query import Query
from trackteroid.session import Session

QUESTION = "select id, asset.name, version from AssetVersion"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxProcess]:
    with SandboxProcess(seed="demo") as server:
        yield server


@pytest.fixture(scope="module")
def redis() -> Iterator[EmbeddedRedis]:
    with embedded_redis() as server:
        yield server


@pytest.fixture
def sessions(
    sandbox: SandboxProcess, redis: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Session, Session]]:
    for name, value in {**sandbox.env, "TRACKTEROID_REDIS_URL": redis.url}.items():
        monkeypatch.setenv(name, value)
    with Session() as first, Session() as second:
        first.query_cache.clear()
        sandbox.requests(clear=True)
        yield first, second


def asked(sandbox: SandboxProcess) -> int:
    return sum(QUESTION in expression for entry in sandbox.requests() for expression in entry["expressions"])


def ask(session: Session) -> list[str]:
    with session.reusing_query_results(shared=True):
        return [version["id"] for version in session.fetch_entities(QUESTION)]


def make_version(session: Session) -> str:
    asset = session.query("select id, versions.task from Asset").first()
    version = session.create("AssetVersion", {"asset": asset, "task": asset["versions"][0]["task"]})
    session.commit()
    return str(version["id"])


def test_the_second_session_is_answered_from_redis(sandbox: SandboxProcess, sessions: tuple[Session, Session]) -> None:
    first, second = sessions
    assert ask(first) == ask(second)
    assert asked(sandbox) == 1
    assert second.query_cache.statistics.hits == 1


def test_entities_from_the_cache_are_the_asking_sessions_own(sessions: tuple[Session, Session]) -> None:
    first, second = sessions
    with first.reusing_query_results(shared=True), second.reusing_query_results(shared=True):
        mine, theirs = first.fetch_entities(QUESTION), second.fetch_entities(QUESTION)
    assert theirs[0].session is second
    assert dict(theirs[0]["asset"].items())["name"] == mine[0]["asset"]["name"]


def test_a_hit_is_not_logged_as_a_query(sessions: tuple[Session, Session], caplog: pytest.LogCaptureFixture) -> None:
    first, second = sessions
    with caplog.at_level("INFO", "trackteroid.query"):
        for session in (first, second):
            with session.reusing_query_results(shared=True):
                Query(AssetVersion, session=session).get_all()
    assert [record.getMessage() for record in caplog.records if record.name == "trackteroid.query"] == [
        f'Performing query: "{QUESTION}"'
    ]


def test_a_commit_is_seen_by_the_next_asker(sandbox: SandboxProcess, sessions: tuple[Session, Session]) -> None:
    first, second = sessions
    before = ask(first)
    made = make_version(second)
    assert set(ask(first)) == {*before, made}
    assert asked(sandbox) == 2


def test_a_collection_of_this_process_is_reused_only_while_it_is_true(sessions: tuple[Session, Session]) -> None:
    first, second = sessions
    with first.reusing_query_results(shared=True):
        once = Query(AssetVersion, session=first).get_all()
        assert Query(AssetVersion, session=first).get_all() is once
        made = make_version(second)
        again = Query(AssetVersion, session=first).get_all()
        assert again is not once
        assert made in again.id


def test_a_commit_whose_reply_was_lost_invalidates_too(
    sandbox: SandboxProcess, sessions: tuple[Session, Session]
) -> None:
    first, second = sessions
    before = ask(first)
    asset = second.query("select id, versions.task from Asset").first()
    version = second.create("AssetVersion", {"asset": asset, "task": asset["versions"][0]["task"]})
    sandbox.faults([{"kind": "drop_reply", "times": 1, "actions": ["create"]}])
    with pytest.raises(requests.exceptions.ConnectionError):
        second.commit()
    sandbox.clear_faults()
    assert set(ask(first)) == {*before, version["id"]}


def test_namespaces_share_on_purpose_or_not_at_all(
    sandbox: SandboxProcess, redis: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**sandbox.env, "TRACKTEROID_REDIS_URL": redis.url}.items():
        monkeypatch.setenv(name, value)
    with (
        Session(cache_namespace="a") as one,
        Session(cache_namespace="b") as other,
        Session(cache_namespace="a") as same,
    ):
        one.query_cache.clear()
        sandbox.requests(clear=True)
        ask(one)
        ask(other)
        assert asked(sandbox) == 2
        ask(same)
        assert asked(sandbox) == 2


def test_without_redis_the_server_answers(
    sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name, value in {**sandbox.env, "TRACKTEROID_REDIS_URL": "redis://127.0.0.1:9/0"}.items():
        monkeypatch.setenv(name, value)
    with Session() as session, caplog.at_level("WARNING", "trackteroid.cache"):
        assert ask(session)
        assert ask(session)
        make_version(session)
    assert len([record for record in caplog.records if record.name == "trackteroid.cache"]) == 1
