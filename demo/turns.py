"""Whose turn it is: the mission's example writes to a fixed path, so one run at a time on a machine."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK = Path(tempfile.gettempdir()) / "trackteroid-mission.lock"


@contextmanager
def turn(on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold the machine's only turn at the mission's example; the operating system gives it back when we die.

    Arguments:
        on_wait: called once when another run has the turn, before waiting for it.
    """
    try:
        import fcntl
    except ImportError:  # Windows, where the mission's path does not exist either
        yield
        return
    try:
        descriptor = os.open(LOCK, os.O_RDONLY)
    except FileNotFoundError:
        # Only who makes it asks for that: Linux refuses O_CREAT on another user's file in a shared folder.
        descriptor = os.open(LOCK, os.O_RDONLY | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            on_wait()
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
