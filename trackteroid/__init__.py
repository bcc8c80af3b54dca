"""trackteroid: safe writing to and fast reading from ftrack.

Importing this package loads nothing: no client of ftrack, no Redis, no Celery, no file, no network. Each public name is
loaded when it is first used (PEP 562), so that a farm command pays only for what it needs. The default session connects
when something needs the server.

Besides the names in `__all__`, every object type of the server behind `SESSION` can be imported: an unknown name is looked
up in its schema.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from trackteroid.entities.names import ENTITY_NAMES

if TYPE_CHECKING:
    from ftrack_api.symbol import NOT_SET as NOT_SET

    from trackteroid.commits.enqueueing import enqueue as enqueue
    from trackteroid.commits.holds import cancel as cancel
    from trackteroid.commits.holds import release as release
    from trackteroid.constants import __VERSION__ as __VERSION__
    from trackteroid.entities import *  # noqa: F403
    from trackteroid.entities.base import EmptyCollection as EmptyCollection
    from trackteroid.entities.base import Entity as Entity
    from trackteroid.entities.base import EntityCollection as EntityCollection
    from trackteroid.entities.schematypes import ASSET_TYPES as ASSET_TYPES
    from trackteroid.entities.schematypes import (
        CUSTOM_ATTRIBUTE_TYPE_COMPATIBILITY as CUSTOM_ATTRIBUTE_TYPE_COMPATIBILITY,
    )
    from trackteroid.entities.schematypes import OBJECT_TYPES as OBJECT_TYPES
    from trackteroid.entities.schematypes import PROJECT_SCHEMAS as PROJECT_SCHEMAS
    from trackteroid.entities.schematypes import TASK_TYPES as TASK_TYPES
    from trackteroid.errors import EntityCollectionOperationError as EntityCollectionOperationError
    from trackteroid.query import SCHEMA as SCHEMA
    from trackteroid.query import Criteria as Criteria
    from trackteroid.query import Criterion as Criterion
    from trackteroid.query import Query as Query
    from trackteroid.session import SESSION as SESSION
    from trackteroid.session import Session as Session

_HOMES = {
    "ASSET_TYPES": "trackteroid.entities.schematypes",
    "CUSTOM_ATTRIBUTE_TYPE_COMPATIBILITY": "trackteroid.entities.schematypes",
    "OBJECT_TYPES": "trackteroid.entities.schematypes",
    "PROJECT_SCHEMAS": "trackteroid.entities.schematypes",
    "TASK_TYPES": "trackteroid.entities.schematypes",
    "EmptyCollection": "trackteroid.entities.base",
    "Entity": "trackteroid.entities.base",
    "EntityCollection": "trackteroid.entities.base",
    "EntityCollectionOperationError": "trackteroid.errors",
    "Criteria": "trackteroid.query",
    "Criterion": "trackteroid.query",
    "Query": "trackteroid.query",
    "SCHEMA": "trackteroid.query",
    "NOT_SET": "ftrack_api.symbol",
    "SESSION": "trackteroid.session",
    "Session": "trackteroid.session",
    "__VERSION__": "trackteroid.constants",
    "cancel": "trackteroid.commits.holds",
    "enqueue": "trackteroid.commits.enqueueing",
    "release": "trackteroid.commits.holds",
    **dict.fromkeys(ENTITY_NAMES, "trackteroid.entities"),
}

if not TYPE_CHECKING:
    # Type checkers cannot follow this; they take what is imported above.
    __all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is not None:
        value = getattr(import_module(home), name)
    elif name.startswith("_") or not name[:1].isupper():
        raise AttributeError(f"module 'trackteroid' has no attribute {name!r}")
    else:
        value = _object_type(name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})


def public_names() -> dict[str, str]:
    """Return each public name with the module that it is defined in."""
    return dict(_HOMES)


def _object_type(name: str) -> Any:
    """Return the entity class of a type that only the server knows (a studio's own object type)."""
    from trackteroid.entities.entity_types import entity_class
    from trackteroid.errors import ObjectTypesError
    from trackteroid.session import SESSION

    try:
        known = SESSION.types
    except Exception as error:
        # No AttributeError: of those `from trackteroid import Name` tells nobody more than that there is no such name.
        raise ObjectTypesError(
            f"trackteroid itself has no {name!r}, and the object types of your server cannot be looked at: {error}"
        ) from error
    if name not in known:
        raise AttributeError(
            f"module 'trackteroid' has no attribute {name!r}, nor has {SESSION.server_url} such a type."
        )
    return entity_class(name, SESSION.schema_index)
