"""Input and output links between contexts, or between asset versions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import ftrack_api.operation

from trackteroid.entities.container import Container
from trackteroid.entities.context import View
from trackteroid.entities.fetching import fetch
from trackteroid.entities.values import identity, items, read
from trackteroid.errors import EntityCollectionOperationError
from trackteroid.query.loggers import logger

__all__ = ["link", "unlink"]


def link(view: View, entities: Sequence[Any], others: Any, *, incoming: bool) -> None:
    """Create a link for each pair that is not linked yet, neither on the server nor among the pending operations.

    Raises:
        EntityCollectionOperationError: The type has no links, or the others belong to another session or type.
    """
    link_type = _checked(view, others, incoming)
    if not others.client_entities:
        logger(f"entities.{view.entity_type.__name__}").warning("Nothing to link: %r is empty.", others)
        return
    known = {pair for pair, _ in _existing(view, entities, incoming)} | set(_pending(view, link_type))
    for entity in entities:
        for other in others.client_entities:
            source, target = (other, entity) if incoming else (entity, other)
            pair = (identity(source)[0], identity(target)[0])
            if pair not in known:
                known.add(pair)
                view.context.session.create(link_type, {"from": source, "to": target})


def unlink(view: View, entities: Sequence[Any], others: Any, *, incoming: bool) -> None:
    """Delete the links between the entities and the others; without any there is nothing to do.

    Raises:
        EntityCollectionOperationError: As for `link`.
    """
    _checked(view, others, incoming)
    wanted = {identity(other)[0] for other in others.client_entities}
    for (source, target), found in _existing(view, entities, incoming):
        if (source if incoming else target) in wanted:
            view.context.session.delete(found)


def _checked(view: View, others: Any, incoming: bool) -> str:
    """Return the type of the links, after checking that these entities can be linked."""
    attribute = view.attributes.get("incoming_links" if incoming else "outgoing_links")
    if attribute is None or attribute.target is None:
        raise EntityCollectionOperationError(f"{view.entity_type.__name__} has no links.")
    if not isinstance(others, Container):
        raise TypeError(f"Only collections can be linked, not {others!r}.")
    view.context.check_usable("change links")
    view.context.check_same(others.container_context, "link")
    end = view.context.index.attribute(attribute.target, "from")
    declared = end.target if end else None
    for other in others.client_entities:
        if declared is not None and not view.context.index.is_subtype(other.entity_type, declared):
            raise EntityCollectionOperationError(
                f"{view.entity_type.__name__} cannot be linked to {other.entity_type}."
            )
    return attribute.target


def _existing(view: View, entities: Sequence[Any], incoming: bool) -> list[tuple[tuple[str, str], Any]]:
    """Return ((from id, to id), link) of the links that the server has."""
    name = "incoming_links" if incoming else "outgoing_links"
    fetch(view.context, view.entity_type, entities, [[name, "from_id"], [name, "to_id"]])
    links = [found for entity in entities for found in items(read(entity, name))]
    return [((str(read(found, "from_id")), str(read(found, "to_id"))), found) for found in links]


def _pending(view: View, link_type: str) -> Iterator[tuple[str, str]]:
    """Yield (from id, to id) of links that were created and not committed yet."""
    ends: dict[tuple[str, ...], dict[str, str]] = {}
    for operation in view.context.session.recorded_operations:
        if not isinstance(operation, ftrack_api.operation.UpdateEntityOperation) or operation.entity_type != link_type:
            continue
        if operation.attribute_name in ("from", "to") and hasattr(operation.new_value, "primary_key_attributes"):
            key = tuple(operation.entity_key.values())
            ends.setdefault(key, {})[operation.attribute_name] = identity(operation.new_value)[0]
    for pair in ends.values():
        if len(pair) == len(("from", "to")):
            yield pair["from"], pair["to"]
