"""trackteroid: safe writing to and fast reading from ftrack."""

from __future__ import annotations
