"""A process that forks after it has used the cache: parent and child go on, each by itself."""

from __future__ import annotations

import json
import os

import pytest

from tests.support.processes import run_python

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")

FORKING = """
import json, os, signal, sys, threading, time

from trackteroid.cache import connection as connections
from trackteroid.cache import statistics
from trackteroid.cache.query_cache import Answer
from trackteroid.session import Session

LED, CHILDS = "select id from Status", "select id from Type"


def ask(session):
    with session.reusing_query_results(shared=True):
        return [version["id"] for version in session.fetch_entities("select id, version from AssetVersion")]


def answer(session, question, ask):
    return session.query_cache.answer(question, ask, str)


def never():
    raise AssertionError("asked ftrack")


def until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def ports(session):
    backend = session.query_cache.connection.backend
    pools = [client.connection_pool for client in (backend._client, backend._patient)]
    return [each._sock.getsockname()[1] for pool in pools for each in pool._available_connections if each._sock]


def hold(lock, held, released):
    with lock:
        held.release()
        released.wait(60)


def child(session, tell):
    signal.alarm(60)
    connection = session.query_cache.connection
    found = {
        "empty": not (connection.leads._held or connection.waiting_room._groups or connection.shared_looks._lines),
        "owes": connection.owes("s"),
        "process": connection.statistics.as_dict(),
        "rows": ask(session),
        "hits": connection.statistics.hits,
        "misses": connection.statistics.misses,
    }

    def watch():
        until(lambda: connection.statistics.waits)
        os.write(tell, b"waiting\\n")

    threading.Thread(target=watch, daemon=True).start()
    found["led"] = answer(session, LED, never)
    found["own"] = answer(session, CHILDS, lambda: Answer("child", "child"))
    connection.flush()
    found["ports"] = ports(session)
    # Another session of the child's.
    with Session() as second:
        found["second"] = ask(second)
    os.write(tell, json.dumps(found).encode() + b"\\n")


with Session() as session:
    connection, cache = session.query_cache.connection, session.query_cache
    rows = ask(session)
    connection.flush()
    answered, released = threading.Event(), threading.Event()
    led = []

    def lead():
        led.append(answer(session, LED, lambda: (answered.wait(60), Answer("parent", "parent"))[1]))

    threads = [threading.Thread(target=lead)]
    threads[0].start()
    until(lambda: connection.leads._held)
    threads += [threading.Thread(target=lambda: led.append(answer(session, LED, never))) for _ in range(3)]
    for thread in threads[1:]:
        thread.start()
    until(lambda: connection.statistics.waits == 3)
    connection.owe("s")
    # Others are in the middle of something.
    locks = [
        connection._lock, connection.availability._lock, connection.shared_looks._lock, connection.waiting_room._lock,
        connections._state["lock"], statistics._state["lock"], session.reused_results._lock,
    ]
    held = threading.Semaphore(0)
    for lock in locks:
        threads.append(threading.Thread(target=hold, args=(lock, held, released)))
        threads[-1].start()
    for _ in locks:
        assert held.acquire(timeout=60)
    heard, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            child(session, tell)
        except BaseException as error:
            os.write(tell, repr(error).encode() + b"\\n")
        finally:
            os._exit(0)
    os.close(tell)
    released.set()
    with open(heard) as lines:
        assert lines.readline() == "waiting\\n"
        answered.set()
        told = json.loads(lines.readline())
    os.waitpid(pid, 0)
    for thread in threads:
        thread.join(60)
    told["parent"] = {
        "rows": rows, "led": led, "owes": connection.owes("s"), "ports": ports(session), "again": ask(session),
        "childs": answer(session, CHILDS, never), "misses": cache.statistics.misses,
    }
print(json.dumps(told))
"""


def test_a_child_begins_anew_and_shares_answers_but_no_connection_with_its_parent(cached_environment: None) -> None:
    """At the fork the parent asks ftrack, three threads wait for that, others hold every lock, and it owes an invalidation."""
    # As of Python 3.12 forking beside threads is warned of; that is what is tried here.
    child = json.loads(
        run_python(FORKING, seconds=120, env={"PYTHONWARNINGS": "ignore::DeprecationWarning"}).stdout.splitlines()[-1]
    )
    parent = child["parent"]
    # Who waits, leads and owes stays with the parent.
    assert child["empty"]
    assert (child["owes"], parent["owes"]) == (False, True)
    assert set(child["process"].values()) == {0}
    # What the parent was told answers the child, and the other way round.
    assert child["rows"] == child["second"] == parent["rows"] == parent["again"]
    assert (child["hits"], child["misses"]) == (1, 0)
    assert parent["childs"] == child["own"] == "child"
    # The child waited for what the parent was asking, beside the parent's own threads.
    assert [child["led"], *parent["led"]] == ["parent"] * 5
    assert child["ports"]
    assert not set(child["ports"]) & set(parent["ports"])
    assert parent["misses"] == 2
