"""A session whose server is the sandbox's core in the same process: no sockets, no threads, the real protocol.

For unit tests of what stands on a session. Each `LocalSession` has a server of its own.
"""

from __future__ import annotations

import json
import weakref
from collections.abc import Sequence
from typing import Any

import ftrack_api.exception

from trackteroid.sandbox.api import Api
from trackteroid.sandbox.errors import ApiError
from trackteroid.sandbox.json_schema import json_schemas
from trackteroid.sandbox.schema_text import load_schema
from trackteroid.sandbox.seeds import API_KEY, API_USER, plant
from trackteroid.sandbox.storage import Storage
from trackteroid.session import Session

_MOMENT = 1709285400.0
_NOW = "2024-03-01T09:30:00"


def stock_schemas() -> list[dict[str, Any]]:
    """Return the schema list that the sandbox serves."""
    return json_schemas(load_schema())


class LocalSession(Session):
    """A session on a sandbox core of its own, which keeps the requests it got in `requests`."""

    def __init__(self, **arguments: Any) -> None:
        storage = Storage(load_schema(), now=lambda: _NOW)
        # From Python 3.13 on a database that is dropped open is worth a warning.
        weakref.finalize(self, storage.close)
        plant(storage, "demo")
        self.__dict__["local_api"] = Api(storage, clock=lambda: _MOMENT)
        self.__dict__["requests"] = []
        super().__init__(
            server_url="http://sandbox.invalid",
            api_key=API_KEY,
            api_user=API_USER,
            schema_cache_path=False,
            plugin_paths=[],
            **arguments,
        )

    @property
    def expressions(self) -> list[str]:
        """The queries that the server got."""
        return [item["expression"] for item in self.requests if item["action"] == "query"]

    def call(self, data: Any) -> Any:
        payload = json.loads(self.encode(data, entity_attribute_strategy="modified_only"))
        return self.decode(json.dumps(self._handle(payload)))

    def exchange(self, batch: Sequence[Any], *, timeout: float | None = None) -> list[Any]:
        return list(self._handle(list(batch)))

    def reconnect(self, **overrides: Any) -> None:
        """What a reconnect means for collections: another generation, nothing cached, nothing pending."""
        self.recorded_operations.clear()
        self.reset()
        self._generation += 1

    def _handle(self, payload: list[Any]) -> Any:
        self.requests.extend(payload)
        try:
            return self.local_api.handle(payload, username=API_USER, api_key=API_KEY)
        except ApiError as error:
            raise ftrack_api.exception.ServerError(str(error)) from error
