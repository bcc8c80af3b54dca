"""Deadline: a job that depends on the render and releases its publish.

Plain job files and `deadlinecommand`; nothing has to be installed in the repository. A task that fails (frames are missing:
exit code 74) is tried again by Deadline like any other; releasing twice changes nothing.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

__all__ = ["submit_release"]

#: What the node needs to know. No API key: releasing asks nothing of ftrack.
ENVIRONMENT = ("FTRACK_SERVER", "TRACKTEROID_REDIS_URL", "TRACKTEROID_SPOOL", "TRACKTEROID_PATH_ROOTS")


def submit_release(commit_id: str, render_job_id: str, folder: Path) -> str:
    """Submit the job and return its id.

    Args:
        commit_id: Of the held publish.
        render_job_id: Deadline's id of the render job.
        folder: For the two files that `deadlinecommand` reads.
    """
    job = {
        "Plugin": "CommandLine",
        "Name": f"Publish {commit_id}",
        "Frames": "0",
        "JobDependencies": render_job_id,
        "ResumeOnCompleteDependencies": "true",
        "ResumeOnDeletedDependencies": "false",
        "ResumeOnFailedDependencies": "false",
        # For `deadline_event.py`: when this job is deleted, its publish is cancelled.
        "ExtraInfoKeyValue0": f"trackteroid_commit={commit_id}",
    }
    known = [f"{name}={os.environ[name]}" for name in ENVIRONMENT if os.environ.get(name)]
    job.update({f"EnvironmentKeyValue{index}": pair for index, pair in enumerate(known)})
    plugin = {"Executable": "trackteroid", "Arguments": f"release {commit_id}"}
    files = []
    for name, facts in (("publish_job.job", job), ("publish_plugin.job", plugin)):
        path = folder / name
        path.write_text("".join(f"{key}={value}\n" for key, value in facts.items()), encoding="utf-8")
        files.append(str(path))
    told = subprocess.run(["deadlinecommand", *files], check=True, capture_output=True, text=True).stdout
    return next(line.removeprefix("JobID=").strip() for line in told.splitlines() if line.startswith("JobID="))
