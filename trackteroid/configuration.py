"""The studio's configuration file: a Python file named by `TRACKTEROID_CONFIGURATION`.

It is executed once, on the first use of an entry and never at import. Upper-case names in it replace the entries below;
other names are ignored. Read an entry as an attribute of this module: `configuration.RELATIONSHIPS_RESOLVER`.

| entry | use |
|---|---|
| `RELATIONSHIPS_RESOLVER(api_version=...)` | extra relations between entity types |
| `ALLOWED_FOR_DELETION_RESOLVER(session=..., type_name=...)` | may entities of this type be deleted? |
| `ALLOWED_FOR_COMMIT_RESOLVER(recording, operation)` | may this operation be committed by a worker? |
| `ON_COMMIT_STATE(commit)` | tell somebody: dead and overdue commits, breaker (`trackteroid.commits.telling.Message`) |
| `LOGGING_NAMESPACE` | first part of all logger names |
| `WARN_ON_INJECT` | log a warning for every injected query fragment |
"""

from __future__ import annotations

import logging
import os
import threading
import traceback
from pathlib import Path
from typing import Any

from trackteroid.errors import ConfigurationError, ConfigurationFileError, ConfigurationPathError

__all__ = ["DEFAULTS", "VARIABLE", "entries", "forget"]

VARIABLE = "TRACKTEROID_CONFIGURATION"

DEFAULTS: dict[str, Any] = {
    "RELATIONSHIPS_RESOLVER": lambda api_version: {},
    "ALLOWED_FOR_DELETION_RESOLVER": lambda session, type_name: True,
    "ALLOWED_FOR_COMMIT_RESOLVER": lambda recording, operation: True,
    "ON_COMMIT_STATE": None,
    "LOGGING_NAMESPACE": "trackteroid",
    "WARN_ON_INJECT": False,
}

# Re-entrant, so that a file that reads entries is told so, rather than left to wait for itself.
_lock = threading.RLock()
_entries: dict[str, Any] | None = None
_loading = False


def entries() -> dict[str, Any]:
    """Return all entries, executing the user's file on the first call.

    Raises:
        ConfigurationError: The file is missing (then an OSError too), is no `.py` file (an AssertionError too), raises,
            or uses what needs an entry while it is executed; the text says which and where.
    """
    global _entries, _loading
    if _entries is None:
        with _lock:
            if _loading:
                raise ConfigurationError(
                    f"{VARIABLE}={os.environ.get(VARIABLE)!r} uses something that needs the configuration while that is "
                    f"being read: queries, schemas and the like belong into its functions."
                )
            if _entries is None:
                _loading = True
                try:
                    _entries = {**DEFAULTS, **_load(os.environ.get(VARIABLE))}
                finally:
                    _loading = False
    return _entries


def forget() -> None:
    """Forget what was loaded: the next use of an entry executes the file again."""
    global _entries
    with _lock:
        _entries = None


def __getattr__(name: str) -> Any:
    if name in DEFAULTS:
        return entries()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}; entries are {', '.join(DEFAULTS)}.")


def _load(location: str | None) -> dict[str, Any]:
    if not location:
        return {}
    path = Path(location)
    if path.suffix != ".py":
        raise ConfigurationPathError(f"{VARIABLE}={location!r} must name a Python file that ends in '.py'.")
    try:
        source = path.read_bytes()
    except OSError as error:
        raise ConfigurationFileError(f"{VARIABLE}={location!r} cannot be read: {error.strerror}.") from error
    found: dict[str, Any] = {"__file__": str(path), "__name__": "trackteroid_configuration"}
    try:
        exec(compile(source, str(path), "exec"), found)
    except (Exception, SystemExit) as error:
        # A file that calls exit() must not end the process that reads an entry.
        raise ConfigurationError(f"{VARIABLE}={location!r} failed:\n{traceback.format_exc()}") from error
    known = {name: value for name, value in found.items() if name in DEFAULTS}
    for name, value in known.items():
        complaint = _complaint(DEFAULTS[name], value)
        if complaint:
            raise ConfigurationError(f"{VARIABLE}={location!r}: {name} must be {complaint}, not {value!r}.")
    namespace = known.get("LOGGING_NAMESPACE", DEFAULTS["LOGGING_NAMESPACE"])
    logging.getLogger(f"{namespace}.configuration").info("Configuration loaded from %s", path)
    return known


def _complaint(default: Any, value: Any) -> str | None:
    """Return what an entry has to be, None if it is that."""
    if default is None:
        return None if value is None or callable(value) else "a function, or None"
    if callable(default):
        return None if callable(value) else "a function"
    if isinstance(default, str):
        return None if isinstance(value, str) and value.strip(".") else "a text"
    return None
