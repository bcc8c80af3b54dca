"""The session: ftrack's own, connecting lazily, recording deferred operations and reusing query results.

`Session` is a subclass of the client's and replaces none of it; `SESSION` is a `Session` whose constructor has not run yet.
"""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import ftrack_api
import ftrack_api.entity.base
import ftrack_api.exception
import ftrack_api.operation

from trackteroid.cache.reused_results import ReusedResults
from trackteroid.connection.arguments import bind
from trackteroid.connection.gate import Gate, LazyConnection, connect
from trackteroid.connection.operation_stacks import OperationStacks
from trackteroid.connection.reconnecting import reconnect
from trackteroid.connection.retirement import RetiredConnection
from trackteroid.errors import BadInputError, DeferredCommitError, ServerCallError
from trackteroid.loading.fetching import Fetching
from trackteroid.operations.transfers import Transfers

# What is only needed once something is asked of a server is imported there: importing this module must not cost more
# than the client does.
if TYPE_CHECKING:
    from trackteroid.commits.enqueued_block import EnqueuedBlock
    from trackteroid.committing import Commits
    from trackteroid.entities.collection import EntityCollection
    from trackteroid.entities.empty import EmptyCollection
    from trackteroid.entities.entity import EntityType
    from trackteroid.entities.relationships_parser import RelationshipsParser
    from trackteroid.operations.recorder import Recorder

__all__ = ["SESSION", "Session"]

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

# Of a file whose records become entities.
_RECORDS_AT_ONCE = 200


class Session(OperationStacks, Transfers, Fetching):
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
    _arguments: dict[str, Any]
    _generation: int
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

        arguments = bind(args, kwargs)
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
        if not self._commits.rollback():
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
                connect(self, **bind((), overrides))
                return
            self._reconnect({**self._current_arguments(), **bind((), overrides)})

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
        former_cache = self._query_cache
        reconnect(self, lambda: Session.__init__(self, **arguments), meanwhile=_ReconnectingSession, kept=_OWN_STATE)
        self._reused_results.clear()
        if former_cache is not None:
            former_cache.settle()
        self.__dict__["_query_cache"] = None

    # Operations

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
            BadInputError: It is no entity of the client.
        """
        connection = getattr(entity, "session", None) if isinstance(entity, ftrack_api.entity.base.Entity) else None
        if connection is None:
            raise BadInputError(
                f"{entity!r} is not an entity of the client, which is all that a session deletes; "
                f"a collection has a delete() of its own."
            )
        if isinstance(connection, RetiredConnection):
            connection.refuse()
        super().delete(entity)

    def ensure(self, entity_type: str, data: Mapping[str, Any], identifying_keys: Iterable[str] | None = None) -> Any:
        """Return the entity with these values, created if there is none. As the client does, which commits at once.

        In a `deferred_operations` block nothing is sent. What is there is returned; what is not is recorded as "get or create",
        which is decided when the recording is committed: of three recordings that ensure the same asset one creates it, and all
        three use it. Values may be entities there too.

        Args:
            entity_type: Schema id.
            data: Attribute name to value, as for `create`.
            identifying_keys: The attributes by which it is recognised; default: all of `data`.

        Raises:
            BadInputError: In a block: there is nothing to recognise it by.
            ftrack_api.exception.MultipleResultsFoundError: Several entities have these values.
        """
        if not self.in_deferred_block:
            return super().ensure(entity_type, dict(data), list(identifying_keys) if identifying_keys else None)
        from trackteroid.operations.ensuring import ensure

        return ensure(self, self.recorded_operations, entity_type, data, identifying_keys)

    def deferred_operations(
        self,
        path: str | os.PathLike[str],
        clear: bool = True,
        labels: Mapping[str, str] | None = None,
        *,
        stamp: bool | None = None,
        commit_as: str | None = None,
    ) -> Recorder:
        """Record what a `with` block does into the file `path` instead of keeping it for `commit()`.

        Args:
            path: The file to write on a clean exit of the block; untouched if the block raises.
            clear: Whether to replace what an existing file holds; otherwise the block's operations are appended to it.
            labels: Words by which people will look for this recording, such as `{"farm_job": "123"}`.
            stamp: Whether what is created names this session's user, and the time of its release, where ftrack would name the
                worker and its time. Default: `TRACKTEROID_STAMP`.
            commit_as: Whose name ftrack's history gives: `worker`, or `recorder`, which needs workers with a global key. Default:
                `TRACKTEROID_COMMIT_AS` where it is enqueued.

        Raises:
            RecordingRefusedError: The folder cannot be written to (at entry), or the block did something that cannot be
                recorded (at exit).
        """
        from trackteroid.operations.recorder import Recorder

        return Recorder(self, path, clear=clear, labels=labels, stamp=stamp, commit_as=commit_as)

    def enqueued_operations(
        self,
        labels: Mapping[str, str] | None = None,
        *,
        hold: bool = False,
        priority: int = 0,
        depends_on: Iterable[str] = (),
        stamp: bool | None = None,
        commit_as: str | None = None,
    ) -> EnqueuedBlock:
        """Record what a `with` block does and hand it to the workers when the block has ended.

        `with session.enqueued_operations() as commit:` gives the commit's handle: `commit.wait(60)`, `commit.state`,
        `commit.result`, `commit.retry()`, `commit.cancel()`, `commit.release()`. If the block raises, nothing is enqueued. When
        Redis takes nothing, the recording waits in the spool. An inner block is enqueued together with its outermost one,
        before it.

        Args:
            labels: Words by which people will look for the commit, such as `{"farm_job": "123"}`.
            hold: Make it known, but do not commit it before `commit.release()` or `trackteroid release ID`.
            priority: Commits of higher ones go first, between -100 and 100.
            depends_on: Ids of commits that must be committed before this one.
            stamp, commit_as: As for `deferred_operations`.

        Raises:
            RecordingRefusedError: The block did something that cannot be recorded (at exit); nothing is enqueued.
            SpoolError: Neither Redis nor the spool take it (at exit); the recording is kept, and the text says where.
        """
        from trackteroid.commits.enqueued_block import EnqueuedBlock

        return EnqueuedBlock(
            self,
            labels=labels,
            hold=hold,
            priority=priority,
            depends_on=depends_on,
            stamp=stamp,
            commit_as=commit_as,
        )

    def reconnect_and_commit(self, path: str | os.PathLike[str], **overrides: Any) -> None:
        """Reconnect and commit a recording, in one step, so that no other pending operation can slip in.

        The file is read and checked before anything else happens; it is left as it is. Committing it a second time
        changes nothing if it creates entities: those that exist already are recognised by their ids. One that only updates
        sets its values again, also over what somebody has changed since (lists get and lose the same members as before):
        only `enqueue` remembers what was committed.

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

    def _merge_records(self, records: Iterable[Mapping[str, Any]]) -> None:
        types = self.types
        known = [record for record in records if record.get("__entity_type__") in types]
        # Each is merged on its own. Some at a time, while what was made of them is still at hand in the processor's cache.
        for start in range(0, len(known), _RECORDS_AT_ONCE):
            self._loader.merge_results(self._loader.read_parsed(known[start : start + _RECORDS_AT_ONCE]))


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


def _lazy_session() -> Session:
    return _UnconnectedSession.__new__(_UnconnectedSession)


class _SessionDelegate(Session):
    """The name that `Session` had in the original library."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        warnings.warn("_SessionDelegate is an old name: use Session.", DeprecationWarning, stacklevel=2)
        super().__init__(*args, **kwargs)


#: The default session. It connects when something first needs the server, once, from whichever thread.
SESSION: Session = _lazy_session()
