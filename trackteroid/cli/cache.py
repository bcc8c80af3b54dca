"""`trackteroid cache clear`."""

from __future__ import annotations

import argparse
import os

from trackteroid.cli.exit_codes import ExitCode
from trackteroid.cli.output import message
from trackteroid.errors import SettingsError

__all__ = ["configure"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the group's commands to its parser."""
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    clear = commands.add_parser("clear", help="forget every cached query result of an ftrack server, for all processes")
    clear.add_argument("--server", metavar="URL", help="ftrack server (default: FTRACK_SERVER)")
    clear.set_defaults(run=_clear)


def _clear(options: argparse.Namespace) -> int:
    from trackteroid.cache.query_cache import clear_server
    from trackteroid.commits.servers import normalise_server_url
    from trackteroid.settings import Settings

    server = options.server or os.environ.get("FTRACK_SERVER")
    if not server:
        raise SettingsError("Which ftrack server? Set FTRACK_SERVER or give --server URL.")
    settings = Settings.from_environment()
    clear_server(settings, normalise_server_url(server, settings.server_aliases))
    message(f"no cached result of {server} will be used any more.")
    return ExitCode.OK
