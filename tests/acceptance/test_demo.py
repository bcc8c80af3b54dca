"""`make demo` as a new user runs it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes import REPOSITORY, ManagedProcess, wait_until

# The demo waits for its turn (demo/turns.py): the mission's example writes to a fixed path.
pytestmark = pytest.mark.timeout(400)


def clean_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("FTRACK_", "TRACKTEROID_"))}


def group_members(group: int) -> list[str]:
    """Command lines of processes in a session of processes, by its leader."""
    listed = subprocess.run(["ps", "-eo", "sid,args"], capture_output=True, text=True, timeout=30, check=True)
    return [line for line in listed.stdout.splitlines() if line.split(None, 1)[0] == str(group)]


def test_every_expectation_of_the_demo_holds_in_under_two_minutes() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "demo"],
        cwd=REPOSITORY,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=380,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert "Every expectation held." in done.stdout
    assert "FAIL" not in done.stdout
    assert [line[:3] for line in done.stdout.splitlines() if line.startswith("(")] == [
        "(a)",
        "(b)",
        "(c)",
        "(d)",
        "(e)",
        "(f)",
    ]
    assert int(re.findall(r"^ +(\d+) s in all\.$", done.stdout, re.MULTILINE)[-1]) < 120


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_stops_everything_it_started(number: int) -> None:
    demo = ManagedProcess([sys.executable, "-m", "demo"], name="demo")
    try:
        wait_until(lambda: "Ready after" in demo.output or not demo.running, seconds=300, what="the demo's services")
        # Its children have sessions of their own, and know each other by the demo's temporary folder.
        children = subprocess.run(
            ["ps", "--ppid", str(demo.pid), "-o", "pid="], capture_output=True, text=True, timeout=30, check=False
        ).stdout.split()
        assert len(children) >= 3
        demo.process.send_signal(number)
        assert demo.process.wait(30) == 130
        left = [line for child in children for line in group_members(int(child))]
        assert left == []
    finally:
        demo.stop()


def test_its_exit_status_is_its_own_wherever_it_is_interrupted(tmp_path: Path) -> None:
    """Python would end it by the signal if that came while a dataclass is being made."""
    (tmp_path / "interrupted.py").write_text(
        "import contextlib, sys\n"
        "import demo.__main__ as demo\n"
        "demo.turn = lambda say: contextlib.nullcontext()\n"
        'demo.play = lambda: exec("import os, signal; os.kill(os.getpid(), signal.SIGINT)")\n'
        "sys.exit(demo.main())\n"
    )
    paths = os.pathsep.join((str(tmp_path), str(REPOSITORY)))
    done = subprocess.run(
        [sys.executable, "-m", "interrupted"], env={**os.environ, "PYTHONPATH": paths}, timeout=60, check=False
    )
    assert done.returncode == 130
