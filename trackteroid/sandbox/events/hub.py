"""Routing of events between connections: who subscribed to what, and who gets an event (specification 7.4).

Connections are names here; sending is somebody else's business. Not safe for use from several threads at once, except
`watchers`.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field
from typing import Any

from trackteroid.sandbox.credentials import Caller
from trackteroid.sandbox.events.expressions import Expression, ExpressionError, matches, may_match, parse

__all__ = ["UPDATE_TOPIC", "Hub", "Routed"]

UPDATE_TOPIC = "ftrack.update"
_SUBSCRIBE = "ftrack.meta.subscribe"
_UNSUBSCRIBE = "ftrack.meta.unsubscribe"
# The Python client makes an event from a packet with keyword arguments: any other key drops the event (trap 14).
_FORWARDED = ("id", "topic", "data", "sent", "source", "target", "inReplyToEvent")


@dataclass(frozen=True, slots=True)
class Routed:
    """What becomes of a published event.

    Attributes:
        problem: Why it was refused; None if it wasn't.
        event: The event as it is sent on; empty if nobody gets it.
        recipients: The connections that get it, each once.
    """

    problem: str | None = None
    event: Mapping[str, Any] = field(default_factory=dict)
    recipients: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Subscription:
    subscriber: Mapping[str, Any]
    expression: Expression
    watches_updates: bool


@dataclass(slots=True)
class _Connection:
    caller: Caller
    subscriptions: dict[str, _Subscription] = field(default_factory=dict)


class Hub:
    """All connections and their subscriptions.

    Args:
        new_id: Makes ids for events that come without one.

    Attributes:
        watchers: Ids of the users who might want an `ftrack.update` event; may be read from any thread.
    """

    def __init__(self, *, new_id: Callable[[], str]) -> None:
        self.watchers: frozenset[str] = frozenset()
        self._new_id = new_id
        self._connections: dict[str, _Connection] = {}

    def connect(self, connection: str, caller: Caller) -> None:
        """A connection was opened, by an authenticated user."""
        self._connections[connection] = _Connection(caller)

    def disconnect(self, connection: str) -> None:
        """A connection is gone, with its subscribers. Nothing happens if it is gone already."""
        if self._connections.pop(connection, None) is not None:
            self._look_for_watchers()

    def publish(self, connection: str, event: Any) -> Routed:
        """Handle what a connection published: its (un)subscriptions, or an event for others and itself."""
        sender = self._connections.get(connection)
        if sender is None:
            return Routed("The connection is closed.")
        if not isinstance(event, Mapping) or not isinstance(event.get("topic"), str):
            return Routed('An event must be an object with a text "topic".')
        if event["topic"] == _SUBSCRIBE:
            return Routed(self._subscribe(sender, event.get("data")))
        if event["topic"] == _UNSUBSCRIBE:
            return Routed(self._unsubscribe(sender, event.get("data")))
        return self.route(self._prepared(event, sender.caller))

    def route(self, event: Mapping[str, Any], users: Container[str] | None = None) -> Routed:
        """Find who gets an event: connections with a subscriber that listens to it and is meant by its target.

        Args:
            users: Ids of the only users whom it may be told; all if not given.
        """
        try:
            target = _target(event.get("target"))
        except ExpressionError as error:
            return Routed(f"The event's target is wrong. {error}")
        recipients = tuple(
            name
            for name, connection in self._connections.items()
            if (users is None or connection.caller.user_id in users)
            and any(_wants(each, event, target) for each in connection.subscriptions.values())
        )
        return Routed(event=event, recipients=recipients)

    def _subscribe(self, sender: _Connection, data: Any) -> str | None:
        subscriber = _subscriber(data)
        if subscriber is None:
            return 'A subscription needs a "subscriber" with a text "id".'
        if not isinstance(data.get("subscription"), str):
            return 'A subscription needs a text "subscription".'
        try:
            expression = parse(data["subscription"])
        except ExpressionError as error:
            return str(error)
        watches = may_match(expression, {"topic": UPDATE_TOPIC})
        sender.subscriptions[subscriber["id"]] = _Subscription(subscriber, expression, watches)
        self._look_for_watchers()
        return None

    def _unsubscribe(self, sender: _Connection, data: Any) -> str | None:
        subscriber = _subscriber(data)
        if subscriber is None:
            return 'Unsubscribing needs a "subscriber" with a text "id".'
        sender.subscriptions.pop(subscriber["id"], None)
        self._look_for_watchers()
        return None

    def _look_for_watchers(self) -> None:
        self.watchers = frozenset(
            connection.caller.user_id
            for connection in self._connections.values()
            if any(each.watches_updates for each in connection.subscriptions.values())
        )

    def _prepared(self, event: Mapping[str, Any], caller: Caller) -> dict[str, Any]:
        outgoing = {name: event[name] for name in _FORWARDED if name in event}
        if not outgoing.get("id"):
            outgoing["id"] = self._new_id()
        source = outgoing.get("source")
        if isinstance(source, Mapping) and isinstance(source.get("user"), Mapping):
            # Receivers read the id; clients only send the name. Somebody else's name stays as it is.
            if "id" not in source["user"] and source["user"].get("username") == caller.username:
                outgoing["source"] = {**source, "user": {**source["user"], "id": caller.user_id}}
        return outgoing


def _subscriber(data: Any) -> Mapping[str, Any] | None:
    subscriber = data.get("subscriber") if isinstance(data, Mapping) else None
    return subscriber if isinstance(subscriber, Mapping) and isinstance(subscriber.get("id"), str) else None


def _target(text: Any) -> Expression | None:
    if text is None or text == "":
        return None
    if not isinstance(text, str):
        raise ExpressionError("It must be a text.")
    return parse(text) if text.strip() else None


def _wants(subscription: _Subscription, event: Mapping[str, Any], target: Expression | None) -> bool:
    if target is not None and not matches(target, subscription.subscriber):
        return False
    return matches(subscription.expression, event)
