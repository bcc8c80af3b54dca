"""Input and output links between contexts, or between asset versions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trackteroid.entities.container import Container
from trackteroid.entities.context import View
from trackteroid.entities.fetching import CHUNK
from trackteroid.entities.pending import pending
from trackteroid.entities.values import identity, is_new, read
from trackteroid.errors import EntityCollectionOperationError
from trackteroid.query.expressions import match
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
    session = view.context.session
    known = {pair for pair, _ in _existing(view, link_type, entities, incoming)}
    known |= {pair for pair, _ in pending(session).links(link_type)}
    for entity in entities:
        for other in others.client_entities:
            source, target = (other, entity) if incoming else (entity, other)
            pair = (identity(source)[0], identity(target)[0])
            if pair not in known:
                known.add(pair)
                session.create(link_type, {"from": source, "to": target})


def unlink(view: View, entities: Sequence[Any], others: Any, *, incoming: bool) -> None:
    """Delete the links between the entities and the others, those that are pending too; without any there is nothing to do.

    Raises:
        EntityCollectionOperationError: As for `link`.
    """
    link_type = _checked(view, others, incoming)
    session = view.context.session
    wanted = {identity(other)[0] for other in others.client_entities}
    for (source, target), found in _existing(view, link_type, entities, incoming):
        if (source if incoming else target) in wanted:
            session.delete(found)
    mine = {identity(entity)[0] for entity in entities}
    for (source, target), key in list(pending(session).links(link_type)):
        if (source if incoming else target) in wanted and (target if incoming else source) in mine:
            session.delete(session.get(link_type, key))


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


def _existing(view: View, link_type: str, entities: Sequence[Any], incoming: bool) -> list[tuple[tuple[str, str], Any]]:
    """Return ((from id, to id), link) of the links that the server has now and is not going to be asked to delete."""
    end = "to_id" if incoming else "from_id"
    session = view.context.session
    found = []
    for start in range(0, len(entities), CHUNK):
        ids = [identity(entity)[0] for entity in entities[start : start + CHUNK] if not is_new(entity)]
        if ids:
            condition = match(end, ids).render()
            found += session.fetch_entities(f"select id, from_id, to_id from {link_type} where {condition}")
    gone = pending(session).deleted
    return [
        ((str(read(link, "from_id")), str(read(link, "to_id"))), link)
        for link in found
        if (link_type, identity(link)) not in gone
    ]
