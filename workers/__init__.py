"""The Celery application of the service: `celery -A workers worker`, `celery -A workers beat`, from a checkout or the image.

Settings come from the environment (see the README's table); `FTRACK_SERVER` says for which ftrack server this worker works.
"""

from __future__ import annotations

# Under this name celery looks for it; `app` would hide the module of that name.
from workers.app import app as celery

__all__ = ["celery"]
