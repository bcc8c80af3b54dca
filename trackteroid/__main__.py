"""`python -m trackteroid` is the command line."""

from __future__ import annotations

import sys

from trackteroid.cli.main import main

sys.exit(main())
