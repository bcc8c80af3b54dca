"""`python -m trackteroid.sandbox`, for those who have no console script."""

from __future__ import annotations

import sys

from trackteroid.sandbox.command import run

sys.exit(run(sys.argv[1:]))
