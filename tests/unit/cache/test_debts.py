"""What the cache could not be told is made up for, whoever of the process comes by, and told to who keeps it safer."""

from __future__ import annotations

import gc
from typing import Any

import pytest

from tests.support.local_session import stock_schemas
from tests.unit.cache.questions import SilentBackend
from trackteroid.cache.connection import CacheConnection, pay_debts
from trackteroid.cache.query_cache import Answer, QueryCache
from trackteroid.cache.tags import Tags
from trackteroid.errors import LedgerUnavailableError

TAGS = Tags(stock_schemas())
QUESTION = "select name from Shot"
RENAMED = [{"action": "update", "entity_type": "Shot", "entity_key": ["s"], "entity_data": {"name": "x"}}]


class Reader:
    """Another process."""

    def __init__(self, backend: SilentBackend) -> None:
        self.cache = made(CacheConnection(backend, longest_wait=0.01))
        self.asked = 0

    def ask(self) -> None:
        def answer() -> Answer[str]:
            self.asked += 1
            return Answer("x", "x")

        self.cache.answer(QUESTION, answer, lambda text: text)


def made(connection: CacheConnection, server: str = "s") -> QueryCache:
    return QueryCache(connection, server=server, namespace="n", tags=TAGS, ttl=60, entry_limit=1000)


def commit(cache: QueryCache, batch: list[dict[str, Any]] = RENAMED) -> None:
    with cache.writing(batch):
        pass


def test_what_one_session_owes_another_of_the_process_pays() -> None:
    backend = SilentBackend()
    reader, connection = Reader(backend), CacheConnection(backend, longest_wait=0.01)
    reader.ask()
    backend.away = True
    session = made(connection)
    commit(session)
    del session
    gc.collect()
    backend.away = False
    reader.ask()
    assert reader.asked == 1
    made(connection, server="another").settle()
    reader.ask()
    assert reader.asked == 1
    made(connection).settle()
    reader.ask()
    assert reader.asked == 2
    assert not connection.owes("s")


def test_what_was_marked_is_not_answered_from_the_cache_though_its_writer_cannot_tell_any_more() -> None:
    """Nor if somebody else who changes the same comes to an end meanwhile."""
    backend = SilentBackend()
    reader, others = Reader(backend), made(CacheConnection(backend, longest_wait=0.01))
    writer = made(CacheConnection(backend, longest_wait=0.01))
    reader.ask()
    with others.writing(RENAMED), writer.writing(RENAMED):
        others.raise_tags(["Context.name"])
        commit(others)
        reader.ask()
        backend.away = True
    backend.away = False
    reader.ask()
    reader.ask()
    assert reader.asked == 4


def test_a_process_that_ends_pays_if_the_cache_is_back() -> None:
    backend = SilentBackend()
    reader, connection = Reader(backend), CacheConnection(backend, longest_wait=0.01)
    reader.ask()
    backend.away = True
    commit(made(connection))
    pay_debts()
    assert connection.owes("s")
    backend.away = False
    pay_debts()
    assert not connection.owes("s")
    reader.ask()
    assert reader.asked == 2


def test_an_event_of_a_commit_does_not_end_its_marks() -> None:
    backend = SilentBackend()
    reader, writer = Reader(backend), made(CacheConnection(backend, longest_wait=0.01))
    with writer.writing(RENAMED):
        made(CacheConnection(backend, longest_wait=0.01)).raise_tags(["server", "Context.name"])
        reader.ask()
    reader.ask()
    reader.ask()
    assert reader.asked == 2


def test_a_debt_is_told_before_the_commit_is_reported() -> None:
    backend, told = SilentBackend(), []
    cache = made(CacheConnection(backend, longest_wait=0.01))
    cache.on_debt = lambda: told.append("owed")
    commit(cache)
    assert told == []
    backend.away = True
    with pytest.raises(OSError, match="lost"), cache.writing(RENAMED):
        assert told == []
        raise OSError("reply lost")
    assert told == ["owed"]


def test_a_debt_that_nobody_can_keep_is_an_error() -> None:
    backend = SilentBackend()
    cache = made(CacheConnection(backend, longest_wait=0.01))

    def away() -> None:
        raise LedgerUnavailableError("away")

    cache.on_debt = away
    backend.away = True
    with pytest.raises(LedgerUnavailableError):
        commit(cache)


def test_what_cannot_be_told_of_others_changes_is_owed_too() -> None:
    backend = SilentBackend()
    reader, connection = Reader(backend), CacheConnection(backend, longest_wait=0.01)
    listener = made(connection)
    reader.ask()
    assert listener.raise_tags(["Context.name"])
    reader.ask()
    assert reader.asked == 2
    backend.away = True
    assert not listener.raise_tags(["Note.content"])
    backend.away = False
    listener.settle()
    reader.ask()
    assert reader.asked == 3


def test_what_changes_nothing_is_not_told() -> None:
    backend = SilentBackend()
    backend.away = True
    connection = CacheConnection(backend, longest_wait=0.01)
    commit(made(connection), [{"action": "get_upload_metadata", "component_id": "c"}])
    assert not connection.owes("s")
