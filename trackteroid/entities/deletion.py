"""Marking entities for deletion, as far as the studio allows it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trackteroid import configuration
from trackteroid.entities.context import View
from trackteroid.entities.pending import pending
from trackteroid.entities.values import identity
from trackteroid.errors import UsageError
from trackteroid.query.loggers import logger

__all__ = ["delete"]


def delete(view: View, entities: Sequence[Any]) -> None:
    """Mark every entity for deletion that is not marked yet: the server refuses to delete what is gone.

    Raises:
        UsageError: `ALLOWED_FOR_DELETION_RESOLVER` refuses one of their types; nothing is marked then.
    """
    context = view.context
    context.check_usable("delete")
    for type_name in dict.fromkeys(entity.entity_type for entity in entities):
        if not configuration.ALLOWED_FOR_DELETION_RESOLVER(session=context.session, type_name=type_name):
            raise UsageError(
                f"Deleting entities of type {type_name} on {context.session.server_url} is not allowed by "
                f"ALLOWED_FOR_DELETION_RESOLVER."
            )
    marked = pending(context.session).deleted
    for entity in entities:
        if (entity.entity_type, identity(entity)) in marked:
            continue
        context.session.delete(entity)
        logger(f"entities.{entity.entity_type}").info("Marked for deletion: %s", entity)
