"""Celery tasks: thin shells around the library. Clients send them by name and never import this package."""

from __future__ import annotations
