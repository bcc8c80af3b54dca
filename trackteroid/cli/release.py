"""`trackteroid release ID|FILE...`: needs neither celery nor the ftrack client."""

from __future__ import annotations

import argparse
import json
import os

from trackteroid.cli.exit_codes import ExitCode, exit_code_of
from trackteroid.cli.output import message, print_receipt
from trackteroid.cli.selecting import add_server
from trackteroid.errors import SpoolError, TrackteroidError

__all__ = ["configure"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to its parser."""
    parser.add_argument("commits", metavar="ID|FILE", nargs="+", help="ids of held commits, or their recordings")
    parser.add_argument(
        "--partial", action="store_true", help="publish although files are missing or empty, and note which"
    )
    add_server(parser)
    parser.add_argument("--json", action="store_true", help="print a list of objects instead of ids")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from trackteroid.commits.holds import release
    from trackteroid.settings import Settings

    settings = Settings.from_environment()
    server = options.server or os.environ.get("FTRACK_SERVER") or None
    code = ExitCode.OK
    results = []
    for commit in options.commits:
        try:
            # No wake-up: see `enqueue`.
            done = release(commit, settings=settings, server_url=server, partial=options.partial, wake=False)
        except TrackteroidError as error:
            # One whose files are missing does not keep the others, nor one of which only the id is known while Redis is away; the
            # last error decides the exit code.
            message(f"{commit}: {' '.join(str(error).split())}")
            code = exit_code_of(error)
            if isinstance(error, SpoolError):
                # It would be the same for each of the others.
                break
            continue
        for gap in done.gaps:
            message(f"{commit}: published without what is missing: {gap}")
        if done.state.value not in ("queued", "waiting"):
            message(f"{commit}: was released before, state {done.state.value}.")
        if done.accepted_in == "spool":
            message(f"{commit}: the order to release it waits in the spool: {' '.join(done.reason.split())}")
            code = ExitCode.SPOOLED if code == ExitCode.OK else code
        results.append(
            {
                "target": commit,
                "id": done.commit_id,
                "state": done.state.value,
                "accepted_in": done.accepted_in,
                "gaps": list(done.gaps),
            }
        )
        if not options.json:
            print_receipt(done.commit_id)
    if options.json:
        print_receipt(json.dumps(results, indent=2))
    return code
