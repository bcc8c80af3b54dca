"""Finding the examples in a Markdown file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```\n", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Example:
    """A Python block, and the output that the `text` block right after it promises (None: no promise)."""

    line: int
    source: str
    output: str | None


def python_examples(path: Path) -> list[Example]:
    """Return the Python blocks of a Markdown file, in order."""
    text = path.read_text(encoding="utf-8")
    blocks = list(_FENCE.finditer(text))
    examples = []
    for position, block in enumerate(blocks):
        if block[1] != "python":
            continue
        following = blocks[position + 1] if position + 1 < len(blocks) else None
        promised = (
            following[2]
            if following and following[1] == "text" and not text[block.end() : following.start()].strip()
            else None
        )
        examples.append(Example(text.count("\n", 0, block.start()) + 1, block[2], promised))
    return examples
