"""What a container holds, and how much of it is believed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from trackteroid.errors import RecordingFormatError

__all__ = ["MAX_BYTES", "MAX_RECORDS", "Container", "check_size"]

#: A recording of a thousand publishes has about 3 MB; beyond this a file is broken or hostile.
MAX_BYTES = 256 * 1024 * 1024

MAX_RECORDS = 500_000


@dataclass(frozen=True)
class Container:
    """The records of a file.

    Attributes:
        records: Key to value, bytes as they stand in the file.
        manifest: What our own files hold besides; None in files of the original library.
        modified_ns: The file's modification time in nanoseconds.
    """

    records: Mapping[bytes, bytes]
    manifest: bytes | None
    modified_ns: int


def check_size(size: int) -> None:
    """Refuse a file of more than `MAX_BYTES`.

    Raises:
        RecordingFormatError: It is larger.
    """
    if size > MAX_BYTES:
        raise RecordingFormatError(f"It has {size} bytes; recordings of more than {MAX_BYTES} bytes are not read.")
