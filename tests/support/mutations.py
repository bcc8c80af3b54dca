"""Damage on purpose: the same for the same seed."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from typing import Any

__all__ = ["JUNK", "mutated_bytes", "mutated_json"]

#: What a hostile or broken writer might put where a recording has something sensible.
JUNK: tuple[Any, ...] = (
    None,
    True,
    -1,
    10**400,
    1e308,
    "",
    "\x00",
    "\ud800",
    "__import__('os').system('true')",
    "x" * 100_000,
    '"; drop',
    [],
    {},
    [[]],
    {"__entity_type__": "Nothing", "id": 7},
    {"__proto__": {}},
    [None] * 1000,
)


def mutated_bytes(data: bytes, chance: random.Random) -> bytes:
    """Return `data` with one to four damages: flipped bits, zeroes, large numbers, cuts, moved and repeated pieces."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        if len(changed) < 2:
            break
        position = chance.randrange(len(changed))
        length = min(chance.choice((1, 2, 8, 64, 4096)), len(changed) - position)
        match chance.randrange(7):
            case 0:
                changed[position] ^= 1 << chance.randrange(8)
            case 1:
                changed[position : position + length] = bytes(length)
            case 2:
                changed[position : position + length] = b"\xff" * length
            case 3:
                del changed[position:]
            case 4:
                del changed[position : position + length]
            case 5:
                changed[position:position] = changed[position : position + length]
            case _:
                # Headers are at the beginning, where chance would rarely strike in a large file.
                changed[chance.randrange(min(len(changed), 200))] = chance.randrange(256)
    return bytes(changed)


def mutated_json(value: Any, chance: random.Random) -> Any:
    """Return a copy of a JSON value in which one to three places hold something else, or nothing, or twice."""
    changed = copy.deepcopy(value)
    for _ in range(chance.randint(1, 3)):
        places = list(_places(changed))
        if not places:
            break
        container, key = chance.choice(places)
        match chance.randrange(5):
            case 0:
                del container[key]
            case 1 if isinstance(container, list):
                container.insert(chance.randrange(len(container) + 1), copy.deepcopy(container[key]))
            case 2:
                nested: Any = container[key]
                for _ in range(chance.choice((1, 5, 100))):
                    nested = [nested]
                container[key] = nested
            case _:
                container[key] = copy.deepcopy(chance.choice(JUNK))
    return changed


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from _places(value[key])
