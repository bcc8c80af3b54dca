"""What others than our sessions change, and what a worker could not tell: through real processes."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator

import pytest

from tests.support.processes import ManagedProcess, wait_until
from tests.support.sandbox import SandboxProcess
from tests.support.workers import worker_process
from trackteroid.commits.cache_debts import CacheDebts
from trackteroid.commits.enqueueing import open_ledger
from trackteroid.embedded_redis import EmbeddedRedis
from trackteroid.session import Session
from trackteroid.settings import Settings

QUESTION = "select name, description from Shot order by name"


@pytest.fixture
def session(cached_environment: None) -> Iterator[Session]:
    with Session() as made:
        made.query_cache.clear()
        yield made


def descriptions(session: Session) -> list[str]:
    with session.reusing_query_results(shared=True):
        return [shot["description"] for shot in session.fetch_entities(QUESTION)]


def describe(sandbox: SandboxProcess, text: str) -> None:
    """As the JavaScript client or ftrack's own pages would: no session of ours has a part in it."""
    (answer,) = sandbox.api({"action": "query", "expression": "select id from Shot"})
    key = answer["data"][0]["id"]
    sandbox.api({"action": "update", "entity_type": "Shot", "entity_key": [key], "entity_data": {"description": text}})


def listens_to_others(sandbox: SandboxProcess, session: Session, process: ManagedProcess, words: str) -> None:
    wait_until(lambda: "arrive" in process.output, what="the listener")
    assert words not in descriptions(session)
    describe(sandbox, words)
    wait_until(lambda: words in descriptions(session), what="the change to be noticed")


def test_without_a_listener_what_others_change_is_noticed_late(sandbox: SandboxProcess, session: Session) -> None:
    descriptions(session)
    describe(sandbox, "by others, unnoticed")
    assert "by others, unnoticed" not in descriptions(session)


def test_the_command_makes_results_forgotten_that_others_change(
    sandbox: SandboxProcess, redis: EmbeddedRedis, session: Session
) -> None:
    environment = {**sandbox.env, "TRACKTEROID_REDIS_URL": redis.url}
    with ManagedProcess(
        [sys.executable, "-m", "trackteroid", "cache", "listen"], env=environment, name="listener"
    ) as process:
        listens_to_others(sandbox, session, process, "by others, heard")
        os.kill(process.pid, signal.SIGTERM)
        wait_until(lambda: not process.running, what="the end of the listener")
        assert "Traceback" not in process.output


def test_a_worker_listens_where_it_is_switched_on_and_pays_what_the_cache_is_owed(
    sandbox: SandboxProcess, redis: EmbeddedRedis, session: Session
) -> None:
    with worker_process(redis.url, sandbox.env, env={"TRACKTEROID_CACHE_LISTENER": "1"}) as worker:
        listens_to_others(sandbox, session, worker, "by others, heard by a worker")
        ledger = open_ledger(Settings.from_environment(), sandbox.url)
        before = descriptions(session)
        CacheDebts(ledger).owe()
        wait_until(lambda: not ledger.client.exists(f"{ledger.prefix}cache_debt"), what="the debt to be paid")
        wait_until(lambda: "forgets what it has" in worker.output, what="the worker to say so")
        sandbox.requests(clear=True)
        assert descriptions(session) == before
        assert any(QUESTION in text for entry in sandbox.requests() for text in entry["expressions"])
        ledger.client.close()
