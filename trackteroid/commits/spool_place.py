"""Does what waits in a spool outlive its machine? Pure, given what the machine says of itself."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath

__all__ = ["file_system_of", "why_ephemeral"]

#: In memory, or gone with its container.
_EPHEMERAL = {
    "tmpfs": "in memory (tmpfs)",
    "ramfs": "in memory (ramfs)",
    "overlay": "on a container's own layer (overlay)",
}
#: Elsewhere: a machine that goes away does not take it along.
_SHARED = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "lustre", "beegfs", "ceph", "gpfs", "fuse.sshfs", "fuse.glusterfs"}
)
_MARKS = {
    "KUBERNETES_SERVICE_HOST": "this is a Kubernetes pod",
    "AWS_EXECUTION_ENV": "this is an AWS task",
    "ECS_CONTAINER_METADATA_URI_V4": "this is an ECS task",
}
_FILES = {"/.dockerenv": "this is a Docker container", "/run/.containerenv": "this is a Podman container"}


def file_system_of(folder: str, mounts: str) -> str | None:
    """Return the type of the file system that a folder is on, None if that is not known.

    Args:
        folder: Absolute.
        mounts: The text of `/proc/mounts`.
    """
    best: tuple[int, str] | None = None
    for line in mounts.splitlines():
        parts = line.split()
        if len(parts) < 3:
            continue
        # Spaces are written in octal there.
        point = PurePosixPath(parts[1].replace("\\040", " "))
        if PurePosixPath(folder).is_relative_to(point) and (best is None or len(point.parts) >= best[0]):
            best = (len(point.parts), parts[2])
    return None if best is None else best[1]


def why_ephemeral(
    folder: Path,
    *,
    mounts: str | None = None,
    environ: Mapping[str, str] | None = None,
    exists: Callable[[str], bool] = os.path.exists,
) -> str:
    """Return why what waits in a spool may be lost with this machine; empty if nothing speaks for that.

    Args:
        folder: The spool's.
        mounts: The text of `/proc/mounts`; default: this machine's, where there is one.
        environ: Default: the process's environment.
        exists: Whether there is such a file.
    """
    if mounts is None:
        try:
            mounts = Path("/proc/mounts").read_text(encoding="utf-8", errors="replace")
        except OSError:
            mounts = ""
    kind = file_system_of(os.path.realpath(folder), mounts)
    if kind in _SHARED:
        return ""
    if kind in _EPHEMERAL:
        return f"it is {_EPHEMERAL[kind]}"
    known = os.environ if environ is None else environ
    marks = [text for name, text in _MARKS.items() if known.get(name)]
    marks += [text for name, text in _FILES.items() if exists(name)]
    return marks[0] if marks else ""
