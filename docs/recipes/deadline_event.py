"""Deadline event plug-in: cancel the publish of a job that somebody deletes.

`custom/events/Trackteroid/Trackteroid.py` in the repository, beside a `Trackteroid.param` that enables it. Callbacks run inside
the Monitor or the Worker that deletes the job, so all this does is start a process. (Should it never run: the publish stays held
and is reported as overdue.)
"""

from __future__ import annotations

import os
import subprocess
from typing import Any

from Deadline.Events import DeadlineEventListener

__all__ = ["CleanupDeadlineEventListener", "GetDeadlineEventListener"]


def GetDeadlineEventListener() -> TrackteroidListener:
    return TrackteroidListener()


def CleanupDeadlineEventListener(listener: TrackteroidListener) -> None:
    listener.Cleanup()


class TrackteroidListener(DeadlineEventListener):
    def __init__(self) -> None:
        super().__init__()
        self.OnJobDeletedCallback += self.OnJobDeleted

    def Cleanup(self) -> None:
        del self.OnJobDeletedCallback

    def OnJobDeleted(self, job: Any) -> None:
        commit_id = job.GetJobExtraInfoKeyValue("trackteroid_commit")
        if commit_id:
            environment = {name: job.GetJobEnvironmentKeyValue(name) for name in job.GetJobEnvironmentKeys()}
            subprocess.Popen(["trackteroid", "commits", "cancel", commit_id], env={**os.environ, **environment})
