"""Results of earlier queries of this process (level 1).

Scope: one session object. Answers only while reuse is on; identity of the collections is what is promised. Outside of that
results are held weakly, so that a long-running process does not grow (defect D23 of the original library), and one that
somebody still holds is found again ("previously obtained results").
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Hashable, Iterable, Mapping
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


class ReusedResults:
    """A store of query results by key.

    Attributes:
        enabled: Whether `get` answers at all.
        sharing: Set while results are shared; then `get` answers only what the shared cache confirms.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._enabled = False
        self.sharing: Sharing | None = None
        self._weak: weakref.WeakValueDictionary[Hashable, Any] = weakref.WeakValueDictionary()
        self._strong: dict[Hashable, Any] = {}
        self._stamps: dict[Hashable, Mapping[str, str] | None] = {}

    @property
    def enabled(self) -> bool:
        return self._enabled

    @enabled.setter
    def enabled(self, enabled: bool) -> None:
        with self._lock:
            self._enabled = enabled
            if not enabled:
                self._strong.clear()
                self._stamps.clear()

    def get(self, key: Hashable) -> Any | None:
        """Return the collection stored under `key`, or None."""
        if not self._enabled:
            return None
        with self._lock:
            found = self._weak.get(key)
            stamps = self._stamps.get(key)
        if found is None:
            return None
        if self.sharing is not None and (stamps is None or not self.sharing.cache().confirm(stamps)):
            return None
        with self._lock:
            self._strong[key] = found
        return found

    def put(self, keys: Iterable[Hashable], collection: Any) -> None:
        """Store `collection` under each of `keys`: strongly while reuse is on, else only as long as somebody holds it."""
        stamps = self.sharing.cache().last_stamps if self.sharing is not None else None
        with self._lock:
            for key in keys:
                self._weak[key] = collection
                self._stamps[key] = stamps
                if self._enabled:
                    self._strong[key] = collection

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._weak.clear()
            self._strong.clear()
            self._stamps.clear()
