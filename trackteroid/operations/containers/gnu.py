"""The GNU dbm flavour, read without the C library, which many interpreters lack.

Layout: spec library 3.2, for files of 64-bit offsets; those of 32 bits have the same fields without padding. Of numsync
files the header is longer behind the fields that are read here.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from trackteroid.errors import RecordingFormatError
from trackteroid.operations.containers.container import MAX_RECORDS

__all__ = ["is_gnu", "read"]

# Magic numbers: offsets of 64 bits, of 32 bits, and the old one, whose width is that of the machine that wrote it.
_WIDE = {0x13579ACF, 0x13579AD1}
_NARROW = {0x13579ACD, 0x13579ACE, 0x13579AD0}


def is_gnu(head: bytes) -> bool:
    """Whether a file that starts so is a GNU dbm one."""
    return _byte_order(head) is not None


def read(data: bytes) -> dict[bytes, bytes]:
    """Return the records of a file.

    Raises:
        RecordingFormatError: It is damaged.
    """
    order = _byte_order(data)
    if order is None:
        raise RecordingFormatError("It is no GNU dbm file.")
    try:
        (magic,) = struct.unpack_from(f"{order}I", data)
        return dict(_records(data, order, wide=magic in _WIDE))
    except struct.error as error:
        raise RecordingFormatError("It is a GNU dbm file that is cut off or damaged.") from error


def _byte_order(head: bytes) -> str | None:
    if len(head) < 4:
        return None
    for order in "<>":
        if struct.unpack_from(f"{order}I", head)[0] in _WIDE | _NARROW:
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
    if not 0 < directory <= len(data) or not 0 < directory_bytes <= len(data) - directory:
        raise RecordingFormatError("It is a GNU dbm file whose directory lies outside of it.")
    if not 0 < elements <= len(data) // slot_size:
        raise RecordingFormatError("It is a GNU dbm file whose buckets are larger than itself.")
    offsets = struct.unpack_from(f"{order}{directory_bytes // width}{offset_format}", data, directory)
    count = 0
    # Many directory entries lead to one bucket.
    for bucket in dict.fromkeys(offsets):
        if not 0 < bucket < len(data):
            raise RecordingFormatError("It is a GNU dbm file with a bucket outside of it.")
        for position in range(elements):
            hash_value, _, start, key_size, value_size = struct.unpack_from(
                slot_format, data, bucket + bucket_head + position * slot_size
            )
            if hash_value == -1:
                continue
            end = start + key_size + value_size
            if min(start, key_size, value_size) < 0 or end > len(data):
                raise RecordingFormatError("It is a GNU dbm file with a record outside of it.")
            count += 1
            if count > MAX_RECORDS:
                raise RecordingFormatError(f"It holds more than {MAX_RECORDS} records.")
            yield data[start : start + key_size], data[start + key_size : end]
