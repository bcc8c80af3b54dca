"""Connecting on first use: a session whose constructor has not run yet.

`LazyConnection` is mixed into a subclass of the real session class. An instance of that subclass holds nothing of the
client; the first access that needs the client runs the constructor, once, whichever thread comes first; then the instance
becomes one of the real class, and nothing of this module is on the way of later accesses. Nothing here knows ftrack.
"""

from __future__ import annotations

import threading
from typing import Any, ClassVar

__all__ = ["Gate", "LazyConnection", "connect"]


class Gate:
    """Who connects an instance, and what was set on it before."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.owner: int | None = None
        self.pending: dict[str, Any] = {}


class LazyConnection:
    """Mixin of the not yet connected twin of a session class.

    Class attributes that the twin sets:
        connected_class: The class that an instance becomes.
        offline: Names that are answered without connecting.
    """

    connected_class: ClassVar[type]
    offline: ClassVar[frozenset[str]]

    def __getattribute__(self, name: str) -> Any:
        read = super().__getattribute__
        if name.startswith("__"):
            return read(name)
        gate: Gate = read("__dict__")["_gate"]
        if gate.owner == threading.get_ident():
            return read(name)
        if name in gate.pending and gate.owner is None:
            return gate.pending[name]
        if name in read("offline") and gate.owner is None:
            return read(name)
        connect(self)
        return getattr(self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        gate: Gate = self.__dict__["_gate"]
        if gate.owner == threading.get_ident():
            super().__setattr__(name, value)
            return
        with gate.lock:
            session: Any = self
            if not isinstance(session, LazyConnection):
                # Another thread connected it while this one waited.
                setattr(session, name, value)
            elif name in type(self).offline:
                super().__setattr__(name, value)
            else:
                gate.pending[name] = value

    def __delattr__(self, name: str) -> None:
        gate: Gate = self.__dict__["_gate"]
        if gate.owner == threading.get_ident():
            super().__delattr__(name)
        elif gate.owner is None and name in gate.pending:
            del gate.pending[name]
        else:
            connect(self)
            delattr(self, name)


def connect(session: Any, **arguments: Any) -> None:
    """Run the constructor of a not yet connected session and make it one of its real class.

    Once: a thread that comes while another one connects waits for it. If the constructor raises, the session stays
    unconnected and the next use tries again.
    """
    gate: Gate = session.__dict__["_gate"]
    with gate.lock:
        if not isinstance(session, LazyConnection):
            # Another thread was faster.
            return
        kept = session.__dict__.copy()
        gate.owner = threading.get_ident()
        try:
            type(session).__init__(session, **arguments)
        except BaseException:
            session.__dict__.clear()
            session.__dict__.update(kept)
            raise
        else:
            object.__setattr__(session, "__class__", type(session).connected_class)
        finally:
            gate.owner = None
        pending, gate.pending = gate.pending, {}
        for name, value in pending.items():
            setattr(session, name, value)
