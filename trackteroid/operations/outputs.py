"""Files that a recording names as its outputs: what must exist before it may be published. Pure.

An output is a single file, or a sequence: a pattern whose file name holds one frame token (`%04d`, `%d`, `####`), and frames.
Rules: design 5.1.
"""

from __future__ import annotations

import ntpath
import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from trackteroid.errors import BadInputError, RecordingFormatError
from trackteroid.operations.frames import parse_frames
from trackteroid.operations.operation import JSON
from trackteroid.path_roots import is_windows_path

__all__ = ["FilePattern", "Output", "parse_pattern"]

# Two digits: the padding of a name that a file can have.
_TOKEN = re.compile(r"%(?:0(\d{1,2}))?d|#+", re.ASCII)


@dataclass(frozen=True, kw_only=True, slots=True)
class FilePattern:
    """A file, or the files of a sequence, in one folder.

    Attributes:
        folder: Absolute, as written.
        head: What the file name begins with; the whole name of a single file.
        tail: What it ends with.
        padding: Digits that a frame has at least, 0 for as many as it needs; None for a single file.
    """

    folder: str
    head: str
    tail: str = ""
    padding: int | None = None

    def names(self, frames: tuple[int, ...]) -> Iterator[tuple[int | None, str]]:
        """Yield each frame (None for a single file) with its file's name, without the folder."""
        if self.padding is None:
            yield None, self.head
            return
        import clique

        # The client's own way of writing a frame, so that what is looked for is what it registers.
        collection = clique.Collection(self.head, self.tail, self.padding, set(frames))
        yield from zip(collection.indexes, collection, strict=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class Output:
    """One thing that the render makes.

    Attributes:
        pattern: Absolute path, with a frame token for a sequence, as the recording machine writes it.
        frames: The frames of a sequence as text; None for a single file.
        component: Textual key of the component that gets the sizes and frames; None: the files must merely exist.
        name: What people call it.
    """

    pattern: str
    frames: str | None = None
    component: str | None = None
    name: str = ""

    def to_json(self) -> dict[str, JSON]:
        """Return the plain values that the manifest keeps."""
        return {"component": self.component, "name": self.name, "pattern": self.pattern, "frames": self.frames}

    @classmethod
    def from_json(cls, data: Mapping[str, JSON]) -> Output:
        """Return the output that a manifest names.

        Raises:
            RecordingFormatError: It is none.
        """
        pattern, frames, component = data.get("pattern"), data.get("frames"), data.get("component")
        if not isinstance(pattern, str) or not all(
            item is None or isinstance(item, str) for item in (frames, component)
        ):
            raise RecordingFormatError(f"The manifest names an output that cannot be read: {dict(data)!r}.")
        output = cls(pattern=pattern, frames=frames, component=component, name=str(data.get("name") or ""))
        try:
            output.check()
        except BadInputError as error:
            raise RecordingFormatError(f"The manifest names an output that cannot be used: {error}") from error
        return output

    def check(self) -> None:
        """Refuse what nobody could look for.

        Raises:
            BadInputError: The pattern or the frames cannot be understood, or do not fit each other.
        """
        pattern = parse_pattern(self.pattern)
        if pattern.padding is not None and self.frames is None:
            raise BadInputError(f"{self.pattern} is a sequence: say which frames, for example frames='1001-1100'.")
        if self.frames is not None:
            if pattern.padding is None:
                raise BadInputError(
                    f"{self.pattern} is a single file, it has no frames: write the frame as %04d or #### in the file's name."
                )
            parse_frames(self.frames)


def parse_pattern(text: str) -> FilePattern:
    """Return the folder and the file name in an absolute pattern, of whatever platform.

    Raises:
        BadInputError: It is no path or not absolute, names no file, or has more than one frame token.
    """
    if "\0" in text:
        raise BadInputError(f"{text!r} is no path: it holds a null character.")
    rules = ntpath if is_windows_path(text) else posixpath
    folder, name = rules.split(text)
    if not (is_windows_path(text) or text.startswith("/")):
        raise BadInputError(f"{text!r} is no absolute path of a file.")
    if not name:
        raise BadInputError(f"{text!r} is a folder: name a file, or a sequence such as beauty.%04d.exr.")
    tokens = list(_TOKEN.finditer(name))
    if not tokens:
        return FilePattern(folder=folder, head=name)
    if len(tokens) > 1:
        raise BadInputError(f"{text!r} has {len(tokens)} frame tokens, only one can be the frame.")
    token = tokens[0]
    if token[0].startswith("#"):
        padding = 0 if len(token[0]) == 1 else len(token[0])
    else:
        padding = int(token[1] or 0)
    return FilePattern(folder=folder, head=name[: token.start()], tail=name[token.end() :], padding=padding)
