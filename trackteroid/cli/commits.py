"""`trackteroid commits list|show|retry|cancel`: what the ledger holds, and what a person does about it."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from trackteroid.cli.exit_codes import ExitCode, exit_code_of
from trackteroid.cli.output import age, message, one_line, print_json, print_line, print_receipt, print_table, timestamp
from trackteroid.cli.progress import tracked
from trackteroid.cli.selecting import add_filters, add_server, commit_id_of, filter_of, ledger_of
from trackteroid.errors import BadInputError, LedgerError, LedgerUnavailableError, TrackteroidError, UnknownCommitError

if TYPE_CHECKING:
    from trackteroid.commits.commit import Commit
    from trackteroid.commits.ledger import Ledger

__all__ = ["configure"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the group's commands to its parser."""
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    listing = commands.add_parser("list", help="list commits, newest first")
    add_filters(listing)
    listing.add_argument("--limit", type=_limit, default=100, metavar="N", help="at most so many (default: 100)")
    add_server(listing)
    listing.add_argument("--json", action="store_true", help="print a list of objects")
    listing.set_defaults(run=_list)
    show = commands.add_parser("show", help="show one commit")
    show.add_argument("id", metavar="ID|FILE")
    add_server(show)
    show.add_argument("--json", action="store_true", help="print an object")
    show.set_defaults(run=_show)
    retry = commands.add_parser("retry", help="queue dead commits again; prints one id a line")
    _add_choice(retry)
    retry.set_defaults(run=_retry)
    cancel = commands.add_parser("cancel", help="end commits, so that they are never committed; prints one id a line")
    _add_choice(cancel)
    cancel.set_defaults(run=_cancel)


def _add_choice(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "ids", metavar="ID|FILE", nargs="*", help="these commits, or recordings; or choose by the options below"
    )
    add_filters(parser)
    parser.add_argument("--dry-run", action="store_true", help="print the ids that would be meant, do nothing")
    add_server(parser)


def _limit(text: str) -> int:
    value = int(text) if text.isdecimal() else 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 on")
    return value


def _list(options: argparse.Namespace) -> int:
    from trackteroid.commits.filtering import select

    now = time.time()
    ledger = ledger_of(options)
    found = list(select(ledger, filter_of(options), now=now, limit=options.limit))
    breaker = ledger.breaker()
    if breaker.reason:
        since = "" if breaker.open_since is None else f" (for {age(max(now - breaker.open_since, 0.0))})"
        message(f"{one_line(breaker.reason)}{since}")
    if options.json:
        print_json([commit.as_dict() for commit in found])
        return ExitCode.OK
    print_table(
        ["id", "state", "attempts", "age", "user", "what", "why"],
        [
            [
                item.id,
                item.state.value,
                item.attempts,
                age(now - item.created_at),
                item.facts.user or "",
                _what(item),
                _why(item),
            ]
            for item in found
        ],
    )
    return ExitCode.OK


def _show(options: argparse.Namespace) -> int:
    commit = ledger_of(options, [options.id]).get(commit_id_of(options.id))
    facts = commit.as_dict()
    if options.json:
        print_json(facts)
        return ExitCode.OK
    width = max(map(len, facts))
    for name, value in facts.items():
        lines = _fact(name, value).splitlines() or [""]
        print_line(f"{name.ljust(width)}  {lines[0]}".rstrip())
        for line in lines[1:]:
            print_line(f"{' ' * width}  {line}")
    return ExitCode.OK


def _retry(options: argparse.Namespace) -> int:
    from trackteroid.commits.state import CommitState

    def retry(ledger: Ledger, commit_id: str, actor: str) -> str:
        ledger.retry_dead(commit_id, actor=actor)
        return ""

    return _each(options, "retry", (CommitState.DEAD,), retry)


def _cancel(options: argparse.Namespace) -> int:
    from trackteroid.commits import holds
    from trackteroid.commits.state import DUE_STATES, CommitState

    def cancel(ledger: Ledger, commit_id: str, actor: str) -> str:
        try:
            cancelled = ledger.cancel(commit_id, actor=actor)
        except UnknownCommitError:
            # It may wait in this node's spool.
            try:
                cancelled = holds.cancel(commit_id, server_url=ledger.server_url)
            except LedgerUnavailableError as error:
                # This Redis has just answered: what keeps this one there keeps none of the others.
                raise LedgerError(str(error)) from error
        if cancelled.uncertain_until is None:
            return ""
        return f"{commit_id} is cancelled, but an earlier attempt may have got through: look for its effects in ftrack."

    return _each(options, "cancel", (CommitState.HELD, *DUE_STATES, CommitState.DEAD), cancel)


def _each(
    options: argparse.Namespace, verb: str, states: tuple[Any, ...], act: Callable[[Ledger, str, str], str]
) -> int:
    """Do something with each chosen commit: one that refuses does not keep the others. What `act` returns is said."""
    from trackteroid.commits.actor import current_actor

    ledger = ledger_of(options, options.ids)
    ids = _chosen(options, ledger, verb, states)
    if options.dry_run:
        for commit_id in ids:
            print_line(commit_id)
        return ExitCode.OK
    actor = current_actor()
    code = ExitCode.OK
    for commit_id in tracked(ids, verb):
        try:
            said = act(ledger, commit_id, actor)
        except LedgerUnavailableError:
            # It would be the same for each of the others, after waiting as long.
            raise
        except TrackteroidError as error:
            message(" ".join(str(error).split()))
            code = exit_code_of(error)
            continue
        print_receipt(commit_id)
        if said:
            message(said)
    return code


def _chosen(options: argparse.Namespace, ledger: Ledger, verb: str, states: tuple[Any, ...]) -> list[str]:
    from dataclasses import replace

    from trackteroid.commits.filtering import select

    wanted = filter_of(options)
    if options.ids:
        if wanted.narrows or wanted.states is not None:
            raise BadInputError("Give ids, or options that choose commits, not both.")
        return list(dict.fromkeys(map(commit_id_of, options.ids)))
    if not wanted.narrows and wanted.states is None:
        raise BadInputError(
            f"Which commits? Give ids, or choose by --state, --user, --project, --label, --older-than or --newer-than; "
            f"`trackteroid commits {verb} --dry-run` with these shows which are meant."
        )
    chosen = tuple(state for state in states if wanted.states is None or state in wanted.states)
    if not chosen:
        raise BadInputError(f"Only commits that are {', '.join(map(str, states))} can be chosen for {verb}.")
    # All of them first: what is done moves commits from one list to another.
    ids = [commit.id for commit in select(ledger, replace(wanted, states=chosen), now=time.time())]
    if not ids:
        message("no commit is meant.")
    return ids


def _fact(name: str, value: Any) -> str:
    if value is None:
        return "-"
    if name.endswith("_at") and isinstance(value, int | float):
        return timestamp(value)
    if name == "actions":
        return "\n".join(
            f"{timestamp(each['at'])}  {each['name']} by {one_line(each['actor'] or 'unknown')}" for each in value
        )
    if isinstance(value, dict):
        return one_line(", ".join(f"{key}={item}" for key, item in value.items() if item not in (None, "", [], {})))
    if isinstance(value, list):
        return one_line(", ".join(map(str, value)))
    return one_line(str(value))


def _what(commit: Commit) -> str:
    return " / ".join(str(value) for value in commit.facts.context.values() if isinstance(value, str) and value)


def _why(commit: Commit) -> str:
    waiting = commit.as_dict().get("waiting")
    if isinstance(waiting, dict):
        return str(waiting.get("reason", ""))
    return "" if commit.error is None else commit.error.message
