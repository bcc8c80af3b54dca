"""Answering repeated queries: from this process, then from Redis, then from ftrack."""

from __future__ import annotations
