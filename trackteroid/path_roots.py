"""One folder has another path on each platform: translating a path that one machine wrote for another. Pure.

`TRACKTEROID_PATH_ROOTS="linux=/mnt/shows,windows=P:\\shows,darwin=/Volumes/shows; linux=/mnt/lib,windows=\\\\nas\\lib"`: sets of
roots that are the same folder, separated by semicolons.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from trackteroid.errors import BadInputError

__all__ = ["PathRoots", "is_windows_path", "platform_name"]

_PLATFORMS = ("linux", "windows", "darwin")


def platform_name() -> str:
    """Return what this platform is called in the setting: `linux`, `windows` or `darwin`; other Unixes count as Linux."""
    return {"win32": "windows", "darwin": "darwin"}.get(sys.platform, "linux")


@dataclass(frozen=True, slots=True)
class PathRoots:
    """Sets of equal roots.

    Attributes:
        sets: Each: pairs of platform and root.
    """

    sets: tuple[tuple[tuple[str, str], ...], ...] = ()

    @classmethod
    def parse(cls, text: str) -> PathRoots:
        """Return the sets that the setting describes.

        Args:
            text: Sets separated by semicolons; each: `platform=root`, separated by commas.

        Raises:
            ValueError: A part cannot be understood; says which and how it is written.
        """
        return cls(tuple(tuple(_roots(part)) for part in text.split(";") if part.strip()))

    def translate(self, path: str, platform: str) -> str:
        """Return `path` as `platform` writes it; one that is under no root and fits the platform stays as it is.

        The longest root counts. Roots of Windows and macOS ignore case, and Windows takes either slash.

        Args:
            path: Absolute, of any platform.
            platform: `linux`, `windows` or `darwin`.

        Raises:
            BadInputError: It belongs to another platform, and no root says what it is here.
        """
        best: tuple[int, str, str] | None = None
        for roots in self.sets:
            here = dict(roots).get(platform)
            for owner, root in roots if here is not None else ():
                rest = _below(path, root, owner)
                if here is not None and rest is not None and (best is None or len(root) > best[0]):
                    best = (len(root), rest, here)
        if best is not None:
            return _joined(best[2], best[1], platform)
        if platform == "windows" and path.startswith("//"):
            # A network share as many programs write it; elsewhere an ordinary path may begin so.
            return path
        if is_windows_path(path) != (platform == "windows"):
            written = "a path of Windows" if is_windows_path(path) else "no path of Windows"
            raise BadInputError(
                f"{path} is {written}, and TRACKTEROID_PATH_ROOTS does not say where it is on {platform}. For example: "
                "TRACKTEROID_PATH_ROOTS='linux=/mnt/shows,windows=P:\\shows,darwin=/Volumes/shows'."
            )
        return path


def is_windows_path(path: str) -> bool:
    """Whether a path is absolute in the way of Windows: a drive letter, or a network share."""
    return bool(re.match(r"[A-Za-z]:[\\/]|\\\\[^\\]", path))


def _roots(text: str) -> Iterator[tuple[str, str]]:
    seen = set()
    for part in text.split(","):
        platform, separator, root = (word.strip() for word in part.partition("="))
        platform = platform.lower()
        if not separator or platform not in _PLATFORMS:
            raise ValueError(f"{part.strip()!r} must read platform=root, with a platform of {', '.join(_PLATFORMS)}")
        if platform in seen:
            raise ValueError(f"{text.strip()!r} names {platform} twice; separate sets of roots by semicolons")
        if is_windows_path(root + "\\") != (platform == "windows") or (
            platform != "windows" and not root.startswith("/")
        ):
            raise ValueError(f"{root!r} is no absolute folder on {platform}")
        seen.add(platform)
        yield platform, root.rstrip("/\\") or root
    if len(seen) < 2:
        raise ValueError(f"{text.strip()!r} must name a root for two platforms or more")


def _below(path: str, root: str, platform: str) -> str | None:
    """Return what follows `root` in `path`, with slashes; None if it is not below it."""
    if platform == "windows":
        path, root = path.replace("\\", "/"), root.replace("\\", "/")
    one, other = (path, root) if platform == "linux" else (path.casefold(), root.casefold())
    if other == "/":
        return path[1:] if one.startswith("/") else None
    if one == other:
        return ""
    # Folding case may change lengths (ß): then what follows cannot be cut out by the root's.
    if not one.startswith(f"{other}/") or len(one) != len(path) or len(other) != len(root):
        return None
    return path[len(root) + 1 :]


def _joined(root: str, rest: str, platform: str) -> str:
    separator = "\\" if platform == "windows" else "/"
    return f"{root.rstrip(separator)}{separator}{rest.replace('/', separator)}" if rest else root
