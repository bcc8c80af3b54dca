"""`trackteroid where WORD...`: where a publish is, from the ledger and the spool; needs no ftrack."""

from __future__ import annotations

import argparse
import os
import time
from typing import TYPE_CHECKING

from trackteroid.cli.exit_codes import ExitCode
from trackteroid.cli.output import age, message, print_json, print_table, timestamp
from trackteroid.cli.selecting import add_filters, add_server, filter_of
from trackteroid.errors import BadInputError, LedgerUnavailableError, SettingsError, SpoolError

if TYPE_CHECKING:
    from trackteroid.commits.where import Place

__all__ = ["configure"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to its parser."""
    parser.add_argument(
        "words",
        metavar="WORD",
        nargs="*",
        help="shot, asset, artist, label, version (v012), file, id: whatever it is about; all of them must fit (* and ?)",
    )
    add_filters(parser)
    parser.add_argument(
        "--limit", type=int, default=50, metavar="N", help="at most so many, newest first (default: 50)"
    )
    add_server(parser)
    parser.add_argument("--json", action="store_true", help="print a list of objects")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from trackteroid.commits.reaching import open_ledger, server_of
    from trackteroid.commits.spool import open_spool
    from trackteroid.commits.where import find_in_ledger, find_in_spool
    from trackteroid.settings import Settings

    wanted = filter_of(options)
    if not options.words and not wanted.narrows and wanted.states is None:
        raise BadInputError(
            "Where is what? Give words: a shot, an asset, an artist, a version, a file; or --user, --label."
        )
    if options.limit < 1:
        raise BadInputError("--limit must be 1 or more.")
    settings = Settings.from_environment()
    if not (options.server or os.environ.get("FTRACK_SERVER")):
        raise SettingsError("Which ftrack server? Set FTRACK_SERVER or give --server URL.")
    server = server_of(settings, options.server)
    code = ExitCode.OK
    now = time.time()
    places: list[Place] = []
    try:
        places = find_in_ledger(open_ledger(settings, server), options.words, wanted, now=now, limit=options.limit)
    except LedgerUnavailableError as error:
        # The spool may know more than the ledger just now.
        message(" ".join(str(error).split()))
        code = ExitCode.UNAVAILABLE
    known = {place.commit.id for place in places}
    try:
        waiting, complaints = find_in_spool(
            open_spool(settings),
            options.words,
            wanted,
            server_url=server,
            payload_limit=settings.payload_limit,
            now=now,
        )
    except SpoolError as error:
        waiting, complaints = [], [str(error)]
    for text in complaints:
        message(" ".join(text.split()))
    places = [*(place for place in waiting if place.commit.id not in known), *places][: options.limit]
    if options.json:
        print_json([place.as_dict() for place in places])
    elif places:
        _print(places, now)
    if not places and code == ExitCode.OK:
        message("nothing is known of that, neither in the ledger nor in this spool.")
        code = ExitCode.NOT_FOUND
    return code


def _print(places: list[Place], now: float) -> None:
    print_table(
        ["state", "version", "what", "who", "age", "next attempt", "why", "id"],
        [
            [
                place.state,
                ", ".join(f"v{number}" for number in place.versions) or place.wanted_version,
                _what(place),
                "; ".join(place.history),
                age(now - place.commit.created_at),
                "" if place.next_attempt is None else _when(place.next_attempt, now),
                place.reason,
                place.commit.id,
            ]
            for place in places
        ],
    )


def _what(place: Place) -> str:
    facts = place.commit.facts
    about = [str(facts.context[name]) for name in ("project", "parents", "asset", "task") if facts.context.get(name)]
    labels = [f"{name}={value}" for name, value in facts.labels.items()]
    return " ".join([" / ".join(about), *labels]).strip()


def _when(moment: float, now: float) -> str:
    return "now" if moment <= now else f"in {age(moment - now)} ({timestamp(moment)})"
