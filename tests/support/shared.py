"""Where the specification and the recorded fixtures lie, if they do.

They live in a folder `shared` beside the checkout; a clone elsewhere may not have it: tests that need it then skip
and say so.
"""

from __future__ import annotations

from pathlib import Path

import pytest

_CANDIDATE = Path(__file__).resolve().parents[3] / "shared"

SHARED: Path | None = _CANDIDATE if (_CANDIDATE / "design.md").is_file() else None


def shared_file(*parts: str) -> Path:
    """Return a file below `shared`, or skip the calling test where the folder is absent."""
    if SHARED is None:
        pytest.skip("needs the folder 'shared' (specification and recorded fixtures) beside the checkout")
    return SHARED.joinpath(*parts)
