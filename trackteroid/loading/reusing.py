"""Reusing answers: those of this process, and those that processes share through a cache, which commits are told to."""

from __future__ import annotations

import contextlib
import contextvars
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import requests

from trackteroid.cache.reused_results import ReusedResults, Sharing
from trackteroid.connection.exchange import exchange, no_answer
from trackteroid.connection.schema_loading import SchemaLoading
from trackteroid.errors import BadInputError, TrackteroidError

if TYPE_CHECKING:
    from trackteroid.cache.query_cache import QueryCache
    from trackteroid.session import Session

__all__ = ["ReusingResults"]

_logger = logging.getLogger("trackteroid.session")

# Most requests are these, the first ones of a session while it does not even know the schema.
_READING = frozenset({"query", "query_schemas", "query_server_information", "search"})


class _Announced(NamedTuple):
    """A batch, and what to call right before it leaves."""

    batch: Sequence[Any]
    leave: Callable[[], None]


def _nothing() -> None:
    """The cache need not be told."""


# Each thread has its own.
_writer: contextvars.ContextVar[str | None] = contextvars.ContextVar("trackteroid_writer", default=None)
_announced: contextvars.ContextVar[_Announced | None] = contextvars.ContextVar("trackteroid_announced", default=None)


class ReusingResults(SchemaLoading):
    """The part of a session that reuses query results, and tells others when what it sends makes theirs old."""

    _reused_results: ReusedResults
    _query_cache: QueryCache | None
    _cache_namespace: str | None
    _connection_lock: threading.RLock

    def call(self, data: Any) -> Any:
        """As the client's; commits also tell the shared query cache what they change.

        Raises:
            requests.exceptions.RequestException: There is no answer; the text says from where.
            ftrack_api.exception.ServerError: The server cannot do it.
        """
        try:
            with self._telling_cache(data):
                return super().call(data)
        except requests.exceptions.RequestException as error:
            raise no_answer(error, self._server_url) from error

    def exchange(self, batch: Sequence[Any], *, timeout: float | None = None, as_user: str | None = None) -> list[Any]:
        """Send a batch of plain JSON operations and return the plain JSON results.

        Args:
            batch: Operations of ftrack's protocol, one object each.
            timeout: Seconds for the whole exchange, the cache included; default: the session's request timeout.
            as_user: In the name of another user than this session's, which takes a global API key.

        Raises:
            ServerCallError: There is no usable result.
        """
        # The cache has its share of the time: by the end of it others may take it that this request is over.
        deadline = time.monotonic() + (timeout or self.request_timeout or 60.0)
        announced = _announced.get()
        if announced is not None and announced.batch is batch:
            announced.leave()
            return self._exchange(batch, deadline, as_user)
        with self._telling_cache(batch):
            return self._exchange(batch, deadline, as_user)

    def _exchange(self, batch: Sequence[Any], deadline: float, as_user: str | None) -> list[Any]:
        left = deadline - time.monotonic()
        return exchange(self._request, self._server_url, batch, timeout=left, as_user=as_user)

    @contextlib.contextmanager
    def announcing(self, batch: Sequence[Any]) -> Iterator[None]:
        """Tell the cache of what `exchange` is about to send in the block: something else can be done meanwhile.

        Args:
            batch: The very object that `exchange` will be given. If it isn't, nothing was sent.
        """
        with self._announcing_to_cache(batch) as leave:
            token = _announced.set(_Announced(batch, leave))
            try:
                yield
            finally:
                _announced.reset(token)

    def invalidate(self, batch: Sequence[Any]) -> None:
        """Make cached results unreachable that a batch may have changed which somebody sent before.

        Args:
            batch: Operations of ftrack's protocol.
        """
        with self._telling_cache(batch):
            pass

    @contextlib.contextmanager
    def writing_as(self, writer: str) -> Iterator[None]:
        """Tell the cache of what this thread writes in the block as of one writer, who may have begun in another process.

        Args:
            writer: For example the id of a commit, of which an attempt may have been killed before the cache was told.
        """
        token = _writer.set(writer)
        try:
            yield
        finally:
            _writer.reset(token)

    @contextlib.contextmanager
    def _telling_cache(self, batch: Any) -> Iterator[None]:
        with self._announcing_to_cache(batch) as leave:
            leave()
            yield

    @contextlib.contextmanager
    def _announcing_to_cache(self, batch: Any) -> Iterator[Callable[[], None]]:
        writes = [item for item in batch if isinstance(item, Mapping) and item.get("action") not in _READING]
        if not writes:
            yield _nothing
            return
        try:
            cache = self.query_cache
        except TrackteroidError as error:
            # A cache that cannot be used never breaks a commit.
            _logger.warning("The query cache is not told of a commit: %s", error)
            yield _nothing
            return
        with cache.announcing(writes, _writer.get()) as leave:
            yield leave

    @property
    def query_cache(self) -> QueryCache:
        """The query-result cache that this session shares with others (design: query cache)."""
        cache: QueryCache | None = self.__dict__["_query_cache"]
        if cache is None:
            from trackteroid.cache.opening import open_query_cache
            from trackteroid.commits.servers import normalise_server_url
            from trackteroid.settings import Settings

            with self._connection_lock:
                cache = self.__dict__["_query_cache"]
                if cache is not None:
                    return cache
                settings = Settings.from_environment()
                cache = open_query_cache(
                    settings,
                    server_url=normalise_server_url(self.server_url, settings.server_aliases),
                    api_user=self.api_user,
                    api_key=self.api_key,
                    schemas=self.schemas,
                    schema_hash=self.schema_hash,
                    namespace=self._cache_namespace,
                )
                self.__dict__["_query_cache"] = cache
        return cache

    @property
    def reused_results(self) -> ReusedResults:
        """Results of earlier queries of this process (see `reusing_query_results`)."""
        return self._reused_results

    @property
    def reuse_query_results(self) -> bool:
        """Whether identical queries answer with the collection that the first one returned. Default False."""
        return self._reused_results.enabled

    @reuse_query_results.setter
    def reuse_query_results(self, reuse: bool) -> None:
        self._reused_results.enabled = bool(reuse)

    @contextlib.contextmanager
    def reusing_query_results(
        self, shared: bool = False, ttl: float | None = None, max_stale: float = 0.0
    ) -> Iterator[Session]:
        """Answer repeated queries from earlier results inside a `with` block. May be nested.

        Args:
            shared: Whether to share results with other processes through Redis, those of `session.query()` too. Such an answer
                is never older than a commit of a trackteroid session or worker that was reported as done before it was
                asked for.
            ttl: Seconds that a shared result is kept; default: `TRACKTEROID_CACHE_TTL_SECONDS`.
            max_stale: Seconds by which a shared result may be too old all the same. What this session commits itself is
                seen at once whatever this is.

        Raises:
            BadInputError: `ttl` or `max_stale` make no sense, or are given without `shared`.
        """
        if ttl is not None and not 0 < ttl < float("inf"):
            raise BadInputError(f"ttl must be a positive number of seconds, not {ttl!r}.")
        if not 0 <= max_stale < float("inf"):
            raise BadInputError(f"max_stale must be a number of seconds from 0 on, not {max_stale!r}.")
        if not shared and (ttl is not None or max_stale):
            raise BadInputError("ttl and max_stale are about results that processes share: give shared=True too.")
        sharing = Sharing(lambda: self.query_cache, ttl, max_stale) if shared else None
        with self._reused_results.reusing(sharing):
            session: Any = self
            yield session

    def ensure(self, entity_type: str, data: dict[str, Any], identifying_keys: Sequence[str] | None = None) -> Any:
        """As the client's. Whether there is one already is always asked of the server, never of the cache."""
        with self._reused_results.asking_server():
            return super().ensure(entity_type, data, identifying_keys=identifying_keys)
