"""The dumb flavour, which Python writes where no other dbm library is: a text index beside the data."""

from __future__ import annotations

import io

from trackteroid.errors import RecordingFormatError, RecordingUnreadableError
from trackteroid.operations.containers.container import MAX_RECORDS
from trackteroid.operations.literals import parse_index_line

__all__ = ["read"]


def read(index: bytes, data: bytes) -> dict[bytes, bytes]:
    """Return the records that `index` (the .dir file) lists and `data` (the .dat file) holds.

    Each line of the index is the Python text of `'key', (offset, length)`, in Latin-1. It is never evaluated.

    Raises:
        RecordingFormatError: It is no index, or too long a one.
        RecordingUnreadableError: The index is damaged, or names what is not in the data.
    """
    records: dict[bytes, bytes] = {}
    total = 0
    # One by one: all lines at once may take ten times the file's size.
    for number, line in enumerate(io.BytesIO(index), 1):
        if number > MAX_RECORDS:
            raise RecordingFormatError(f"It holds more than {MAX_RECORDS} records.")
        if not line.strip():
            continue
        entry = parse_index_line(line.decode("latin-1").rstrip())
        if entry is None:
            # What begins as such an index was one; other programs' files have these suffixes too.
            kind = RecordingUnreadableError if records else RecordingFormatError
            raise kind(f"Line {number} of its index cannot be read.")
        key, offset, size = entry
        total += size
        if offset + size > len(data):
            raise RecordingUnreadableError(f"Line {number} of its index names data that are not there.")
        if total > len(data):
            # Records lie one after another; overlapping ones would make a small file a large recording.
            raise RecordingUnreadableError("Its index names more data than there are.")
        try:
            records[key.encode("latin-1")] = data[offset : offset + size]
        except UnicodeEncodeError as error:
            raise RecordingFormatError(f"Line {number} of its index cannot be read.") from error
    return records
