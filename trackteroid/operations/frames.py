"""Frame ranges as people write them: `1001-1100`, `1-10x2`, `1,5,9`. Pure.

Written again by clique, the library that the official client takes for sequences, so that both say the same of the same frames.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from trackteroid.errors import BadInputError

__all__ = ["MOST_FRAMES", "format_frames", "parse_frames"]

#: More frames than a film has: a range beyond is a slip of the keyboard, and must not take the memory of a farm node.
MOST_FRAMES = 500_000

# Nobody counts further than nine digits, and Python refuses to read numbers of thousands.
_PART = re.compile(r"(\d{1,9})(?:\s*-\s*(\d{1,9})(?:\s*x\s*(\d{1,9}))?)?", re.ASCII)


def parse_frames(text: str) -> tuple[int, ...]:
    """Return the frames, ascending, each once.

    Args:
        text: Numbers and ranges (`first-last`, `first-lastxstep`, both ends included), separated by commas.

    Raises:
        BadInputError: It cannot be understood, or there are more than `MOST_FRAMES`; says which part and what is expected.
    """
    frames: set[int] = set()
    for part in text.split(","):
        told = _PART.fullmatch(part.strip())
        if told is None:
            raise BadInputError(
                f"The frames {text!r} cannot be understood at {part.strip()!r}: write 1001-1100, 1-10x2 or 1,5,9 "
                "(whole numbers from 0 on)."
            )
        first = int(told[1])
        last = first if told[2] is None else int(told[2])
        step = 1 if told[3] is None else int(told[3])
        if last < first or step < 1:
            raise BadInputError(f"The frames {text!r} cannot be understood at {part.strip()!r}: it holds no frame.")
        if len(frames) + (last - first) // step + 1 > MOST_FRAMES:
            raise BadInputError(f"The frames {text!r} are too many: at most {MOST_FRAMES:,} are taken.")
        frames.update(range(first, last + 1, step))
    return tuple(sorted(frames))


def format_frames(frames: Iterable[int]) -> str:
    """Return frames in as few ranges as possible, such as `1001-1004, 1007`; empty text for none."""
    # Not at import: a recording without outputs, on a farm node that starts cold, needs none of it.
    import clique

    told: str = clique.Collection("", "", 0, set(frames)).format("{ranges}")
    return told
