"""Options that choose commits, and the ledger that they are in; shared by commands."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from trackteroid.errors import SettingsError

if TYPE_CHECKING:
    from trackteroid.commits.filtering import CommitFilter
    from trackteroid.commits.ledger import Ledger
    from trackteroid.settings import Settings

__all__ = ["add_filters", "add_server", "commit_id_of", "duration", "filter_of", "ledger_of"]

_STATES = ("held", "queued", "committing", "retrying", "waiting", "committed", "dead", "cancelled")
_UNITS = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "w": 7 * 86400.0}


def add_server(parser: argparse.ArgumentParser) -> None:
    """Add `--server`."""
    parser.add_argument("--server", metavar="URL", help="ftrack server (default: FTRACK_SERVER)")


def add_filters(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose commits."""
    parser.add_argument("--state", action="append", choices=_STATES, help="only these states (may be repeated)")
    parser.add_argument("--user", metavar="NAME", help="only what this user recorded (* and ? as in file names)")
    parser.add_argument("--project", metavar="NAME", help="only what is about this project (* and ? as in file names)")
    parser.add_argument(
        "--label", metavar="NAME=TEXT", action="append", type=_label, help="only with this label (may be repeated)"
    )
    parser.add_argument("--older-than", metavar="AGE", type=duration, help="accepted before, such as 90s, 20m, 2h, 3d")
    parser.add_argument("--newer-than", metavar="AGE", type=duration, help="accepted since")


def duration(text: str) -> float:
    """Return the seconds that a text such as `90s`, `20m`, `2h` or `3d` means; without a unit: seconds."""
    told = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*", text.lower())
    if told is None or (told[2] and told[2] not in _UNITS):
        raise argparse.ArgumentTypeError(f"{text!r} is no duration such as 90s, 20m, 2h or 3d")
    return float(told[1]) * _UNITS.get(told[2], 1.0)


def filter_of(options: argparse.Namespace) -> CommitFilter:
    """Return what the options of `add_filters` say."""
    from trackteroid.commits.filtering import CommitFilter
    from trackteroid.commits.state import CommitState

    return CommitFilter(
        states=tuple(CommitState(name) for name in options.state) if options.state else None,
        user=options.user,
        project=options.project,
        labels=dict(options.label or ()),
        older_than=options.older_than,
        newer_than=options.newer_than,
    )


def commit_id_of(text: str) -> str:
    """Return the id of the commit that is meant by its id or by its recording's file.

    Raises:
        RecordingNotFoundError: It is neither.
        RecordingError: It is the path of something else.
    """
    from trackteroid.commits.holds import meant

    return meant(text)[0]


def ledger_of(options: argparse.Namespace, commits: Sequence[str] = ()) -> Ledger:
    """Return the ledger of `--server` or `FTRACK_SERVER`; else of the server that the recordings among `commits` name.

    Args:
        options: Of the command.
        commits: Ids or files that were given.

    Raises:
        SettingsError: Nothing says which server, or the recordings are of several.
        RecordingError: One of `commits` is a file and no recording.
    """
    from trackteroid.commits.enqueueing import open_ledger
    from trackteroid.settings import Settings

    settings = Settings.from_environment()
    server = options.server or os.environ.get("FTRACK_SERVER") or _named_server(commits, settings)
    if not server:
        raise SettingsError("Which ftrack server? Set FTRACK_SERVER or give --server URL.")
    return open_ledger(settings, server)


def _named_server(commits: Sequence[str], settings: Settings) -> str | None:
    """Return the one server that recordings were made for, None if none of them says."""
    from trackteroid.commits.holds import meant
    from trackteroid.commits.servers import normalise_server_url

    recordings = [recording for _, recording in map(meant, commits) if recording is not None]
    named = {normalise_server_url(each.server_url, settings.server_aliases) for each in recordings if each.server_url}
    if len(named) > 1:
        raise SettingsError(
            f"Which ftrack server? The recordings are for {', '.join(sorted(named))}: give --server URL."
        )
    return next(iter(named), None)


def _label(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator or not name.strip():
        raise argparse.ArgumentTypeError(f"{text!r} must read name=text")
    return name.strip(), value.strip()
