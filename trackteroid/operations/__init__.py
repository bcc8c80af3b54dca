"""Recordings: operations that were recorded instead of sent, and the files they live in."""

from __future__ import annotations
