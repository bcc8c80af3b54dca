"""Does what waits in a spool outlive its machine?"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from trackteroid.commits.spool_place import file_system_of, why_ephemeral

MOUNTS = """\
/dev/sda1 / ext4 rw 0 0
tmpfs /run tmpfs rw 0 0
filer:/shows /mnt/shows nfs4 rw 0 0
filer:/my\\040shows /mnt/my\\040shows cifs rw 0 0
broken line
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [("/home/a/spool", "ext4"), ("/run/user/1/spool", "tmpfs"), ("/running", "ext4"), ("/mnt/my shows/x", "cifs")],
)
def test_the_nearest_mount_point_counts(folder: str, kind: str) -> None:
    assert file_system_of(folder, MOUNTS) == kind


def test_where_nothing_is_known_nothing_is_said() -> None:
    assert file_system_of("/home", "") is None


@pytest.mark.parametrize(
    ("folder", "environ", "files", "text"),
    [
        ("/home/a/spool", {}, (), ""),
        ("/run/spool", {}, (), "it is in memory (tmpfs)"),
        ("/home/a/spool", {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, (), "this is a Kubernetes pod"),
        ("/home/a/spool", {}, ("/.dockerenv",), "this is a Docker container"),
        ("/mnt/shows/spool", {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, ("/.dockerenv",), ""),
    ],
)
def test_what_is_lost_with_its_machine_is_told_from_what_is_not(
    folder: str, environ: Mapping[str, str], files: tuple[str, ...], text: str
) -> None:
    assert why_ephemeral(Path(folder), mounts=MOUNTS, environ=environ, exists=lambda name: name in files) == text


def test_this_machine_can_be_asked(tmp_path: Path) -> None:
    assert isinstance(why_ephemeral(tmp_path), str)
