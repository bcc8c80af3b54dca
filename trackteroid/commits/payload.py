"""A recording's bytes as the ledger stores them: compressed, and bounded in both directions."""

from __future__ import annotations

import zlib

from trackteroid.errors import BadInputError, LedgerDataError

__all__ = ["EXPANSION_LIMIT", "compress", "decompress"]

#: A payload may grow by at most this when it is decompressed. Recordings are JSON and compress 5 to 15 times; zlib reaches 1,000,
#: which is how a row of 8 MiB would otherwise take 8 GiB of a worker's memory.
EXPANSION_LIMIT = 64


def compress(payload: bytes, *, limit: int) -> bytes:
    """Return `payload` compressed.

    Args:
        payload: The recording's bytes.
        limit: Most bytes the result may have.

    Raises:
        BadInputError: It is larger than `limit`, or grows beyond what `decompress` accepts.
    """
    packed = zlib.compress(payload, 6)
    if len(packed) > limit or len(payload) > limit * EXPANSION_LIMIT:
        raise BadInputError(
            f"The recording has {len(packed):,} bytes compressed; at most {limit:,} are taken. "
            "Record in several blocks, or raise TRACKTEROID_PAYLOAD_LIMIT on clients and workers."
        )
    return packed


def decompress(packed: bytes, *, limit: int) -> bytes:
    """Return the bytes that `compress` was given; never more than `limit` times `EXPANSION_LIMIT`.

    Raises:
        LedgerDataError: The bytes are damaged, incomplete or grow beyond the bound.
    """
    most = limit * EXPANSION_LIMIT
    worker = zlib.decompressobj()
    try:
        payload = worker.decompress(packed, most)
    except zlib.error as error:
        raise LedgerDataError(f"The stored recording is damaged ({error}).") from error
    if not worker.eof:
        reason = f"grows beyond {most:,} bytes" if len(payload) >= most else "is incomplete"
        raise LedgerDataError(f"The stored recording {reason}.")
    return payload
