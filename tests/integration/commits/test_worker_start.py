"""What somebody sees who starts a worker without what it needs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
SERVER = "https://studio.example"


@pytest.mark.parametrize("missing", ["FTRACK_SERVER", "FTRACK_API_USER", "FTRACK_API_KEY", "TRACKTEROID_LEASE_SECONDS"])
def test_a_worker_without_its_settings_says_so_in_one_line(missing: str) -> None:
    environ = {
        **os.environ,
        "FTRACK_SERVER": SERVER,
        "FTRACK_API_USER": "u",
        "FTRACK_API_KEY": "k",
        "TRACKTEROID_REDIS_URL": "redis://127.0.0.1:1/0",
    }
    environ[missing] = "x" if missing.startswith("TRACKTEROID") else ""
    command = [sys.executable, "-m", "celery", "-A", "workers", "worker", "-c", "1"]
    done = subprocess.run(command, env=environ, cwd=ROOT, capture_output=True, text=True, timeout=60)
    output = done.stdout + done.stderr
    assert done.returncode != 0
    assert missing in output and "Traceback" not in output
