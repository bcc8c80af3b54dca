"""`trackteroid enqueue FILE...`: needs neither celery nor the ftrack client."""

from __future__ import annotations

import argparse
import json
import os

from trackteroid.cli.exit_codes import ExitCode, exit_code_of
from trackteroid.cli.output import message, print_receipt
from trackteroid.errors import SpoolError, TrackteroidError

__all__ = ["configure"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to its parser."""
    parser.add_argument("files", metavar="FILE", nargs="+", help="recordings")
    parser.add_argument(
        "--server", metavar="URL", help="ftrack server of recordings that do not name one (default: FTRACK_SERVER)"
    )
    parser.add_argument("--json", action="store_true", help="print a list of objects instead of ids")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from trackteroid.commits.enqueueing import enqueue
    from trackteroid.settings import Settings

    settings = Settings.from_environment()
    server = options.server or os.environ.get("FTRACK_SERVER") or None
    results = []
    code = ExitCode.OK
    for file in options.files:
        try:
            # No wake-up: it would import Celery, which a farm node need not have and which costs a second to import. The
            # workers' sweep finds the commit within a second.
            result = enqueue(file, settings=settings, server_url=server, wake=False)
        except TrackteroidError as error:
            # One bad file does not keep the others; the last error decides the exit code.
            text = " ".join(str(error).split())
            message(text if os.fspath(file) in text else f"{file}: {text}")
            code = exit_code_of(error)
            if isinstance(error, SpoolError):
                # It would be the same for each of the others.
                break
            continue
        if result.accepted_in == "spool" and code == ExitCode.OK:
            code = ExitCode.SPOOLED
        if result.already_known:
            message(f"{file}: known already as {result.commit_id}, state {result.state.value}.")
            if result.state.value == "dead" and code == ExitCode.OK:
                # What a farm job would take for success.
                code = ExitCode.FAILED
        results.append(
            {
                "file": str(file),
                "id": result.commit_id,
                "state": result.state.value,
                "already_known": result.already_known,
                "accepted_in": result.accepted_in,
            }
        )
        if not options.json:
            # One by one: who reads the ids may stop reading, the rest is enqueued all the same.
            print_receipt(result.commit_id)
    if options.json:
        print_receipt(json.dumps(results, indent=2))
    return code
