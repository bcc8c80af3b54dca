"""Connecting a session again: the object stays, what it holds of the client is made anew, all or nothing."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Collection, Mapping
from typing import Any

import ftrack_api.collection
import ftrack_api.entity.factory
import ftrack_api.exception

from trackteroid.connection.retirement import RetiredConnection, retire
from trackteroid.connection.succession import Predecessor

__all__ = ["reconnect"]


def reconnect(session: Any, construct: Callable[[], None], *, meanwhile: type, kept: Collection[str]) -> None:
    """Give a connected session a new connection.

    If that fails the session is as it was. After success the entities of the old connection can be read but not changed,
    and the old connection is closed.

    Args:
        session: A session with a `Gate` under `_gate`.
        construct: Runs the session's constructor.
        meanwhile: The class that the session has until then: one at whose gate other threads wait.
        kept: The instance attributes that no constructor sets.

    Raises:
        Exception: What `construct` raises.
    """
    before = dict(session.__dict__)
    predecessor = Predecessor(before)
    own_class = type(session)
    gate = session._gate
    with gate.lock:
        # Other threads wait at the gate until the new connection stands.
        gate.owner = threading.get_ident()
        object.__setattr__(session, "__class__", meanwhile)
        try:
            for name in before.keys() - set(kept):
                del session.__dict__[name]
            session.__dict__["_predecessor"] = predecessor
            construct()
            del session.__dict__["_predecessor"]
        except BaseException:
            predecessor.restore()
            session.__dict__.clear()
            session.__dict__.update(before)
            raise
        finally:
            object.__setattr__(session, "__class__", own_class)
            gate.owner = None
    if not predecessor.succeeded:
        retire(before["types"].values(), RetiredConnection(before["_server_url"], before["_generation"]))
    _forget_memoised(session)
    _end(session, before)


def _end(session: Any, before: Mapping[str, Any]) -> None:
    """Close an earlier connection; `before` is the session's former state."""
    if before["_shared_operations"]:
        session.logger.warning("Reconnected with pending operations not persisted.")
    if before["_managed_request"] is not None:
        before["_managed_request"].close()
    with contextlib.suppress(ftrack_api.exception.EventHubConnectionError):
        before["_event_hub"].disconnect()


def _forget_memoised(session: Any) -> None:
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
