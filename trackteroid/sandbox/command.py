"""`trackteroid sandbox`: start a local ftrack server and say where it is.

Imports nothing that the extra brings until the arguments are understood, so that a missing extra is one clear line.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from trackteroid.sandbox.errors import SandboxStartError

__all__ = ["run"]

_FAILED = 1
# EX_CONFIG of sysexits.h, as the other commands have it.
_NOT_INSTALLED = 78
_MISSING_EXTRA = "trackteroid sandbox: {} is not installed. Install it with: pip install 'trackteroid[sandbox]'"


def run(argv: Sequence[str]) -> int:
    """Run the command until SIGTERM or SIGINT.

    Args:
        argv: What follows `sandbox` on the command line.

    Returns:
        Exit status: 0 after a signal, 1 if it cannot start (the reason is on standard error), 2 for wrong arguments,
        78 if the extra is not installed.
    """
    parser = argparse.ArgumentParser(
        prog="trackteroid sandbox", description="A local ftrack server for laptops and tests. Stop it with Ctrl-C."
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=_port, default=0, help="port to listen on (default: any free one)")
    parser.add_argument(
        "--seed",
        default="demo",
        metavar="NAME",
        help="data to start with: demo, empty, client-test (for the official Python client's own tests), or farm, whose"
        " size can be given as in farm:shots=100 or farm:projects=2,versions=500; the names are projects, sequences,"
        " shots, tasks, assets and versions (default: demo)",
    )
    parser.add_argument("--data", type=Path, metavar="FILE", help="keep the data in this file (default: in memory)")
    parser.add_argument(
        "--schema",
        type=Path,
        metavar="FILE",
        help="serve this schema list, exported from a real server (such as a client's ftrack_api_schema_cache.json)",
    )
    parser.add_argument(
        "--env-file", type=Path, metavar="FILE", help="write `export` lines for FTRACK_SERVER, _API_USER and _API_KEY"
    )
    try:
        arguments = parser.parse_args(argv)
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else 2
    try:
        return _serve(arguments)
    except SandboxStartError as error:
        print(f"trackteroid sandbox: {error}", file=sys.stderr)  # noqa: T201 - a command talks
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("trackteroid"):
            raise
        print(_MISSING_EXTRA.format(error.name), file=sys.stderr)  # noqa: T201
        return _NOT_INSTALLED
    return _FAILED


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text[:9]) <= 65535):
        raise argparse.ArgumentTypeError(f"a port is a number from 0 to 65535, not {text!r}")
    return int(text)


def _serve(arguments: argparse.Namespace) -> int:
    # Here, not above: these need the extra.
    from trackteroid.sandbox.server import SandboxServer

    server = SandboxServer(
        seed=arguments.seed, host=arguments.host, port=arguments.port, data=arguments.data, schema=arguments.schema
    )
    if arguments.env_file is not None:
        _write_env_file(arguments.env_file, server.env)
    server.serve(ready=lambda: print(server.url, flush=True))  # noqa: T201
    return 0


def _write_env_file(path: Path, variables: dict[str, str]) -> None:
    lines = [f"export {name}={shlex.quote(value)}\n" for name, value in variables.items()]
    try:
        path.write_text("".join(lines), encoding="utf-8")
    except OSError as error:
        raise SandboxStartError(f"Cannot write {path}: {error.strerror or error}.") from error
