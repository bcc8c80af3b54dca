"""The library's loggers, below the name that the studio's configuration gives (`LOGGING_NAMESPACE`)."""

from __future__ import annotations

import logging

from trackteroid import configuration

__all__ = ["logger"]


def logger(name: str) -> logging.Logger:
    """Return the logger of one part of the library, such as `query` or `entities.Task`."""
    return logging.getLogger(f"{configuration.LOGGING_NAMESPACE}.{name}")
