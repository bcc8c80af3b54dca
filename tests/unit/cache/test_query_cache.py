"""The shared cache's decisions, on the in-memory backend."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from tests.support.clock import FakeClock
from tests.support.processes import wait_until
from tests.unit.cache.questions import Server, SilentBackend, ask, make_cache, make_running_cache, rows_of, write
from trackteroid.cache import query_cache
from trackteroid.cache.backends import Alone, Entry, Look, MemoryBackend, Opening, Outcome
from trackteroid.cache.connection import MOST_UNSTORED, CacheConnection
from trackteroid.cache.payload import pack, unpack
from trackteroid.cache.query_cache import Answer
from trackteroid.errors import CacheTimeoutError


class BrokenBackend(SilentBackend):
    away = True

    def look(self, look: Look, *, patiently: bool = False) -> Outcome:
        self.check()
        return super().look(look)


def test_a_second_asker_gets_the_rows_without_asking_the_server() -> None:
    backend, server = MemoryBackend(), Server()
    first = ask(make_cache(backend), "select id from Task", server)
    assert first == ask(make_cache(backend), "select id from Task", server)
    assert server.asked == 1


def test_marks_of_a_killed_attempt_end_with_the_next_attempt() -> None:
    backend, server = MemoryBackend(), Server()
    cache, batch = make_cache(backend), [{"action": "create", "entity_type": "Task"}]
    # Killed before it could say that it is done: it never leaves the block.
    killed = cache.writing(batch, "commit")
    killed.__enter__()
    ask(cache, "select id from Task", server)
    ask(cache, "select id from Task", server)
    assert server.asked == 2
    with cache.writing(batch, "commit"):
        pass
    ask(cache, "select id from Task", server)
    ask(cache, "select id from Task", server)
    assert server.asked == 3


class SlowToOpen(MemoryBackend):
    """Notes who waits for marks, and sets them no earlier."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[str] = []

    def start_open(self, tags: Iterable[str], seconds: float, writer: str) -> Opening:
        tags = list(tags)
        self.steps.append("started")

        class Later:
            def wait(later) -> None:
                self.steps.append("waited")
                self.open(tags, seconds, writer)

            def give_up(later) -> None:
                self.steps.append("given up")

        return Later()

    def raise_(self, tags: Iterable[str], writer: str | None = None, *, patiently: bool = True) -> None:
        self.steps.append("raised")
        super().raise_(tags, writer, patiently=patiently)


def test_marks_are_waited_for_right_before_a_batch_leaves() -> None:
    backend = SlowToOpen()
    with make_cache(backend).announcing([{"action": "create", "entity_type": "Task"}]) as leave:
        backend.steps.append("something else")
        leave()
        backend.steps.append("sent")
    assert [step for step in backend.steps if step != "given up"] == [
        "started",
        "something else",
        "waited",
        "sent",
        "raised",
    ]


def test_a_batch_that_leaves_again_waits_for_nothing_and_is_told_once() -> None:
    backend = SlowToOpen()
    with make_cache(backend).announcing([{"action": "create", "entity_type": "Task"}]) as leave:
        for _ in range(2):
            leave()
            backend.steps.append("sent")
    assert backend.steps == ["started", "waited", "sent", "sent", "given up", "raised"]


def test_what_was_announced_and_never_left_is_not_waited_for_and_changes_nothing() -> None:
    backend, server = SlowToOpen(), Server()
    cache = make_cache(backend)
    ask(cache, "select id from Task", server)
    with pytest.raises(OSError), cache.announcing([{"action": "create", "entity_type": "Task"}]):
        raise OSError("the lease is lost")
    assert backend.steps == ["started", "given up"]
    ask(cache, "select id from Task", server)
    assert server.asked == 1


def test_marks_that_time_out_hold_up_nothing_and_end_with_the_batch() -> None:
    class Late(SlowToOpen):
        def open(self, tags: Iterable[str], seconds: float, writer: str) -> None:
            raise CacheTimeoutError("Redis is late.")

    backend = Late()
    cache = make_cache(backend)
    with cache.writing([{"action": "create", "entity_type": "Task"}]):
        backend.steps.append("sent")
    assert backend.steps == ["started", "waited", "sent", "given up", "raised"]


def test_other_limits_are_other_questions() -> None:
    cache, server = make_cache(MemoryBackend()), Server()
    ask(cache, "select id from Task", server)
    ask(cache, "select id from Task offset 0 limit 1", server)
    ask(cache, "select id from Task offset 1 limit 500", server)
    assert server.asked == 3


def test_an_empty_answer_is_an_answer() -> None:
    cache = make_cache(MemoryBackend())
    assert ask(cache, "select id from Task", lambda: []) == []
    assert ask(cache, "select id from Task", lambda: pytest.fail("asked again")) == []


def test_sessions_of_other_namespaces_share_nothing() -> None:
    backend, server = MemoryBackend(), Server()
    ask(make_cache(backend, namespace="a"), "select id from Task", server)
    ask(make_cache(backend, namespace="b"), "select id from Task", server)
    assert server.asked == 2


def test_clearing_a_namespace_leaves_the_others() -> None:
    backend, server = MemoryBackend(), Server()
    mine, other = make_cache(backend, namespace="a"), make_cache(backend, namespace="b")
    ask(mine, "select id from Task", server)
    ask(other, "select id from Task", server)
    mine.clear()
    ask(mine, "select id from Task", server)
    ask(other, "select id from Task", server)
    assert server.asked == 3


@pytest.mark.parametrize(("written", "asked"), [("Task", 2), ("Status", 1)])
def test_a_commit_invalidates_what_it_touches(written: str, asked: int) -> None:
    cache, server = make_cache(MemoryBackend()), Server()
    ask(cache, "select id from Task", server)
    write(cache, {"action": "create", "entity_type": written})
    ask(cache, "select id from Task", server)
    assert server.asked == asked


def test_an_answer_that_a_commit_overtook_is_returned_but_not_kept() -> None:
    cache, server = make_cache(MemoryBackend()), Server()

    def overtaken() -> list[Any]:
        rows = server()
        write(cache, {"action": "create", "entity_type": "Task"})
        return rows

    assert len(ask(cache, "select id from Task", overtaken)) == 1
    receipt = cache.last_receipt
    assert receipt is None or not cache.confirm(receipt)
    ask(cache, "select id from Task", server)
    assert server.asked == 2


def test_a_failed_write_invalidates_too() -> None:
    cache, server = make_cache(MemoryBackend()), Server()
    ask(cache, "select id from Task", server)
    with pytest.raises(OSError), cache.writing([{"action": "create", "entity_type": "Task"}]):
        raise OSError("reply lost")
    ask(cache, "select id from Task", server)
    assert server.asked == 2


def test_expiring_values_are_never_stored() -> None:
    cache, server = make_cache(MemoryBackend()), Server()
    ask(cache, "select thumbnail_url from AssetVersion", server)
    ask(cache, "select thumbnail_url from AssetVersion", server)
    assert server.asked == 2


def test_an_answer_beyond_the_limit_is_not_stored_and_nobody_waits_for_it() -> None:
    backend = MemoryBackend()
    cache, asked = make_cache(backend, entry_limit=1000), []

    def large() -> list[str]:
        asked.append(make_cache(backend).connection)
        return ["x" * 1000]

    assert ask(cache, "select id from Task", large) == ["x" * 1000]
    assert ask(cache, "select id from Task", large) == ["x" * 1000]
    assert len(asked) == 2
    assert cache.statistics.waits == 0


@pytest.mark.parametrize(
    "garbage", [b"", b"tp1", b"tz1abcdnot zlib", b"xwhat", b'tp1....{"no": "list"}', pack("{}", 9)]
)
def test_garbage_under_our_key_is_a_miss_and_replaced(garbage: bytes) -> None:
    backend, server = MemoryBackend(), Server()
    cache = make_cache(backend)
    ask(cache, "select id from Task", server)
    for key, (entry, expires) in list(backend._entries.items()):
        backend._entries[key] = (replace(entry, payload=garbage), expires)
    assert ask(cache, "select id from Task", server)[0]["id"] == "2"
    assert ask(cache, "select id from Task", server)[0]["id"] == "2"


def test_of_many_who_find_garbage_at_once_one_asks_the_server() -> None:
    backend, server = MemoryBackend(), Server()
    cache = make_running_cache(backend)
    ask(cache, "select id from Task", Server())
    for key, (entry, expires) in list(backend._entries.items()):
        backend._entries[key] = (replace(entry, payload=b"garbage"), expires)
    everybody_waits, results, found = threading.Event(), [], threading.Barrier(8)

    def answer() -> Answer[Any]:
        everybody_waits.wait(60)
        return Answer(server(), "[1]")

    def unreadable(payload: bytes, limit: int) -> str | None:
        text = unpack(payload, limit)
        if text is None:
            found.wait(60)
        return text

    def ask_once() -> None:
        results.append(cache.answer("select id from Task", answer, rows_of))

    with pytest.MonkeyPatch.context() as patch:
        # All of them have it in their hands before the first throws it away.
        patch.setattr(query_cache, "unpack", unreadable)
        threads = [threading.Thread(target=ask_once) for _ in range(8)]
        for thread in threads:
            thread.start()
        wait_until(lambda: cache.statistics.waits == 7, what="seven to wait")
        everybody_waits.set()
        for thread in threads:
            thread.join(60)
    assert (len(results), server.asked) == (8, 1)


def test_without_redis_queries_are_answered_by_the_server_with_one_warning_a_minute(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock, server = FakeClock(), Server()
    cache = make_cache(BrokenBackend(), clock=clock)
    with caplog.at_level(logging.WARNING, "trackteroid.cache"):
        for _ in range(30):
            ask(cache, "select id from Task", server)
            clock.now += 1
    assert server.asked == 30
    assert len(caplog.records) == 1
    clock.now += 60
    ask(cache, "select id from Task", server)
    assert len(caplog.records) == 2


def test_what_could_not_be_invalidated_is_made_up_for_before_the_next_answer() -> None:
    clock, server = FakeClock(), Server()
    backend = BrokenBackend()
    backend.away = False
    cache = make_cache(backend, clock=clock)
    ask(cache, "select id from Task", server)
    backend.away = True
    write(cache, {"action": "create", "entity_type": "Task"})
    backend.away = False
    clock.now += 60
    ask(cache, "select id from Task", server)
    assert server.asked == 2


def test_where_nobody_spoke_of_redis_a_commit_does_not_warn_that_there_is_none(
    caplog: pytest.LogCaptureFixture,
) -> None:
    cache = make_cache(BrokenBackend(), expected=False)
    with caplog.at_level(logging.WARNING, "trackteroid.cache"):
        write(cache, {"action": "create", "entity_type": "Task"})
    assert caplog.records == []
    caplog.clear()
    cache = make_cache(BrokenBackend(), expected=False)
    with caplog.at_level(logging.WARNING, "trackteroid.cache"):
        ask(cache, "select id from Task", list)
    assert len(caplog.records) == 1


def test_an_invalidation_is_tried_even_if_redis_did_not_answer_a_moment_ago() -> None:
    backend, server, clock = BrokenBackend(), Server(), FakeClock()
    backend.away = False
    reader, writer = make_cache(backend, clock=clock), make_cache(backend, clock=clock)
    ask(reader, "select id from Task", server)
    backend.away = True
    ask(writer, "select id from Status", server)
    backend.away = False
    write(writer, {"action": "create", "entity_type": "Task"})
    asked = server.asked
    ask(reader, "select id from Task", server)
    assert server.asked == asked + 1


def test_what_could_not_be_invalidated_is_made_up_for_when_the_session_is_closed() -> None:
    backend, server, clock = BrokenBackend(), Server(), FakeClock()
    backend.away = False
    reader, writer = make_cache(backend, clock=clock), make_cache(backend, clock=clock)
    ask(reader, "select id from Task", server)
    backend.away = True
    write(writer, {"action": "create", "entity_type": "Task"})
    writer.settle()
    backend.away = False
    writer.settle()
    asked = server.asked
    ask(reader, "select id from Task", server)
    assert server.asked == asked + 1


def test_who_welcomes_staleness_gets_an_answer_that_a_commit_made_old_for_as_long_as_asked() -> None:
    clock, server = FakeClock(), Server()
    backend = MemoryBackend(clock)
    reader, writer = make_cache(backend, clock=clock), make_cache(backend, clock=clock)
    ask(reader, "select id from Task", server)
    clock.now += 5
    write(writer, {"action": "create", "entity_type": "Task"})
    ask(reader, "select id from Task", server, max_stale=10.0)
    assert server.asked == 1
    clock.now += 6
    ask(reader, "select id from Task", server, max_stale=10.0)
    assert server.asked == 2


def test_who_welcomes_staleness_still_sees_its_own_commits() -> None:
    clock, server = FakeClock(), Server()
    cache = make_cache(MemoryBackend(clock), clock=clock)
    ask(cache, "select id from Task", server)
    clock.now += 5
    write(cache, {"action": "create", "entity_type": "Task"})
    clock.now += 1
    ask(cache, "select id from Task", server, max_stale=100.0)
    assert server.asked == 2


def test_a_cleared_namespace_is_out_of_reach_however_much_staleness_is_welcome() -> None:
    clock, server = FakeClock(), Server()
    cache = make_cache(MemoryBackend(clock), clock=clock)
    ask(cache, "select id from Task", server)
    cache.clear()
    ask(cache, "select id from Task", server, max_stale=100.0)
    assert server.asked == 2


@pytest.mark.parametrize("moved", ["Task@", "*"])
def test_what_may_have_been_hidden_is_not_shown_however_much_staleness_is_welcome(moved: str) -> None:
    clock, server = FakeClock(), Server()
    backend = MemoryBackend(clock)
    reader, writer = make_cache(backend, clock=clock), make_cache(backend, clock=clock)
    question = f"select id from {moved}"
    with reader.reading():
        ask(reader, question, server, max_stale=100.0)
    receipt = reader.last_receipt
    assert receipt is not None
    assert reader.confirm(receipt, max_stale=100.0)
    write(writer, {"action": "update", "entity_type": moved})
    assert not reader.confirm(receipt, max_stale=100.0)
    ask(reader, question, server, max_stale=100.0)
    assert server.asked == 2


def test_a_receipt_is_confirmed_while_the_answer_is_true_or_staleness_is_welcome() -> None:
    clock, server = FakeClock(), Server()
    backend = MemoryBackend(clock)
    cache, writer = make_cache(backend, clock=clock), make_cache(backend, clock=clock)
    with cache.reading():
        ask(cache, "select id from Task", server)
    receipt = cache.last_receipt
    assert receipt is not None
    assert cache.confirm(receipt)
    clock.now += 5
    write(writer, {"action": "create", "entity_type": "Task"})
    assert not cache.confirm(receipt)
    assert cache.confirm(receipt, max_stale=10.0)
    clock.now += 6
    assert not cache.confirm(receipt, max_stale=10.0)
    writer.clear()
    assert not cache.confirm(receipt, max_stale=100.0)
    assert cache.statistics.confirmed == 2


def test_an_old_answer_is_not_confirmed_because_the_clock_of_redis_was_put_back() -> None:
    clock, theirs, server = FakeClock(), FakeClock(), Server()
    backend = MemoryBackend(theirs)
    cache, writer = make_cache(backend, clock=clock), make_cache(backend, clock=clock)
    ask(writer, "select id from Task", server)
    theirs.advance(-5)
    with cache.reading():
        ask(cache, "select id from Task", server)
    receipt = cache.last_receipt
    assert receipt is not None
    assert cache.confirm(receipt)
    write(writer, {"action": "create", "entity_type": "Task"})
    assert not cache.confirm(receipt)
    assert not cache.confirm(receipt, max_stale=60.0)


def test_a_result_whose_pages_saw_different_states_cannot_be_confirmed_later() -> None:
    cache, server = make_cache(MemoryBackend()), Server()
    with cache.reading():
        ask(cache, "select id from Task offset 0 limit 500", server)
        ask(cache, "select id from Task offset 500 limit 500", server)
    assert cache.last_receipt is not None
    with cache.reading():
        ask(cache, "select id from Task offset 0 limit 500", server)
        write(cache, {"action": "create", "entity_type": "Task"})
        ask(cache, "select id from Task offset 500 limit 500", server)
    assert cache.last_receipt is None


def test_an_error_of_the_server_passes_through_and_the_next_one_asks() -> None:
    cache, server = make_cache(MemoryBackend()), Server()

    def failing() -> Any:
        raise OSError("ftrack is away")

    with pytest.raises(OSError, match="ftrack is away"):
        ask(cache, "select id from Task", failing)
    ask(cache, "select id from Task", server)
    assert cache.statistics.waits == 0
    ask(cache, "select id from Task", server)
    assert server.asked == 1


def test_an_answer_whose_text_is_not_known_is_returned_and_the_next_one_asks() -> None:
    cache, server = make_cache(MemoryBackend()), Server()
    assert cache.answer("select id from Task", lambda: Answer([1], None), rows_of) == [1]
    ask(cache, "select id from Task", server)
    assert server.asked == 1


def test_statistics_tell_hits_misses_and_bytes_of_the_session_the_process_and_the_farm() -> None:
    backend, server = MemoryBackend(), Server()
    mine, other = make_cache(backend), make_cache(backend)
    ask(mine, "select id from Task", server)
    ask(other, "select id from Task", server)
    ask(other, "select id from Task", server)
    assert (mine.statistics.hits, mine.statistics.misses, mine.statistics.stored) == (0, 1, 1)
    assert (other.statistics.hits, other.statistics.misses) == (2, 0)
    assert other.statistics.bytes_read == 2 * mine.statistics.bytes_stored > 0
    assert other.connection.statistics.hits == 2
    other.settle()
    farm = mine.farm_statistics()
    assert (farm.hits, farm.misses) == (2, 1)
    assert farm.hit_rate == pytest.approx(2 / 3)


def test_the_farm_is_told_of_the_statistics_every_few_seconds() -> None:
    clock, server = FakeClock(), Server()
    backend = MemoryBackend(clock)
    cache = make_cache(backend, clock=clock)
    ask(cache, "select id from Task", server)
    assert backend.counts("s") == {}
    clock.now += 6
    ask(cache, "select id from Task", server)
    assert backend.counts("s")["hits"] == 1


class FullBackend(MemoryBackend):
    def look(self, look: Look, *, patiently: bool = False) -> Outcome:
        return Alone("OOM command not allowed")


def test_a_full_redis_takes_nothing_and_is_complained_of_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    clock, server = FakeClock(), Server()
    cache = make_cache(FullBackend(), clock=clock)
    with caplog.at_level(logging.WARNING, "trackteroid.cache"):
        for _ in range(3):
            ask(cache, "select id from Task", server)
    assert server.asked == 3
    assert [record.getMessage() for record in caplog.records] == [
        "The query cache takes nothing: OOM command not allowed. Queries are answered by ftrack meanwhile."
    ]


def test_after_a_pause_one_asker_tries_redis_and_the_others_follow_when_it_answers() -> None:
    clock, server = FakeClock(), Server()
    backend = BrokenBackend(clock)
    cache = make_cache(backend, clock=clock)
    ask(cache, "select id from Task", server)
    backend.away = False
    ask(cache, "select id from Task", server)
    assert cache.statistics.unavailable == 2
    clock.now += 6
    ask(cache, "select id from Task", server)
    ask(cache, "select id from Task", server)
    assert (server.asked, cache.statistics.hits) == (3, 1)


def test_when_a_commit_makes_the_answer_unstorable_one_more_asks_for_all_who_wait() -> None:
    backend = MemoryBackend()
    cache, writer = (make_running_cache(backend) for _ in range(2))
    asked: list[int] = []
    everybody_waits = threading.Event()

    def server() -> Any:
        asked.append(len(asked))
        if len(asked) == 1:
            everybody_waits.wait(60)
        # Each answer is overtaken by a commit before it can be stored.
        write(writer, {"action": "create", "entity_type": "Task"})
        return [{"answer": asked[-1]}]

    results: list[Any] = []
    threads = [
        threading.Thread(target=lambda: results.append(ask(cache, "select id from Task", server))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    wait_until(lambda: cache.statistics.waits >= 7, what="seven waiting askers")
    everybody_waits.set()
    for thread in threads:
        thread.join(60)
    # The first asked before the others came; what the second was told is new enough for all of them.
    assert sorted(result[0]["answer"] for result in results) == [0, *[1] * 7]
    assert len(asked) == 2


def test_who_has_waited_long_enough_asks_for_itself() -> None:
    backend, server = MemoryBackend(), Server()
    impatient = make_running_cache(backend, longest_wait=0.05)
    inner: list[Any] = []

    def slow() -> Any:
        # Asked meanwhile, by somebody who leaves the lead where it is.
        inner.append(ask(make_cache(backend), "select id from Status", server))
        inner.append(ask(impatient, "select id from Task", server))
        return server()

    ask(make_cache(backend), "select id from Task", slow)
    assert len(inner) == 2
    assert impatient.statistics.waits == 1


def test_answers_are_stored_in_the_background_while_the_asker_goes_on() -> None:
    backend, server = MemoryBackend(), Server()
    released = threading.Event()

    class SlowBackend(MemoryBackend):
        def store(self, look: Look, entry: Entry, ttl: float, *, patiently: bool = True) -> bool:
            released.wait(60)
            return super().store(look, entry, ttl)

    backend = SlowBackend()
    cache = make_running_cache(backend, in_background=True)
    ask(cache, "select id from Task", server)
    assert backend._entries == {}
    released.set()
    # Who asks before it is there waits for it.
    ask(cache, "select id from Task", server)
    cache.settle()
    assert (server.asked, cache.statistics.stored, cache.statistics.hits) == (1, 1, 1)


def test_when_too_much_waits_for_being_stored_the_asker_stores_itself() -> None:
    connection = CacheConnection(MemoryBackend(), longest_wait=60, in_background=True)
    released = threading.Event()
    for _ in range(MOST_UNSTORED):
        connection.store(lambda patiently: released.wait(60) and None)
    own: list[tuple[int, bool]] = []
    connection.store(lambda patiently: own.append((threading.get_ident(), patiently)))
    # It does not wait for long.
    assert own == [(threading.get_ident(), False)]
    released.set()
    connection.flush()
