"""The GNU dbm flavour, read without the C library, which many interpreters lack.

Layout: spec library 3.2, for files of 64-bit offsets; those of 32 bits have the same fields without padding. Of numsync
files the header is longer behind the fields that are read here.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterable, Iterator

from trackteroid.errors import RecordingUnreadableError
from trackteroid.operations.containers.container import MAX_RECORDS

__all__ = ["is_gnu", "read"]

# Magic numbers: offsets of 64 bits, of 32 bits, and the old one, whose width is that of the machine that wrote it.
_WIDE = {0x13579ACF, 0x13579AD1}
_NARROW = {0x13579ACD, 0x13579AD0}
_OLD = 0x13579ACE


def is_gnu(head: bytes) -> bool:
    """Whether a file that starts so is a GNU dbm one."""
    return _byte_order(head) is not None


def read(data: bytes) -> dict[bytes, bytes]:
    """Return the records of a file.

    Raises:
        RecordingUnreadableError: It is damaged.
    """
    order = _byte_order(data)
    if order is None:
        raise RecordingUnreadableError("It is no GNU dbm file.")
    try:
        (magic,) = struct.unpack_from(f"{order}I", data)
        if magic != _OLD:
            return dict(_records(data, order, wide=magic in _WIDE))
        try:
            return dict(_records(data, order, wide=True))
        except (RecordingUnreadableError, struct.error):
            return dict(_records(data, order, wide=False))
    except struct.error as error:
        raise RecordingUnreadableError("It is a GNU dbm file that is cut off or damaged.") from error


def _byte_order(head: bytes) -> str | None:
    if len(head) < 4:
        return None
    for order in "<>":
        if struct.unpack_from(f"{order}I", head)[0] in {*_WIDE, *_NARROW, _OLD}:
            return order
    return None


def _records(data: bytes, order: str, *, wide: bool) -> Iterator[tuple[bytes, bytes]]:
    if wide:
        directory, directory_bytes, _, _, elements = struct.unpack_from(f"{order}q4i", data, 8)
        offset_format, bucket_head, slot_format = "q", 112, f"{order}i4sqii"
    else:
        directory, directory_bytes, _, _, elements = struct.unpack_from(f"{order}5i", data, 8)
        offset_format, bucket_head, slot_format = "i", 60, f"{order}i4siii"
    width = struct.calcsize(f"{order}{offset_format}")
    slot_size = struct.calcsize(slot_format)
    if not 0 < directory <= len(data) or not width <= directory_bytes <= len(data) - directory:
        raise RecordingUnreadableError("It is a GNU dbm file whose directory lies outside of it.")
    if not 0 < elements <= len(data) // slot_size:
        raise RecordingUnreadableError("It is a GNU dbm file whose buckets are larger than itself.")
    size = bucket_head + elements * slot_size
    listed = memoryview(data)[directory : directory + directory_bytes // width * width]
    buckets = _buckets(struct.iter_unpack(f"{order}{offset_format}", listed), size, len(data))
    count = total = 0
    for bucket in buckets:
        slots = struct.iter_unpack(slot_format, data[bucket + bucket_head : bucket + size])
        for hash_value, _, start, key_size, value_size in slots:
            if hash_value == -1:
                continue
            end = start + key_size + value_size
            if min(start, key_size, value_size) < 0 or end > len(data):
                raise RecordingUnreadableError("It is a GNU dbm file with a record outside of it.")
            count += 1
            total += end - start
            if count > MAX_RECORDS or total > len(data):
                raise RecordingUnreadableError("It is a GNU dbm file that claims more records than it can hold.")
            yield data[start : start + key_size], data[start + key_size : end]


def _buckets(directory: Iterable[tuple[int]], size: int, most: int) -> list[int]:
    """Return where the buckets are, ascending, given their size and the file's."""
    # Many entries lead to one bucket. One by one: all at once they take ten times the file's size.
    found: set[int] = set()
    for (offset,) in directory:
        found.add(offset)
        if len(found) > most // size:
            raise RecordingUnreadableError("It is a GNU dbm file that claims more buckets than it can hold.")
    buckets = sorted(found)
    if buckets[0] < 0 or buckets[-1] + size > most:
        raise RecordingUnreadableError("It is a GNU dbm file with a bucket outside of it.")
    if any(after - before < size for before, after in itertools.pairwise(buckets)):
        # Buckets and records do not overlap: else a small file could be work without end.
        raise RecordingUnreadableError("It is a GNU dbm file whose buckets overlap.")
    return buckets
