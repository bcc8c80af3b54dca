"""Results of earlier queries of this process (level 1).

Scope: one session object. Answers only while reuse is on; identity of the collections is what is promised. Outside of that
results are held weakly, so that a long-running process does not grow (defect D23 of the original library), and one that
somebody still holds is found again ("previously obtained results").
"""

from __future__ import annotations

import contextlib
import threading
import weakref
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from typing import Any, Protocol

__all__ = ["ReusedResults", "Sharing"]


class _Stamped(Protocol):
    @property
    def last_stamps(self) -> Mapping[str, str] | None: ...

    def confirm(self, stamps: Mapping[str, str]) -> bool: ...


class Sharing:
    """That results are shared with other processes: through which cache, and for how long (seconds, None: default)."""

    def __init__(self, cache: Callable[[], _Stamped], ttl: float | None) -> None:
        self.cache = cache
        self.ttl = ttl


class _Scope:
    """One `with` block, or what holds outside of all: whether results are reused, and shared how."""

    def __init__(self, enabled: bool, sharing: Sharing | None) -> None:
        self.enabled = enabled
        self.sharing = sharing


class ReusedResults:
    """A store of query results by key.

    Reuse is on or off for the whole session, as in the original library; blocks of several threads may overlap, then it
    is on until the last one ends.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._outside = _Scope(False, None)
        self._scopes: list[_Scope] = []
        self._weak: weakref.WeakValueDictionary[Hashable, Any] = weakref.WeakValueDictionary()
        self._strong: dict[Hashable, Any] = {}
        self._stamps: dict[Hashable, Mapping[str, str] | None] = {}

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
        return self._innermost().sharing

    @contextlib.contextmanager
    def reusing(self, sharing: Sharing | None) -> Iterator[None]:
        """Reuse results inside a `with` block; a block inside of a sharing one goes on sharing."""
        with self._lock:
            scope = _Scope(True, sharing or self.sharing)
            self._scopes.append(scope)
        try:
            yield
        finally:
            with self._lock:
                self._scopes.remove(scope)
                self._let_go()

    def _innermost(self) -> _Scope:
        scopes = self._scopes
        return scopes[-1] if scopes else self._outside

    def _let_go(self) -> None:
        if not self.enabled:
            self._strong.clear()
            self._stamps.clear()

    def get(self, key: Hashable) -> Any | None:
        """Return the collection stored under `key`, or None."""
        scope = self._innermost()
        if not scope.enabled:
            return None
        with self._lock:
            found = self._weak.get(key)
            stamps = self._stamps.get(key)
        if found is None:
            return None
        if scope.sharing is not None and (stamps is None or not scope.sharing.cache().confirm(stamps)):
            return None
        with self._lock:
            self._strong[key] = found
        return found

    def put(self, keys: Iterable[Hashable], collection: Any) -> None:
        """Store `collection` under each of `keys`: strongly while reuse is on, else only as long as somebody holds it."""
        scope = self._innermost()
        stamps = scope.sharing.cache().last_stamps if scope.sharing is not None else None
        with self._lock:
            for key in keys:
                self._weak[key] = collection
                if scope.enabled:
                    self._stamps[key] = stamps
                    self._strong[key] = collection

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._weak.clear()
            self._strong.clear()
            self._stamps.clear()
