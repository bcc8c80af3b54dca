"""Tractor: a task whose command releases the publish once all its subtasks, the frames, are done.

The text is spooled with `tractor-spool FILE`. `-retryrc` has Tractor try again where it helps: frames that are not there
yet (74), or Redis away while only the id is known (69).
"""

from __future__ import annotations

import os
from collections.abc import Iterable

__all__ = ["job_script"]

#: What the blade needs to know. No API key: releasing asks nothing of ftrack.
ENVIRONMENT = ("FTRACK_SERVER", "TRACKTEROID_REDIS_URL", "TRACKTEROID_SPOOL", "TRACKTEROID_PATH_ROOTS")


def job_script(commit_id: str, frames: Iterable[int], render: str, *, service: str = "PixarRender") -> str:
    """Return the job.

    Args:
        commit_id: Of the held publish.
        frames: One task each.
        render: The command that renders `%d`.
        service: What the blades must offer.
    """
    tasks = "\n".join(
        f"        Task {{frame {frame}}} -cmds {{ RemoteCmd {{{render % frame}}} -service {{{service}}} }}"
        for frame in frames
    )
    known = " ".join(f"{{{name}={os.environ[name]}}}" for name in ENVIRONMENT if os.environ.get(name))
    return (
        f"Job -title {{Render and publish {commit_id}}} -subtasks {{\n"
        f"    Task {{publish}} -subtasks {{\n{tasks}\n"
        f"    }} -cmds {{\n"
        f"        RemoteCmd {{/usr/bin/env {known} trackteroid release {commit_id}}} -service {{{service}}} -retryrc {{69 74}}\n"
        f"    }}\n"
        f"}}\n"
    )
