"""`make bench`: the performance table, measured as ratios in one run."""

from __future__ import annotations
