"""The Celery application of the service: `celery -A workers worker`, `celery -A workers beat`, from a checkout or the image.

Settings come from the environment (see the README's table); `FTRACK_SERVER` says for which ftrack server this worker works.
"""

from __future__ import annotations

from typing import Any

__all__ = ["celery"]


def __getattr__(name: str) -> Any:
    # Under this name celery looks for the application. Made when asked for, because making it needs the environment
    # and importing a module of this package does not.
    if name == "celery":
        from workers.app import app

        return app
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
