"""`trackteroid doctor`: are the settings, ftrack and Redis fit for use?"""

from __future__ import annotations

import argparse
import importlib.util
import os
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

from trackteroid.cli.exit_codes import ExitCode
from trackteroid.cli.output import print_json, print_table
from trackteroid.commits.servers import normalise_server_url
from trackteroid.errors import LedgerUnavailableError, TrackteroidError
from trackteroid.settings import Settings

__all__ = ["Finding", "configure"]

_EXTRAS = {
    "worker": ("celery",),
    "cli": ("rich",),
    "fast": ("orjson", "hiredis"),
    "sandbox": ("lark", "starlette", "uvicorn"),
}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: `status` is ok, note, warning or problem; `remedy` says what to do."""

    subject: str
    status: str
    text: str
    remedy: str = ""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to its parser."""
    parser.add_argument("--json", action="store_true", help="print a list of objects")
    parser.add_argument(
        "--probe",
        metavar="PROJECT",
        help="instead, run experiments on this empty test project that show whether commits can be repeated safely",
    )
    parser.add_argument("--force", action="store_true", help="with --probe: although there is something in the project")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    if options.probe is not None:
        from trackteroid.cli.probe import probe

        return probe(options.probe, force=options.force, as_json=options.json)
    findings = list(_examine())
    if options.json:
        print_json([asdict(finding) for finding in findings])
    else:
        print_table(
            ["what", "status", "finding", "remedy"],
            [[finding.subject, finding.status, finding.text, finding.remedy] for finding in findings],
        )
    return ExitCode.FAILED if any(finding.status == "problem" for finding in findings) else ExitCode.OK


def _examine() -> Iterator[Finding]:
    yield Finding("python", "ok", f"{platform.python_version()} on {platform.system()}")
    yield from _extras()
    try:
        settings = Settings.from_environment()
        # What stands in them is looked at by whoever asks for a server.
        normalise_server_url("https://ftrack.invalid", settings.server_aliases)
    except TrackteroidError as error:
        yield Finding("settings", "problem", str(error), "Correct the environment variable.")
        return
    yield Finding("settings", "ok", "usable")
    yield from _guarded("configuration file", _configuration)
    yield from _guarded("ftrack", _ftrack)
    yield from _redis("ledger", settings.redis_url)
    yield from _guarded("commits", lambda: _commits(settings))
    yield from _guarded("spool", lambda: _spool(settings))
    if settings.effective_query_cache_url != settings.redis_url:
        yield from _guarded("query cache", lambda: _cache(settings))


def _guarded(subject: str, look: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """Yield what `look` finds; an error is a finding."""
    try:
        yield from look()
    except Exception as error:
        text = " ".join(str(error).split())
        yield Finding(subject, "problem", text or type(error).__name__, _REMEDIES.get(subject, ""))


_REMEDIES = {
    "ftrack": "Check FTRACK_SERVER, FTRACK_API_USER and FTRACK_API_KEY, and that the server is running.",
    "configuration file": "Correct the file that TRACKTEROID_CONFIGURATION names.",
    "spool": "Set TRACKTEROID_SPOOL to a folder that this user may write to.",
    "query cache": "Check TRACKTEROID_QUERY_CACHE_URL, and that Redis is running.",
}


def _extras() -> Iterator[Finding]:
    for extra, modules in _EXTRAS.items():
        missing = [name for name in modules if importlib.util.find_spec(name) is None]
        if missing:
            yield Finding(
                f"extra {extra}",
                "note",
                f"not installed ({', '.join(missing)})",
                f"If this machine needs it: pip install 'trackteroid[{extra}]'.",
            )
        else:
            yield Finding(f"extra {extra}", "ok", "installed")


def _configuration() -> Iterator[Finding]:
    from trackteroid import configuration

    configuration.entries()
    named = os.environ.get(configuration.VARIABLE)
    yield Finding("configuration file", "ok", named or "none named")


def _ftrack() -> Iterator[Finding]:
    if os.environ.get("FTRACK_SERVER") and not (os.environ.get("FTRACK_API_USER") or os.environ.get("FTRACK_API_KEY")):
        # A farm node as the documentation sets it up: that is nothing to be put right.
        yield Finding(
            "ftrack",
            "note",
            f"{os.environ['FTRACK_SERVER']} was not asked: this machine has neither FTRACK_API_USER nor FTRACK_API_KEY",
            "Farm nodes, which enqueue, release and look, need neither; what queries, records or commits needs both.",
        )
        return
    from trackteroid.session import Session

    with Session() as session:
        information = session.server_information
        yield Finding(
            "ftrack",
            "ok",
            f"{session.server_url} answers as version {information.get('version')} to {session.api_user}, "
            f"{len(session.types)} entity types",
        )


def _commits(settings: Settings) -> Iterator[Finding]:
    from trackteroid.commits.enqueueing import open_ledger
    from trackteroid.commits.state import CommitState
    from trackteroid.commits.stuck import REMEDY, find_stuck, stuck_text

    server = os.environ.get("FTRACK_SERVER")
    if not server:
        return
    ledger = open_ledger(settings, server)
    try:
        counts, breaker = ledger.counts(), ledger.breaker()
        stuck = stuck_text(find_stuck(ledger, now=time.time()))
    except LedgerUnavailableError:
        # Said above, with what to do.
        return
    if breaker.open_since is not None:
        yield Finding(
            "commits", "problem", " ".join(breaker.reason.split()), "They go on by themselves when it has passed."
        )
    elif breaker.reason:
        yield Finding("commits", "note", breaker.reason)
    pending = (CommitState.QUEUED, CommitState.COMMITTING, CommitState.RETRYING, CommitState.WAITING, CommitState.HELD)
    told = ", ".join(f"{counts[state]} {state}" for state in pending if counts[state])
    yield Finding("commits", "ok", told or "none pending")
    if counts[CommitState.DEAD]:
        remedy = "trackteroid commits list --state dead; put right what they say; trackteroid commits retry."
        yield Finding("commits", "warning", f"{counts[CommitState.DEAD]} dead", remedy)
    if stuck:
        yield Finding("commits", "warning", stuck, REMEDY)


def _spool(settings: Settings) -> Iterator[Finding]:
    from trackteroid.commits.spool import open_spool
    from trackteroid.commits.spool_place import why_ephemeral

    spool = open_spool(settings)
    status = spool.status()
    existing = next(folder for folder in (spool.folder, *spool.folder.parents) if folder.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        yield Finding("spool", "problem", f"{spool.folder} cannot be written to", _REMEDIES["spool"])
    elif status.waiting:
        text = f"{status.waiting} recordings and release orders wait in {spool.folder}"
        yield Finding("spool", "warning", text, "When Redis is well: trackteroid spool flush.")
    else:
        yield Finding("spool", "ok", f"{spool.folder} is empty")
    if settings.spool_folder is not None and os.name != "nt" and existing == spool.folder:
        mode = existing.stat().st_mode
        if not mode & 0o077:
            text = f"{spool.folder} can be used by one user only"
            remedy = "If it is shared: chmod 2770 and a group of all who publish, the workers among them."
            yield Finding("spool", "note", text, remedy)
    reason = why_ephemeral(existing)
    if reason:
        text = f"what waits in {spool.folder} may be lost with this machine: {reason}"
        remedy = "Set TRACKTEROID_SPOOL to a folder on a file server, here and on the workers, which deliver what waits in it."
        yield Finding("spool", "warning", text, remedy)
    if status.refused:
        text = f"{status.refused} recordings and release orders can never be delivered"
        yield Finding("spool", "warning", text, f"The reasons lie beside them in {spool.folder}/refused.")


def _redis(subject: str, url: str) -> Iterator[Finding]:
    from trackteroid.commits.health import check_redis

    for finding in check_redis(url):
        yield Finding(subject, finding.severity, finding.text, finding.remedy)


def _cache(settings: Settings) -> Iterator[Finding]:
    from trackteroid.cache.redis_backend import connect

    connect(settings.effective_query_cache_url, 1.0).stamps(["doctor"])
    yield Finding("query cache", "ok", "answers")
