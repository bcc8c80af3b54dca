"""Other Python interpreters on this machine."""

from __future__ import annotations

import glob
import os
import shutil
import subprocess

import pytest


def interpreter(major: int, minor: int) -> str:
    """Return an interpreter of this version, or skip the calling test where there is none."""
    name = f"python{major}.{minor}"
    root = os.environ.get("PYENV_ROOT", os.path.expanduser("~/.pyenv"))
    for candidate in (shutil.which(name), *sorted(glob.glob(f"{root}/versions/{major}.{minor}*/bin/{name}"))):
        if (
            candidate
            and subprocess.run([candidate, "--version"], capture_output=True, timeout=30, check=False).returncode == 0
        ):
            return candidate
    # `make test` needs one Python only; what needs another one is tested wherever that is installed.
    pytest.skip(f"no {name} on this machine")
