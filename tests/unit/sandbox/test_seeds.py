"""The data a sandbox starts with."""

from __future__ import annotations

import pytest

from trackteroid.sandbox.errors import SandboxStartError
from trackteroid.sandbox.schema_text import load_schema
from trackteroid.sandbox.seeds import SEEDS, plant
from trackteroid.sandbox.storage import Storage


def dump(name: str) -> list[str]:
    storage = Storage(load_schema(), now=lambda: "2024-01-01 00:00:00")
    plant(storage, name)
    rows = []
    for table, types in load_schema().tables():
        if not types[0].view:
            rows += [f"{table} {row}" for row in storage.execute(f'SELECT * FROM "{table}"')]
    storage.close()
    return rows


# Small: what is made is the same for any size.
_EVERY_SEED = [f"{name}:shots=4" if seed.kept else name for name, seed in sorted(SEEDS.items())]


@pytest.mark.parametrize("name", _EVERY_SEED)
def test_a_seed_is_the_same_every_time(name: str) -> None:
    assert dump(name) == dump(name)


def test_an_unknown_seed_is_named_with_the_known_ones() -> None:
    storage = Storage(load_schema(), now=lambda: "2024-01-01 00:00:00")
    with pytest.raises(SandboxStartError, match=r'no seed "spring"\. Choose one of: client-test, demo, empty, farm\.'):
        plant(storage, "spring")
    storage.close()
