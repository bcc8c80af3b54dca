"""`trackteroid enqueue FILE...`: needs neither celery nor the ftrack client."""

from __future__ import annotations

import argparse
import json
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trackteroid.cli.exit_codes import ExitCode, exit_code_of
from trackteroid.cli.output import message, print_receipt
from trackteroid.cli.selecting import commit_id_of, duration
from trackteroid.errors import BadInputError, SpoolError, TrackteroidError

if TYPE_CHECKING:
    from trackteroid.commits.enqueueing import EnqueueResult

__all__ = ["configure"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to its parser."""
    parser.add_argument("files", metavar="FILE", nargs="+", help="recordings")
    parser.add_argument(
        "--server", metavar="URL", help="ftrack server of recordings that do not name one (default: FTRACK_SERVER)"
    )
    parser.add_argument("--hold", action="store_true", help="make them known; `trackteroid release` sets them going")
    parser.add_argument(
        "--priority", metavar="N", type=int, default=0, help="higher ones are committed first, -100 to 100 (default: 0)"
    )
    parser.add_argument(
        "--depends-on", metavar="ID|FILE", action="append", default=[], help="commit this one before (may be repeated)"
    )
    parser.add_argument(
        "--commit-as",
        choices=("worker", "recorder"),
        help="whose name ftrack's history gives (default: what the recording says, else TRACKTEROID_COMMIT_AS)",
    )
    parser.add_argument(
        "--wait",
        metavar="SECONDS",
        type=duration,
        help="wait until they are committed; the exit code tells whether they are",
    )
    parser.add_argument("--json", action="store_true", help="print a list of objects instead of ids")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from trackteroid.commits.enqueueing import enqueue
    from trackteroid.settings import Settings

    if options.hold and options.wait is not None:
        raise BadInputError(
            "--hold and --wait exclude each other: what is held is not committed before it is released."
        )
    settings = Settings.from_environment()
    server = options.server or os.environ.get("FTRACK_SERVER") or None
    depends_on = [commit_id_of(each) for each in options.depends_on]
    accepted: list[_Accepted] = []
    code = ExitCode.OK
    for file in options.files:
        try:
            # No wake-up: it would import Celery, which a farm node need not have and which costs a second to import. The
            # workers' sweep finds the commit within a second.
            result = enqueue(
                file,
                settings=settings,
                server_url=server,
                wake=False,
                hold=options.hold,
                priority=options.priority,
                depends_on=depends_on,
                commit_as=options.commit_as,
            )
        except TrackteroidError as error:
            # One bad file does not keep the others; the last error decides the exit code.
            text = " ".join(str(error).split())
            message(text if os.fspath(file) in text else f"{file}: {text}")
            code = exit_code_of(error)
            if isinstance(error, SpoolError):
                # It would be the same for each of the others.
                break
            continue
        if result.already_known:
            advice = _ADVICE.get(result.state.value, "").format(result.commit_id)
            message(f"{file}: known already as {result.commit_id}, state {result.state.value}.{advice}")
        accepted.append(_Accepted(str(file), result, result.state.value))
        if not options.json:
            # One by one: who reads the ids may stop reading, the rest is enqueued all the same.
            print_receipt(result.commit_id)
    if options.wait is not None:
        _wait(accepted, options.wait)
    for one in accepted:
        if code == ExitCode.OK:
            code = one.code
    results = [
        {
            "file": one.file,
            "id": one.result.commit_id,
            "state": one.state,
            "already_known": one.result.already_known,
            "accepted_in": one.result.accepted_in,
        }
        for one in accepted
    ]
    if options.json:
        print_receipt(json.dumps(results, indent=2))
    return code


_ADVICE = {
    "dead": " `trackteroid commits show {0}` says why, `trackteroid commits retry {0}` tries it again.",
    "cancelled": " It will never be committed; record again what is still to be published.",
    "held": " `trackteroid release {0}` sets it going.",
}


@dataclass
class _Accepted:
    """A recording on its way: its last known state, and the exit code that it asks for."""

    file: str
    result: EnqueueResult
    state: str
    ended: bool | None = None

    @property
    def code(self) -> ExitCode:
        if self.state in ("dead", "cancelled"):
            # What a farm job would take for success.
            return ExitCode.FAILED
        if self.ended:
            return ExitCode.OK
        if self.result.accepted_in == "spool":
            return ExitCode.SPOOLED
        return ExitCode.OK if self.ended is None else ExitCode.TIMEOUT


def _wait(accepted: list[_Accepted], seconds: float) -> None:
    """Wait for all of them together; says what became of those that are not committed."""
    end = time.monotonic() + seconds
    for one in accepted:
        commit = one.result.commit
        if one.state == "held":
            # It was known and held before. It stays so for as long as nobody releases it, and a farm job must not wait for that.
            one.ended = False
            message(
                f"{one.file}: commit {commit.id} is held and not waited for: `trackteroid release {commit.id}` sets it going."
            )
            continue
        try:
            one.state = commit.wait(max(end - time.monotonic(), 0.0)).value
            one.ended = True
            if one.state != "committed":
                error = commit.error
                reason = "" if error is None else f": {' '.join(error.message.split())}"
                message(f"{one.file}: commit {commit.id} is {one.state}{reason}")
        except TrackteroidError as error:
            one.ended = False
            message(f"{one.file}: {' '.join(str(error).split())}")
