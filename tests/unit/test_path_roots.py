"""One folder, another path on each platform."""

from __future__ import annotations

import pytest

from trackteroid.errors import BadInputError, SettingsError
from trackteroid.path_roots import PathRoots
from trackteroid.settings import Settings

ROOTS = PathRoots.parse(
    "linux=/mnt/shows, windows=P:\\shows\\, darwin=/Volumes/shows; linux=/mnt/shows/lib, windows=\\\\nas\\lib;"
)


@pytest.mark.parametrize(
    ("path", "platform", "expected"),
    [
        ("P:\\shows\\a\\b.exr", "linux", "/mnt/shows/a/b.exr"),
        ("p:/Shows/a/b.exr", "linux", "/mnt/shows/a/b.exr"),
        ("/Volumes/shows/a/b.exr", "linux", "/mnt/shows/a/b.exr"),
        ("/mnt/shows/a/b.exr", "linux", "/mnt/shows/a/b.exr"),
        ("/mnt/shows/a/b.exr", "windows", "P:\\shows\\a\\b.exr"),
        ("/mnt/shows/a/b.exr", "darwin", "/Volumes/shows/a/b.exr"),
        # The longest root counts, among those that the platform has.
        ("/mnt/shows/lib/b.exr", "windows", "\\\\nas\\lib\\b.exr"),
        ("/mnt/shows/lib/b.exr", "darwin", "/Volumes/shows/lib/b.exr"),
        ("\\\\NAS\\lib\\b.exr", "linux", "/mnt/shows/lib/b.exr"),
        # A root ends where a name ends, and Linux tells capitals from small letters.
        ("/mnt/shows2/b.exr", "linux", "/mnt/shows2/b.exr"),
        ("/MNT/shows/b.exr", "darwin", "/MNT/shows/b.exr"),
        ("/mnt/shows", "windows", "P:\\shows"),
        ("/var/tmp/b.exr", "linux", "/var/tmp/b.exr"),
        # Programs on Windows write shares with slashes too.
        ("//nas/lib/b.exr", "linux", "/mnt/shows/lib/b.exr"),
        ("//nas/other/b.exr", "windows", "//nas/other/b.exr"),
        ("//tmp/b.exr", "linux", "//tmp/b.exr"),
    ],
)
def test_a_path_is_written_as_the_platform_writes_it(path: str, platform: str, expected: str) -> None:
    assert ROOTS.translate(path, platform) == expected


@pytest.mark.parametrize(
    ("path", "platform"), [("Q:\\b.exr", "linux"), ("\\\\nas\\lib\\b.exr", "darwin"), ("/var/b.exr", "windows")]
)
def test_a_path_that_is_nowhere_on_this_platform_says_which_setting_is_missing(path: str, platform: str) -> None:
    with pytest.raises(BadInputError, match="TRACKTEROID_PATH_ROOTS does not say where it is"):
        ROOTS.translate(path, platform)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("/mnt/shows", "must read platform=root"),
        ("linux=/mnt/shows", "two platforms or more"),
        ("linux=/a,linux=/b", "names linux twice"),
        ("linux=/a,windows=/b", "no absolute folder on windows"),
        ("linux=a,windows=P:\\b", "no absolute folder on linux"),
        ("linux=P:\\a,windows=P:\\b", "no absolute folder on linux"),
        ("solaris=/a,windows=P:\\b", "must read platform=root"),
    ],
)
def test_a_setting_that_cannot_be_understood_says_where(text: str, reason: str) -> None:
    with pytest.raises(SettingsError, match=reason):
        Settings.from_environment({"TRACKTEROID_PATH_ROOTS": text})


def test_a_drive_alone_is_a_root() -> None:
    roots = PathRoots.parse("linux=/mnt/p,windows=P:\\")
    assert roots.translate("P:\\a.exr", "linux") == "/mnt/p/a.exr"
    assert roots.translate("/mnt/p/a.exr", "windows") == "P:\\a.exr"
