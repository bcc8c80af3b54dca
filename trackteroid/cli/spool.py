"""`trackteroid spool status|flush`: recordings that wait while Redis takes nothing; needs no celery, no ftrack client."""

from __future__ import annotations

import argparse
import time

from trackteroid.cli.exit_codes import ExitCode
from trackteroid.cli.output import age, message, print_json, print_line
from trackteroid.cli.progress import progress

__all__ = ["configure"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the group's commands to its parser."""
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    status = commands.add_parser("status", help="what waits in the spool")
    status.add_argument("--json", action="store_true", help="print an object")
    status.set_defaults(run=_status)
    flush = commands.add_parser("flush", help="deliver what waits in the spool to Redis")
    flush.add_argument(
        "--any-redis", action="store_true", help="also what was meant for another Redis: after Redis has moved"
    )
    flush.add_argument("--json", action="store_true", help="print an object")
    flush.set_defaults(run=_flush)


def _status(options: argparse.Namespace) -> int:
    from trackteroid.commits.spool import open_spool
    from trackteroid.settings import Settings

    status = open_spool(Settings.from_environment()).status()
    if options.json:
        print_json(status.as_dict())
        return ExitCode.OK
    oldest = status.oldest_accepted_at
    since = "" if oldest is None else f", the oldest for {age(time.time() - oldest)}"
    print_line(f"folder   {status.folder}")
    print_line(f"waiting  {status.waiting} recordings and release orders, {status.waiting_bytes:,} bytes{since}")
    print_line(f"sent     {status.sent} copies of what was delivered lately")
    print_line(f"refused  {status.refused} that can never be delivered; the reasons lie beside them in refused/")
    return ExitCode.OK


def _flush(options: argparse.Namespace) -> int:
    from trackteroid.commits.enqueueing import flush_spool
    from trackteroid.settings import Settings

    with progress("flush") as advance:
        report = flush_spool(Settings.from_environment(), any_redis=options.any_redis, on_entry=advance)
    if options.json:
        print_json(report.as_dict())
    else:
        print_line(f"{report.delivered} delivered, {report.known} known already, {report.left} left")
    if report.elsewhere:
        message(
            f"{report.elsewhere} recordings and release orders were meant for another Redis and are left. If it has moved: "
            "`trackteroid spool flush --any-redis`."
        )
    if report.refused:
        message(
            f"{report.refused} recordings and release orders can never be delivered; the reasons lie in the spool's refused/."
        )
    if report.error is not None:
        message(" ".join(report.error.split()))
        return ExitCode.SPOOLED
    if report.refused:
        return ExitCode.BAD_DATA
    return ExitCode.SPOOLED if report.left else ExitCode.OK
