"""How a session comes by its schemas and entity classes: from the connection before it where that has the same."""

from __future__ import annotations

import json
import os
import tempfile
from typing import TYPE_CHECKING, Any

import ftrack_api

from trackteroid.relationships import SchemaIndex, schema_index

if TYPE_CHECKING:
    from trackteroid.loading.local_values import LocalValues

__all__ = ["SchemaLoading"]


class SchemaLoading(ftrack_api.Session):
    """The part of a session that loads schemas. The instance attribute `_predecessor` is set while it reconnects."""

    _local_values: LocalValues

    @property
    def schema_index(self) -> SchemaIndex:
        """The server's schema, indexed; shared by all sessions of one schema."""
        return schema_index(self.schemas)

    @property
    def schema_hash(self) -> str:
        """Digest of the server's schema."""
        return self.schema_index.schema_hash

    def _load_schemas(self, schema_cache_path: Any) -> Any:
        predecessor = self.__dict__.get("_predecessor")
        known = predecessor.schemas(self._server_information) if predecessor else None
        return super()._load_schemas(schema_cache_path) if known is None else known

    def _build_entity_type_classes(self, schemas: Any) -> dict[str, Any]:
        predecessor = self.__dict__.get("_predecessor")
        classes: dict[str, Any] | None = predecessor.entity_classes(schemas, self.event_hub) if predecessor else None
        if classes is None:
            classes = super()._build_entity_type_classes(schemas)
        self._local_values.watch(classes.values())
        return classes

    def _read_schemas_from_cache(self, schema_cache_path: str) -> tuple[list[Any], str | None]:
        # Without a word: the client logs at INFO level that the file does not exist yet, which would stand among the
        # lines that a user's own logging shows (spec: library 0, lazy connection caveat).
        if not os.path.exists(schema_cache_path):
            return [], None
        result: tuple[list[Any], str | None] = super()._read_schemas_from_cache(schema_cache_path)
        return result

    def _write_schemas_to_cache(self, schemas: Any, schema_cache_path: str) -> None:
        # The client writes in place: of many worker processes that start together, some would read half a file.
        folder = os.path.dirname(schema_cache_path)
        os.makedirs(folder, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix="ftrack_api_schema_cache-", dir=folder)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(schemas, file)
        os.replace(temporary, schema_cache_path)
