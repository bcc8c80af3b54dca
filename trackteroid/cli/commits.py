"""`trackteroid commits list|show`: what the ledger holds."""

from __future__ import annotations

import argparse
import os
import time
from typing import TYPE_CHECKING, Any

from trackteroid.cli.exit_codes import ExitCode
from trackteroid.cli.output import age, print_json, print_line, print_table, timestamp
from trackteroid.errors import SettingsError

if TYPE_CHECKING:
    from trackteroid.commits.commit import Commit
    from trackteroid.commits.ledger import Ledger

__all__ = ["configure"]

_STATES = ("held", "queued", "committing", "retrying", "waiting", "committed", "dead", "cancelled")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the group's commands to its parser."""
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    listing = commands.add_parser("list", help="list commits, newest first")
    listing.add_argument("--state", action="append", choices=_STATES, help="only these states (may be repeated)")
    listing.add_argument("--limit", type=_limit, default=100, metavar="N", help="at most so many (default: 100)")
    listing.add_argument("--server", metavar="URL", help="ftrack server (default: FTRACK_SERVER)")
    listing.add_argument("--json", action="store_true", help="print a list of objects")
    listing.set_defaults(run=_list)
    show = commands.add_parser("show", help="show one commit")
    show.add_argument("id", metavar="ID")
    show.add_argument("--server", metavar="URL", help="ftrack server (default: FTRACK_SERVER)")
    show.add_argument("--json", action="store_true", help="print an object")
    show.set_defaults(run=_show)


def _limit(text: str) -> int:
    value = int(text) if text.isdecimal() else 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 on")
    return value


def _ledger(options: argparse.Namespace) -> Ledger:
    from trackteroid.commits.enqueueing import open_ledger
    from trackteroid.settings import Settings

    server = options.server or os.environ.get("FTRACK_SERVER")
    if not server:
        raise SettingsError("Which ftrack server? Set FTRACK_SERVER or give --server URL.")
    return open_ledger(Settings.from_environment(), server)


def _list(options: argparse.Namespace) -> int:
    from trackteroid.commits.state import CommitState

    states = [CommitState(name) for name in options.state] if options.state else None
    found = _ledger(options).list(states=states, limit=options.limit)
    if options.json:
        print_json([commit.as_dict() for commit in found])
        return ExitCode.OK
    now = time.time()
    print_table(
        ["id", "state", "attempts", "age", "what", "error"],
        [
            [item.id, item.state.value, item.attempts, age(now - item.created_at), _what(item), _error(item)]
            for item in found
        ],
    )
    return ExitCode.OK


def _show(options: argparse.Namespace) -> int:
    commit = _ledger(options).get(options.id)
    facts = commit.as_dict()
    if options.json:
        print_json(facts)
        return ExitCode.OK
    width = max(map(len, facts))
    for name, value in facts.items():
        print_line(f"{name.ljust(width)}  {_fact(name, value)}".rstrip())
    return ExitCode.OK


def _fact(name: str, value: Any) -> str:
    if value is None:
        return "-"
    if name.endswith("_at") and isinstance(value, int | float):
        return timestamp(value)
    if isinstance(value, dict):
        return ", ".join(f"{key}={item}" for key, item in value.items() if item not in (None, "", [], {}))
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value)


def _what(commit: Commit) -> str:
    facts = commit.as_dict()
    context = facts.get("context") or {}
    if isinstance(context, dict):
        return " / ".join(str(value) for value in context.values() if isinstance(value, str) and value)
    return str(context)


def _error(commit: Commit) -> str:
    error = commit.as_dict().get("error")
    if not error:
        return ""
    return str(error.get("message", error)) if isinstance(error, dict) else str(error)
