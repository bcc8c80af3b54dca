"""Listening to ftrack's events, with an event hub that is a list."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

import ftrack_api.exception
import pytest

from tests.support.clock import FakeClock
from tests.support.local_session import stock_schemas
from trackteroid.cache import listening
from trackteroid.cache.listening import PATIENCE_SECONDS, PROBE_SECONDS, PROBE_TOPIC, Listener
from trackteroid.cache.tags import SERVER, Tags

TAGS = Tags(stock_schemas())


class Hub:
    """An event hub that hands on what is published to it while it is connected and not deaf."""

    def __init__(self) -> None:
        self.connected = False
        self.connections = 0
        self.deaf = False
        self.refuses = 0
        self.callbacks: dict[str, Callable[[Any], None]] = {}
        self.queue: list[Any] = []
        self.script: list[Callable[[], None]] = []

    def connect(self) -> None:
        if self.refuses:
            self.refuses -= 1
            raise ftrack_api.exception.EventHubConnectionError("refused")
        self.connected = True
        self.connections += 1

    def disconnect(self, unsubscribe: bool) -> None:
        assert not unsubscribe
        self.connected = False

    def subscribe(self, expression: str, callback: Callable[[Any], None]) -> None:
        assert expression not in self.callbacks
        self.callbacks[expression] = callback

    def publish(self, event: Any, on_error: str) -> None:
        if not self.deaf:
            self.queue.append(event)

    def wait(self, duration: float) -> None:
        while self.queue:
            event = self.queue.pop(0)
            self.callbacks[f"topic={event['topic']}"](event)
        if self.script:
            self.script.pop(0)()

    def update(self, data: Any) -> None:
        self.queue.append({"topic": "ftrack.update", "id": "x", "data": data})


class Cache:
    def __init__(self) -> None:
        self.raised: list[list[str]] = []
        self.settled = 0

    def raise_tags(self, names: Iterable[str]) -> bool:
        self.raised.append(list(names))
        return True

    def settle(self) -> None:
        self.settled += 1


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "PAUSES", (0.0, 0.0))


def run(hub: Hub, *script: Callable[[], None], clock: FakeClock | None = None) -> Cache:
    """Run a listener: one step of the script after each wait, then it is stopped."""
    cache, stop = Cache(), threading.Event()
    hub.script = [*script, stop.set]
    Listener(hub, cache, TAGS, monotonic=clock or FakeClock()).run(stop)
    assert not hub.connected
    return cache


def nothing() -> None:
    pass


def test_what_was_before_the_connection_is_forgotten_once_events_arrive() -> None:
    hub = Hub()
    assert run(hub, nothing).raised == [[SERVER]]
    deaf = Hub()
    deaf.deaf = True
    assert run(deaf, nothing).raised == []


def test_an_update_raises_its_tags() -> None:
    hub = Hub()
    entity = {"entityType": "task", "entity_type": "Shot", "action": "update", "keys": ["name"]}
    cache = run(hub, lambda: hub.update({"entities": [entity]}), nothing)
    assert cache.raised == [[SERVER], ["*", "Context*", "Context.name"]]
    assert cache.settled > 0


@pytest.mark.parametrize("data", [{}, {"entities": None}, {"entities": ["x"]}, None, {"entities": [{"action": "?"}]}])
def test_an_update_that_makes_no_sense_may_have_changed_anything(data: Any) -> None:
    hub = Hub()
    assert run(hub, lambda: hub.update(data), nothing).raised == [[SERVER], [SERVER]]


def test_a_lost_connection_is_made_anew_and_everything_is_forgotten(caplog: pytest.LogCaptureFixture) -> None:
    hub = Hub()

    def lose() -> None:
        hub.connected = False
        hub.refuses = 3

    cache = run(hub, nothing, lose, nothing, nothing)
    assert hub.connections == 2
    assert cache.raised == [[SERVER], [SERVER]]
    assert "is lost" in caplog.text
    assert caplog.text.count("No events from ftrack") == 3


def test_a_connection_over_which_nothing_comes_any_more_is_a_lost_one() -> None:
    hub, clock = Hub(), FakeClock()

    def go_deaf() -> None:
        hub.deaf = True
        clock.advance(PROBE_SECONDS + 1)

    def lose_patience() -> None:
        clock.advance(PATIENCE_SECONDS + 1)
        hub.deaf = False

    cache = run(hub, nothing, go_deaf, nothing, lose_patience, nothing, nothing, clock=clock)
    assert hub.connections == 2
    assert cache.raised == [[SERVER], [SERVER]]


def test_probes_of_others_prove_nothing() -> None:
    hub = Hub()
    hub.deaf = True
    cache = run(hub, lambda: hub.queue.append({"topic": PROBE_TOPIC, "id": "another listener's"}), nothing)
    assert cache.raised == []


def test_the_client_is_kept_from_turning_off_logging() -> None:
    hub: Any = Hub()
    run(hub, nothing)
    assert hub._auto_reconnect_attempts == 0
