"""What a new connection takes over from the one before: schemas and entity classes, if the server's schema is the same.

Making the classes anew is most of what reconnecting costs; a worker reconnects often.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ftrack_api.event.base

from trackteroid.connection.retirement import RetiredConnection, outlive

__all__ = ["Predecessor"]

_TOPIC = "ftrack.api.session.construct-entity-type"


class Predecessor:
    """The connection before.

    Args:
        state: The attributes of the session object as they were.
    """

    def __init__(self, state: Mapping[str, Any]) -> None:
        self._state = state
        self._undo: Callable[[], None] | None = None

    @property
    def succeeded(self) -> bool:
        """Whether its entity classes have been taken over."""
        return self._undo is not None

    def schemas(self, server_information: Mapping[str, Any]) -> Any:
        """Return its schemas if the server still has the same, else None."""
        digest = server_information.get("schema_hash")
        if digest and digest == self._state["_server_information"].get("schema_hash"):
            return self._state["schemas"]
        return None

    def entity_classes(self, schemas: Sequence[Any], event_hub: Any) -> dict[str, Any] | None:
        """Return its entity classes for the new connection, None if new ones have to be made.

        From then on entities of the old connection can only be read.

        Args:
            schemas: Those of the new connection.
            event_hub: That of the new connection. Classes that plugins have a say in are made anew: they may depend on
                whatever the plugins were given.
        """
        if schemas != self._state["schemas"] or any(
            _has_makers(hub, schemas) for hub in (self._state["_event_hub"], event_hub)
        ):
            return None
        classes: dict[str, Any] = self._state["types"]
        session = outlive(classes.values())
        before = session.begin(RetiredConnection(self._state["_server_url"], self._state["_generation"]))
        self._undo = lambda: session.withdraw(before)
        return classes

    def restore(self) -> None:
        """Give the entities of the old connection back to it: there is no new one."""
        if self._undo is not None:
            self._undo()


def _has_makers(event_hub: Any, schemas: Sequence[Any]) -> bool:
    subscribers = [one for one in event_hub._subscribers if not _is_about_something_else(str(one.subscription))]
    return any(
        subscriber.interested_in(ftrack_api.event.base.Event(topic=_TOPIC, data={"schema": schema, "schemas": schemas}))
        for schema in (schemas if subscribers else ())
        for subscriber in subscribers
    )


def _is_about_something_else(subscription: str) -> bool:
    """Whether the text alone shows that this is for another topic; that spares asking for each schema."""
    return subscription.startswith("topic=") and not any(word in subscription for word in (_TOPIC, "*", " or "))
