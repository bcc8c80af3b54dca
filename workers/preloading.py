"""Loading everything a worker runs before it forks.

A release that is installed under running workers (on a share that all machines use) then changes nothing for them until they are
restarted. Without this a worker would load the rest of itself, scripts for Redis among it, from the new release when it first
needs it. Besides, the processes of a worker share what was loaded before the fork, and each is ready at once.
"""

from __future__ import annotations

import importlib
import pkgutil

from trackteroid.cache.redis_backend import connect
from trackteroid.cache.storage import storage
from trackteroid.commits.scripts import read_all
from trackteroid.settings import Settings

__all__ = ["PACKAGES", "preload"]

#: Whatever a commit may need.
PACKAGES = ("trackteroid.operations", "trackteroid.connection", "trackteroid.cache", "trackteroid.commits")


def preload() -> None:
    """Import the modules and read the scripts. Connects to nothing."""
    importlib.import_module("trackteroid.session")
    for package in PACKAGES:
        folder = importlib.import_module(package).__path__
        for module in pkgutil.walk_packages(folder, f"{package}."):
            importlib.import_module(module.name)
    read_all()
    storage()
    # Made to have its scripts read; it connects when it is first asked something.
    connect(Settings().redis_url, 1.0)
