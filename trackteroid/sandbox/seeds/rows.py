"""A seed under construction: create operations with ids that follow from names."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from itertools import count
from typing import Any

__all__ = ["API_USER", "GLOBAL_KEY", "Rows", "deterministic_ids"]

API_USER = "sandbox"
GLOBAL_KEY = "sandbox-global-key"
_NAMESPACE = uuid.UUID("6f1a1b1e-5a0c-5d0e-9a6b-7472616b7465")


def deterministic_ids(seed: str) -> Callable[[], str]:
    """Ids for what the server makes by itself while a seed goes in."""
    numbers = count()
    return lambda: str(uuid.uuid5(_NAMESPACE, f"{seed}/made/{next(numbers)}"))


class Rows:
    """Collects the rows of a seed.

    Args:
        seed: Name of the seed; ids follow from it.
        api_user: Name of the user that clients are told to be.
        api_user_data: What else is known of that user.

    Attributes:
        operations: `create` operations, in order.
        users: Id by user name.
        personal_keys: API key by user name.
    """

    def __init__(self, seed: str, api_user: str = API_USER, **api_user_data: Any) -> None:
        self._seed = seed
        self.api_user = api_user
        self.api_user_data = api_user_data
        self.operations: list[dict[str, Any]] = []
        # Ids that clients have built in do not follow from names.
        self._fixed: dict[tuple[str, str], str] = {}
        self.users: dict[str, str] = {}
        self.personal_keys: dict[str, str] = {}

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
        data.setdefault("id", self.identifier(entity_type, label))
        self.operations.append({"action": "create", "entity_type": entity_type, "entity_data": data})
        identifier: str = data["id"]
        return identifier

    def link(self, entity_type: str, /, **data: Any) -> None:
        """Add a row whose key is made of other rows' ids."""
        self.operations.append({"action": "create", "entity_type": entity_type, "entity_data": data})

    def user(self, username: str, first_name: str, last_name: str, *, api_key: str | None = None, **data: Any) -> str:
        self.users[username] = self.add(
            "User",
            username,
            username=username,
            first_name=first_name,
            last_name=last_name,
            email=f"{username}@example.com",
            is_active=True,
            **data,
        )
        if api_key is not None:
            self.personal_keys[username] = api_key
        return self.users[username]
