"""Loading attributes of entities that are there: ids in chunks.

The client puts all ids in one query and sends that again for each page of the answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import ftrack_api.inspection
import ftrack_api.operation
from ftrack_api.symbol import CREATED, NOT_SET

from trackteroid.loading.stored import primary_key

__all__ = ["questions"]

# Ids in one query: as many as the client asks for rows in one page. Up to here the text is the client's, too.
CHUNK = 500


def questions(session: Any, entities: Sequence[Any], projections: str) -> Iterator[str]:
    """Yield the queries that load `projections` of `entities`.

    Entities that the server does not know yet are left out.

    Args:
        session: The session of all of them.
        entities: Of one type, which is the first one's.
        projections: What stands between `select` and `from`.
    """
    asked = _persisted(session, entities)
    if not asked:
        return
    reference, keys = asked[0][0], [list(key.values()) for _, key in asked]
    if len(keys) > CHUNK:
        keys = [list(key) for key in dict.fromkeys(tuple(key) for key in keys)]
    for start in range(0, len(keys), CHUNK):
        condition = _condition(reference.primary_key_attributes, keys[start : start + CHUNK])
        yield f"select {projections} from {reference.entity_type} where {condition}"


def _persisted(session: Any, entities: Sequence[Any]) -> list[tuple[Any, Any]]:
    """Return the entities that are not just created, each with its primary key."""
    states: dict[tuple[str, tuple[Any, ...]], Any] = {}
    for operation in session.recorded_operations:
        if isinstance(operation, _KNOWN):
            key = (operation.entity_type, tuple(operation.entity_key.items()))
            states[key] = ftrack_api.inspection._state(operation, states.get(key, NOT_SET))
    keyed = [(entity, primary_key(entity)) for entity in entities]
    if not states:
        return keyed
    return [
        (entity, key) for entity, key in keyed if states.get((entity.entity_type, tuple(key.items()))) is not CREATED
    ]


_KNOWN = (
    ftrack_api.operation.CreateEntityOperation,
    ftrack_api.operation.UpdateEntityOperation,
    ftrack_api.operation.DeleteEntityOperation,
)


def _condition(names: Sequence[str], keys: Sequence[Sequence[str]]) -> str:
    # Word for word the client's, which leaves blanks out in odd places.
    if len(names) > 1:
        return " or ".join(
            "({})".format("and ".join(f'{name} is "{value}"' for name, value in zip(names, key, strict=True)))
            for key in keys
        )
    if len(keys) > 1:
        return f"{names[0]} in ({','.join(str(key[0]) for key in keys)})"
    return f"{names[0]} is {keys[0][0]}"
