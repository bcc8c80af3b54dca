"""Results of earlier queries of this process (level 1).

Scope: one session object. Answers only while reuse is on; identity of the collections is what is promised. Outside of that
results are held weakly, so that a long-running process does not grow (defect D23 of the original library), and one that
somebody still holds is found again ("previously obtained results").
"""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Any, Protocol

__all__ = ["MOST_RESULTS", "ReusedResults", "Sharing"]


#: Results that are held at most while reuse is on; of more the least recently used are let go.
MOST_RESULTS = 2000


class _Confirming(Protocol):
    @property
    def last_receipt(self) -> Any | None: ...

    def confirm(self, receipt: Any, max_stale: float = 0.0) -> bool: ...


class Sharing:
    """That results are shared with other processes, and how.

    Args:
        cache: Returns the cache through which.
        ttl: Seconds to keep them, None: the default.
        max_stale: Seconds by which they may be too old.
    """

    def __init__(self, cache: Callable[[], _Confirming], ttl: float | None = None, max_stale: float = 0.0) -> None:
        self.cache = cache
        self.ttl = ttl
        self.max_stale = max_stale


class _Scope:
    """One `with` block, or what holds outside of all: whether results are reused, and shared how."""

    def __init__(self, enabled: bool, sharing: Sharing | None) -> None:
        self.enabled = enabled
        self.sharing = sharing


class ReusedResults:
    """A store of query results by key.

    Reuse is on or off for the whole session, as in the original library; blocks of several threads may overlap, then it
    is on until the last one ends.

    Args:
        most: Results to hold at most.
    """

    def __init__(self, most: int = MOST_RESULTS) -> None:
        self._most = most
        self._lock = threading.RLock()
        self._outside = _Scope(False, None)
        self._scopes: list[_Scope] = []
        self._weak: weakref.WeakValueDictionary[Hashable, Any] = weakref.WeakValueDictionary()
        # Least recently used first: the collection, and its receipt from the shared cache.
        self._strong: OrderedDict[Hashable, tuple[Any, Any | None]] = OrderedDict()
        self._thread = threading.local()
        _all.add(self)

    @property
    def enabled(self) -> bool:
        """Whether `get` answers at all. Setting it inside a block holds until the block ends."""
        return self._innermost().enabled

    @enabled.setter
    def enabled(self, enabled: bool) -> None:
        with self._lock:
            self._innermost().enabled = enabled
            self._let_go()

    @property
    def sharing(self) -> Sharing | None:
        """How results are shared, None while they are not; then `get` answers only what the shared cache confirms."""
        if getattr(self._thread, "asking_server", 0):
            return None
        return self._innermost().sharing

    @contextlib.contextmanager
    def reusing(self, sharing: Sharing | None) -> Iterator[None]:
        """Reuse results inside a `with` block; a block inside of a sharing one goes on sharing."""
        with self._lock:
            scope = _Scope(True, sharing or self._innermost().sharing)
            self._scopes.append(scope)
        try:
            yield
        finally:
            with self._lock:
                self._scopes.remove(scope)
                self._let_go()

    @contextlib.contextmanager
    def asking_server(self) -> Iterator[None]:
        """Share nothing in this thread inside a `with` block: what is decided there needs what the server says now."""
        self._thread.asking_server = getattr(self._thread, "asking_server", 0) + 1
        try:
            yield
        finally:
            self._thread.asking_server -= 1

    def _innermost(self) -> _Scope:
        scopes = self._scopes
        return scopes[-1] if scopes else self._outside

    def _let_go(self) -> None:
        if not self.enabled:
            self._strong.clear()

    def get(self, key: Hashable) -> Any | None:
        """Return the collection stored under `key`, or None."""
        scope = self._innermost()
        if not scope.enabled:
            return None
        with self._lock:
            found, receipt = self._strong.get(key, (None, None))
            if found is None:
                found = self._weak.get(key)
        if found is None:
            return None
        sharing = scope.sharing
        if sharing is not None and (receipt is None or not sharing.cache().confirm(receipt, sharing.max_stale)):
            return None
        with self._lock:
            self._hold(key, found, receipt)
        return found

    def put(self, keys: Iterable[Hashable], collection: Any) -> None:
        """Store `collection` under each of `keys`: strongly while reuse is on, else only as long as somebody holds it."""
        scope = self._innermost()
        receipt = scope.sharing.cache().last_receipt if scope.sharing is not None else None
        with self._lock:
            for key in keys:
                self._weak[key] = collection
                if scope.enabled:
                    self._hold(key, collection, receipt)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._weak.clear()
            self._strong.clear()

    def _hold(self, key: Hashable, collection: Any, receipt: Any | None) -> None:
        self._strong[key] = (collection, receipt)
        self._strong.move_to_end(key)
        while len(self._strong) > self._most:
            self._strong.popitem(last=False)


_all: weakref.WeakSet[ReusedResults] = weakref.WeakSet()


def _begin_all() -> None:
    for results in list(_all):
        # Who holds it has stayed in the parent.
        results._lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_all)
