"""The stories of `tests/unit/cache/test_never_stale.py` on a real Redis, and real sessions on a real server."""

from __future__ import annotations

from typing import Any

import pytest
import redis as redis_client
from hypothesis.stateful import run_state_machine_as_test

from tests.support.sandbox import SandboxProcess
from tests.unit.cache.test_never_stale import Sharing, budget
from trackteroid.embedded_redis import EmbeddedRedis
from trackteroid.session import Session


def stories(redis: EmbeddedRedis) -> type[Sharing]:
    pool = redis_client.ConnectionPool.from_url(redis.url)

    class OnARealServer(Sharing):
        def make_redis(self) -> Any:
            redis_client.Redis(connection_pool=pool).flushall()

        def client(self) -> Any:
            return redis_client.Redis(connection_pool=pool)

        def teardown(self) -> None:
            super().teardown()
            pool.disconnect()

    return OnARealServer


def test_nobody_is_told_what_was_before(redis: EmbeddedRedis) -> None:
    run_state_machine_as_test(stories(redis), settings=budget(3, 20))  # type: ignore[no-untyped-call]


@pytest.mark.soak
def test_nobody_is_told_what_was_before_in_many_stories(redis: EmbeddedRedis) -> None:
    run_state_machine_as_test(stories(redis), settings=budget(150, 60))  # type: ignore[no-untyped-call]


QUESTION = "select name, description from Shot"


def names(session: Session) -> set[str]:
    with session.reusing_query_results(shared=True):
        return {shot["name"] for shot in session.fetch_entities(QUESTION)}


def test_a_user_without_access_never_gets_what_another_users_session_has_cached(
    redis: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SandboxProcess(seed="demo") as sandbox:
        for name, value in {**sandbox.env, "TRACKTEROID_REDIS_URL": redis.url}.items():
            monkeypatch.setenv(name, value)
        keys = {"api_user": "anna", "api_key": "anna-key"}, {"api_user": "ben", "api_key": "ben-key"}
        with Session(**keys[0]) as anna, Session(**keys[1]) as ben, Session() as admin:
            for _ in range(2):
                assert "tz010" in names(ben)
                assert "tz010" not in names(anna)
            # A plain commit of one session is seen by the others at once, as far as each may see it.
            project = admin.query('select id from Project where name is "teaser"').one()
            shot = admin.query('select id from Shot where name is "sp010"').one()
            assert "sp010" in names(anna)
            shot["parent"] = project
            admin.commit()
            assert "sp010" not in names(anna)
            assert "sp010" in names(ben)
            # Access that is given or taken is noticed, too.
            project["is_private"] = False
            admin.commit()
            assert {"sp010", "tz010"} <= names(anna)
            project["is_private"] = True
            admin.commit()
            assert not {"sp010", "tz010"} & names(anna)
            assert {"sp010", "tz010"} <= names(ben)
            sandbox.requests(clear=True)
            names(anna)
            names(ben)
            assert not [
                entry for entry in sandbox.requests() if any("from Shot" in text for text in entry["expressions"])
            ]
