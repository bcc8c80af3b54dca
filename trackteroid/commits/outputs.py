"""Is everything there that a recording names as its outputs? Rules: design 5.1.

Looks through a small interface, so that what is decided needs no disk; `LocalFiles` is the disk. A folder is listed once, however
many frames and outputs are in it: five hundred single questions to a loaded file server take minutes.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from typing import Any, Protocol

from trackteroid.errors import OutputsError
from trackteroid.operations.frames import format_frames, parse_frames
from trackteroid.operations.operation import JSON, parse_key_text
from trackteroid.operations.outputs import Output, parse_pattern
from trackteroid.operations.recording import Recording
from trackteroid.path_roots import PathRoots, platform_name

__all__ = ["Files", "LocalFiles", "OutputReport", "OutputsReport", "check_outputs", "expected_outputs"]

#: So few files are asked for one by one: their folder may hold a whole show.
_FEW = 4


class Files(Protocol):
    """The files of this machine."""

    def sizes(self, folder: str, names: Set[str]) -> Mapping[str, int]:
        """Return the bytes of those of `names` that are files in `folder`; of none if there is no such folder.

        Raises:
            OutputsError: The folder is there and cannot be read.
        """


class LocalFiles:
    """The disk. Links count as what they lead to."""

    def sizes(self, folder: str, names: Set[str]) -> Mapping[str, int]:
        try:
            return self._some(folder, names) if len(names) <= _FEW else self._listed(folder, names)
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except OSError as error:
            raise OutputsError(f"{folder} cannot be read: {error.strerror or error}.") from error

    def _some(self, folder: str, names: Set[str]) -> dict[str, int]:
        found = {}
        for name in names:
            try:
                # Not `os.path.isfile`: to that a file that may not be looked at is none.
                facts = os.stat(os.path.join(folder, name))
            except (FileNotFoundError, NotADirectoryError):
                continue
            if stat.S_ISREG(facts.st_mode):
                found[name] = facts.st_size
        return found

    def _listed(self, folder: str, names: Set[str]) -> dict[str, int]:
        found = {}
        # Windows tells no capitals from small letters.
        wanted = {os.path.normcase(name): name for name in names}
        with os.scandir(folder) as entries:
            for entry in entries:
                name = wanted.get(os.path.normcase(entry.name))
                if name is None:
                    continue
                try:
                    if entry.is_file():
                        # Not `entry.stat()`: on Windows that is what the folder remembers of the file, which may be old.
                        found[name] = os.stat(entry.path).st_size
                except FileNotFoundError:
                    continue
        return found


@dataclass(frozen=True, kw_only=True, slots=True)
class OutputReport:
    """What was found of one output.

    Attributes:
        output: What was expected.
        path: Its pattern on this machine.
        sizes: Frame (None for a single file) to bytes, of those that exist and hold something.
        missing: Frames whose file does not exist; `(None,)` for a single file that does not.
        empty: Frames whose file holds nothing.
        padding: Digits of a frame; None for a single file.
    """

    output: Output
    path: str
    sizes: Mapping[int | None, int]
    missing: tuple[int | None, ...] = ()
    empty: tuple[int | None, ...] = ()
    padding: int | None = None

    @property
    def complete(self) -> bool:
        """Whether all of it is there."""
        return not self.missing and not self.empty

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(self.sizes.values())

    @property
    def frames(self) -> str:
        """The frames that are there, as text; empty for a single file."""
        return format_frames(frame for frame in self.sizes if frame is not None)

    @property
    def gaps(self) -> str:
        """The frames that are missing or empty, as text; empty for none, and for a single file."""
        return format_frames(frame for frame in (*self.missing, *self.empty) if frame is not None)

    @property
    def complaint(self) -> str:
        """One sentence about what is wrong; empty if nothing is."""
        told = [text for text in (_named(self.missing, "missing"), _named(self.empty, "empty")) if text]
        if not told:
            return ""
        called = f"{self.output.name}: " if self.output.name else ""
        return f"{called}{self.path}: {'; '.join(told)}."

    def as_dict(self) -> dict[str, Any]:
        """Return the facts as plain JSON values."""
        return {
            "name": self.output.name,
            "path": self.path,
            "complete": self.complete,
            "files": len(self.sizes),
            "size": self.size,
            "frames": self.frames,
            "missing": format_frames(frame for frame in self.missing if frame is not None),
            "empty": format_frames(frame for frame in self.empty if frame is not None),
        }

    def facts(self) -> dict[str, JSON]:
        """Return what the ledger keeps of it (`ReleaseFacts.outputs`)."""
        facts: dict[str, JSON] = {"path": self.path, "size": self.size}
        if self.padding is not None:
            facts["frames"] = self.frames
            facts["missing"] = self.gaps
            frames = sorted(frame for frame in self.sizes if frame is not None)
            facts["members"] = {
                "padding": self.padding,
                # In the order of the frames.
                "sizes": [self.sizes[frame] for frame in frames],
            }
        return facts


@dataclass(frozen=True, kw_only=True, slots=True)
class OutputsReport:
    """What was found of all outputs of a recording."""

    outputs: tuple[OutputReport, ...] = field(default=())

    @property
    def complete(self) -> bool:
        """Whether everything is there."""
        return all(report.complete for report in self.outputs)

    @property
    def found(self) -> int:
        """How many files are there."""
        return sum(len(report.sizes) for report in self.outputs)

    @property
    def complaints(self) -> tuple[str, ...]:
        """One sentence for each output that is not complete."""
        return tuple(report.complaint for report in self.outputs if not report.complete)

    def facts(self) -> dict[str, dict[str, JSON]]:
        """Return component id to what the ledger keeps of its files."""
        found = {}
        for report in self.outputs:
            key = None if report.output.component is None else parse_key_text(report.output.component)
            if key is not None:
                found[key[1][0]] = report.facts()
        return found

    def as_dict(self) -> dict[str, Any]:
        """Return the facts as plain JSON values."""
        return {"complete": self.complete, "outputs": [report.as_dict() for report in self.outputs]}


def expected_outputs(recording: Recording) -> tuple[Output, ...]:
    """Return the outputs that a recording names.

    Raises:
        RecordingFormatError: Its manifest is damaged.
    """
    manifest = recording.manifest
    return () if manifest is None else tuple(Output.from_json(item) for item in manifest.outputs)


def check_outputs(
    outputs: Iterable[Output], *, roots: PathRoots, files: Files | None = None, platform: str | None = None
) -> OutputsReport:
    """Look for outputs. Linear in the frames; one look at each folder.

    Args:
        outputs: Which.
        roots: What folders are called on each platform.
        files: Where to look; default: the disk.
        platform: `linux`, `windows` or `darwin`; default: this machine's.

    Raises:
        BadInputError: A path belongs to another platform and no root says where it is here.
        OutputsError: A folder cannot be read.
    """
    files = files or LocalFiles()
    platform = platform or platform_name()
    looked_for = [_LookedFor.of(output, roots, platform) for output in outputs]
    wanted: dict[str, set[str]] = {}
    for each in looked_for:
        wanted.setdefault(each.folder, set()).update(each.names.values())
    found = {folder: files.sizes(folder, names) for folder, names in wanted.items()}
    return OutputsReport(outputs=tuple(each.report(found[each.folder]) for each in looked_for))


@dataclass(frozen=True, slots=True)
class _LookedFor:
    output: Output
    path: str
    folder: str
    padding: int | None
    names: Mapping[int | None, str]

    @classmethod
    def of(cls, output: Output, roots: PathRoots, platform: str) -> _LookedFor:
        path = roots.translate(output.pattern, platform)
        pattern = parse_pattern(path)
        frames = parse_frames(output.frames) if output.frames is not None else ()
        return cls(output, path, pattern.folder, pattern.padding, dict(pattern.names(frames)))

    def report(self, sizes: Mapping[str, int]) -> OutputReport:
        there = {frame: sizes[name] for frame, name in self.names.items() if name in sizes}
        return OutputReport(
            output=self.output,
            path=self.path,
            sizes={frame: size for frame, size in there.items() if size},
            missing=tuple(frame for frame in self.names if frame not in there),
            empty=tuple(frame for frame, size in there.items() if not size),
            padding=self.padding,
        )


def _named(frames: tuple[int | None, ...], what: str) -> str:
    if not frames:
        return ""
    if frames == (None,):
        return f"the file is {what}"
    one = "frame" if len(frames) == 1 else f"{len(frames)} frames"
    return f"{one} {what}: {format_frames(frame for frame in frames if frame is not None)}"
