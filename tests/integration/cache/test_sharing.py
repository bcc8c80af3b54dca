"""Sharing query results between processes, through a real Redis and a real server."""

from __future__ import annotations

import importlib
import time
import uuid
from collections.abc import Iterator
from contextlib import nullcontext

import pytest
import requests

from tests.support.sandbox import SandboxProcess
from trackteroid.embedded_redis import EmbeddedRedis
from trackteroid.entities import AssetVersion
from trackteroid.errors import BadInputError, ServerCallError
from trackteroid.query import Query
from trackteroid.session import Session

QUESTION = "select id, asset.name, version from AssetVersion"


@pytest.fixture
def sessions(sandbox: SandboxProcess, cached_environment: None) -> Iterator[tuple[Session, Session]]:
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


def test_a_query_of_the_client_is_answered_from_redis_whole_and_page_by_page(
    sandbox: SandboxProcess, sessions: tuple[Session, Session]
) -> None:
    first, second = sessions
    for page_size in (500, 5):
        sandbox.requests(clear=True)
        with first.reusing_query_results(shared=True), second.reusing_query_results(shared=True):
            mine = first.query(QUESTION, page_size=page_size).all()
            pages = asked(sandbox)
            theirs = second.query(QUESTION, page_size=page_size).all()
        assert [each["id"] for each in mine] == [each["id"] for each in theirs]
        assert theirs[0].session is second
        assert asked(sandbox) == pages > 0
    assert pages > 1


def test_one_and_first_of_the_client_are_answered_from_redis(
    sandbox: SandboxProcess, sessions: tuple[Session, Session]
) -> None:
    first, second = sessions
    question = 'select id, name from Project where name is "{}"'.format(first.query("Project").first()["name"])
    sandbox.requests(clear=True)
    with first.reusing_query_results(shared=True), second.reusing_query_results(shared=True):
        assert first.query(question).one()["id"] == second.query(question).one()["id"]
        assert first.query(question).first()["id"] == second.query(question).first()["id"]
    assert len(sandbox.requests()) == 2


def test_a_query_of_the_library_and_one_of_the_client_share_their_pages(
    sandbox: SandboxProcess, sessions: tuple[Session, Session]
) -> None:
    first, second = sessions
    with first.reusing_query_results(shared=True), second.reusing_query_results(shared=True):
        collection = Query(AssetVersion, session=first).get_all()
        assert len(second.query(QUESTION).all()) == len(collection)
    assert asked(sandbox) == 1


def test_fetching_attributes_is_answered_from_redis(sandbox: SandboxProcess, sessions: tuple[Session, Session]) -> None:
    first, second = sessions
    texts = []
    for session in (first, second):
        with session.reusing_query_results(shared=True):
            versions = Query(AssetVersion, session=session).get_all()
            sandbox.requests(clear=True)
            versions.fetch_attributes("comment", "user.username")
            texts.append((versions.comment, versions.user.username))
            asked_for = len(sandbox.requests())
    assert texts[0] == texts[1]
    assert asked_for == 0


def test_an_empty_answer_is_shared(sandbox: SandboxProcess, sessions: tuple[Session, Session]) -> None:
    first, second = sessions
    for session in (first, second):
        with session.reusing_query_results(shared=True):
            assert session.query('select id from Project where name is "there is none"').all() == []
    assert len(sandbox.requests()) == 1


def test_whether_something_exists_already_is_asked_of_the_server(
    sandbox: SandboxProcess, sessions: tuple[Session, Session]
) -> None:
    """What was made behind the cache's back must not be made twice."""
    first, second = sessions
    with first.reusing_query_results(shared=True):
        assert first.query('User where username is "newcomer"').all() == []
        sandbox.api({"action": "create", "entity_type": "User", "entity_data": {"username": "newcomer"}})
        first.ensure("User", {"username": "newcomer"})
    assert len(second.query('User where username is "newcomer"').all()) == 1


def test_a_session_that_connects_inside_the_block_asks_the_server_what_it_needs_for_that(
    sandbox: SandboxProcess, sessions: tuple[Session, Session]
) -> None:
    first, _ = sessions
    with first.reusing_query_results(shared=True):
        before = ask(first)
        first.reconnect()
        assert ask(first) == before


def test_options_that_make_no_sense_are_refused(sessions: tuple[Session, Session]) -> None:
    first, _ = sessions
    for options in ({"ttl": 0}, {"ttl": -1.0}, {"max_stale": -1.0}, {"max_stale": float("inf")}):
        with pytest.raises(BadInputError), first.reusing_query_results(shared=True, **options):
            pass
    with pytest.raises(BadInputError, match="shared=True"), first.reusing_query_results(ttl=3.0):
        pass


def creating_a_version(session: Session) -> list[dict[str, object]]:
    asset_id = session.query("select id from Asset").first()["id"]
    data = {"__entity_type__": "AssetVersion", "id": str(uuid.uuid4()), "asset_id": asset_id}
    return [{"action": "create", "entity_type": "AssetVersion", "entity_key": [data["id"]], "entity_data": data}]


def test_what_is_announced_is_marked_when_it_is_sent_and_told_once(
    sandbox: SandboxProcess, sessions: tuple[Session, Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = sessions
    ask(second)
    batch = creating_a_version(first)
    told: list[tuple[str, bool]] = []
    reusing = importlib.import_module("trackteroid.loading.reusing")
    send = reusing.exchange

    def sending(*arguments: object, **options: object) -> object:
        # Nobody is answered from the cache from here on.
        before = asked(sandbox)
        ask(second)
        told.append(("sent", asked(sandbox) > before))
        return send(*arguments, **options)

    monkeypatch.setattr(reusing, "exchange", sending)
    with first.announcing(batch):
        first.exchange(batch)
    assert told == [("sent", True)]
    monkeypatch.undo()
    versions = ask(second)
    assert batch[0]["entity_key"][0] in versions  # type: ignore[index]
    before = asked(sandbox)
    assert ask(second) == versions
    assert asked(sandbox) == before


def test_what_is_announced_can_be_sent_again(sandbox: SandboxProcess, sessions: tuple[Session, Session]) -> None:
    first, second = sessions
    ask(second)
    batch = creating_a_version(first)
    with first.announcing(batch):
        first.exchange(batch)
        with pytest.raises(ServerCallError, match="IntegrityError"):
            first.exchange(batch)
    assert batch[0]["entity_key"][0] in ask(second)  # type: ignore[index]


def test_another_batch_than_the_announced_one_is_told_by_itself(
    sandbox: SandboxProcess, sessions: tuple[Session, Session]
) -> None:
    first, second = sessions
    ask(second)
    announced, batch = creating_a_version(first), creating_a_version(first)
    with first.writing_as("one"), first.announcing(announced):
        first.exchange(batch)
    assert batch[0]["entity_key"][0] in ask(second)  # type: ignore[index]


@pytest.mark.parametrize("announced", [True, False])
def test_the_time_that_the_cache_takes_is_taken_from_the_requests(
    sandbox: SandboxProcess, sessions: tuple[Session, Session], monkeypatch: pytest.MonkeyPatch, announced: bool
) -> None:
    """After that others may find out what it did, and send the rest."""
    first, _ = sessions
    batch = creating_a_version(first)
    opening = importlib.import_module("trackteroid.cache.redis_backend")._Opening
    wait = opening.wait

    def waiting(self: object) -> None:
        time.sleep(0.3)
        wait(self)

    monkeypatch.setattr(opening, "wait", waiting)
    reusing = importlib.import_module("trackteroid.loading.reusing")
    send = reusing.exchange
    timeouts: list[float] = []

    def sending(*arguments: object, timeout: float, **options: object) -> object:
        timeouts.append(timeout)
        return send(*arguments, timeout=timeout, **options)

    monkeypatch.setattr(reusing, "exchange", sending)

    def commit(timeout: float) -> None:
        with first.announcing(batch) if announced else nullcontext():
            first.exchange(batch, timeout=timeout)

    sandbox.requests(clear=True)
    with pytest.raises(ServerCallError, match="No time was left") as caught:
        commit(0.2)
    assert (caught.value.kind, caught.value.maybe_applied) == ("timeout", False)
    assert sandbox.requests() == []
    commit(60.0)
    assert timeouts[-1] <= 60.0 - 0.3
    assert len(sandbox.requests()) == 1
