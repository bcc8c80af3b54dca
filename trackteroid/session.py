"""The session: ftrack's own, connecting lazily, recording deferred operations and reusing query results.

`Session` is a subclass of the client's and replaces none of it; `SESSION` is a `Session` whose constructor has not run yet.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import ftrack_api
import ftrack_api.collection
import ftrack_api.entity.factory
import ftrack_api.exception
import ftrack_api.operation
import ftrack_api.query

from trackteroid.cache.reused_results import ReusedResults, Sharing
from trackteroid.connection.exchange import exchange
from trackteroid.connection.gate import Gate, LazyConnection, connect
from trackteroid.connection.retirement import RetiredConnection, retire
from trackteroid.connection.succession import Predecessor
from trackteroid.errors import BadInputError, DeferredCommitError, ServerCallError, TrackteroidError
from trackteroid.relationships import SchemaIndex, schema_index

# What is only needed once something is asked of a server is imported there: importing this module must not cost more
# than the client does.
if TYPE_CHECKING:
    from trackteroid.cache.query_cache import QueryCache
    from trackteroid.commits.enqueued_block import EnqueuedBlock
    from trackteroid.committing import Commits
    from trackteroid.entities.collection import EntityCollection
    from trackteroid.entities.empty import EmptyCollection
    from trackteroid.entities.entity import EntityType
    from trackteroid.entities.relationships_parser import RelationshipsParser
    from trackteroid.loading.loader import Loader
    from trackteroid.loading.local_values import LocalValues
    from trackteroid.operations.recorder import Recorder

__all__ = ["SESSION", "Session"]

_logger = logging.getLogger("trackteroid.session")

# The page size that the client uses (ftrack_api.session.Session.query).
PAGE_SIZE = 500

# The client's positional order; its type hints are ours to keep.
_CLIENT_ARGUMENTS = (
    "server_url",
    "api_key",
    "api_user",
    "auto_populate",
    "plugin_paths",
    "cache",
    "cache_key_maker",
    "auto_connect_event_hub",
    "schema_cache_path",
    "plugin_arguments",
    "timeout",
    "cookies",
    "headers",
    "strict_api",
)

# The original library took its two flags first.
_FLAG_ARGUMENTS = ("auto_populate", "auto_connect_event_hub")

# What survives a reconnect: set when the object is made, never by the client's constructor.
_OWN_STATE = (
    "_gate",
    "_blocks",
    "_reused_results",
    "_query_cache",
    "_arguments",
    "_cache_namespace",
    "_generation",
    "_connection_lock",
    "_open_blocks",
    "_open_stacks",
)


class Session(ftrack_api.Session):
    """A session with an ftrack server.

    Everything of `ftrack_api.Session` works as documented there; what differs are two defaults
    (`auto_populate=False`, as queries say what they fetch, and `auto_connect_event_hub=False`) and what is added here.

    Args:
        server_url, api_key, api_user: As the client's, default: `FTRACK_SERVER`, `FTRACK_API_KEY`, `FTRACK_API_USER`.
        reuse_query_results: Whether identical queries answer with the collection that the first one returned.
        cache_namespace: A name under which sessions share cached query results on purpose, whoever their user is;
            by default only sessions of the same server, user and schema share any.
        **kwargs: The client's other arguments.

    Raises:
        TypeError: An argument is unknown, or server, key or user are given nowhere.
        ftrack_api.exception.ServerError: The server refuses the credentials.
    """

    _gate: Gate
    _blocks: threading.local
    _open_blocks: int
    _open_stacks: list[Any]
    _reused_results: ReusedResults
    _query_cache: QueryCache | None
    _arguments: dict[str, Any]
    _cache_namespace: str | None
    _generation: int
    _connection_lock: threading.RLock
    _local_values: LocalValues
    _loader: Loader
    _commits: Commits

    def __new__(cls, *args: Any, **kwargs: Any) -> Session:
        session: Session = super().__new__(cls)
        state = session.__dict__
        state["_gate"] = Gate()
        state["_blocks"] = threading.local()
        state["_open_blocks"] = 0
        state["_open_stacks"] = []
        state["_reused_results"] = ReusedResults()
        state["_query_cache"] = None
        state["_arguments"] = {}
        state["_cache_namespace"] = None
        state["_generation"] = 0
        state["_connection_lock"] = threading.RLock()
        return session

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        from trackteroid.committing import Commits
        from trackteroid.loading.loader import Loader
        from trackteroid.loading.local_values import LocalValues

        arguments = _bind(args, kwargs)
        self._reused_results.enabled = bool(arguments.pop("reuse_query_results", self._reused_results.enabled))
        self._cache_namespace = arguments.pop("cache_namespace", None)
        arguments.setdefault("auto_populate", False)
        arguments.setdefault("auto_connect_event_hub", False)
        self._local_values = LocalValues()
        self._loader = Loader(self, Session)
        self._commits = Commits(self, self._loader, self._local_values)
        super().__init__(**arguments)
        self._arguments = arguments
        self._generation += 1

    def __repr__(self) -> str:
        state = self.__dict__
        if "_server_url" not in state:
            return "<trackteroid Session, not connected yet>"
        closed = ", closed" if state.get("_closed") else ""
        return f"<trackteroid Session of {state['_server_url']} as {state['_api_user']}{closed}>"

    # Connection

    @property
    def generation(self) -> int:
        """How many times this session has connected; 0 before the first time."""
        return self._generation

    @property
    def schema_index(self) -> SchemaIndex:
        """The server's schema, indexed; shared by all sessions of one schema."""
        return schema_index(self.schemas)

    @property
    def schema_hash(self) -> str:
        """Digest of the server's schema."""
        return self.schema_index.schema_hash

    @property
    def remembered(self) -> dict[Any, Any]:
        """What others keep about this connection, by keys of their own; a reconnect, `reset` and `close` empty it."""
        remembered: dict[Any, Any] = self.__dict__.setdefault("_remembered", {})
        return remembered

    @property
    def parsed_relationships(self) -> RelationshipsParser:
        """The relations between types that the server's schema implies; shared by all sessions of one schema."""
        from trackteroid.entities.relationships_parser import RelationshipsParser

        return RelationshipsParser.of(self.schema_index)

    def get_type_class(self, name: str) -> EntityType | None:
        """Return the entity class of a type of the server, such as `Shot` for `"Shot"`; None if it has no such type."""
        from trackteroid.entities.entity_types import entity_class

        return entity_class(name, self.schema_index) if name in self.schema_index else None

    def get_cached_collections(self) -> dict[EntityType, EntityCollection[Any] | EmptyCollection[Any]]:
        """Return what is in memory, as a collection for each entity class.

        Every type of the server and every class of the library is a key; entities belong to the collection of exactly
        their type, and those of which nothing is in memory are empty.
        """
        from trackteroid.entities.cached import cached_collections

        return cached_collections(self)

    def close(self) -> None:
        """Close the session as the client does, and forget reused results. May be called again."""
        self._reused_results.clear()
        self.__dict__.pop("_remembered", None)
        if self.__dict__["_query_cache"] is not None:
            self.__dict__["_query_cache"].settle()
        if "_closed" in self.__dict__:
            super().close()

    @property
    def closed(self) -> bool:
        """Whether the session has been closed; False for one that has never connected."""
        return bool(self.__dict__.get("_closed", False))

    def reset(self) -> None:
        """Reset the session as the client does, and forget reused results.

        In a `deferred_operations` block what was recorded until then is dropped too (the client warns of it).
        """
        self._reused_results.clear()
        self.remembered.clear()
        super().reset()

    def rollback(self) -> None:
        """Roll back as the client does, and forget reused results."""
        self._reused_results.clear()
        super().rollback()

    def reconnect(self, **overrides: Any) -> None:
        """Connect again, to the same server or another; the session object stays the same.

        All or nothing: if connecting fails, everything is as it was. After success the cache is empty, pending operations
        and reused results are gone, the old event hub is disconnected, and entities from before can be read but not
        changed. `overrides` are constructor arguments; they are kept for later reconnects.

        Raises:
            BadInputError: A block of `deferred_operations` is open.
            Exception: Whatever the client raises when it cannot connect.
        """
        if self._open_blocks:
            raise BadInputError("reconnect() inside a deferred_operations block would lose what it recorded.")
        with self._connection_lock:
            if "_server_url" not in self.__dict__:
                connect(self, **_bind((), overrides))
                return
            self._reconnect({**self._current_arguments(), **_bind((), overrides)})

    def _current_arguments(self) -> dict[str, Any]:
        state = self.__dict__
        return {
            **self._arguments,
            "server_url": state["_server_url"],
            "api_key": state["_api_key"],
            "api_user": state["_api_user"],
            "cache_key_maker": state["cache_key_maker"],
            "cache_namespace": self._cache_namespace,
        }

    def _reconnect(self, arguments: dict[str, Any]) -> None:
        before = dict(self.__dict__)
        predecessor = Predecessor(before)
        own_class = type(self)
        gate = self._gate
        with gate.lock:
            # Other threads wait at the gate until the new connection stands.
            gate.owner = threading.get_ident()
            object.__setattr__(self, "__class__", _ReconnectingSession)
            try:
                for name in before.keys() - set(_OWN_STATE):
                    del self.__dict__[name]
                self.__dict__["_predecessor"] = predecessor
                Session.__init__(self, **arguments)
                del self.__dict__["_predecessor"]
            except BaseException:
                predecessor.restore()
                self.__dict__.clear()
                self.__dict__.update(before)
                raise
            finally:
                object.__setattr__(self, "__class__", own_class)
                gate.owner = None
        if not predecessor.succeeded:
            retire(before["types"].values(), RetiredConnection(before["_server_url"], before["_generation"]))
        self._discard(before)

    def _discard(self, before: Mapping[str, Any]) -> None:
        """End what an earlier connection left behind; `before` is this object's former state."""
        self._reused_results.clear()
        if before["_query_cache"] is not None:
            before["_query_cache"].settle()
        self.__dict__["_query_cache"] = None
        _forget_memoised(self)
        if before["_shared_operations"]:
            self.logger.warning("Reconnected with pending operations not persisted.")
        if before["_managed_request"] is not None:
            before["_managed_request"].close()
        with contextlib.suppress(ftrack_api.exception.EventHubConnectionError):
            before["_event_hub"].disconnect()

    def _read_schemas_from_cache(self, schema_cache_path: str) -> tuple[list[Any], str | None]:
        # Without a word: the client logs at INFO level that the file does not exist yet, which would stand among the
        # lines that a user's own logging shows (spec: library 0, lazy connection caveat).
        if not os.path.exists(schema_cache_path):
            return [], None
        result: tuple[list[Any], str | None] = super()._read_schemas_from_cache(schema_cache_path)
        return result

    def _load_schemas(self, schema_cache_path: Any) -> Any:
        predecessor = self.__dict__.get("_predecessor")
        known = predecessor.schemas(self._server_information) if predecessor else None
        return super()._load_schemas(schema_cache_path) if known is None else known

    def _build_entity_type_classes(self, schemas: Any) -> dict[str, Any]:
        predecessor = self.__dict__.get("_predecessor")
        classes: dict[str, Any] | None = predecessor.entity_classes(schemas, self.event_hub) if predecessor else None
        if classes is None:
            classes = super()._build_entity_type_classes(schemas)
        self._local_values.watch(classes.values())
        return classes

    def _write_schemas_to_cache(self, schemas: Any, schema_cache_path: str) -> None:
        # The client writes in place: of many worker processes that start together, some would read half a file.
        folder = os.path.dirname(schema_cache_path)
        os.makedirs(folder, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix="ftrack_api_schema_cache-", dir=folder)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(schemas, file)
        os.replace(temporary, schema_cache_path)

    # Operations

    @property
    def recorded_operations(self) -> Any:
        """Pending operations: of the innermost deferred block in the thread that opened it, else of the session."""
        stack = getattr(self._blocks, "stack", None)
        return stack[-1] if stack else self.__dict__["_shared_operations"]

    @recorded_operations.setter
    def recorded_operations(self, operations: Any) -> None:
        stack = getattr(self._blocks, "stack", None)
        # The client's constructor sets the shared one, which may happen inside a block: the first use connects.
        if stack and "_shared_operations" in self.__dict__:
            stack[-1] = operations
        else:
            self.__dict__["_shared_operations"] = operations

    @property
    def hidden_operations(self) -> list[Any]:
        """What this thread's innermost deferred block hides: pending operations of the session, then of outer blocks."""
        shared = self.__dict__.get("_shared_operations")
        stack = getattr(self._blocks, "stack", None) or []
        return [*([] if shared is None else [shared]), *stack[:-1]]

    @property
    def in_deferred_block(self) -> bool:
        """Whether this thread is inside a `deferred_operations` block of this session."""
        return bool(getattr(self._blocks, "stack", None))

    @property
    def held_identities(self) -> set[tuple[str, tuple[str, ...]]]:
        """Entities (type, key) that open deferred blocks of any thread created or changed: a commit leaves them alone."""
        with self._connection_lock:
            stacks = list(self._open_stacks)
        return {identity for stack in stacks for identity in getattr(stack, "held", ())}

    def push_operations(self, operations: Any) -> None:
        """Let this thread record into `operations` (an `ftrack_api.operation.Operations`) until `pop_operations`."""
        if not hasattr(self._blocks, "stack"):
            self._blocks.stack = []
        self._blocks.stack.append(operations)
        with self._connection_lock:
            self.__dict__["_open_blocks"] += 1
            self._open_stacks.append(operations)

    def pop_operations(self) -> Any:
        """Return to what this thread recorded into before the last `push_operations`; returns that one's operations."""
        operations = self._blocks.stack.pop()
        with self._connection_lock:
            self.__dict__["_open_blocks"] -= 1
            self._open_stacks[:] = [stack for stack in self._open_stacks if stack is not operations]
        return operations

    def commit(self) -> None:
        """Send all pending operations to the server in one batch.

        Raises:
            DeferredCommitError: In a `deferred_operations` block; nothing is sent.
            ftrack_api.exception.ServerError: The server refused; the operations stay pending.
        """
        if self.in_deferred_block:
            raise DeferredCommitError(
                "commit() inside a deferred_operations block: what is recorded there is never sent by this process. "
                "Leave the block, then use reconnect_and_commit(path) or enqueue the file."
            )
        deletes = any(
            isinstance(operation, ftrack_api.operation.DeleteEntityOperation) for operation in self.recorded_operations
        )
        if not self._commits.commit():
            super().commit()
        if deletes:
            self._reused_results.clear()

    def delete(self, entity: Any) -> None:
        """Mark an entity for deletion.

        Raises:
            EntityCollectionOperationError: It was loaded before the session reconnected.
        """
        if isinstance(entity.session, RetiredConnection):
            entity.session.refuse()
        super().delete(entity)

    def deferred_operations(
        self, path: str | os.PathLike[str], clear: bool = True, labels: Mapping[str, str] | None = None
    ) -> Recorder:
        """Record what a `with` block does into the file `path` instead of keeping it for `commit()`.

        Args:
            path: The file to write on a clean exit of the block; untouched if the block raises.
            clear: Whether to replace what an existing file holds; otherwise the block's operations are appended to it.
            labels: Words by which people will look for this recording, such as `{"farm_job": "123"}`.

        Raises:
            RecordingRefusedError: The folder cannot be written to (at entry), or the block did something that cannot be
                recorded (at exit).
        """
        from trackteroid.operations.recorder import Recorder

        return Recorder(self, path, clear=clear, labels=labels)

    def enqueued_operations(self, labels: Mapping[str, str] | None = None) -> EnqueuedBlock:
        """Record what a `with` block does and hand it to the workers when the block has ended.

        `with session.enqueued_operations() as commit:` gives the commit's handle: `commit.wait(60)`, `commit.state`,
        `commit.result`, `commit.retry()`, `commit.cancel()`. If the block raises, nothing is enqueued. When Redis takes nothing,
        the recording waits in the spool. An inner block is enqueued together with its outermost one, before it.

        Args:
            labels: Words by which people will look for the commit, such as `{"farm_job": "123"}`.

        Raises:
            RecordingRefusedError: The block did something that cannot be recorded (at exit); nothing is enqueued.
            SpoolError: Neither Redis nor the spool take it (at exit); the recording is kept, and the text says where.
        """
        from trackteroid.commits.enqueued_block import EnqueuedBlock

        return EnqueuedBlock(self, labels=labels)

    def reconnect_and_commit(self, path: str | os.PathLike[str], **overrides: Any) -> None:
        """Reconnect and commit a recording, in one step, so that no other pending operation can slip in.

        The file is read and checked before anything else happens; it is left as it is. Committing it a second time
        changes nothing if it creates entities: those that exist already are recognised by their ids.

        Args:
            path: A recording of any flavour.
            **overrides: Constructor arguments for the new connection. With `server_url` a recording of another server is
                accepted too.

        Raises:
            RecordingError: There is no recording at `path`, it cannot be read, or it was recorded against another server;
                the session is as it was.
            ftrack_api.exception.ServerError: The server refused the batch; nothing stays pending.
        """
        from trackteroid.commits.committer import commit_now
        from trackteroid.commits.servers import refuse_other_server
        from trackteroid.operations.recording import read_recording
        from trackteroid.settings import Settings

        recording = read_recording(path)
        target = self.__dict__.get("_server_url") or os.environ.get("FTRACK_SERVER")
        if target and "server_url" not in overrides:
            refuse_other_server(recording.server_url, target, Settings.from_environment().server_aliases)
        self.reconnect(**overrides)
        if not recording.operations:
            return
        try:
            commit_now(self, recording)
        except ServerCallError as error:
            raise ftrack_api.exception.ServerError(str(error)) from error
        self._merge_records(recording.entities.values())

    def _merge_records(self, records: Any) -> None:
        for record in records:
            if record.get("__entity_type__") in self.types:
                self.merge(self.decode(json.dumps(record)))

    # Calls

    def call(self, data: Any) -> Any:
        """As the client's; commits also tell the shared query cache what they change."""
        with self._telling_cache(data):
            return super().call(data)

    def exchange(self, batch: Sequence[Any], *, timeout: float | None = None) -> list[Any]:
        """Send a batch of plain JSON operations and return the plain JSON results.

        Args:
            batch: Operations of ftrack's protocol, one object each.
            timeout: Seconds for the whole exchange; default: the session's request timeout.

        Raises:
            ServerCallError: There is no usable result.
        """
        with self._telling_cache(batch):
            return exchange(self._request, self._server_url, batch, timeout=timeout or self.request_timeout or 60.0)

    @contextlib.contextmanager
    def _telling_cache(self, batch: Any) -> Iterator[None]:
        writes = [
            item for item in batch if isinstance(item, Mapping) and item.get("action") in {"create", "update", "delete"}
        ]
        if not writes:
            yield
            return
        try:
            cache = self.query_cache
        except TrackteroidError as error:
            # A cache that cannot be used never breaks a commit.
            _logger.warning("The query cache is not told of a commit: %s", error)
            yield
            return
        with cache.writing(writes):
            yield

    def decode(self, string: str) -> Any:
        """As the client's."""
        return self._loader.decode(string, super().decode)

    # Queries

    def _query(self, expression: str) -> tuple[list[Any], Mapping[str, Any]]:
        answer = self._loader.query(expression)
        if answer is None:
            answer = super()._query(expression)
        return answer

    def populate(self, entities: Any, projections: str) -> None:
        """Fetch attributes of entities, as the client's; the ids of many are sent in chunks, each once.

        Args:
            entities: One entity, or a list, tuple or query result of them, of one type. New ones are left out.
            projections: The attributes, as between `select` and `from` of a query.
        """
        from trackteroid.loading.populating import questions

        if not isinstance(entities, (list, tuple, ftrack_api.query.QueryResult)):
            entities = [entities]
        for question in questions(self, entities, projections):
            # All of the answer is asked for now; it is merged into the entities.
            self.query(question).all()

    def fetch_entities(
        self,
        expression: str,
        *,
        limit: int | None = None,
        offset: int = 0,
        on_miss: Callable[[], None] | None = None,
    ) -> list[Any]:
        """Return the entities that a query finds, merged into this session.

        Limit and offset are handed over separately because the client looks for the words anywhere in the text, values
        included (defect D53).

        Args:
            expression: A query that starts with `select`, with its order but without limit and offset.
            limit: Most entities to return; None: all.
            offset: How many to skip.
            on_miss: Called just before the server is asked; not called when the shared cache answers.

        Raises:
            ftrack_api.exception.ServerError: The server cannot answer the query.
        """
        sharing = self._reused_results.sharing
        if sharing is not None:
            rows = self.query_cache.rows(
                expression,
                limit,
                offset,
                lambda: self._ask_rows(expression, limit, offset, on_miss),
                ttl=sharing.ttl,
            )
            return self._merge_rows(rows)
        if on_miss is not None:
            on_miss()
        return _paged(expression, limit, offset, self._query)

    def _ask_rows(
        self, expression: str, limit: int | None, offset: int, on_miss: Callable[[], None] | None
    ) -> list[Any]:
        if on_miss is not None:
            on_miss()
        return _paged(expression, limit, offset, self._query_rows)

    def _query_rows(self, expression: str) -> tuple[list[Any], Mapping[str, Any]]:
        try:
            (result,) = self.exchange([{"action": "query", "expression": expression}])
        except ServerCallError as error:
            raise ftrack_api.exception.ServerError(str(error)) from error
        return result["data"], result.get("metadata") or {}

    def _merge_rows(self, rows: list[Any]) -> list[Any]:
        found: list[Any] = []
        for start in range(0, len(rows), PAGE_SIZE):
            page = rows[start : start + PAGE_SIZE]
            prepared = self._loader.prepare(page)
            found += self._loader.merge_page(self.decode(json.dumps(page)) if prepared is None else prepared)
        return found

    @property
    def query_cache(self) -> QueryCache:
        """The query-result cache that this session shares with others (design: query cache)."""
        cache: QueryCache | None = self.__dict__["_query_cache"]
        if cache is None:
            from trackteroid.cache.query_cache import open_query_cache
            from trackteroid.commits.servers import normalise_server_url
            from trackteroid.settings import Settings

            with self._connection_lock:
                settings = Settings.from_environment()
                cache = open_query_cache(
                    settings,
                    server_url=normalise_server_url(self.server_url, settings.server_aliases),
                    api_user=self.api_user,
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
    def reusing_query_results(self, shared: bool = False, ttl: float | None = None) -> Iterator[Session]:
        """Answer repeated queries from earlier results inside a `with` block. May be nested.

        Args:
            shared: Whether to share results with other processes through Redis. Such an answer is never older than a
                commit of a trackteroid session or worker that was reported as done before it was asked for.
            ttl: Seconds that a shared result is kept; default: `TRACKTEROID_CACHE_TTL_SECONDS`.
        """
        with self._reused_results.reusing(Sharing(lambda: self.query_cache, ttl) if shared else None):
            yield self


class _UnconnectedSession(LazyConnection, Session):
    """A session whose constructor has not run yet."""

    connected_class: ClassVar[type] = Session
    offline: ClassVar[frozenset[str]] = frozenset(
        {
            *_OWN_STATE,
            "close",
            "closed",
            "connected_class",
            "deferred_operations",
            "enqueued_operations",
            "generation",
            "hidden_operations",
            "in_deferred_block",
            "offline",
            "pop_operations",
            "push_operations",
            "reconnect",
            "reconnect_and_commit",
            "reuse_query_results",
            "reused_results",
            "reusing_query_results",
        }
    )


class _ReconnectingSession(LazyConnection, Session):
    """A session while it reconnects: other threads wait at the gate."""

    connected_class: ClassVar[type] = Session
    offline: ClassVar[frozenset[str]] = frozenset({"connected_class", "offline", "_gate"})


# The client names its logger after the class.
_UnconnectedSession.__name__ = _ReconnectingSession.__name__ = "Session"


def _paged(
    expression: str, limit: int | None, offset: int, ask: Callable[[str], tuple[list[Any], Mapping[str, Any]]]
) -> list[Any]:
    """Return what `ask` (query text -> rows, metadata) answers, page after page."""
    rows: list[Any] = []
    following: int | None = offset
    while following is not None:
        size = PAGE_SIZE if limit is None else min(PAGE_SIZE, limit - len(rows))
        page, metadata = ask(f"{expression} offset {following} limit {size}")
        rows.extend(page)
        if limit is not None and len(rows) >= limit:
            return rows[:limit]
        following = (metadata.get("next") or {}).get("offset")
    return rows


def _bind(args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the client's keyword arguments for positional ones in its own or the original library's order."""
    names = _FLAG_ARGUMENTS if args and isinstance(args[0], bool) else _CLIENT_ARGUMENTS
    if len(args) > len(names):
        raise TypeError(f"Session takes at most {len(names)} positional arguments ({', '.join(names)}).")
    bound = dict(zip(names, args, strict=False))
    known = {*_CLIENT_ARGUMENTS, "reuse_query_results", "cache_namespace"}
    for name in kwargs:
        if name in bound:
            raise TypeError(f"Session got two values for the argument {name!r}.")
        if name not in known:
            raise TypeError(f"Session has no argument {name!r}; it knows {', '.join(sorted(known))}.")
    return {**bound, **kwargs}


def _forget_memoised(session: Session) -> None:
    """Drop what the client memoised for this session object: its key is `id(session)`, which a reconnect keeps."""
    mine = str(id(session))
    for decorator in (
        ftrack_api.collection.memoise_session,
        ftrack_api.entity.factory.memoise_session,
        ftrack_api.entity.factory.memoise_defaults,
    ):
        cache = decorator.__closure__[0].cell_contents.cache
        for key in [key for key in cache.keys() if mine in key]:
            with contextlib.suppress(KeyError):
                cache.remove(key)


def _lazy_session() -> Session:
    return _UnconnectedSession.__new__(_UnconnectedSession)


class _SessionDelegate(Session):
    """The name that `Session` had in the original library."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        warnings.warn("_SessionDelegate is an old name: use Session.", DeprecationWarning, stacklevel=2)
        super().__init__(*args, **kwargs)


#: The default session. It connects when something first needs the server, once, from whichever thread.
SESSION: Session = _lazy_session()
