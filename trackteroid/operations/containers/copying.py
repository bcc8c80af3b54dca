"""Private copies of files, in the temporary folder of this machine: what goes wrong there is no fault of the files."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from trackteroid.errors import TemporaryFolderError

__all__ = ["private_copies", "temporary_folder_error"]

_CHUNK = 1024 * 1024


@contextmanager
def private_copies(files: Mapping[str, Path]) -> Iterator[Path]:
    """Give a folder with copies of files, which is removed when the block ends.

    Args:
        files: Name of each copy to the file that is copied.

    Raises:
        TemporaryFolderError: The copies cannot be written.
        OSError: A file cannot be read.
    """
    with _blamed_on_folder():
        folder = tempfile.TemporaryDirectory(prefix="trackteroid-read-")
    with folder as name:
        for copy, path in files.items():
            _copy(path, Path(name, copy))
        yield Path(name)


def temporary_folder_error(reason: str) -> TemporaryFolderError:
    """Return the error that says why the temporary folder cannot be used, and what to do."""
    # As `tempfile` has chosen it; to ask it again would raise where it finds none.
    where = tempfile.tempdir or os.environ.get("TMPDIR") or "none was found"
    return TemporaryFolderError(
        f"The temporary folder of this machine ({where}), where recordings are copied to be read, cannot be used: {reason}. "
        "Nothing is wrong with the recording: make room there, or set TMPDIR to another folder, and try again."
    )


@contextmanager
def _blamed_on_folder() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise temporary_folder_error(error.strerror or str(error)) from error


def _copy(path: Path, copy: Path) -> None:
    with path.open("rb") as source:
        with _blamed_on_folder():
            # Without a buffer: what could not be written would be tried again on closing, with an error in place of ours.
            target = copy.open("wb", buffering=0)
        with target:
            while chunk := source.read(_CHUNK):
                with _blamed_on_folder():
                    rest = memoryview(chunk)
                    while rest:
                        rest = rest[target.write(rest) :]
