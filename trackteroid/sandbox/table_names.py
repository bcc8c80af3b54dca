"""The two names of an entity type in `parent_type` and its like: clients say schema ids, storage holds lower-case table names.

Source: specification 3, the `transform` key; the mapping out is inferred (section 9.8).
"""

from __future__ import annotations

from functools import lru_cache

from trackteroid.sandbox.schema import Schema

__all__ = ["schema_id", "table_name"]


def table_name(schema: Schema, name: str) -> str:
    """Schema id -> stored name: any TypedContext is `task`, a Project `show`. An unknown word is kept in lower case."""
    if name not in schema:
        return name.lower()
    return schema.type(name).storage_table.lower()


def schema_id(schema: Schema, stored: str) -> str:
    """Stored name -> schema id: `task` is TypedContext, `show` Project. An unknown word is kept."""
    return _schema_ids(schema).get(stored, stored)


@lru_cache(maxsize=8)
def _schema_ids(schema: Schema) -> dict[str, str]:
    ids: dict[str, str] = {}
    for each in schema.types.values():
        # Bases come first, so that a slice of a table does not win over the type of the whole table.
        if each.object_type_id is None:
            ids.setdefault(each.storage_table.lower(), each.name)
    return ids
