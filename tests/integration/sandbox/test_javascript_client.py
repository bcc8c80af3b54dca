"""The official JavaScript client against the sandbox: what it should do is in `javascript_client.mjs`."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from trackteroid.sandbox.server import SandboxServer

pytestmark = pytest.mark.soak

_SCRIPT = Path(__file__).with_name("javascript_client.mjs")
# The version that the specification was read off.
_CLIENT = "@ftrack/api@1.11"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the client and the script in it, gone with the test."""
    for command in ("node", "npm"):
        if shutil.which(command) is None:
            pytest.skip(f"needs {command}, to run the official JavaScript client")
    quiet = ["--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error"]
    # A folder with a package.json is the one that npm installs into, whatever lies above it.
    (tmp_path / "package.json").write_text('{"private": true}\n')
    done = subprocess.run(
        ["npm", "install", *quiet, _CLIENT], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, f"npm could not install {_CLIENT}:\n{done.stdout}{done.stderr}"
    shutil.copy(_SCRIPT, tmp_path)
    return tmp_path


def test_the_javascript_client_cannot_tell_the_sandbox_from_a_real_server(folder: Path) -> None:
    with SandboxServer(seed="demo") as server:
        done = subprocess.run(
            ["node", "--test", "--test-reporter=tap", _SCRIPT.name],
            cwd=folder,
            # A zone that is never that of the machine: dates must not depend on either.
            env={**os.environ, **server.env, "TZ": "Asia/Tokyo"},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    passed = re.search(r"^# pass (\d+)$", done.stdout, re.MULTILINE)
    # None must be left out without anybody noticing, for example because the file was not found.
    assert passed is not None and int(passed[1]) == _SCRIPT.read_text(encoding="utf-8").count("\ntest(") + 2
