"""The application object. Importing it reads the environment, as every Celery application does, and connects to nothing."""

from __future__ import annotations

import os

from celery import Celery

from trackteroid.commits.servers import normalise_server_url
from trackteroid.errors import TrackteroidError
from trackteroid.settings import Settings
from workers.config import configuration
from workers.logs import quieten
from workers.signals import connect_signals

__all__ = ["app"]

try:
    _settings = Settings.from_environment()
    _server_url = normalise_server_url(os.environ.get("FTRACK_SERVER", ""), _settings.server_aliases)
except TrackteroidError as error:
    # One line instead of a traceback: this is what somebody sees who starts it without its settings.
    raise SystemExit(f"celery -A workers cannot start: {error}") from None

app = Celery("trackteroid", set_as_current=True)
app.conf.update(configuration(_settings, _server_url))
connect_signals(_settings, _server_url)
quieten()
