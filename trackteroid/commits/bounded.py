"""Waiting for something no longer than is bearable."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import TypeVar

from trackteroid.errors import LedgerUnavailableError

__all__ = ["within"]

T = TypeVar("T")


def within(seconds: float, call: Callable[[], T]) -> T:
    """Return what `call` returns, or raise what it raises, after `seconds` at most.

    Socket time-outs bound each step of a conversation, not the whole, and resolving a host name not at all. So the conversation
    runs in a thread of its own. If time is up it goes on in the background; only for what may succeed without being noticed.

    Raises:
        LedgerUnavailableError: Time is up.
    """
    answers: queue.SimpleQueue[tuple[T, None] | tuple[None, BaseException]] = queue.SimpleQueue()

    def run() -> None:
        try:
            answers.put((call(), None))
        except BaseException as error:
            answers.put((None, error))

    # A daemon: a process that ends does not wait for it.
    thread = threading.Thread(target=run, name="trackteroid-ledger", daemon=True)
    try:
        thread.start()
    except RuntimeError:
        # A process that ends makes no threads any more (`atexit` in Python 3.12): sockets have time-outs of their own.
        return call()
    try:
        value, error = answers.get(timeout=seconds)
    except queue.Empty:
        raise LedgerUnavailableError(
            f"The ledger's Redis did not answer within {seconds:g} s. `trackteroid doctor` says what is wrong with it."
        ) from None
    if error is not None:
        raise error
    return value  # type: ignore[return-value]
