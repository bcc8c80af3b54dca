"""Importing does nothing, and brings in only what is needed."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import trackteroid

# Sockets blocked, and nothing of ftrack or trackteroid in the environment.
_PRELUDE = """
import socket, sys
def blocked(*args, **kwargs):
    raise AssertionError("a socket was opened")
socket.socket.connect = socket.socket.connect_ex = socket.create_connection = socket.getaddrinfo = blocked
"""


def run_blocked(source: str) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith(("FTRACK_", "TRACKTEROID_"))}
    return subprocess.run(
        [sys.executable, "-c", _PRELUDE + source], env=env, capture_output=True, text=True, timeout=60, check=False
    )


def loaded_by(source: str) -> set[str]:
    done = run_blocked(source + "\nprint(' '.join(sorted({name.split('.')[0] for name in sys.modules})))")
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_importing_the_package_loads_nothing_of_others() -> None:
    assert not {"ftrack_api", "celery", "redis", "kombu", "requests", "lark", "starlette"} & loaded_by(
        "import trackteroid"
    )


def test_every_public_name_can_be_had_offline_and_brings_neither_celery_nor_redis_nor_the_sandbox() -> None:
    loaded = loaded_by(
        "from trackteroid import *\nfrom trackteroid import SESSION, Query, Shot\nrepr(SESSION); str(Query(Shot))"
    )
    assert "ftrack_api" in loaded
    assert not {"celery", "kombu", "redis", "lark", "starlette", "uvicorn", "trackteroid_sandbox"} & loaded
    modules = run_blocked("from trackteroid import *\nprint([name for name in sys.modules if 'sandbox' in name])")
    assert modules.stdout.strip() == "[]"


def test_the_farm_commands_need_neither_celery_nor_the_ftrack_client() -> None:
    source = """
import trackteroid.cli.main, trackteroid.cli.enqueue, trackteroid.cli.spool, trackteroid.cli.recover
import trackteroid.cli.release, trackteroid.cli.where, trackteroid.commits.holds, trackteroid.commits.where
import trackteroid.commits.enqueueing, trackteroid.operations.recording, trackteroid.commits.recovering
"""
    assert not {"celery", "kombu", "ftrack_api"} & loaded_by(source)


def test_the_public_names_are_declared_once_and_all_there() -> None:
    assert trackteroid.__all__ == sorted(set(trackteroid.__all__))
    for name in trackteroid.__all__:
        assert getattr(trackteroid, name) is not None


@pytest.mark.parametrize("name", ["no_such_thing", "_private"])
def test_unknown_names_are_attribute_errors_without_connecting(name: str) -> None:
    done = run_blocked(
        f"import trackteroid\ntry:\n    trackteroid.{name}\nexcept AttributeError as error:\n    print(error)"
    )
    assert name in done.stdout
