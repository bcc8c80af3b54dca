"""Changes that others make: ftrack's own events raise the tags of what they tell of.

Scope: one connection to the event hub of one server, for as long as it is to be kept; any number of listeners may run, what they
raise twice does no harm. Events are not repeated by the server: what happened before a connection was there, or while it
was lost, is made up for by raising the whole server as soon as events arrive again. That they do is known when an event
of our own comes back on the same connection, behind the subscription.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import ftrack_api.event.base
import ftrack_api.exception

from trackteroid.cache.tags import SERVER, Tags

__all__ = ["Listener", "Raising"]

_logger = logging.getLogger("trackteroid.cache.listening")

PROBE_TOPIC = "trackteroid.cache.listening"

#: An event of our own is sent this often, to find out whether events still come.
PROBE_SECONDS = 30.0
#: After this long without it the connection counts as lost.
PATIENCE_SECONDS = 15.0
#: Pauses between attempts to connect: the first, the longest.
PAUSES = (1.0, 30.0)

_WAIT_SECONDS = 0.2


class Raising(Protocol):
    """What is told; `trackteroid.cache.query_cache.QueryCache` is one."""

    def raise_tags(self, names: Iterable[str]) -> bool:
        """Raise tags of the server; False if the cache is away, then the server is owed a raise."""

    def settle(self) -> None:
        """Make up for a raise that is owed, if the cache answers."""


class Listener:
    """Tells a cache of the changes that a server's event hub tells of.

    Args:
        hub: The event hub, not connected; nobody else may wait for its events. (`ftrack_api.Session.event_hub`)
        cache: Who is told.
        tags: Of the server's schema.
        monotonic: Clock.

    Attributes:
        hears: Set while events are known to arrive.
    """

    def __init__(
        self, hub: Any, cache: Raising, tags: Tags, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.hears = threading.Event()
        self._hub = hub
        self._cache = cache
        self._tags = tags
        self._monotonic = monotonic
        self._subscribed = False
        self._probe: str | None = None
        self._probed_at = 0.0
        # The client's own way of reconnecting turns off all logging of the process while it tries.
        hub._auto_reconnect_attempts = 0

    def run(self, stop: threading.Event) -> None:
        """Listen until `stop` is set, connecting again whenever the connection is lost."""
        pause, longest = PAUSES
        while not stop.is_set():
            try:
                self._connect()
                while self._hub.connected and not stop.is_set():
                    self.step()
                    if self.hears.is_set():
                        pause = PAUSES[0]
            except (ftrack_api.exception.EventHubConnectionError, OSError) as error:
                _logger.warning("No events from ftrack: %s", error)
            was_heard = self.hears.is_set()
            self.hears.clear()
            self._disconnect()
            if stop.is_set():
                return
            if was_heard:
                _logger.warning(
                    "The connection to ftrack's events is lost; changes that others make are noticed late until it is back."
                )
            stop.wait(pause)
            pause = min(2 * pause, longest)

    def step(self) -> None:
        """Handle what has arrived, within a moment, and look whether events still come."""
        self._hub.wait(duration=_WAIT_SECONDS)
        self._cache.settle()
        waited = self._monotonic() - self._probed_at
        if self._probe is None:
            if waited > PROBE_SECONDS:
                self._send_probe()
        elif waited > PATIENCE_SECONDS:
            raise ftrack_api.exception.EventHubConnectionError(
                f"The event hub has not sent anything back for {waited:.0f} seconds."
            )

    def _connect(self) -> None:
        if not self._hub.connected:
            self._hub.connect()
        if not self._subscribed:
            self._hub.subscribe("topic=ftrack.update", self._on_update)
            self._hub.subscribe(f"topic={PROBE_TOPIC}", self._on_probe)
            self._subscribed = True
        self._send_probe()

    def _disconnect(self) -> None:
        with contextlib.suppress(ftrack_api.exception.EventHubConnectionError, OSError):
            # Unsubscribing would wait for answers that may never come.
            self._hub.disconnect(unsubscribe=False)

    def _send_probe(self) -> None:
        event = ftrack_api.event.base.Event(topic=PROBE_TOPIC)
        self._probe = str(event["id"])
        self._probed_at = self._monotonic()
        self._hub.publish(event, on_error="ignore")

    def _on_probe(self, event: Mapping[str, Any]) -> None:
        if event["id"] != self._probe:
            return
        self._probe = None
        if not self.hears.is_set():
            self._cache.raise_tags([SERVER])
            self.hears.set()
            _logger.info("Events from ftrack arrive; cached results from before are not used any more.")

    def _on_update(self, event: Mapping[str, Any]) -> None:
        try:
            raised = self._tags.told(event["data"]["entities"])
        except (KeyError, TypeError, AttributeError):
            # Whatever it says, something has changed.
            raised = frozenset({SERVER})
        if raised:
            self._cache.raise_tags(sorted(raised))
