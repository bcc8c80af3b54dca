from __future__ import annotations

import os
import zlib

import pytest

from trackteroid.commits.payload import EXPANSION_LIMIT, compress, decompress
from trackteroid.errors import BadInputError, LedgerDataError


def test_a_payload_comes_back_as_it_was() -> None:
    payload = b'{"operations": []}' * 100
    packed = compress(payload, limit=1000)
    assert len(packed) < len(payload)
    assert decompress(packed, limit=1000) == payload


def test_a_payload_above_the_limit_is_refused_with_what_to_do() -> None:
    with pytest.raises(BadInputError, match=r"at most 1,000 are taken.*TRACKTEROID_PAYLOAD_LIMIT"):
        compress(os.urandom(2000), limit=1000)


def test_what_could_not_be_taken_out_again_is_not_put_in() -> None:
    with pytest.raises(BadInputError):
        compress(b"\0" * (1000 * EXPANSION_LIMIT + 1), limit=1000)


def test_a_decompression_bomb_stops_at_the_bound() -> None:
    bomb = zlib.compress(b"\0" * 10_000_000, 9)
    with pytest.raises(LedgerDataError, match="grows beyond 640,000 bytes"):
        decompress(bomb, limit=10_000)


@pytest.mark.parametrize("damage", [lambda data: b"\x00" + data[1:], lambda data: data[:-3], lambda data: b""])
def test_damaged_bytes_are_said_to_be_damaged(damage) -> None:  # type: ignore[no-untyped-def]
    packed = compress(b"hello" * 50, limit=1000)
    with pytest.raises(LedgerDataError, match=r"damaged|incomplete"):
        decompress(damage(packed), limit=1000)
