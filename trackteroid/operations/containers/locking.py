"""One writer at a time where a file is read, added to and written again: a lock file beside it.

Works on network shares, where locks of the operating system and of SQLite do not: creating a file that must not exist is atomic
there. Who holds it touches it every few seconds, for as long as that takes (ftrack may be asked meanwhile): a lock that nobody
touches was left by one that was killed.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from trackteroid.errors import RecordingError

__all__ = ["locked"]

#: A lock that nobody has touched for this long, seconds, was left by one that was killed.
STALE_SECONDS = 20.0
#: How often a holder touches it.
BEAT_SECONDS = 4.0
_PAUSE = 0.05


@contextlib.contextmanager
def locked(
    path: Path,
    *,
    patience: float = 2 * STALE_SECONDS,
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] = time.sleep,
) -> Iterator[None]:
    """Hold the lock of a file while the block runs.

    Args:
        path: The file; it need not exist.
        patience: For how many seconds others are waited for.
        monotonic, sleep: For tests.

    Raises:
        RecordingError: Others hold it for too long, or the folder does not let us.
    """
    target = Path(os.path.realpath(path))
    lock = target.with_name(f".{target.name}.lock")
    started = monotonic()
    seen: tuple[int, int] | None = None
    since = started
    while True:
        try:
            handle = os.open(lock, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
            break
        except FileExistsError:
            pass
        except PermissionError as error:
            # On Windows also while the other one removes its lock.
            if os.name != "nt" or monotonic() - started > patience:
                raise RecordingError(f"{path} cannot be locked for appending: {error.strerror}.") from error
        except OSError as error:
            raise RecordingError(f"{path} cannot be locked for appending: {error.strerror}.") from error
        now = monotonic()
        mark = _mark(lock)
        if mark != seen:
            seen, since = mark, now
        elif mark is not None and now - since > STALE_SECONDS and _break(lock, seen):
            continue
        if now - started > patience:
            raise RecordingError(
                f"{path} is being appended to by others for {patience:g} s. Try again; if nobody is, remove {lock}."
            )
        sleep(_PAUSE)
    text = f"{socket.gethostname()} {os.getpid()} {secrets.token_hex(8)}\n"
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
    except BaseException as error:
        with contextlib.suppress(OSError):
            lock.unlink()
        if isinstance(error, OSError):
            raise RecordingError(f"{path} cannot be locked for appending: {error.strerror}.") from error
        raise
    try:
        with _touching(lock, text):
            yield
    finally:
        # A machine that slept has lost it, and another one holds it now.
        if _text_of(lock) == text:
            with contextlib.suppress(OSError):
                lock.unlink()


@contextlib.contextmanager
def _touching(lock: Path, text: str) -> Iterator[None]:
    end = threading.Event()

    def touch() -> None:
        while not end.wait(BEAT_SECONDS) and _text_of(lock) in (text, None):
            with contextlib.suppress(OSError):
                os.utime(lock)

    thread = threading.Thread(target=touch, name="trackteroid-lock", daemon=True)
    # A process that ends makes no threads any more (`atexit`, from Python 3.12 on); few blocks take that long.
    with contextlib.suppress(RuntimeError):
        thread.start()
    try:
        yield
    finally:
        end.set()
        if thread.ident is not None:
            thread.join()


def _text_of(lock: Path) -> str | None:
    """Return what a lock says; nothing if it is gone; None if it cannot be read at this moment."""
    try:
        return lock.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""
    except OSError:
        # A share that is away for a moment; on Windows also somebody who renames it, or scans it.
        return None


def _break(lock: Path, seen: tuple[int, int] | None) -> bool:
    """Remove a lock, but no other one that has taken its place at this moment; whether we were let, and the first to do so."""
    grave = lock.with_name(f"{lock.name}.{secrets.token_hex(6)}")
    try:
        # Of several who do this at once one has it afterwards.
        os.rename(lock, grave)
    except OSError:
        return False
    if _mark(grave) != seen:
        with contextlib.suppress(OSError):
            os.link(grave, lock)
    with contextlib.suppress(OSError):
        grave.unlink()
    return True


def _mark(lock: Path) -> tuple[int, int] | None:
    try:
        facts = lock.stat()
    except OSError:
        return None
    return facts.st_ino, facts.st_mtime_ns
