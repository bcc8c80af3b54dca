"""`trackteroid cache stats`, `trackteroid cache clear`, `trackteroid cache listen`."""

from __future__ import annotations

import argparse
import os

from trackteroid.cli.exit_codes import ExitCode
from trackteroid.cli.output import message, print_json, print_table
from trackteroid.errors import SettingsError
from trackteroid.settings import Settings

__all__ = ["configure"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the group's commands to its parser."""
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    stats = commands.add_parser("stats", help="what the shared query cache has been good for, on the whole farm")
    _add_server(stats)
    stats.add_argument("--json", action="store_true", help="print JSON")
    stats.set_defaults(run=_stats)
    clear = commands.add_parser("clear", help="forget cached query results of an ftrack server, for all processes")
    _add_server(clear)
    clear.add_argument(
        "--namespace",
        metavar="NAME",
        help="only those of sessions made with cache_namespace=NAME, or whose query_cache.namespace is NAME",
    )
    clear.add_argument(
        "--table",
        metavar="TYPE",
        action="append",
        default=[],
        help="only those that depend on entities of this type; may be repeated",
    )
    clear.set_defaults(run=_clear)
    listen = commands.add_parser(
        "listen", help="make results forgotten that anybody changes in ftrack, until it is interrupted"
    )
    listen.set_defaults(run=_listen)


def _add_server(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--server", metavar="URL", help="ftrack server (default: FTRACK_SERVER)")


def _server(options: argparse.Namespace, settings: Settings) -> str:
    from trackteroid.commits.servers import normalise_server_url

    server = options.server or os.environ.get("FTRACK_SERVER")
    if not server:
        raise SettingsError("Which ftrack server? Set FTRACK_SERVER or give --server URL.")
    return normalise_server_url(server, settings.server_aliases)


def _stats(options: argparse.Namespace) -> int:
    from trackteroid.cache.opening import farm_statistics

    settings = Settings.from_environment()
    server = _server(options, settings)
    statistics = farm_statistics(settings, server)
    if options.json:
        print_json({"server": server, **statistics.as_dict(), "hit_rate": round(statistics.hit_rate, 4)})
        return ExitCode.OK
    rows = [(name.replace("_", " "), f"{number:,}") for name, number in statistics.as_dict().items()]
    print_table(["count", server], [*rows, ("hit rate", f"{statistics.hit_rate:.1%}")])
    return ExitCode.OK


def _clear(options: argparse.Namespace) -> int:
    from trackteroid.cache.opening import clear

    settings = Settings.from_environment()
    server = _server(options, settings)
    tags = _tags(options.table)
    if options.namespace and tags:
        raise SettingsError(
            "Give --namespace or --table, not both: the results of a table are those of all namespaces."
        )
    clear(settings, server, namespace=options.namespace, tags=sorted(tags))
    what = f"in the namespace {options.namespace!r}" if options.namespace else ""
    what = f"about {', '.join(options.table)}" if tags else what
    message(f"no cached result of {server}{' ' + what if what else ''} will be used any more.")
    return ExitCode.OK


def _tags(tables: list[str]) -> list[str]:
    from trackteroid.cache.storage import every_tag
    from trackteroid.cache.tags import EVERYTHING

    found: list[str] = []
    for name in tables:
        tags = every_tag(name)
        if not tags:
            raise SettingsError(
                f"Nothing is known of entities of type {name!r}: without --table everything is forgotten. (For the "
                "types that are made in ftrack, say TypedContext.)"
            )
        found += tags
    return [EVERYTHING, *found] if found else []


def _listen(options: argparse.Namespace) -> int:
    import logging
    import signal
    import threading

    from trackteroid.cache.listening import Listener
    from trackteroid.cache.tags import Tags
    from trackteroid.session import Session

    # Who keeps this running wants to see that it works.
    logging.getLogger("trackteroid.cache.listening").setLevel(logging.INFO)
    for handler in logging.getLogger("trackteroid").handlers:
        handler.setLevel(logging.INFO)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with Session(auto_connect_event_hub=False) as session:
        message(
            f"listening to the events of {session.server_url} as {session.api_user}, who must be able to see everything."
        )
        Listener(session.event_hub, session.query_cache, Tags(session.schemas)).run(stop)
    return ExitCode.OK
