"""Data a sandbox starts with, by name. Every seed gives the same ids every time."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from trackteroid.sandbox.api import Api
from trackteroid.sandbox.credentials import add_key
from trackteroid.sandbox.errors import SandboxStartError
from trackteroid.sandbox.seeds.basics import add_basics
from trackteroid.sandbox.seeds.demo import add_demo
from trackteroid.sandbox.seeds.rows import API_USER, GLOBAL_KEY, Rows, deterministic_ids
from trackteroid.sandbox.storage import Storage

__all__ = ["API_KEY", "API_USER", "GLOBAL_KEY", "SEEDS", "plant"]

API_KEY = "sandbox-key"
"""The API user's personal key. Nothing here is worth protecting: the server listens on the loopback interface."""

# A moment in the past that never changes, so that a seed is the same data every time: 2024-03-01 09:30:00 UTC.
_MOMENT = 1709285400.0


def _empty(rows: Rows) -> None:
    add_basics(rows)


def _demo(rows: Rows) -> None:
    add_basics(rows)
    add_demo(rows)


SEEDS: Mapping[str, Callable[[Rows], None]] = {"demo": _demo, "empty": _empty}


def plant(storage: Storage, name: str) -> None:
    """Fill a new database.

    Raises:
        SandboxStartError: There is no seed of this name.
    """
    if name not in SEEDS:
        raise SandboxStartError(f'There is no seed "{name}". Choose one of: {", ".join(sorted(SEEDS))}.')
    rows = Rows(name)
    SEEDS[name](rows)
    # Seeds go in through the same door as everything else: defaults, versions, links and checks come for free.
    api = Api(storage, clock=lambda: _MOMENT, new_id=deterministic_ids(name))
    api.apply(rows.operations, user_id=rows.api_user_id)
    with storage.transaction():
        add_key(storage, API_KEY, rows.api_user_id)
        add_key(storage, GLOBAL_KEY, None)
        for username, api_key in rows.personal_keys.items():
            add_key(storage, api_key, rows.users[username])
        storage.remember("seed", name)
