"""Printing results: JSON, tables, and messages on standard error."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import sys
from collections.abc import Sequence
from typing import Any

from trackteroid.errors import TrackteroidError

__all__ = [
    "StandardOutputError",
    "age",
    "flush_output",
    "message",
    "one_line",
    "print_json",
    "print_line",
    "print_receipt",
    "print_table",
    "provide_streams",
    "silence_output",
    "timestamp",
]


class StandardOutputError(TrackteroidError):
    """Standard output cannot be written to, for another reason than that nobody reads it any more."""


def provide_streams() -> None:
    """Let what is printed go nowhere where this process has no standard output or error: the work is to be done all the same.

    Python says so with `None` (`>&-` in a shell, services, `pythonw`).
    """
    # At once, so that no file or connection of ours takes the number of a stream, into which anybody may write.
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")


def message(text: str) -> None:
    """Say something to the person in front of the terminal, as far as standard error can be written to."""
    _say(f"trackteroid: {text}\n")


def _say(text: str) -> None:
    # What cannot be said keeps nothing from being done, and does not change what the exit code says.
    with contextlib.suppress(OSError):
        sys.stderr.write(text)


def one_line(text: str) -> str:
    """Return a stranger's text so that it stays in its line and tells the terminal nothing: control characters escaped."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)


def print_line(text: str) -> None:
    """Print one line of a result.

    Raises:
        StandardOutputError: It cannot be written.
    """
    _write(f"{text}\n")


def flush_output() -> None:
    """Write what was printed.

    Raises:
        StandardOutputError: It cannot be written.
    """
    _write("", flush=True)


def _write(text: str, *, flush: bool = False) -> None:
    try:
        sys.stdout.write(text)
        if flush:
            sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        # What is left of it is not tried again when Python ends.
        silence_output()
        raise StandardOutputError(
            f"Standard output cannot be written to: {error.strerror or error}. Make room where it goes and call again."
        ) from error


def print_receipt(text: str) -> None:
    """Print a line about something that has been done already, at once.

    If nobody reads standard output any more, it goes to standard error: what follows must be done all the same.
    """
    try:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
    except OSError:
        silence_output()
        message("standard output is closed or full; results follow here.")
        _state["receipts"] = "stderr"
    if _state["receipts"] == "stderr":
        _say(f"{text}\n")


_state = {"receipts": "stdout"}


def silence_output() -> None:
    """Let standard output go nowhere from now on, so that Python does not complain when it closes it."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):
        sys.stdout = open(os.devnull, "w", encoding="utf-8")


def print_json(value: Any) -> None:
    """Print a result as JSON."""
    _write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, title: str | None = None) -> None:
    """Print a table: with rules and colours on a terminal where `rich` is installed, else in plain columns.

    Into a pipe or file it is always plain and never cut, whatever the width.
    """
    texts = [[one_line(str(cell)) for cell in row] for row in rows]
    if sys.stdout.isatty():
        try:
            from rich.console import Console
            from rich.table import Table
        except ImportError:
            pass
        else:
            table = Table(title=title, title_justify="left")
            for column in columns:
                table.add_column(column, overflow="fold")
            for row in texts:
                table.add_row(*row)
            Console().print(table, markup=False)
            return
    if title:
        print_line(title)
    widths = [max(len(column), *(len(row[index]) for row in texts), 0) for index, column in enumerate(columns)]
    for row in [list(columns), ["-" * width for width in widths], *texts]:
        print_line("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def timestamp(seconds: float | None) -> str:
    """Return an epoch time as local time to the second, or a dash."""
    if seconds is None:
        return "-"
    return datetime.datetime.fromtimestamp(seconds).astimezone().isoformat(sep=" ", timespec="seconds")


def age(seconds: float) -> str:
    """Return a duration in the largest unit that fits, such as `3 min`."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"
