"""Who may see less is never answered with what somebody else was told."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.redis import embedded_redis
from tests.support.sandbox import SandboxProcess
from trackteroid.entities import Shot
from trackteroid.query import Query
from trackteroid.session import Session


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxProcess]:
    with SandboxProcess(seed="farm:shots=6") as server:
        yield server


def test_a_user_without_access_gets_no_rows_of_an_entry_that_another_users_session_made(
    sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    with embedded_redis() as redis:
        for name, value in {**sandbox.env, "TRACKTEROID_QUERY_CACHE_URL": redis.url}.items():
            monkeypatch.setenv(name, value)
        with Session() as producer, Session(api_user="artist00", api_key="artist00-key") as artist:

            def seen(session: Session) -> int:
                with session.reusing_query_results(shared=True):
                    ours = len(Query(Shot, session=session).get_all(projections=["name"]))
                    assert len(session.query("select name from Shot").all()) == ours
                    return ours

            assert seen(producer) == seen(artist) == 6
            for project in producer.query("select is_private from Project").all():
                project["is_private"] = True
            producer.commit()
            # The artist's own answer was one of when it might see them.
            assert seen(producer) == 6
            assert seen(artist) == 0
            assert seen(producer) == 6
            with producer.reusing_query_results(shared=True, max_stale=3600):
                assert len(Query(Shot, session=producer).get_all(projections=["name"])) == 6
            with artist.reusing_query_results(shared=True, max_stale=3600):
                assert len(Query(Shot, session=artist).get_all(projections=["name"])) == 0
