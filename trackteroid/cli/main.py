"""The entry point: parse, run, and turn every error into one line and an exit code."""

from __future__ import annotations

import argparse
import io
import json
import logging
import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from trackteroid.cli.exit_codes import ExitCode, exit_code_of
from trackteroid.cli.output import (
    StandardOutputError,
    flush_output,
    message,
    print_line,
    provide_streams,
    silence_output,
)
from trackteroid.errors import ServerCallError, TrackteroidError

__all__ = ["main"]

# Imported only when the command is used: a farm command must not pay for what another one needs.
_GROUPS = {
    "recording": "trackteroid.cli.recording",
    "enqueue": "trackteroid.cli.enqueue",
    "release": "trackteroid.cli.release",
    "where": "trackteroid.cli.where",
    "commits": "trackteroid.cli.commits",
    "spool": "trackteroid.cli.spool",
    "recover": "trackteroid.cli.recover",
    "cache": "trackteroid.cli.cache",
    "doctor": "trackteroid.cli.doctor",
}

_SUMMARIES = {
    "sandbox": "run a local ftrack server for demos and tests",
    "recording": "show a recording, or commit it at once without a queue",
    "enqueue": "hand recordings to the workers; prints one commit id a line",
    "release": "set held commits going, once their files are there; prints one commit id a line",
    "where": "find a publish by shot, artist, label, version or file; answers without ftrack",
    "commits": "list and show commits, retry and cancel them",
    "spool": "what waits while Redis takes nothing, and delivering it",
    "recover": "enqueue recordings again after Redis was lost",
    "cache": "manage the shared query cache",
    "doctor": "check the settings, ftrack and Redis",
}

_DEBUG = "TRACKTEROID_DEBUG"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code. Never shows a traceback unless `TRACKTEROID_DEBUG` is set."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    provide_streams()
    for stream in (sys.stdout, sys.stderr):
        # A terminal or pipe that is not UTF-8 shows escapes for what it has no letters for.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    _configure_logging()
    try:
        code = _run(words)
        flush_output()
        return code
    except KeyboardInterrupt:
        message("interrupted.")
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has seen enough. Commands that change something print with `print_receipt`.
        silence_output()
        return ExitCode.OK
    except Exception as error:
        return _report(error)


def _configure_logging() -> None:
    if os.environ.get(_DEBUG):
        logging.basicConfig(level=logging.DEBUG)
        return
    # The client logs what it raises, traceback included; the error itself is reported below, once.
    logging.getLogger().addHandler(logging.NullHandler())
    ours = logging.StreamHandler()
    ours.setFormatter(logging.Formatter("trackteroid: %(message)s"))
    ours.setLevel(logging.WARNING)
    logging.getLogger("trackteroid").addHandler(ours)


def _run(words: list[str]) -> int:
    if words[:1] == ["sandbox"]:
        return _sandbox(words[1:])
    parser = _parser(words[0] if words else None)
    options = parser.parse_args(words)
    if "run" not in options:
        parser.print_help(sys.stderr)
        return ExitCode.USAGE
    code: int = options.run(options)
    return code


def _parser(command: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="trackteroid",
        description="Safe writing to and fast reading from ftrack.",
        epilog="Exit codes: " + "; ".join(f"{code.value} {code.meaning}" for code in ExitCode) + ".",
    )
    parser.add_argument("--version", action=_ShowVersion, nargs=0, help="show the version and exit")
    groups = parser.add_subparsers(title="commands", metavar="COMMAND")
    for name, summary in _SUMMARIES.items():
        group = groups.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
        if name == command and name in _GROUPS:
            import_module(_GROUPS[name]).configure(group)
    return parser


class _ShowVersion(argparse.Action):
    """Looks the version up only when it is asked for, which takes as long as the rest of a farm command's start."""

    def __call__(self, parser: argparse.ArgumentParser, *rest: object) -> NoReturn:
        from trackteroid.constants import __VERSION__

        print_line(f"trackteroid {__VERSION__}")
        parser.exit()


def _sandbox(words: list[str]) -> int:
    try:
        from trackteroid.sandbox.command import run
    except ImportError as error:
        message(f"the sandbox needs {error.name}: pip install 'trackteroid[sandbox]'.")
        return ExitCode.SETTINGS
    return run(words)


def _report(error: Exception) -> int:
    if os.environ.get(_DEBUG):
        traceback.print_exc()
    known = error if isinstance(error, TrackteroidError) else _translated(error)
    if known is not None:
        message(" ".join(str(known).split()))
        return _OWN_CODES.get(type(known)) or exit_code_of(known)
    message(
        f"unexpected {type(error).__name__}: {' '.join(str(error).split())} "
        f"(set {_DEBUG}=1 to see where it comes from)."
    )
    return ExitCode.INTERNAL


class _SettingsMissing(TrackteroidError):
    """A setting is missing."""


_OWN_CODES = {_SettingsMissing: ExitCode.SETTINGS, StandardOutputError: ExitCode.CANNOT_WRITE}


def _translated(error: Exception) -> TrackteroidError | None:
    """Return what the client's and other libraries' errors mean, None if nobody knows."""
    text = str(error)
    if isinstance(error, TypeError) and text.startswith("Required "):
        return _SettingsMissing(f"{text} (`trackteroid sandbox --env-file FILE` writes them for a local server.)")
    module = type(error).__module__
    if isinstance(error, json.JSONDecodeError):
        # The client lets these escape where an answer with an error status is no JSON (spec: ftrack-server 1.4).
        return ServerCallError(
            f"{os.environ.get('FTRACK_SERVER', 'The ftrack server')} answers with something else than JSON; is it in "
            "maintenance, or is FTRACK_SERVER not ftrack?",
            kind="not_json",
            maybe_applied=False,
        )
    if module.startswith("requests."):
        server = os.environ.get("FTRACK_SERVER", "the ftrack server")
        return ServerCallError(
            f"No answer from {server}: {type(error).__name__}. Is it running, and is FTRACK_SERVER right?",
            kind="connection",
            maybe_applied=False,
        )
    if type(error).__name__ == "ServerError" and module.startswith("ftrack_api."):
        # The client leaves out the status; it stands in the error that it translated.
        status = getattr(getattr(error.__context__, "response", None), "status_code", None)
        refused = "InvalidCredentialsError" in text
        advice = " Check FTRACK_API_USER and FTRACK_API_KEY." if refused else ""
        away = "unexpected format" in text
        return ServerCallError(
            text + advice,
            kind="not_json" if away else "error_object",
            status=status,
            exception="InvalidCredentialsError" if refused else None,
            maybe_applied=False,
        )
    return None


if __name__ == "__main__":
    sys.exit(main())
