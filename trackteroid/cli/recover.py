"""`trackteroid recover FOLDER`: enqueue whatever is not known as committed, after Redis was lost."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from trackteroid.cli.exit_codes import ExitCode, exit_code_of
from trackteroid.cli.output import message, print_json, print_line
from trackteroid.cli.progress import tracked
from trackteroid.errors import LedgerUnavailableError, TrackteroidError

if TYPE_CHECKING:
    from trackteroid.commits.recovering import Found

__all__ = ["configure"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to its parser."""
    parser.add_argument(
        "folder", metavar="FOLDER", help="recordings, in it and its subfolders; a spool's folder `sent` too"
    )
    parser.add_argument(
        "--server", metavar="URL", help="ftrack server of recordings that do not name one (default: FTRACK_SERVER)"
    )
    parser.add_argument(
        "--hold",
        action="store_true",
        help="enqueue all of them held (in any case held: what was held in a spool and not released, and what expects files)",
    )
    parser.add_argument("--dry-run", action="store_true", help="enqueue nothing")
    parser.add_argument("--json", action="store_true", help="print an object")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from trackteroid.commits.enqueueing import enqueue
    from trackteroid.commits.reaching import fit_ledger
    from trackteroid.commits.recovering import find_recordings, unknown_dependencies
    from trackteroid.errors import UnknownCommitError
    from trackteroid.settings import Settings

    settings = Settings.from_environment()
    server = options.server or os.environ.get("FTRACK_SERVER") or None
    passed_over: list[tuple[Path, str]] = []
    unreadable: list[tuple[Path, str]] = []
    found = find_recordings(
        Path(options.folder), settings=settings, server_url=server, passed_over=passed_over, unreadable=unreadable
    )
    ids = {one.recording_id for one in found}
    enqueued: list[str] = []
    held: list[str] = []
    known: dict[str, str] = {}
    # Whoever recovers must know of what cannot be read: it may be a publish that nobody else has.
    for path, reason in unreadable:
        message(reason if str(path) in reason else f"{path}: {reason}")
    code = ExitCode.BAD_DATA if unreadable else ExitCode.OK
    for one in tracked(found, "recover"):
        commit_id = one.recording_id
        hold = one.terms.hold or options.hold
        try:
            if one.server_url is None:
                raise TrackteroidError("It does not say for which ftrack server it is; give --server URL.")
            ledger = fit_ledger(settings, one.server_url)
            gone = unknown_dependencies(one, ids, ledger)
            if options.dry_run:
                try:
                    known[commit_id] = ledger.get(commit_id).state.value
                except UnknownCommitError:
                    enqueued.append(commit_id)
                    _say_unknown(one, gone)
                continue
            result = enqueue(
                one.recording,
                ledger=ledger,
                settings=settings,
                wake=False,
                recovered=True,
                hold=hold,
                priority=one.terms.priority,
                depends_on=[each for each in one.terms.depends_on if each not in gone],
            )
        except LedgerUnavailableError:
            # It would be the same for each of the others, after waiting as long.
            raise
        except TrackteroidError as error:
            message(f"{one.path}: {' '.join(str(error).split())}")
            code = exit_code_of(error)
            continue
        if result.already_known:
            known[commit_id] = result.state.value
        else:
            enqueued.append(commit_id)
            _say_unknown(one, gone)
            if hold:
                held.append(commit_id)
    if options.json:
        others = {"passed_over": _listed(passed_over), "unreadable": _listed(unreadable)}
        print_json({"enqueued": enqueued, "held": held, "known": known, **others})
        return code
    for commit_id in enqueued:
        print_line(commit_id)
    _say(options.dry_run, len(enqueued), len(held), len(known), len(passed_over))
    return code


def _say_unknown(one: Found, gone: list[str]) -> None:
    if gone:
        message(
            f"{one.recording_id} was to wait for {', '.join(gone)}, of which neither this folder nor the ledger knows: it does "
            "not wait. (Recover the folder that has it first.)"
        )


def _say(dry_run: bool, enqueued: int, held: int, known: int, passed_over: int) -> None:
    if held:
        message(f"{held} of them are held: `trackteroid release` sets them going.")
    would = "would be " if dry_run else ""
    message(
        f"{enqueued} {would}enqueued, {known} known already, {passed_over} files are no recordings (--json lists them)."
    )


def _listed(files: list[tuple[Path, str]]) -> list[dict[str, str]]:
    return [{"file": str(path), "reason": reason} for path, reason in files]
