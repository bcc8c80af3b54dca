"""Data a sandbox starts with, by name. Every seed gives the same ids every time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from trackteroid.sandbox.api import Api
from trackteroid.sandbox.credentials import add_key
from trackteroid.sandbox.errors import ApiError, SandboxStartError
from trackteroid.sandbox.seeds.basics import add_basics
from trackteroid.sandbox.seeds.client_test import JENKINS, add_client_test
from trackteroid.sandbox.seeds.demo import add_demo
from trackteroid.sandbox.seeds.farm import FarmSize, add_farm
from trackteroid.sandbox.seeds.keeping import SeedCache
from trackteroid.sandbox.seeds.rows import API_USER, GLOBAL_KEY, Rows, deterministic_ids
from trackteroid.sandbox.storage import Storage

__all__ = ["API_KEY", "API_USER", "GLOBAL_KEY", "SEEDS", "Seed", "SeedCache", "plant", "seed_called"]

API_KEY = "sandbox-key"
"""The API user's personal key. Nothing here is worth protecting: the server listens on the loopback interface."""

# A moment in the past that never changes, so that a seed is the same data every time: 2024-03-01 09:30:00 UTC.
_MOMENT = 1709285400.0


@dataclass(frozen=True, kw_only=True)
class Seed:
    """How a seed is made.

    Attributes:
        fill: Adds the rows; gets the options, the text that follows the name's colon.
        api_user: Who clients are told to be.
        api_user_data: What else is known of that user.
        kept: Making it takes long enough to keep the result in a cache.
        api_seconds: Least time that `POST /api` takes.
        file_seconds: Least time that the file endpoints take.
    """

    fill: Callable[[Rows, str], None]
    api_user: str = API_USER
    api_user_data: Mapping[str, Any] = field(default_factory=dict)
    kept: bool = False
    api_seconds: float = 0.0
    file_seconds: float = 0.0


def _without_options(*steps: Callable[[Rows], None]) -> Callable[[Rows, str], None]:
    def fill(rows: Rows, options: str) -> None:
        if options:
            raise SandboxStartError(f'This seed has no options. Leave ":{options}" out.')
        for step in steps:
            step(rows)

    return fill


def _farm(rows: Rows, options: str) -> None:
    size = FarmSize.of(options)
    add_basics(rows)
    add_farm(rows, size)


SEEDS: Mapping[str, Seed] = {
    "client-test": Seed(
        fill=_without_options(add_client_test),
        api_user="jenkins",
        api_user_data=JENKINS,
        # The suite waits for request time-outs of 0.1 ms, which a loopback server could beat (specification 1.6).
        api_seconds=0.002,
        file_seconds=0.005,
    ),
    "demo": Seed(fill=_without_options(add_basics, add_demo)),
    "empty": Seed(fill=_without_options(add_basics)),
    "farm": Seed(fill=_farm, kept=True),
}


def seed_called(text: str) -> Seed:
    """The seed of a name, options or not.

    Raises:
        SandboxStartError: There is no seed of this name.
    """
    name = text.partition(":")[0]
    if name not in SEEDS:
        raise SandboxStartError(f'There is no seed "{name}". Choose one of: {", ".join(sorted(SEEDS))}.')
    return SEEDS[name]


def plant(storage: Storage, text: str, *, cache: SeedCache | None = None) -> None:
    """Fill a new database.

    Args:
        storage: Where to.
        text: Name of the seed, with options after a colon if it has any: `farm:shots=100`.
        cache: Where seeds that take long are kept; they are made anew each time if not given.

    Raises:
        SandboxStartError: There is no seed of this name, its options are wrong, or the schema can't hold its rows.
    """
    seed = seed_called(text)
    name, _, options = text.partition(":")
    kept = cache if seed.kept else None
    if kept is not None and kept.restore(storage, text):
        return
    rows = Rows(name, storage.schema, seed.api_user, **seed.api_user_data)
    seed.fill(rows, options)
    # Seeds go in through the same door as everything else: defaults, versions, links and checks come for free.
    api = Api(storage, clock=lambda: _MOMENT, new_id=deterministic_ids(name))
    # In one go: without the last line a data file would be begun again, on top of what is in it.
    with storage.transaction():
        try:
            api.apply(rows.operations, user_id=rows.api_user_id)
        except ApiError as error:
            raise SandboxStartError(f'The seed "{name}" does not fit this schema: {error.content}') from error
        add_key(storage, API_KEY, rows.api_user_id)
        add_key(storage, GLOBAL_KEY, None)
        for key in rows.keys:
            user_id = rows.users[key.username]
            add_key(storage, key.text, user_id, expires_at=key.expires_at, is_enabled=key.is_enabled)
        storage.remember("seed", text)
    if kept is not None:
        kept.keep(storage, text)
