"""A seed under construction: create operations with ids that follow from names."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any

from trackteroid.sandbox.schema import Schema

__all__ = ["API_USER", "GLOBAL_KEY", "Key", "Rows", "deterministic_ids"]

API_USER = "sandbox"
GLOBAL_KEY = "sandbox-global-key"
_NAMESPACE = uuid.UUID("6f1a1b1e-5a0c-5d0e-9a6b-7472616b7465")


def deterministic_ids(seed: str) -> Callable[[], str]:
    """Ids for what the server makes by itself while a seed goes in."""
    numbers = count()
    return lambda: str(uuid.uuid5(_NAMESPACE, f"{seed}/made/{next(numbers)}"))


@dataclass(frozen=True, kw_only=True)
class Key:
    """An API key.

    Attributes:
        username: Whose it is.
        expires_at: From when on it is refused, `YYYY-MM-DD HH:MM:SS` in UTC; never if None.
        is_enabled: Whether it is good at all.
    """

    text: str
    username: str
    expires_at: str | None = None
    is_enabled: bool = True


class Rows:
    """Collects the rows of a seed.

    Args:
        seed: Name of the seed; ids follow from it.
        schema: The types that there are. A row of another type is left out, and with it what refers to it.
        api_user: Name of the user that clients are told to be.
        api_user_data: What else is known of that user.

    Attributes:
        operations: `create` operations, in order.
        users: Id by user name.
        keys: API keys besides those that every seed has.
    """

    def __init__(self, seed: str, schema: Schema, api_user: str = API_USER, **api_user_data: Any) -> None:
        self._seed = seed
        self.schema = schema
        self.api_user = api_user
        self.api_user_data = api_user_data
        self.operations: list[dict[str, Any]] = []
        # Ids that clients have built in do not follow from names.
        self._fixed: dict[tuple[str, str], str] = {}
        self.users: dict[str, str] = {}
        self.keys: list[Key] = []
        self._left_out: set[str] = set()

    @property
    def api_user_id(self) -> str:
        return self.users[self.api_user]

    def identifier(self, entity_type: str, name: str) -> str:
        """The id of the row that is called so within the seed."""
        fixed = self._fixed.get((entity_type, name))
        return fixed or str(uuid.uuid5(_NAMESPACE, f"{self._seed}/{entity_type}/{name}"))

    def add(self, entity_type: str, label: str, /, **data: Any) -> str:
        """Add a row with an `id`; its label, with the type, decides what the id is unless one is given."""
        if "id" in data:
            self._fixed[entity_type, label] = data["id"]
        identifier: str = data.setdefault("id", self.identifier(entity_type, label))
        if not self._create(entity_type, data):
            self._left_out.add(identifier)
        return identifier

    def link(self, entity_type: str, /, **data: Any) -> None:
        """Add a row whose key is made of other rows' ids."""
        self._create(entity_type, data)

    def _create(self, entity_type: str, data: dict[str, Any]) -> bool:
        if entity_type not in self.schema or self.schema.type(entity_type).hidden:
            return False
        if any(isinstance(value, str) and value in self._left_out for value in data.values()):
            return False
        self.operations.append({"action": "create", "entity_type": entity_type, "entity_data": data})
        return True

    def user(self, username: str, first_name: str, last_name: str, *, api_key: str | None = None, **data: Any) -> str:
        self.users[username] = self.add(
            "User",
            username,
            username=username,
            first_name=first_name,
            last_name=last_name,
            email=f"{username}@example.com",
            **{"is_active": True, **data},
        )
        if api_key is not None:
            self.keys.append(Key(text=api_key, username=username))
        return self.users[username]
