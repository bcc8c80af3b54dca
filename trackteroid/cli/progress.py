"""A progress bar on standard error, where somebody is looking and `rich` is installed."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol, TypeVar

__all__ = ["Advance", "progress", "tracked"]

T = TypeVar("T")

# Fewer are done before anybody could read a bar.
_FEWEST = 5


class Advance(Protocol):
    """Tell how many are done of how many."""

    def __call__(self, done: int, total: int) -> None: ...


def tracked(items: Sequence[T], what: str) -> Iterator[T]:
    """Yield `items` with a progress bar."""
    with progress(what) as advance:
        for number, item in enumerate(items):
            advance(number, len(items))
            yield item
        advance(len(items), len(items))


@contextmanager
def progress(what: str) -> Iterator[Advance]:
    """Give a function that moves a progress bar, or does nothing where there is none."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    try:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
    except ImportError:
        yield lambda done, total: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    # Transient: what stays on the screen is the result. By default rich takes standard output for itself, also where it goes into
    # a pipe.
    onto_screen = sys.stdout.isatty()
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, redirect_stdout=onto_screen) as bar:
        task = bar.add_task(what, total=None, visible=False)

        def advance(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, visible=total >= _FEWEST)

        yield advance
