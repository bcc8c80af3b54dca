"""What an action gets besides its own operation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from trackteroid.sandbox.credentials import Caller
from trackteroid.sandbox.derived import RowContext
from trackteroid.sandbox.errors import MalformedRequestError
from trackteroid.sandbox.file_links import FileLinks
from trackteroid.sandbox.json_schema import json_schemas, schema_hash
from trackteroid.sandbox.storage import Storage
from trackteroid.sandbox.visibility import Sight

__all__ = ["Call", "Operation", "ServedSchemas", "text_of"]

Operation = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class ServedSchemas:
    """The schema list and its hash, made once per server."""

    schemas: list[dict[str, Any]]
    hash: str

    @classmethod
    def of(cls, storage: Storage) -> ServedSchemas:
        schemas = json_schemas(storage.schema)
        return cls(schemas=schemas, hash=schema_hash(schemas))


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request, as far as its actions are concerned.

    Attributes:
        write: Runs a `create`, `update` or `delete` as if the request had held it at this place.
        links: Makes the URLs that work without credentials.
        sight: What the caller sees.
    """

    storage: Storage
    served: ServedSchemas
    caller: Caller
    url: str
    new_id: Callable[[], str]
    write: Callable[[dict[str, Any]], Any]
    links: FileLinks
    sight: Sight
    denormalized: bool = False

    @property
    def rows(self) -> RowContext:
        return RowContext(
            storage=self.storage,
            url=self.url,
            username=self.caller.username,
            api_key=self.caller.api_key,
            denormalized=self.denormalized,
            sight=self.sight,
        )


def text_of(operation: Operation, name: str) -> str:
    """A text that the action can't do without.

    Raises:
        MalformedRequestError: It is missing or no text.
    """
    value = operation.get(name)
    if not isinstance(value, str):
        raise MalformedRequestError(f'Action "{operation.get("action")}" needs a text "{name}".')
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise MalformedRequestError(f'"{name}" holds characters that are no text.') from None
    return value
