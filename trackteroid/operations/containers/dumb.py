"""The dumb flavour, which Python writes where no other dbm library is: a text index beside the data."""

from __future__ import annotations

import ast

from trackteroid.errors import RecordingFormatError
from trackteroid.operations.containers.container import MAX_RECORDS

__all__ = ["read"]

# A key is a type name and a primary key; the longest lines of real files have about 120 characters.
_MAX_LINE = 4096


def read(index: bytes, data: bytes) -> dict[bytes, bytes]:
    """Return the records that `index` (the .dir file) lists and `data` (the .dat file) holds.

    Each line of the index is the Python text of `'key', (offset, length)`; it is parsed as a literal and never
    evaluated.

    Raises:
        RecordingFormatError: The index is damaged, or names what is not in the data.
    """
    records = {}
    for number, line in enumerate(index.decode("latin-1").splitlines(), 1):
        if not line.strip():
            continue
        if number > MAX_RECORDS:
            raise RecordingFormatError(f"It holds more than {MAX_RECORDS} records.")
        key, offset, size = _entry(line, number)
        if offset < 0 or size < 0 or offset + size > len(data):
            raise RecordingFormatError(f"Line {number} of its index names data that are not there.")
        records[key] = data[offset : offset + size]
    return records


def _entry(line: str, number: int) -> tuple[bytes, int, int]:
    try:
        if len(line) > _MAX_LINE:
            raise ValueError("too long")
        key, (offset, size) = ast.literal_eval(line.rstrip())
        if type(offset) is not int or type(size) is not int:
            raise ValueError("no numbers")
        return (key if isinstance(key, bytes) else key.encode("latin-1")), offset, size
    except (ValueError, TypeError, SyntaxError, AttributeError, MemoryError, RecursionError) as error:
        raise RecordingFormatError(f"Line {number} of its index cannot be read.") from error
