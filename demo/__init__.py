"""`make demo`: the whole product at work on one machine, with everything real."""

from __future__ import annotations
