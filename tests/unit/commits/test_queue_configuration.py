from __future__ import annotations

import ast
import logging
import os
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import Celery
from celery.app.defaults import NAMESPACES, flatten
from celery.exceptions import CPendingDeprecationWarning

import workers.schedule
from tests.support.clock import FakeClock
from tests.support.redis import fake_redis
from trackteroid.commits.wakeups import COMMIT_TASK, SWEEP_TASK, WakeupSender, housekeeping_queue, wakeup_queue
from trackteroid.settings import Settings
from workers.config import configuration
from workers.logs import REPEAT_SECONDS, WithoutBrokerTracebacks, WithoutEmptyTracebacks, WithoutPlans, quieten_handlers
from workers.schedule import WAITING_LIMIT, BoundedScheduler, schedule
from workers.signals import own_timers

SERVER = "https://studio.example"
ROOT = Path(__file__).resolve().parents[3]


def test_nothing_that_matters_lives_in_the_broker() -> None:
    settings = configuration(Settings(), SERVER)
    assert settings["task_acks_late"] is False
    assert settings["worker_prefetch_multiplier"] == 1
    assert settings["accept_content"] == ["json"]
    assert settings["task_ignore_result"] is True and settings["result_backend"] is None
    assert [queue.name for queue in settings["task_queues"]] == [wakeup_queue(SERVER), housekeeping_queue(SERVER)]


def test_celery_knows_every_setting() -> None:
    # Celery takes any name; a misspelled one would silently do nothing.
    known = {name for name, _ in flatten(NAMESPACES)}
    assert configuration(Settings(), SERVER).keys() - known == set()


def test_tasks_are_thin_shells() -> None:
    for path in (ROOT / "tasks").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                assert len(node.body) <= 5, f"{path.name}:{node.lineno}"


def test_a_wakeup_that_cannot_be_sent_is_no_error() -> None:
    assert WakeupSender("redis://127.0.0.1:1/0", SERVER).send() is False


def test_without_celery_there_is_no_wakeup(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "celery", None)
    assert WakeupSender("redis://127.0.0.1:1/0", SERVER).send() is False


def test_a_wakeup_is_a_bare_message_on_the_servers_queue() -> None:
    app = Celery(broker="memory://", set_as_current=False)
    sender = WakeupSender("memory://", SERVER)
    sender._app, sender._pid = app, os.getpid()
    assert sender.send(2)
    with app.connection_for_read() as connection:
        queue = connection.SimpleQueue(wakeup_queue(SERVER))
        message = queue.get(block=False)
        assert message.headers["task"] == COMMIT_TASK
        assert message.payload[:2] == [[], {}]
        message.ack()
        assert queue.qsize() == 1
        queue.close()


class Entry:
    name = "sweep"
    task = SWEEP_TASK


def test_the_scheduler_stops_sending_when_nobody_takes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    app = Celery(broker="memory://", set_as_current=False)
    app.conf.update({**configuration(Settings(), SERVER), "broker_url": "memory://"})
    client = fake_redis()
    monkeypatch.setattr(workers.schedule, "connect", lambda url: client)
    scheduler = BoundedScheduler(app=app, lazy=True)
    sent: list[Any] = []
    monkeypatch.setattr(scheduler, "apply_async", lambda entry, **options: sent.append(entry))
    queue = housekeeping_queue(SERVER)
    for _ in range(WAITING_LIMIT):
        scheduler.apply_entry(Entry)
        client.lpush(queue, b"message")
    assert len(sent) == WAITING_LIMIT
    scheduler.apply_entry(Entry)
    assert len(sent) == WAITING_LIMIT
    client.delete(queue)
    scheduler.apply_entry(Entry)
    assert len(sent) == WAITING_LIMIT + 1


def test_the_scheduler_survives_an_absent_redis(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACKTEROID_REDIS_URL", "redis://127.0.0.1:1/0")
    app = Celery(set_as_current=False)
    app.conf.update(configuration(Settings(redis_url="redis://127.0.0.1:1/0"), SERVER))
    BoundedScheduler(app=app, lazy=True).apply_entry(Entry)
    assert "Not sending sweep" in caplog.text


@pytest.mark.parametrize("spool", [None, "/shared/spool"])
def test_whatever_beat_does_each_worker_does_by_itself(spool: str | None) -> None:
    settings = Settings(spool_folder=spool)
    assert set(schedule(settings)) <= {timer.name for timer in own_timers(settings)}
    assert {entry["task"] for entry in schedule(settings).values()} <= configuration(settings, SERVER)[
        "task_routes"
    ].keys()
    assert ("flush_spool" in schedule(settings)) is (spool is not None)


def test_the_clients_tracebacks_of_nothing_are_left_out() -> None:
    record = logging.LogRecord("ftrack_api.session.Session", logging.ERROR, "", 0, "refused", None, (None, None, None))
    assert WithoutEmptyTracebacks().filter(record)
    assert "NoneType" not in logging.Formatter().format(record)


def test_celerys_plans_are_left_out_and_other_warnings_are_not() -> None:
    def kept(kind: type[Warning]) -> bool:
        text = warnings.formatwarning("In Celery 5.1 we introduced ...", kind, "consumer.py", 427)
        return WithoutPlans().filter(logging.LogRecord("py.warnings", logging.WARNING, "", 0, "%s", (text,), None))

    assert [kept(kind) for kind in (CPendingDeprecationWarning, DeprecationWarning)] == [False, True]


FULL = redis.exceptions.OutOfMemoryError("command not allowed when used memory > 'maxmemory'.")


def record_of(error: Exception, name: str = "kombu.asynchronous.hub", *, cause: Exception | None = None) -> Any:
    try:
        try:
            if cause is not None:
                raise cause
        finally:
            raise error
    except Exception:
        return logging.LogRecord(name, logging.ERROR, "", 0, "Error in timer: %s", ("x",), sys.exc_info())


def test_a_redis_in_trouble_is_one_line_that_says_what_to_do() -> None:
    kept = WithoutBrokerTracebacks()
    record = record_of(FULL)
    assert kept.filter(record)
    assert logging.Formatter().format(record) == (
        "Error in timer: x (OutOfMemoryError: command not allowed when used memory > 'maxmemory'.) "
        "`trackteroid doctor` says what to do."
    )
    # Celery stumbles over its own feet when the connection breaks; what broke it is what counts.
    stumbled = record_of(AttributeError("no connection_errors"), cause=redis.exceptions.ConnectionError("refused"))
    stumbled.name = "celery.bootsteps"
    assert kept.filter(stumbled)
    assert "ConnectionError: refused" in (text := logging.Formatter().format(stumbled)) and "Traceback" not in text


def test_sentinels_that_know_no_primary_are_no_screenful() -> None:
    text = (
        "consumer: Cannot connect to sentinel://:**@s1:26379/0: No master found for 'ledger' : <redis.client.Redis(<redis."
        "connection.ConnectionPool(<redis.connection.Connection(db=0,host=s1,port=26379)>)>)> - network:ConnectionError, "
        "<redis.client.Redis(<redis.connection.ConnectionPool(...)>)> - network:TimeoutError.\nTrying again in 2.00 seconds..."
    )
    record = logging.LogRecord("celery.worker.consumer", logging.ERROR, "", 0, "%s", (text,), None)
    assert WithoutBrokerTracebacks().filter(record)
    assert record.getMessage() == (
        "consumer: Cannot connect to sentinel://:**@s1:26379/0: No master found for 'ledger' - network:TimeoutError.\n"
        "Trying again in 2.00 seconds..."
    )


def test_the_same_trouble_is_said_once_a_minute() -> None:
    clock = FakeClock()
    kept, other = WithoutBrokerTracebacks(clock), WithoutBrokerTracebacks(clock)
    assert kept.filter(record_of(FULL))
    clock.advance(REPEAT_SECONDS - 1)
    again = record_of(FULL)
    assert not kept.filter(again)
    assert not other.filter(again)
    assert kept.filter(record_of(redis.exceptions.ConnectionError("refused")))
    clock.advance(1)
    assert kept.filter(record_of(FULL))


@pytest.mark.parametrize(
    ("error", "name"),
    [(ValueError("a mistake"), "celery.worker"), (FULL, "workers.housekeeping_timer"), (FULL, "trackteroid.commits")],
)
def test_other_tracebacks_stay(error: Exception, name: str) -> None:
    record = record_of(error, name)
    assert WithoutBrokerTracebacks().filter(record)
    assert "Traceback" in logging.Formatter().format(record)


def test_every_handler_that_celery_makes_gets_that_filter() -> None:
    logger = logging.getLogger("a root of a worker")
    logger.addHandler(logging.NullHandler())
    quieten_handlers(logger, sender=None)
    assert any(isinstance(each, WithoutBrokerTracebacks) for each in logger.handlers[0].filters)
