"""The version, as installed."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

__all__ = ["__VERSION__"]

try:
    __VERSION__ = version("trackteroid")
except PackageNotFoundError:
    # A checkout that was never installed, on PYTHONPATH for example.
    __VERSION__ = "0+unknown"
